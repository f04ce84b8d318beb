import { describe, expect, it } from "vitest";
import { LINUX_TCP } from "../../../src/netstack/tcp/index.ts";
import { ms, seconds } from "../../../src/sim/index.ts";
import { accepted, answering, established, opening } from "../../support/tcp-script.ts";

const LINUX = { settings: LINUX_TCP };
const SYN_OPTIONS = { mss: 1460, sackPermitted: true, timestamps: { value: 700, echo: 0 }, windowScale: 7 };

describe("an active open", () => {
  it.each([
    [1500, 1460, 64_240],
    [1460, 1420, 65_320],
    [65_535, 65_495, 65_495],
  ])("at MTU %i announces an MSS of %i and a window of %i, whole segments as Linux counts", (mtu, mss, window) => {
    const syn = opening({ ...LINUX, mtu }).host.sends({ flags: "S", seq: 0, window });
    expect(syn.options).toMatchObject({ mss, sackPermitted: true, windowScale: 10 });
    expect(syn.options.timestamps?.echo).toBe(0);
    expect(syn.acknowledgment).toBe(0);
  });

  it("leaves out the options that are switched off", () => {
    const settings = { timestamps: false, selectiveAcks: false, windowScaling: false };
    const syn = opening({ settings }).host.sends({ flags: "S" });
    expect(syn.options).toEqual({ mss: 1460 });
  });

  it("acknowledges the SYN-ACK at once and scales its window from then on", () => {
    const { host, peer, upcalls } = opening(LINUX);
    const syn = host.sends({ flags: "S" });
    const echo = syn.options.timestamps?.value ?? 0;
    peer.sends({ flags: "S.", seq: 0, ack: 1, options: { ...SYN_OPTIONS, timestamps: { value: 700, echo } } });
    const ack = host.sends({ flags: ".", seq: 1, ack: 1, window: 63 });
    expect(ack.options).toEqual({ timestamps: { value: echo, echo: 700 } });
    expect(host.state).toBe("established");
    expect(upcalls).toEqual(["established"]);
  });

  it("uses only the options that the SYN-ACK has too", () => {
    const { host, peer } = opening(LINUX);
    host.sends({ flags: "S" });
    peer.sends({ flags: "S.", seq: 0, ack: 1, options: { mss: 1460 } });
    const ack = host.sends({ flags: ".", seq: 1, ack: 1, window: 64_240 });
    expect(ack.options).toEqual({});
  });

  it("sends what was written before the handshake, in segments of the peer's MSS", () => {
    const script = opening();
    script.host.writes(1000);
    script.host.sends({ flags: "S" });
    script.peer.sends({ flags: "S.", seq: 0, ack: 1, options: { mss: 600 } });
    script.host.sends({ flags: ".", seq: 1, ack: 1 });
    script.host.sends({ flags: ".", seq: 1, length: 600 });
    script.host.sends({ flags: "P.", seq: 601, length: 400 });
    script.host.isSilent();
  });

  it("takes 536 bytes for a peer that does not say its MSS (RFC 9293 §3.7.1)", () => {
    const script = established({}, {});
    script.host.writes(600);
    script.host.sends({ flags: ".", length: 536 });
  });

  it("is refused by RST with an ACK of the SYN", () => {
    const script = opening();
    script.host.sends({ flags: "S" });
    expect(script.peer.sends({ flags: "R.", seq: 0, ack: 1 })).toBe("tcp-reset");
    expect([script.host.state, script.closed]).toEqual(["closed", "refused"]);
    script.host.isSilent();
  });

  it("ignores a RST that acknowledges something else, or nothing", () => {
    const { host, peer } = opening();
    host.sends({ flags: "S" });
    peer.sends({ flags: "R.", seq: 0, ack: 5 });
    peer.sends({ flags: "R", seq: 0 });
    expect(host.state).toBe("syn-sent");
    host.isSilent();
  });

  it("answers an ACK of numbers it never used with RST (RFC 9293 §3.10.7.3)", () => {
    const { host, peer } = opening();
    host.sends({ flags: "S" });
    expect(peer.sends({ flags: "S.", seq: 0, ack: 500 })).toBe("tcp-bad-handshake");
    host.sends({ flags: "R", seq: 500 });
    expect(host.state).toBe("syn-sent");
  });

  it("refuses a SYN-ACK that echoes a timestamp from the future", () => {
    const { host, peer } = opening(LINUX);
    const echo = (host.sends({ flags: "S" }).options.timestamps?.value ?? 0) + 1000;
    expect(peer.sends({ flags: "S.", seq: 0, ack: 1, options: { timestamps: { value: 1, echo } } })).toBe(
      "tcp-bad-handshake",
    );
  });

  it("repeats the SYN at 1, 2, 3, 4, 5, 7, 11, 19, 35 and 67 s and gives up at 131 s", () => {
    const script = opening();
    for (const at of [0, 1, 2, 3, 4, 5, 7, 11, 19, 35, 67]) {
      if (at > 0) script.after(seconds(at - script.now / 1e9));
      script.host.sends({ flags: "S", seq: 0, at: at * 1000 });
      script.host.isSilent();
    }
    script.after(seconds(63.999));
    expect(script.closed).toBeUndefined();
    script.after(ms(1));
    script.host.isSilent();
    expect(script.closed).toBe("timed-out");
  });

  it("ends quietly when the program closes before it is complete", () => {
    const script = opening();
    script.host.sends({ flags: "S" });
    script.host.closes();
    script.host.isSilent();
    expect(script.closed).toBe("aborted");
  });
});

describe("a passive open", () => {
  it("answers with the options the SYN had, and Linux's window of 65160", () => {
    const { host } = answering(LINUX, SYN_OPTIONS);
    const answer = host.sends({ flags: "S.", seq: 0, ack: 1, window: 65_160 });
    expect(answer.options).toMatchObject({ mss: 1460, sackPermitted: true, windowScale: 10 });
    expect(answer.options.timestamps?.echo).toBe(700);
  });

  it("announces only its MSS to a peer that offers nothing", () => {
    const answer = answering(LINUX, {}).host.sends({ flags: "S.", window: 64_240 });
    expect(answer.options).toEqual({ mss: 1460 });
  });

  it("repeats the SYN-ACK after 1, 3, 7, 15 and 31 s and forgets the attempt at 63 s", () => {
    const script = answering();
    for (const at of [0, 1, 3, 7, 15, 31]) {
      script.after(seconds(at - script.now / 1e9));
      script.host.sends({ flags: "S.", at: at * 1000 });
    }
    script.after(seconds(32));
    script.host.isSilent();
    expect(script.closed).toBe("timed-out");
  });

  it("repeats the SYN-ACK when the SYN comes again, not more often than twice a second", () => {
    const { host, peer } = answering();
    host.sends({ flags: "S.", seq: 0, ack: 1 });
    expect(peer.sends({ flags: "S", seq: 0 })).toBe("tcp-repeated-syn");
    host.sends({ flags: "S.", seq: 0, ack: 1 });
    peer.sends({ flags: "S", seq: 0 });
    host.isSilent();
  });

  it("answers an ACK of the wrong number with RST and waits on", () => {
    const { host, peer } = answering();
    host.sends({ flags: "S." });
    peer.sends({ flags: ".", seq: 1, ack: 9 });
    host.sends({ flags: "R", seq: 9 });
    expect(host.state).toBe("syn-received");
  });

  it("answers a SYN-ACK of the wrong number with RST and waits on, as Linux does", () => {
    const script = answering();
    script.host.sends({ flags: "S." });
    expect(script.peer.sends({ flags: "S.", seq: 1, ack: -9 })).toBe("tcp-bad-handshake");
    script.host.sends({ flags: "R", seq: -9 });
    expect(script.host.state).toBe("syn-received");
  });

  it("is over after a second SYN in the window, which is answered with RST", () => {
    const script = answering();
    script.host.sends({ flags: "S." });
    expect(script.peer.sends({ flags: "S", seq: 1 })).toBe("tcp-unexpected-syn");
    script.host.sends({ flags: "R.", ack: 2 });
    expect(script.host.state).toBe("closed");
  });

  it("is over after a RST", () => {
    const script = answering();
    script.host.sends({ flags: "S." });
    script.peer.sends({ flags: "R", seq: 1 });
    expect([script.host.state, script.closed]).toEqual(["closed", "reset"]);
  });

  it("takes data that comes with the ACK of its SYN", () => {
    const script = answering();
    script.host.sends({ flags: "S." });
    script.peer.sends({ flags: "P.", seq: 1, ack: 1, length: 10 });
    script.host.sends({ flags: ".", seq: 1, ack: 11 });
    expect(script.upcalls).toContain("readable");
  });

  it("sends its FIN after the handshake when the program closes during it", () => {
    const script = answering();
    script.host.sends({ flags: "S." });
    script.host.closes();
    script.host.isSilent();
    script.peer.sends({ flags: ".", seq: 1, ack: 1 });
    script.host.sends({ flags: "F.", seq: 1, ack: 1 });
    expect(script.host.state).toBe("fin-wait-1");
  });

  it("starts with the round-trip time of the handshake and a timeout of that and 200 ms", () => {
    const { connection } = accepted();
    expect(connection.info.smoothedRtt).toBe(ms(10));
    expect(connection.info.retransmissionTimeout).toBe(ms(210));
  });
});

describe("a simultaneous open", () => {
  it("crosses two SYNs, two SYN-ACKs, and is established (RFC 9293 §3.5)", () => {
    const script = opening();
    script.host.sends({ flags: "S", seq: 0 });
    script.peer.sends({ flags: "S", seq: 0, options: { mss: 1460 } });
    script.host.sends({ flags: "S.", seq: 0, ack: 1 });
    expect(script.host.state).toBe("syn-received");
    script.peer.sends({ flags: "S.", seq: 0, ack: 1, options: { mss: 1460 } });
    expect(script.host.state).toBe("established");
    // As Linux does: the SYN's number has come twice.
    script.host.sends({ flags: ".", seq: 1, ack: 1 });
    script.peer.sends({ flags: "P.", seq: 1, ack: 1, length: 5 });
    script.host.sends({ flags: ".", seq: 1, ack: 6 });
  });

  it("repeats its SYN-ACK, not its SYN, after 1, 3, 7, 15, 31 and 63 s and gives up at 127 s", () => {
    const script = opening();
    script.host.sends({ flags: "S" });
    script.peer.sends({ flags: "S", seq: 0, options: { mss: 1460 } });
    script.host.sends({ flags: "S." });
    script.after(seconds(126));
    for (const at of [1, 3, 7, 15, 31, 63]) script.host.sends({ flags: "S.", seq: 0, ack: 1, at: at * 1000 });
    script.host.isSilent();
    expect(script.host.state).toBe("syn-received");
    script.after(seconds(1));
    expect(script.closed).toBe("timed-out");
  });

  it("is refused by RST", () => {
    const script = opening();
    script.host.sends({ flags: "S" });
    script.peer.sends({ flags: "S", seq: 0 });
    script.host.sends({ flags: "S." });
    script.peer.sends({ flags: "R", seq: 1 });
    expect(script.closed).toBe("refused");
  });
});
