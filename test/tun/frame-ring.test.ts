import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { FrameRing, ringMemory } from "../../src/tun/frame-ring.ts";

/** The two ends of one ring, as two threads have them. */
function ends(bytes: number): { writer: FrameRing; reader: FrameRing } {
  const memory = ringMemory(bytes);
  return { writer: new FrameRing(memory), reader: new FrameRing(memory) };
}

function write(ring: FrameRing, frame: Uint8Array): boolean {
  const at = ring.reserve(frame.length);
  if (at < 0) return false;
  ring.bytes.set(frame, at);
  ring.commit();
  return true;
}

function take(ring: FrameRing): Uint8Array | undefined {
  let taken: Uint8Array | undefined;
  ring.take((bytes, start, end) => {
    taken = bytes.slice(start, end);
  });
  return taken;
}

describe("FrameRing", () => {
  it("hands over frames in their order", () => {
    const { writer, reader } = ends(64);
    write(writer, Uint8Array.of(1, 2, 3));
    write(writer, Uint8Array.of(4));
    expect([take(reader), take(reader), take(reader)]).toEqual([Uint8Array.of(1, 2, 3), Uint8Array.of(4), undefined]);
  });

  it("shows nothing of a frame before it is whole", () => {
    const { writer, reader } = ends(64);
    writer.reserve(8);
    expect(take(reader)).toBeUndefined();
  });

  it("refuses a frame when there is no room, and takes it when there is again", () => {
    const { writer, reader } = ends(32);
    expect(write(writer, new Uint8Array(20))).toBe(true);
    expect(write(writer, new Uint8Array(20))).toBe(false);
    take(reader);
    expect(write(writer, new Uint8Array(20))).toBe(true);
  });

  it("holds so many frames and no more, however short, when told what a record takes up at least", () => {
    const memory = ringMemory(64);
    const [writer, reader] = [new FrameRing(memory, 16), new FrameRing(memory, 16)];
    const written = [1, 2, 3, 4, 5].map((number) => write(writer, Uint8Array.of(number)));
    expect(written).toEqual([true, true, true, true, false]);
    expect([1, 2, 3, 4].map(() => take(reader)?.[0])).toEqual([1, 2, 3, 4]);
  });

  it("lets the reader sleep only while there is nothing, and has the writer wake it once", () => {
    const { writer, reader } = ends(64);
    write(writer, Uint8Array.of(1));
    expect(reader.readerSleeps()).toBe(false);
    take(reader);
    expect(reader.readerSleeps()).toBe(true);
    write(writer, Uint8Array.of(2));
    expect([writer.mustWakeReader(), writer.mustWakeReader()]).toEqual([true, false]);
  });

  it("lets the writer wait only while there is no room, and has the reader wake it once", () => {
    const { writer, reader } = ends(32);
    expect(writer.writerWaits(16)).toBe(false);
    write(writer, new Uint8Array(24));
    expect(writer.writerWaits(16)).toBe(true);
    take(reader);
    expect([reader.mustWakeWriter(), reader.mustWakeWriter()]).toEqual([true, false]);
  });

  it("hands over any sequence of frames unchanged, round and round", () => {
    const step = fc.oneof(fc.constant("take" as const), fc.uint8Array({ maxLength: 40 }));
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const { writer, reader } = ends(128);
        const waiting: Uint8Array[] = [];
        for (const each of steps) {
          if (each === "take") expect(take(reader)).toEqual(waiting.shift());
          else if (write(writer, each)) waiting.push(each);
          expect(writer.free).toBeGreaterThanOrEqual(0);
        }
      }),
    );
  });
});
