import { describe, expect, it } from "vitest";
import { LINUX_TCP } from "../../../src/netstack/tcp/index.ts";
import { ms, seconds } from "../../../src/sim/index.ts";
import { established, opening } from "../../support/tcp-script.ts";

describe("cutting data into segments", () => {
  it("fills each to the MSS and marks the last with PSH, of those handed down together and of all", () => {
    const { host } = established();
    host.writes(3000);
    host.sends({ flags: ".", seq: 1, length: 1460 });
    host.sends({ flags: "P.", seq: 1461, length: 1460 });
    host.sends({ flags: "P.", seq: 2921, length: 80 });
    host.isSilent();
  });

  it("leaves room for timestamps", () => {
    const { host } = established({ settings: LINUX_TCP }, { mss: 1460, timestamps: { value: 1, echo: 0 } });
    host.writes(1460);
    host.sends({ flags: ".", length: 1448 });
  });

  it("leaves room for SACK blocks", () => {
    const { host, peer } = established();
    peer.sends({ flags: "P.", seq: 101, ack: 1, length: 100 });
    host.sends({ flags: ".", ack: 1 });
    host.writes(1460);
    host.sends({ flags: ".", length: 1448, options: { sack: [{ start: 101, end: 201 }] } });
  });

  it("does not exceed the path's MTU whatever MSS the peer announces", () => {
    const { host } = established({ mtu: 1460 }, { mss: 8960 });
    host.writes(2000);
    host.sends({ flags: ".", length: 1420 });
  });

  it("does not let a peer ask for tiny segments", () => {
    const { host } = established({}, { mss: 1 });
    host.writes(100);
    host.sends({ flags: ".", length: 48 });
  });

  it("sends ten segments before the first ACK (RFC 6928)", () => {
    const { host, take } = bound(established());
    host.writes(50_000);
    let count = 0;
    while (take() !== undefined) count++;
    expect(count).toBe(10);
  });
});

function bound(script: ReturnType<typeof established>): { host: typeof script.host; take: () => unknown } {
  return { host: script.host, take: () => script.take() };
}

describe("Nagle's algorithm", () => {
  it("holds a second small segment back until the first is acknowledged", () => {
    const { host, peer } = established();
    host.writes(10);
    host.sends({ flags: "P.", seq: 1, length: 10 });
    host.writes(20);
    host.writes(30);
    host.isSilent();
    peer.sends({ flags: ".", seq: 1, ack: 11 });
    host.sends({ flags: "P.", seq: 11, length: 50 });
  });

  it("lets one small segment follow full ones (Minshall)", () => {
    const { host } = established();
    host.writes(1460);
    host.sends({ flags: "P.", length: 1460 });
    host.writes(10);
    host.sends({ flags: "P.", seq: 1461, length: 10 });
    host.writes(10);
    host.isSilent();
  });

  it("is off with TCP_NODELAY", () => {
    const { host } = established({ noDelay: true });
    host.writes(10);
    host.writes(20);
    host.sends({ flags: "P.", seq: 1, length: 10 });
    host.sends({ flags: "P.", seq: 11, length: 20 });
  });

  it("does not hold back the last segment before the FIN", () => {
    const { host } = established();
    host.writes(10);
    host.sends({ flags: "P.", length: 10 });
    host.writes(20);
    host.closes();
    host.sends({ flags: "FP.", seq: 11, length: 20 });
  });
});

describe("the peer's window", () => {
  it("limits what is sent, in whole segments (sender's silly-window avoidance)", () => {
    const { host, peer } = established();
    peer.sends({ flags: ".", seq: 1, ack: 1, window: 4000 });
    host.writes(10_000);
    host.sends({ flags: ".", seq: 1, length: 1460 });
    host.sends({ flags: "P.", seq: 1461, length: 1460 });
    host.isSilent();
    peer.sends({ flags: ".", seq: 1, ack: 2921, window: 4000 });
    host.sends({ flags: ".", seq: 2921, length: 1460 });
    host.sends({ flags: "P.", seq: 4381, length: 1460 });
    host.isSilent();
  });

  it("gets two segments into a small window that is all the peer ever offered", () => {
    const { host, peer, connection } = opening();
    host.sends({ flags: "S" });
    peer.sends({ flags: "S.", seq: 0, ack: 1, window: 1000, options: { mss: 1460 } });
    host.sends({ flags: "." });
    host.writes(1000);
    host.sends({ flags: ".", seq: 1, length: 500 });
    host.sends({ flags: "P.", seq: 501, length: 500 });
    expect(connection.info.sendMss).toBe(500);
  });

  it("is scaled by the peer's shift, but not in its SYN", () => {
    const { connection, peer } = established({ settings: LINUX_TCP }, { mss: 1460, windowScale: 3 });
    expect(connection.info.sendWindow).toBe(65_535);
    peer.sends({ flags: ".", seq: 1, ack: 1, window: 60_000 });
    expect(connection.info.sendWindow).toBe(480_000);
  });

  it("is scaled by 14 at most, whatever shift the peer announces (RFC 7323 §2.3)", () => {
    const { connection, peer } = established({ settings: LINUX_TCP }, { mss: 1460, windowScale: 20 });
    peer.sends({ flags: ".", seq: 1, ack: 1, window: 3 });
    expect(connection.info.sendWindow).toBe(49_152);
  });

  it("is not taken from an older segment", () => {
    const { connection, peer } = established();
    peer.sends({ flags: "P.", seq: 1, ack: 1, window: 5000, length: 10 });
    expect(connection.info.sendWindow).toBe(5000);
    peer.sends({ flags: ".", seq: 1, ack: 1, window: 9000 });
    expect(connection.info.sendWindow).toBe(5000);
  });
});

describe("a closed window", () => {
  it("is probed with an old number after 210 ms, then at doubled intervals, for as long as the peer answers", () => {
    const script = established();
    const { host, peer } = script;
    peer.sends({ flags: ".", seq: 1, ack: 1, window: 0 });
    host.writes(100);
    host.isSilent();
    for (const at of [220, 640, 1480, 3160]) {
      script.after(ms(at - script.now / 1e6));
      host.sends({ flags: ".", seq: 0, ack: 1, at });
      host.isSilent();
      peer.sends({ flags: ".", seq: 1, ack: 1, window: 0 });
    }
    for (let minute = 0; minute < 60; minute++) {
      script.after(seconds(60));
      while (script.take() !== undefined) peer.sends({ flags: ".", seq: 1, ack: 1, window: 0 });
    }
    expect(host.state).toBe("established");
  });

  it("is left when the peer opens it", () => {
    const script = established();
    const { host, peer } = script;
    peer.sends({ flags: ".", seq: 1, ack: 1, window: 0 });
    host.writes(100);
    script.after(ms(300));
    host.sends({ flags: ".", seq: 0 });
    peer.sends({ flags: ".", seq: 1, ack: 1, window: 5000 });
    host.sends({ flags: "P.", seq: 1, length: 100 });
    peer.sends({ flags: ".", seq: 1, ack: 101 });
    script.after(seconds(10));
    host.isSilent();
  });

  it("gets what fits when the timer expires and it is too small for a segment", () => {
    const script = established();
    const { host, peer } = script;
    peer.sends({ flags: ".", seq: 1, ack: 1, window: 500 });
    host.writes(2000);
    host.isSilent();
    script.after(ms(210));
    host.sends({ flags: ".", seq: 1, length: 500 });
  });

  it("is probed when only the FIN waits for it to open", () => {
    const script = established();
    const { host, peer } = script;
    peer.sends({ flags: ".", seq: 1, ack: 1, window: 0 });
    host.closes();
    host.isSilent();
    script.after(ms(210));
    host.sends({ flags: ".", seq: 0, ack: 1, at: 220 });
    peer.sends({ flags: ".", seq: 1, ack: 1, window: 1000 });
    host.sends({ flags: "F.", seq: 1, ack: 1 });
  });

  it("ends the connection sooner when the program has let go of it and nobody answers the probes", () => {
    const script = established();
    script.peer.sends({ flags: ".", seq: 1, ack: 1, window: 0 });
    script.host.writes(100);
    script.host.releases();
    script.after(seconds(107));
    expect(script.host.state).toBe("fin-wait-1");
    script.after(seconds(1));
    expect(script.closed).toBe("timed-out");
  });

  it.each([
    ["is probed for ever while the peer answers and the program waits", false, undefined],
    ["is not when the program has let go: the last probe is the one with the longest timeout", true, 339],
  ] as const)("%s", (_, released, ends) => {
    const script = established();
    const { host, peer } = script;
    peer.sends({ flags: ".", seq: 1, ack: 1, window: 0 });
    host.writes(100);
    if (released) host.releases();
    let second = 0;
    for (; second < 5000 && script.closed === undefined; second++) {
      script.after(seconds(1));
      if (script.take() !== undefined) peer.sends({ flags: ".", seq: 1, ack: 1, window: 0 });
    }
    expect([script.closed, second]).toEqual(ends === undefined ? [undefined, 5000] : ["timed-out", ends]);
  });

  it("over data that was sent already is probed by repeating it, for as long as the peer answers", () => {
    const script = established();
    const { host, peer } = script;
    host.writes(100);
    host.sends({ flags: "P.", seq: 1, length: 100 });
    peer.sends({ flags: ".", seq: 1, ack: 1, window: 0 });
    for (let second = 0; second < 5000; second++) {
      script.after(seconds(1));
      if (script.take() !== undefined) peer.sends({ flags: ".", seq: 1, ack: 1, window: 0 });
    }
    expect(script.closed).toBeUndefined();
    script.after(seconds(500));
    expect(script.closed).toBe("timed-out");
  });

  it("ends the connection when nobody answers the probes", () => {
    const script = established();
    script.peer.sends({ flags: ".", seq: 1, ack: 1, window: 0 });
    script.host.writes(100);
    script.after(seconds(3000));
    expect(script.closed).toBe("timed-out");
  });
});

describe("the send buffer", () => {
  it("takes what it has room for and tells when a third is free again", () => {
    const script = established({ settings: { sendBuffer: { initial: 3000, most: 3000 } } });
    expect(script.host.writes(5000)).toBe(3000);
    expect(script.host.writes(1)).toBe(0);
    script.peer.sends({ flags: ".", seq: 1, ack: 501 });
    expect(script.upcalls).toEqual(["established"]);
    script.peer.sends({ flags: ".", seq: 1, ack: 1461 });
    expect(script.upcalls).toEqual(["established", "writable"]);
    expect(script.connection.writable).toBe(1460);
  });

  it("grows with the congestion window", () => {
    const script = established({ settings: { sendBuffer: { initial: 3000, most: 100_000 } } });
    expect(script.connection.writable).toBe(29_200);
  });
});

describe("a pause", () => {
  it("longer than the timeout takes the congestion window back to where it started (RFC 5681 §4.1)", () => {
    const script = established();
    const { host, peer, connection } = script;
    for (let i = 0; i < 3; i++) {
      host.writes(20_000);
      script.after(ms(10));
      while (script.take() !== undefined);
      for (let ack = connection.info.unacknowledged; ack > 0; ack = connection.info.unacknowledged) {
        peer.sends({ flags: ".", seq: 1, ack: 1 + 20_000 * (i + 1) - connection.info.unsent });
      }
    }
    expect(connection.info.congestionWindow).toBeGreaterThan(20);
    script.after(seconds(2));
    host.writes(10);
    expect(connection.info.congestionWindow).toBe(10);
  });
});
