import { describe, expect, it } from "vitest";
import { ms } from "../../../src/sim/index.ts";
import { established, type ScriptOptions, type TcpScript } from "../../support/tcp-script.ts";

/** A host with ten segments of 1000 bytes on the way, sent at 10 ms, the program's last byte among them. */
function tenInFlight(options: ScriptOptions = {}, sackPermitted = true): TcpScript {
  const script = established(options, sackPermitted ? { mss: 1000, sackPermitted } : { mss: 1000 });
  script.host.writes(10_000);
  for (let i = 0; i < 10; i++) script.take();
  script.host.isSilent();
  script.after(ms(10));
  return script;
}

function sack(...blocks: readonly [number, number][]): { sack: { start: number; end: number }[] } {
  return { sack: blocks.map(([start, end]) => ({ start, end })) };
}

describe("fast recovery with SACK", () => {
  it("repeats a segment when three later ones have arrived", () => {
    const { host, peer, connection } = tenInFlight();
    peer.sends({ flags: ".", seq: 1, ack: 1, options: sack([1001, 2001]) });
    peer.sends({ flags: ".", seq: 1, ack: 1, options: sack([1001, 3001]) });
    host.isSilent();
    peer.sends({ flags: ".", seq: 1, ack: 1, options: sack([1001, 4001]) });
    host.sends({ flags: ".", seq: 1, length: 1000 });
    host.isSilent();
    expect(connection.info).toMatchObject({ phase: "recovery", slowStartThreshold: 5 });
  });

  it("repeats what lies between blocks and nothing else", () => {
    const script = tenInFlight();
    const { host, peer } = script;
    peer.sends({ flags: ".", seq: 1, ack: 1, options: sack([9001, 10_001], [5001, 8001], [2001, 4001]) });
    const repeated: number[] = [];
    for (let next = script.take(); next !== undefined; next = script.take()) {
      repeated.push(script.relative(next.segment.sequence, "host"));
    }
    peer.sends({ flags: ".", seq: 1, ack: 4001, options: sack([9001, 10_001], [5001, 8001]) });
    for (let next = script.take(); next !== undefined; next = script.take()) {
      repeated.push(script.relative(next.segment.sequence, "host"));
    }
    expect(repeated.sort((a, b) => a - b)).toEqual([1, 1001, 4001, 8001]);
    host.isSilent();
  });

  it("ends when everything sent before it is acknowledged, with the window at the threshold", () => {
    const { peer, connection } = tenInFlight();
    peer.sends({ flags: ".", seq: 1, ack: 1, options: sack([1001, 10_001]) });
    expect(connection.info.phase).toBe("recovery");
    peer.sends({ flags: ".", seq: 1, ack: 10_001 });
    expect(connection.info).toMatchObject({ phase: "open", congestionWindow: 5, slowStartThreshold: 5 });
  });

  it("repeats a repetition that was lost too, when something sent after it arrives", () => {
    const script = tenInFlight();
    const { host, peer } = script;
    host.writes(5000);
    peer.sends({ flags: ".", seq: 1, ack: 1, options: sack([1001, 4001]) });
    host.sends({ flags: ".", seq: 1, length: 1000 });
    peer.sends({ flags: ".", seq: 1, ack: 1, options: sack([1001, 10_001]) });
    host.sends({ flags: ".", seq: 10_001, length: 1000 });
    while (script.take() !== undefined);
    script.after(ms(10));
    peer.sends({ flags: ".", seq: 1, ack: 1, options: sack([1001, 12_001]) });
    script.after(ms(5));
    host.sends({ flags: ".", seq: 1, length: 1000 });
  });

  it("waits a quarter of a round trip when fewer than three have overtaken (RFC 8985 §6.2)", () => {
    const script = tenInFlight();
    const { host, peer } = script;
    peer.sends({ flags: ".", seq: 1, ack: 1, options: sack([1001, 2001]) });
    script.after(ms(2));
    host.isSilent();
    script.after(ms(1));
    host.sends({ flags: ".", seq: 1, length: 1000, at: 22.5 });
  });

  it("lets new data out for each segment that has arrived (limited transmit, RFC 3042)", () => {
    const { host, peer } = tenInFlight();
    host.writes(3000);
    peer.sends({ flags: ".", seq: 1, ack: 1, options: sack([1001, 2001]) });
    host.sends({ flags: ".", seq: 10_001, length: 1000 });
    host.isSilent();
  });

  it("sends one segment for two that arrive until the threshold is reached, then one for one (PRR, RFC 6937)", () => {
    const script = tenInFlight();
    script.peer.sends({ flags: ".", seq: 1, ack: 1, options: sack([1001, 4001]) });
    script.host.writes(10_000);
    const sent: number[][] = [];
    for (const end of [5001, 6001, 7001, 8001, 9001, 10_001]) {
      while (script.take() !== undefined);
      script.peer.sends({ flags: ".", seq: 1, ack: 1, options: sack([1001, end]) });
      const now: number[] = [];
      for (let next = script.take(); next !== undefined; next = script.take()) {
        now.push(script.relative(next.segment.sequence, "host"));
      }
      sent.push(now);
    }
    expect(sent).toEqual([[], [11_001], [], [], [12_001], [13_001]]);
  });

  it("undoes the reduction when the peer reports all repetitions as needless (DSACK, RFC 3708)", () => {
    const { host, peer, connection } = tenInFlight();
    peer.sends({ flags: ".", seq: 1, ack: 1, options: sack([1001, 4001]) });
    host.sends({ flags: ".", seq: 1, length: 1000 });
    peer.sends({ flags: ".", seq: 1, ack: 4001 });
    expect(connection.info.phase).toBe("recovery");
    peer.sends({ flags: ".", seq: 1, ack: 4001, options: sack([1, 1001]) });
    expect(connection.info).toMatchObject({ slowStartThreshold: Number.POSITIVE_INFINITY });
    expect(connection.info.phase).not.toBe("recovery");
    expect(connection.info.congestionWindow).toBeGreaterThanOrEqual(10);
  });

  it("waits longer for late segments once it has seen reordering", () => {
    const script = tenInFlight();
    const { host, peer } = script;
    peer.sends({ flags: ".", seq: 1, ack: 1, options: sack([1001, 2001]) });
    peer.sends({ flags: ".", seq: 1, ack: 2001 });
    peer.sends({ flags: ".", seq: 1, ack: 2001, options: sack([3001, 6001]) });
    host.isSilent();
    script.after(ms(3));
    host.sends({ flags: ".", seq: 2001, length: 1000, at: 22.5 });
  });

  it("waits longer still after a needless repetition was reported, where segments were late before (RFC 8985 §6.2 step 4)", () => {
    const script = tenInFlight();
    const { host, peer } = script;
    peer.sends({ flags: ".", seq: 1, ack: 1, options: sack([1001, 2001]) });
    peer.sends({ flags: ".", seq: 1, ack: 2001 });
    peer.sends({ flags: ".", seq: 1, ack: 2001, options: sack([3001, 6001]) });
    script.after(ms(2.5));
    host.sends({ flags: ".", seq: 2001, length: 1000, at: 22.5 });
    peer.sends({ flags: ".", seq: 1, ack: 6001, options: sack([2001, 3001]) });
    peer.sends({ flags: ".", seq: 1, ack: 6001, options: sack([7001, 9001]) });
    script.after(ms(6));
    host.sends({ flags: ".", seq: 6001, length: 1000, at: 27.5 });
  });

  it("does not take a loss for reordering: an ACK may tell of the segments before and behind it", () => {
    const script = tenInFlight();
    const { host, peer } = script;
    peer.sends({ flags: ".", seq: 1, ack: 1001, options: sack([2001, 5001]) });
    host.sends({ flags: ".", seq: 1001, length: 1000, at: 20 });
    peer.sends({ flags: ".", seq: 1, ack: 5001, options: sack([1001, 2001]) });
    peer.sends({ flags: ".", seq: 1, ack: 5001, options: sack([6001, 9001]) });
    host.sends({ flags: ".", seq: 5001, length: 1000, at: 20 });
  });

  it("ignores blocks for numbers that were never sent", () => {
    const { host, peer, connection } = tenInFlight();
    peer.sends({ flags: ".", seq: 1, ack: 1, options: sack([50_001, 60_001], [9001, 90_001], [5001, 4001]) });
    host.isSilent();
    expect(connection.info.phase).toBe("open");
  });

  it("repeats everything after a timeout when the peer has dropped what it had reported (reneging)", () => {
    const script = tenInFlight();
    const { host, peer } = script;
    peer.sends({ flags: ".", seq: 1, ack: 1, options: sack([1001, 10_001]) });
    while (script.take() !== undefined);
    peer.sends({ flags: ".", seq: 1, ack: 1001 });
    script.after(ms(700));
    host.sends({ flags: ".", seq: 1001, length: 1000 });
  });
});

describe("fast recovery without SACK (RFC 6582)", () => {
  it("repeats the first segment on the third duplicate ACK, then one for each partial ACK", () => {
    const script = tenInFlight({}, false);
    const { host, peer, connection } = script;
    peer.sends({ flags: ".", seq: 1, ack: 1 });
    peer.sends({ flags: ".", seq: 1, ack: 1 });
    host.isSilent();
    peer.sends({ flags: ".", seq: 1, ack: 1 });
    host.sends({ flags: ".", seq: 1, length: 1000 });
    host.isSilent();
    expect(connection.info).toMatchObject({ phase: "recovery", slowStartThreshold: 5 });
    for (let i = 0; i < 5; i++) peer.sends({ flags: ".", seq: 1, ack: 1 });
    peer.sends({ flags: ".", seq: 1, ack: 3001 });
    host.sends({ flags: ".", seq: 3001, length: 1000 });
    host.isSilent();
    peer.sends({ flags: ".", seq: 1, ack: 10_001 });
    expect(connection.info.slowStartThreshold).toBe(5);
  });

  it("does not count window updates and data as duplicates", () => {
    const { host, peer } = tenInFlight({}, false);
    for (let i = 0; i < 5; i++) peer.sends({ flags: ".", seq: 1, ack: 1, window: 60_000 + i });
    for (let i = 0; i < 5; i++) peer.sends({ flags: "P.", seq: 1 + i, ack: 1, window: 60_004, length: 1 });
    expect(host.state).toBe("established");
  });

  it("does not start a second recovery from the duplicates of the first", () => {
    const script = tenInFlight({}, false);
    const { host, peer, connection } = script;
    for (let i = 0; i < 3; i++) peer.sends({ flags: ".", seq: 1, ack: 1 });
    script.take();
    host.writes(4000);
    peer.sends({ flags: ".", seq: 1, ack: 10_001 });
    while (script.take() !== undefined);
    for (let i = 0; i < 3; i++) peer.sends({ flags: ".", seq: 1, ack: 10_001 });
    expect(connection.info.slowStartThreshold).toBe(5);
  });
});
