import { describe, expect, it } from "vitest";
import { ms, seconds } from "../../../src/sim/index.ts";
import { established } from "../../support/tcp-script.ts";

describe("the retransmission timer", () => {
  it("repeats the first segment and doubles (RFC 6298 §5.5)", () => {
    const script = established({}, { mss: 1460 });
    const { host } = script;
    host.writes(100);
    host.sends({ flags: "P.", seq: 1, length: 100, at: 10 });
    for (const at of [220, 640, 1480, 3160, 6520]) {
      script.after(ms(at - script.now / 1e6));
      host.sends({ flags: "P.", seq: 1, length: 100, at });
      host.isSilent();
    }
  });

  it("gives up after 924.6 s without any answer (tcp_retries2 = 15)", () => {
    const script = established({}, { mss: 1460 });
    script.host.writes(100);
    script.after(seconds(924));
    expect(script.closed).toBeUndefined();
    script.after(seconds(120));
    expect(script.closed).toBe("timed-out");
  });

  it("repeats only the oldest segment, and the rest as ACKs come in", () => {
    const script = established({}, { mss: 1460 });
    const { host, peer } = script;
    host.writes(1460 * 3);
    for (let i = 0; i < 3; i++) script.take();
    script.after(ms(210));
    host.sends({ flags: ".", seq: 1, length: 1460 });
    host.isSilent();
    peer.sends({ flags: ".", seq: 1, ack: 1461 });
    host.sends({ flags: ".", seq: 1461, length: 1460 });
    host.sends({ flags: "P.", seq: 2921, length: 1460 });
  });

  it("starts over with each ACK of new data (RFC 6298 §5.3)", () => {
    const script = established({}, { mss: 1460 });
    const { host, peer } = script;
    host.writes(1460 * 2);
    script.take();
    script.take();
    script.after(ms(150));
    peer.sends({ flags: ".", seq: 1, ack: 1461 });
    script.after(ms(200));
    host.isSilent();
    script.after(ms(100));
    host.sends({ flags: "P.", seq: 1461, length: 1460 });
  });

  it("stops when everything is acknowledged (RFC 6298 §5.2)", () => {
    const script = established();
    script.host.writes(10);
    script.take();
    script.peer.sends({ flags: ".", seq: 1, ack: 11 });
    expect(script.connection.deadline()).toBeUndefined();
  });

  it("cuts the window to one segment and the threshold to half (RFC 5681 §3.1)", () => {
    const script = established({}, { mss: 1460 });
    script.host.writes(14_600);
    script.after(ms(300));
    expect(script.connection.info).toMatchObject({ phase: "loss", congestionWindow: 1, slowStartThreshold: 5 });
  });

  it("keeps its doublings until a segment that was sent once is acknowledged (Karn)", () => {
    const script = established({}, { mss: 1460 });
    const { host, peer, connection } = script;
    host.writes(100);
    script.after(ms(210));
    expect(connection.info.retransmissionTimeout).toBe(ms(420));
    peer.sends({ flags: ".", seq: 1, ack: 101 });
    expect(connection.info.retransmissionTimeout).toBe(ms(420));
    host.writes(100);
    script.after(ms(10));
    peer.sends({ flags: ".", seq: 1, ack: 201 });
    expect(connection.info.retransmissionTimeout).toBe(ms(210));
  });

  it("believes that a timeout was needless when the timestamp shows the first copy arrived (Eifel)", () => {
    const script = established({ settings: { timestamps: true } }, { mss: 1460, timestamps: { value: 1, echo: 0 } });
    const { host, peer, connection } = script;
    host.writes(14_480);
    const echo = script.take()?.segment.options.timestamps?.value ?? 0;
    while (script.take() !== undefined);
    script.after(ms(215));
    expect(connection.info).toMatchObject({ phase: "loss", congestionWindow: 1 });
    peer.sends({ flags: ".", seq: 1, ack: 1449, options: { timestamps: { value: 2, echo } } });
    expect(connection.info).toMatchObject({ phase: "open" });
    expect(connection.info.congestionWindow).toBeGreaterThanOrEqual(10);
  });
});

describe("the tail loss probe (RFC 8985 §7)", () => {
  it("repeats the last of several segments two round-trip times after it was sent", () => {
    const script = established();
    const { host } = script;
    host.writes(1460 * 3);
    for (let i = 0; i < 3; i++) script.take();
    script.after(ms(22));
    host.sends({ flags: "P.", seq: 2921, length: 1460, at: 32 });
    host.isSilent();
    script.after(ms(210));
    host.sends({ flags: ".", seq: 1, length: 1460, at: 242 });
  });

  it("sends new data instead where the window of congestion control alone held it back", () => {
    const script = established({ settings: { initialWindow: 2 } });
    const { host } = script;
    host.writes(1460 * 4);
    host.sends({ flags: ".", seq: 1, length: 1460 });
    host.sends({ flags: ".", seq: 1461, length: 1460 });
    script.after(ms(22));
    host.sends({ flags: ".", seq: 2921, length: 1460, at: 32 });
  });

  it("finds the loss: the ACK of the probe has the others repeated at once", () => {
    const script = established();
    const { host, peer } = script;
    host.writes(1460 * 3);
    for (let i = 0; i < 3; i++) script.take();
    script.after(ms(22));
    script.take();
    script.after(ms(10));
    peer.sends({ flags: ".", seq: 1, ack: 1, options: { sack: [{ start: 2921, end: 4381 }] } });
    script.after(ms(3));
    host.sends({ flags: ".", seq: 1, length: 1460 });
    expect(script.connection.info.phase).toBe("recovery");
  });
});
