import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  type CapturableFrame,
  Capture,
  type CaptureOptions,
  type CapturePoint,
  type Direction,
  NOT_RECORDED,
  type PcapngFile,
  readPcap,
  readPcapng,
} from "../../src/pcap/index.ts";
import { collect } from "./collected.ts";

const START = 1_767_225_600_000_000_000n;

/** A capture with a clock that the test sets. */
function bench(options: Omit<CaptureOptions, "target" | "now"> = {}) {
  const file = collect();
  const clock = { now: 0 };
  const capture = new Capture({ target: { format: "pcapng", sink: file.sink }, now: () => clock.now, ...options });
  const finish = () => {
    capture.finish();
    return readPcapng(file.bytes());
  };
  return { capture, clock, file, finish };
}

/** A frame whose bytes are `content`, in the middle of a larger buffer. */
function frame(at: number, content: string, lineage = 1): CapturableFrame {
  const text = new TextEncoder().encode(content);
  const bytes = new Uint8Array(text.length + 20).fill(0xee);
  bytes.set(text, 14);
  return { bytes, start: 14, end: 14 + text.length, lineage, at };
}

/** One line a packet: `time point direction lineage content | comment`. */
function lines(file: PcapngFile): string[] {
  expect(file.error).toBeUndefined();
  return file.packets.map((one) => {
    const head = [(one.time ?? 0n) - START, one.interface.name, one.direction, one.packetId].join(" ");
    return [`${head} ${new TextDecoder().decode(one.bytes)}`, ...one.comments].join(" | ");
  });
}

test("a capture writes point, direction, lineage and bytes of each frame", () => {
  const { capture, finish } = bench();
  const eth0 = capture.addPoint({ name: "node1/eth0" });
  const cbr0 = capture.addPoint({ name: "node1/cbr0" });
  capture.record(eth0, "in", frame(1000, "syn", 7));
  capture.record(cbr0, "out", frame(2000, "syn'", 7));
  expect(lines(finish())).toEqual(["1000 node1/eth0 in 7 syn", "2000 node1/cbr0 out 7 syn'"]);
});

test("records stamped ahead of the clock are written in time order, in order of arrival at equal times", () => {
  const { capture, clock, finish } = bench();
  const a = capture.addPoint({ name: "a/eth0" });
  capture.record(a, "out", frame(3000, "first at 3 µs"));
  capture.record(a, "in", frame(1000, "first at 1 µs"));
  capture.record(a, "out", frame(3000, "second at 3 µs"));
  clock.now = 2000;
  capture.record(a, "in", frame(2000, "at 2 µs"));
  capture.record(a, "in", frame(3000, "third at 3 µs"));
  expect(lines(finish())).toEqual([
    "1000 a/eth0 in 1 first at 1 µs",
    "2000 a/eth0 in 1 at 2 µs",
    "3000 a/eth0 out 1 first at 3 µs",
    "3000 a/eth0 out 1 second at 3 µs",
    "3000 a/eth0 in 1 third at 3 µs",
  ]);
});

test("a capture keeps a frame's bytes as they were, though the frame is rewritten in place", () => {
  const { capture, finish } = bench();
  const a = capture.addPoint({ name: "a/eth0" });
  const one = frame(0, "before");
  capture.record(a, "in", one);
  one.bytes.fill(0x78);
  expect(lines(finish())).toEqual(["0 a/eth0 in 1 before"]);
});

test("buffers of written records serve short and giant frames that come later", () => {
  const { capture, clock, finish } = bench();
  const a = capture.addPoint({ name: "a/eth0" });
  const sizes = [10, 65_000, 300, 0, 4096, 257, 256, 9000];
  for (const [i, size] of sizes.entries()) {
    clock.now = i * 1000;
    capture.record(a, "in", frame(clock.now, String(i).repeat(size)));
  }
  expect(lines(finish())).toEqual(sizes.map((size, i) => `${i * 1000} a/eth0 in 1 ${String(i).repeat(size)}`));
});

describe("annotations", () => {
  test("several on one record become one comment of several lines", () => {
    const { capture, finish } = bench();
    const a = capture.addPoint({ name: "a/eth0" });
    const handle = capture.record(a, "in", frame(0, "x"));
    capture.record(a, "in", frame(0, "y"));
    expect(capture.annotate(handle, "DNAT → 10.180.1.136")).toBe(true);
    expect(capture.annotate(handle, "dropped: no-route")).toBe(true);
    expect(lines(finish())).toEqual(["0 a/eth0 in 1 x | DNAT → 10.180.1.136\ndropped: no-route", "0 a/eth0 in 1 y"]);
  });

  test("are taken as long as the clock stands at the record's time, then refused and counted", () => {
    const { capture, clock, finish } = bench();
    const a = capture.addPoint({ name: "a/eth0" });
    const handle = capture.record(a, "in", frame(1000, "x"));
    clock.now = 1000;
    capture.record(a, "in", frame(1000, "y"));
    expect(capture.annotate(handle, "in time")).toBe(true);
    clock.now = 1001;
    capture.advance(clock.now);
    expect(capture.annotate(handle, "too late")).toBe(false);
    // The slot is used again by the next record, which must not get the old handle's comment.
    capture.record(a, "in", frame(2000, "z"));
    expect(capture.annotate(handle, "much too late")).toBe(false);
    expect(capture.counters).toEqual({ written: 2, missed: 0, late: 0, refusedComments: 2 });
    expect(lines(finish())).toEqual(["1000 a/eth0 in 1 x | in time", "1000 a/eth0 in 1 y", "2000 a/eth0 in 1 z"]);
  });

  test("by lineage go to its latest record, at the given point if one is given", () => {
    const { capture, clock, finish } = bench();
    const a = capture.addPoint({ name: "a/eth0" });
    const b = capture.addPoint({ name: "b/eth0" });
    // 5 and 1029 share a bucket.
    capture.record(a, "in", frame(1, "x", 5));
    capture.record(b, "in", frame(2, "x", 5));
    capture.record(b, "in", frame(3, "other", 1029));
    expect(capture.annotateLatest(5, "latest")).toBe(true);
    expect(capture.annotateLatest(5, "at a", a)).toBe(true);
    expect(capture.annotateLatest(1029, "at b", b)).toBe(true);
    expect(capture.annotateLatest(1029, "not at a", a)).toBe(false);
    expect(capture.annotateLatest(6, "unknown")).toBe(false);
    clock.now = 3;
    capture.advance(3);
    expect(capture.annotateLatest(5, "written")).toBe(false);
    expect(capture.annotateLatest(1029, "still there")).toBe(true);
    expect(lines(finish())).toEqual([
      "1 a/eth0 in 5 x | at a",
      "2 b/eth0 in 5 x | latest",
      "3 b/eth0 in 1029 other | at b\nstill there",
    ]);
    expect(capture.counters.refusedComments).toBe(3);
  });

  test("beyond what a comment can hold are refused", () => {
    const { capture, finish } = bench();
    const handle = capture.record(capture.addPoint({ name: "a/eth0" }), "in", frame(0, "x"));
    expect(capture.annotate(handle, "c".repeat(65_000))).toBe(true);
    expect(capture.annotate(handle, "d".repeat(600))).toBe(false);
    expect(finish().packets[0]?.comments).toEqual(["c".repeat(65_000)]);
  });
});

test("when more records wait than may, the oldest are written early, and what comes later still never runs backwards", () => {
  const { capture, finish } = bench({ maxPending: 2 });
  const a = capture.addPoint({ name: "a/eth0" });
  const handles = [30, 10, 20, 40].map((at) => capture.record(a, "in", frame(at, `at ${at}`)));
  expect(handles.map((handle) => capture.annotate(handle, "note"))).toEqual([true, false, false, true]);
  capture.record(a, "in", frame(15, "late"));
  expect(capture.counters).toEqual({ written: 3, missed: 0, late: 1, refusedComments: 2 });
  expect(lines(finish())).toEqual([
    "10 a/eth0 in 1 at 10",
    "20 a/eth0 in 1 at 20",
    "20 a/eth0 in 1 late",
    "30 a/eth0 in 1 at 30 | note",
    "40 a/eth0 in 1 at 40 | note",
  ]);
});

test("points stand in the file in the order of their declaration, whether or not they saw a frame", () => {
  const { capture, clock, finish } = bench();
  capture.addPoint({ name: "silent/eth0" });
  const seen = capture.addPoint({ name: "seen/tun0", linkType: 101, mac: 0x0a58_0af4_0308, description: "a tunnel" });
  capture.record(seen, "in", frame(0, "x"));
  clock.now = 5000;
  capture.advance(5000);
  capture.addPoint({ name: "pod-that-came-later/eth0" });
  clock.now = 9000;
  const read = finish();
  expect(read.interfaces.map((one) => [one.name, one.linkType, one.mac, one.description])).toEqual([
    ["silent/eth0", 1, undefined, undefined],
    ["seen/tun0", 101, 0x0a58_0af4_0308, "a tunnel"],
    ["pod-that-came-later/eth0", 1, undefined, undefined],
  ]);
  expect(
    read.statistics.map((one) => [
      one.interface.name,
      (one.start ?? 0n) - START,
      (one.end ?? 0n) - START,
      one.received,
    ]),
  ).toEqual([
    ["silent/eth0", 0n, 9000n, 0n],
    ["seen/tun0", 0n, 9000n, 1n],
    ["pod-that-came-later/eth0", 5000n, 9000n, 0n],
  ]);
});

test("a point declared again is the same point; with another link type it is refused", () => {
  const { capture } = bench();
  const point = capture.addPoint({ name: "pod-0/eth0" });
  expect(capture.addPoint({ name: "pod-0/eth0" })).toBe(point);
  expect(() => capture.addPoint({ name: "pod-0/eth0", linkType: 101 })).toThrow(
    new RangeError("Cannot add capture point pod-0/eth0: it is there with another link type"),
  );
});

test("only the wanted points are captured; patterns that match nothing are told", () => {
  const { capture, finish } = bench({ only: ["node2/*", "node?/cbr0", "node9/*", "a.c/x"] });
  const names = ["node1/eth0", "node2/eth0", "node2/cbr0", "node1/cbr0", "node10/cbr0", "abc/x", "xnode2/eth0"];
  const points = names.map((name) => capture.addPoint({ name }));
  const handles = points.map((point, i) => capture.record(point, "in", frame(i, "x")));
  expect(handles.map((handle) => handle === NOT_RECORDED)).toEqual([true, false, false, false, true, true, true]);
  expect(capture.annotate(NOT_RECORDED, "nobody sees it")).toBe(false);
  expect(points.map((point) => capture.annotateLatest(1, "seen", point)).filter(Boolean)).toHaveLength(3);
  expect(capture.counters.refusedComments).toBe(0);
  expect(capture.unusedPatterns).toEqual(["node9/*", "a.c/x"]);
  const read = finish();
  expect(read.interfaces.map((one) => one.name)).toEqual(["node2/eth0", "node2/cbr0", "node1/cbr0"]);
  expect(read.packets.map((one) => one.interface.name)).toEqual(["node2/eth0", "node2/cbr0", "node1/cbr0"]);
});

test("a filter sees frame and point, and what it leaves out is counted in the statistics", () => {
  const startsWithA = (bytes: Uint8Array, start: number, end: number, point: CapturePoint): boolean =>
    point.name === "all/eth0" || (end > start && bytes[start] === 0x61);
  const { capture, finish } = bench({ filter: { text: "starts with a", accepts: startsWithA } });
  const all = capture.addPoint({ name: "all/eth0" });
  const some = capture.addPoint({ name: "some/eth0" });
  for (const point of [all, some]) for (const content of ["abc", "bca"]) capture.record(point, "in", frame(0, content));
  capture.countDropped(some);
  const read = finish();
  expect(lines(read)).toEqual(["0 all/eth0 in 1 abc", "0 all/eth0 in 1 bca", "0 some/eth0 in 1 abc"]);
  expect(read.interfaces.map((one) => one.filter)).toEqual(["starts with a", "starts with a"]);
  expect(read.statistics.map((one) => [one.received, one.accepted, one.dropped])).toEqual([
    [2n, 2n, 0n],
    [2n, 1n, 1n],
  ]);
});

test("names stand before the first packet, later ones before the next; an address's first name comes last, to be displayed", () => {
  const { capture, clock, finish } = bench();
  const a = capture.addPoint({ name: "a/eth0" });
  capture.addName(0x0af0_0005, "kubernetes-node-cx31");
  capture.addName(0x0af0_0005, "node2");
  capture.addName(0x0af0_0005, "node2");
  capture.addName(1, "one");
  capture.record(a, "in", frame(0, "x"));
  clock.now = 1000;
  capture.record(a, "in", frame(1000, "y"));
  capture.addName(2, "two");
  capture.addName(0x0af0_0005, "node2");
  capture.addName(1, "uno");
  expect(finish().names).toEqual([
    { address: 0x0af0_0005, names: ["node2", "kubernetes-node-cx31"] },
    { address: 1, names: ["one"] },
    { address: 2, names: ["two"] },
    { address: 1, names: ["uno", "one"] },
  ]);
});

test("flush() completes the file up to the clock's time", () => {
  const { capture, clock, file } = bench();
  const a = capture.addPoint({ name: "a/eth0" });
  for (const at of [1000, 2000, 3000]) capture.record(a, "in", frame(at, `at ${at}`));
  clock.now = 2500;
  capture.flush();
  expect(lines(readPcapng(file.bytes()))).toEqual(["1000 a/eth0 in 1 at 1000", "2000 a/eth0 in 1 at 2000"]);
});

test("a finished capture takes nothing more, and finishing again changes nothing", () => {
  const { capture, file, finish } = bench();
  const a = capture.addPoint({ name: "a/eth0" });
  capture.record(a, "in", frame(0, "x"));
  finish();
  const size = file.bytes().length;
  expect(capture.record(a, "in", frame(0, "y"))).toBe(NOT_RECORDED);
  capture.countDropped(a);
  capture.flush();
  capture.finish();
  expect(file.bytes()).toHaveLength(size);
});

test("the snap length cuts what is written", () => {
  const { capture, finish } = bench({ snapLength: 4 });
  capture.record(capture.addPoint({ name: "a/eth0" }), "in", frame(0, "abcdef"));
  expect(finish().packets.map((one) => [new TextDecoder().decode(one.bytes), one.originalLength])).toEqual([
    ["abcd", 6],
  ]);
});

test("in classic pcap each wanted point has a file of its own, with its link type", () => {
  const files = new Map<string, ReturnType<typeof collect>>();
  const sinkFor = (name: string) => {
    const file = collect();
    files.set(name, file);
    return file.sink;
  };
  const capture = new Capture({
    target: { format: "pcap", sinkFor },
    now: () => 0,
    only: ["a/*", "t/*"],
    startDate: 0n,
    snapLength: 3,
  });
  const a = capture.addPoint({ name: "a/eth0" });
  const b = capture.addPoint({ name: "b/eth0" });
  const t = capture.addPoint({ name: "t/tun0", linkType: 101 });
  capture.addName(1, "has no place");
  for (const [i, point] of [a, b, t, a].entries())
    capture.annotate(capture.record(point, "in", frame(i, `no. ${i}`)), "has no place");
  capture.finish();
  const read = [...files].map(([name, file]) => ({ name, file: readPcap(file.bytes()) }));
  expect(
    read.map(({ name, file }) => [
      name,
      file.error,
      file.interfaces[0]?.linkType,
      file.packets.map((one) => [one.time, new TextDecoder().decode(one.bytes), one.originalLength]),
    ]),
  ).toEqual([
    [
      "a/eth0",
      undefined,
      1,
      [
        [0n, "no.", 5],
        [3n, "no.", 5],
      ],
    ],
    ["t/tun0", undefined, 101, [[2n, "no.", 5]]],
  ]);
});

test("any sequence of records comes out in time order, complete, with its comments", () => {
  const step = fc.record({
    wait: fc.nat(3),
    ahead: fc.nat(4),
    lineage: fc.integer({ min: 1, max: 4 }),
    direction: fc.constantFrom<Direction>("in", "out"),
    note: fc.boolean(),
  });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const { capture, clock, finish } = bench();
      const a = capture.addPoint({ name: "a/eth0" });
      const expected = steps.map(({ wait, ahead, lineage, direction, note }, i) => {
        clock.now += wait;
        const at = clock.now + ahead;
        capture.record(a, direction, frame(at, `${i}`, lineage));
        if (note) expect(capture.annotateLatest(lineage, `note ${i}`)).toBe(true);
        return { at, line: `${at} a/eth0 ${direction} ${lineage} ${i}${note ? ` | note ${i}` : ""}` };
      });
      // Array sorting is stable.
      expect(lines(finish())).toEqual(expected.toSorted((x, y) => x.at - y.at).map((one) => one.line));
      expect(capture.counters.late).toBe(0);
    }),
  );
});

test("frames are counted instead of recorded while the taker is behind, and the next record says how many are missing", () => {
  let isBehind = false;
  const { capture, finish } = bench({ isBehind: () => isBehind });
  const a = capture.addPoint({ name: "a/eth0" });
  capture.record(a, "in", frame(1000, "one"));
  isBehind = true;
  expect(capture.record(a, "in", frame(2000, "two"))).toBe(NOT_RECORDED);
  capture.record(a, "in", frame(3000, "three"));
  isBehind = false;
  capture.record(a, "in", frame(4000, "four"));
  isBehind = true;
  capture.record(a, "in", frame(5000, "five"));
  isBehind = false;
  capture.record(a, "in", frame(6000, "six"));
  capture.record(a, "in", frame(7000, "seven"));
  expect(capture.counters.missed).toBe(3);
  const file = finish();
  expect(lines(file)).toEqual([
    "1000 a/eth0 in 1 one",
    "4000 a/eth0 in 1 four | 2 packets before this one are missing here: not taken in time",
    "6000 a/eth0 in 1 six | 1 packet before this one is missing here: not taken in time",
    "7000 a/eth0 in 1 seven",
  ]);
  expect(file.statistics.map(({ received, dropped }) => [received, dropped])).toEqual([[4n, 3n]]);
});
