import { describe, expect, it } from "vitest";
import { LINUX_TCP } from "../../../src/netstack/tcp/index.ts";
import { ms, seconds } from "../../../src/sim/index.ts";
import { pattern, TcpPipe } from "../../support/tcp-pipe.ts";
import { accepted, established, type TcpScript } from "../../support/tcp-script.ts";

const SMALL = { settings: { receiveBuffer: { initial: 20_000, most: 20_000 } } };

function fill(script: TcpScript, segments: number, from = 1): void {
  for (let i = 0; i < segments; i++) script.peer.sends({ flags: ".", seq: from + i * 1000, ack: 1, length: 1000 });
  while (script.take() !== undefined);
}

describe("the window offered", () => {
  it("is half the receive buffer in whole segments at first", () => {
    const script = established(SMALL);
    expect(script.connection.info.receiveWindow).toBe(8760);
  });

  it("shrinks only by what arrives, and closes", () => {
    const script = established(SMALL);
    for (let i = 0; i < 8; i++) script.peer.sends({ flags: ".", seq: 1 + i * 1000, ack: 1, length: 1000 });
    let right = 0;
    for (let next = script.take(); next !== undefined; next = script.take()) {
      const edge = script.relative(next.segment.acknowledgment, "peer") + next.segment.window;
      expect(edge).toBeGreaterThanOrEqual(right);
      right = edge;
    }
    script.peer.sends({ flags: ".", seq: 8001, ack: 1, length: 1460 });
    expect(script.connection.info.receiveWindow).toBeLessThan(1460);
  });

  it("takes nothing back when less than a segment of it is left (RFC 9293 §3.8.6)", () => {
    const script = established(SMALL);
    for (let i = 0; i < 5; i++) script.peer.sends({ flags: ".", seq: 1 + i * 1460, ack: 1, length: 1460 });
    script.peer.sends({ flags: ".", seq: 7301, ack: 1, length: 1200 });
    const before = script.connection.info.receiveWindow;
    script.peer.sends({ flags: "P.", seq: 8501, ack: 1, length: 200 });
    script.after(ms(100));
    expect(before).toBeGreaterThan(200);
    expect(script.connection.info.receiveWindow).toBe(before - 200);
  });

  it("opens again at once when the program has read enough to double it", () => {
    const script = established(SMALL);
    fill(script, 8);
    script.after(ms(100));
    while (script.take() !== undefined);
    script.host.reads(100);
    script.host.isSilent();
    script.host.reads(6000);
    script.host.sends({ flags: ".", seq: 1, ack: 8001 });
  });

  it("is not moved by a small read (receiver's silly-window avoidance)", () => {
    const script = established(SMALL);
    fill(script, 8);
    script.after(ms(100));
    while (script.take() !== undefined);
    for (let i = 0; i < 5; i++) script.host.reads(100);
    script.host.isSilent();
  });

  it("does not open by less than a segment when it is scaled either", () => {
    const script = accepted(
      { settings: { windowScaling: true, receiveBuffer: { initial: 20_000, most: 6_000_000 } } },
      { mss: 1460, windowScale: 7 },
    );
    fill(script, 12);
    script.after(ms(100));
    while (script.take() !== undefined);
    script.host.reads(500);
    script.host.isSilent();
    script.host.reads(6000);
    script.host.sends({ flags: "." });
  });

  it("opens by whole segments of the peer's", () => {
    const script = established(SMALL);
    fill(script, 8);
    script.after(ms(100));
    while (script.take() !== undefined);
    script.host.reads(6500);
    script.host.sends({ flags: ".", seq: 1, ack: 8001, window: 8000 });
  });

  it("takes no data when it is closed, but says so", () => {
    const script = established({ settings: { receiveBuffer: { initial: 4000, most: 4000 } } });
    fill(script, 1);
    script.peer.sends({ flags: ".", seq: 1001, ack: 1, length: 1000 });
    while (script.take() !== undefined);
    const held = script.connection.readable;
    const refused = script.peer.sends({ flags: ".", seq: 1 + held, ack: 1, length: 1000 });
    expect(refused).toBe("tcp-outside-window");
    script.host.sends({ flags: ".", ack: 1 + held, window: 0 });
  });

  it("is never more than the header can say without scaling", () => {
    const script = accepted({ settings: { receiveBuffer: { initial: 4_000_000, most: 4_000_000 } } });
    fill(script, 20);
    expect(script.connection.info.receiveWindow).toBeLessThanOrEqual(65_535);
  });
});

describe("the receive buffer", () => {
  it("grows with the rate at which the program reads, so that a long path can be filled", () => {
    const pipe = new TcpPipe({ seed: 3, delay: ms(50), settings: LINUX_TCP });
    pipe.client.toWrite = pattern(20_000_000);
    pipe.client.closesWhenWritten = false;
    pipe.open();
    pipe.run(() => (pipe.server?.receivedBytes ?? 0) >= 20_000_000, seconds(60));
    // 64 KB every 100 ms would take 31 s.
    expect(pipe.now).toBeLessThan(seconds(2.5));
    expect(pipe.server?.connection.info.receiveWindow).toBeGreaterThan(4_000_000);
  });

  it("grows without timestamps too", () => {
    const pipe = new TcpPipe({ seed: 3, delay: ms(50), settings: { timestamps: false } });
    pipe.client.toWrite = pattern(10_000_000);
    pipe.client.closesWhenWritten = false;
    pipe.open();
    pipe.run(() => (pipe.server?.receivedBytes ?? 0) >= 10_000_000, seconds(60));
    // 64 KB every 100 ms would take 15 s.
    expect(pipe.now).toBeLessThan(seconds(2.5));
  });

  it("does not grow for a program that does not read", () => {
    const pipe = new TcpPipe({ seed: 3, delay: ms(50), settings: LINUX_TCP });
    pipe.client.toWrite = pattern(5_000_000);
    pipe.onServer = (server) => {
      server.appetite = 0;
    };
    pipe.open();
    pipe.run(() => false, seconds(60));
    const { readable } = pipe.server?.connection ?? { readable: 0 };
    expect(readable).toBeGreaterThan(60_000);
    // Half the buffer, and what rounding windows up to the scale adds with each ACK, as in Linux.
    expect(readable).toBeLessThan(93_000);
  });

  it("stays within its limit", () => {
    const settings = { receiveBuffer: { initial: 131_072, most: 400_000 } };
    const pipe = new TcpPipe({ seed: 3, delay: ms(50), settings });
    pipe.client.toWrite = pattern(5_000_000);
    pipe.open();
    pipe.run(() => (pipe.server?.receivedBytes ?? 0) >= 5_000_000, seconds(60));
    expect(pipe.server?.connection.info.receiveWindow).toBeLessThanOrEqual(200_064);
    expect(pipe.server?.receivedBytes).toBe(5_000_000);
  });
});
