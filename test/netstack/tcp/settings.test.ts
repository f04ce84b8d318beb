import { describe, expect, it } from "vitest";
import { LINUX_TCP, type Segment, seq, TcpListener, type TcpSettings } from "../../../src/netstack/tcp/index.ts";
import { TcpFlag } from "../../../src/netstack/wire/tcp.ts";
import { ms, Random, START, seconds } from "../../../src/sim/index.ts";
import { established, type TcpScript } from "../../support/tcp-script.ts";

/** What each setting changes, as far as other tests do not show it. */
describe("a setting", () => {
  it.each([
    ["the congestion window falls after a pause (tcp_slow_start_after_idle)", true, 10],
    ["it stays (0)", false, 20],
  ] as const)("%s", (_, restartsAfterIdle, segments) => {
    const script = established({ settings: { restartsAfterIdle } });
    const { host, peer } = script;
    host.writes(14_600);
    script.after(ms(10));
    for (let end = 1461; end <= 14_601; end += 1460) peer.sends({ flags: ".", seq: 1, ack: end });
    script.after(seconds(60));
    while (script.take() !== undefined);
    host.writes(60_000);
    expect(script.unasked).toHaveLength(segments);
  });

  it.each([
    ["data received twice is reported (tcp_dsack)", true, { sack: [{ start: 1, end: 11 }] }],
    ["it is not (0)", false, {}],
  ] as const)("%s", (_, reportsDuplicates, options) => {
    const { host, peer } = established({ settings: { reportsDuplicates } });
    peer.sends({ flags: "P.", seq: 1, ack: 1, length: 10 });
    host.sends({ flags: ".", ack: 11 });
    peer.sends({ flags: "P.", seq: 1, ack: 1, length: 10 });
    host.sends({ flags: ".", ack: 11, options });
  });

  it.each([
    ["a tail loss probe goes out after two round trips (tcp_early_retrans)", true, 32],
    ["only the timeout repeats (0)", false, 220],
  ] as const)("%s", (_, tailProbes, at) => {
    const script = established({ settings: { tailProbes } });
    script.host.writes(2920);
    script.take();
    script.take();
    script.after(ms(300));
    expect(script.take()?.at).toBe(ms(at));
  });

  it.each([
    ["three duplicate ACKs are a loss (tcp_reordering)", 3, 3],
    ["five are (5)", 5, 5],
  ] as const)("%s", (_, reordering, duplicates) => {
    const script = established({ settings: { reordering } }, { mss: 1460 });
    script.host.writes(14_600);
    while (script.take() !== undefined);
    let count = 0;
    for (; count < 10 && script.connection.info.phase !== "recovery"; count++) {
      script.peer.sends({ flags: ".", seq: 1, ack: 1 });
    }
    expect(count).toBe(duplicates);
  });

  it.each([
    ["the receive buffer grows with what is read (tcp_moderate_rcvbuf)", true],
    ["it does not (0)", false],
  ] as const)("%s", (_, growsReceiveBuffer) => {
    const script = established({ settings: { growsReceiveBuffer, windowScaling: true } }, SCALED);
    const before = feed(script, 20);
    expect(feed(script, 400) > before).toBe(growsReceiveBuffer);
  });

  it.each([
    ["a RST ends TIME-WAIT (tcp_rfc1337=0)", false, "closed"],
    ["it does not (1)", true, "time-wait"],
  ] as const)("%s", (_, keepsTimeWait, state) => {
    const { host, peer } = established({ settings: { keepsTimeWait } });
    host.closes();
    peer.sends({ flags: "F.", seq: 1, ack: 2 });
    peer.sends({ flags: "R", seq: 2 });
    expect(host.state).toBe(state);
  });

  it.each([
    ["off", 3000, 3072],
    ["overflow", 4096, 4096],
    ["always", 0, 0],
  ] as const)("tcp_syncookies %s keeps its number of handshakes", (synCookies, least, most) => {
    const settings: TcpSettings = { ...LINUX_TCP, synCookies };
    const listener = new TcpListener({ random: new Random(1), settings, backlog: 4096 });
    let kept = 0;
    while (kept < 5000 && listener.receive(syn(kept), START, PATH).kind === "connection") kept++;
    expect(kept).toBeGreaterThanOrEqual(least);
    expect(kept).toBeLessThanOrEqual(most + 1);
  });
});

const PATH = { mtu: 1500, flow: 1 };
const SCALED = { mss: 1460, sackPermitted: true, windowScale: 7 };

function syn(number: number): Segment {
  const payload = { bytes: new Uint8Array(0), at: 0, length: 0 };
  return { sequence: seq(number), acknowledgment: seq(0), flags: TcpFlag.syn, window: 65_535, options: {}, ...payload };
}

/** Has the host read so many segments, ten in 10 ms; the window it offers in the end. */
function feed(script: TcpScript, segments: number): number {
  const from = script.connection.info.receiveNext - FIRST;
  for (let index = 0; index < segments; index++) {
    script.peer.sends({ flags: ".", seq: 1 + from + index * 1460, ack: 1, length: 1460 });
    script.host.reads(100_000);
    if (index % 10 === 9) script.after(ms(10));
  }
  return script.connection.info.receiveWindow;
}

/** The number of the peer's first byte in a script. */
const FIRST = 1_000_001;
