import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Coalescer } from "../../src/tun/coalescing.ts";
import { handOver } from "../../src/tun/segmentation.ts";
import { collector, pattern, tcpFrame, udpFrame, VIRTIO } from "./kernel-packets.ts";

const ACK = 0x10;
const PSH = 0x08;
const FIN = 0x01;

/** What is written to the kernel for these frames. */
function join(frames: readonly Uint8Array[]): Uint8Array[] {
  const written: Uint8Array[] = [];
  const coalescer = new Coalescer((packet, length) => written.push(packet.slice(0, length)));
  for (const frame of frames) coalescer.add(frame, 0, frame.length, 0);
  coalescer.flush();
  return written;
}

/** Segments that follow each other, of these sizes. */
function segments(
  sizes: readonly number[],
  changes: (index: number) => Partial<Parameters<typeof tcpFrame>[0]> = () => ({}),
): Uint8Array[] {
  let sequence = 1000;
  return sizes.map((size, index) => {
    const frame = tcpFrame({ payload: pattern(size), sequence, identification: 7 + index, ...changes(index) });
    sequence += size;
    return frame;
  });
}

function cutAgain(written: readonly Uint8Array[]): Uint8Array[] {
  const sink = collector();
  for (const packet of written) expect(handOver(packet, packet.length, 1500, sink)).toBe("passed");
  return sink.frames;
}

describe("Coalescer", () => {
  it("joins segments that follow each other into one packet, which a card would cut into the same again", () => {
    const frames = segments([1448, 1448, 1448, 500], (index) => ({ flags: index === 3 ? ACK | PSH : ACK }));
    const written = join(frames);
    expect(written.map(({ length }) => length)).toEqual([VIRTIO + 54 + 3 * 1448 + 500]);
    expect([...written[0]!.subarray(0, VIRTIO)]).toEqual([1, 1, 54, 0, 1448 & 0xff, 1448 >> 8, 34, 0, 16, 0]);
    expect(cutAgain(written)).toEqual(frames);
  });

  const apart: [string, Uint8Array[]][] = [
    ["other connections", segments([100, 100], (index) => ({ sourcePort: 40000 + index }))],
    ["a gap", segments([100, 100], (index) => ({ sequence: 1000 + index * 101 }))],
    ["another acknowledgement", segments([100, 100], (index) => ({ acknowledgement: 1 + index }))],
    ["a longer segment", segments([100, 101])],
    ["what follows PSH", segments([100, 100], () => ({ flags: ACK | PSH }))],
    ["FIN", segments([100, 100], (index) => ({ flags: index === 1 ? ACK | FIN : ACK }))],
    ["other options", segments([100, 100], (index) => ({ options: Uint8Array.of(1, 1, 1, index) }))],
    ["segments without payload", segments([0, 0])],
    ["datagrams", [udpFrame(pattern(10)), udpFrame(pattern(10))]],
  ];
  it.each(apart)("does not join %s", (_, frames) => {
    expect(join(frames).map((packet) => packet.subarray(VIRTIO))).toEqual(frames);
  });

  it("begins a new packet behind a segment that is shorter", () => {
    const written = join(segments([100, 50, 50]));
    expect(written.map(({ length }) => length - VIRTIO - 54)).toEqual([150, 50]);
  });

  it("passes a segment with a wrong checksum alone and as it is, so that the kernel drops it", () => {
    const frames = segments([100, 100, 100]);
    frames[1]![60] = (frames[1]![60] ?? 0) ^ 1;
    const written = join(frames);
    expect(written.map((packet) => packet.subarray(VIRTIO))).toEqual(frames);
    expect(written.map((packet) => packet[0])).toEqual([0, 0, 0]);
  });

  it("passes on at once what came joined, behind what waited", () => {
    const frames = segments([1448, 1448, 1448, 1448, 200]);
    const whole = tcpFrame({ payload: pattern(2000), sequence: 1000 + 1448, identification: 8 });
    const written: Uint8Array[] = [];
    const coalescer = new Coalescer((packet, length) => written.push(packet.slice(0, length)));
    coalescer.add(frames[0]!, 0, frames[0]!.length, 0);
    coalescer.add(whole, 0, whole.length, 500);
    coalescer.flush();
    expect(written.map(({ length }) => length - VIRTIO - 54)).toEqual([1448, 2000]);
    const cut = cutAgain(written);
    expect(cut.map(({ length }) => length - 54)).toEqual([1448, 500, 500, 500, 500]);
    expect(cut[2]).toEqual(
      tcpFrame({ payload: pattern(2000).slice(500, 1000), sequence: 1000 + 1448 + 500, identification: 9 }),
    );
  });

  it("makes no IP packet longer than 65535 bytes", () => {
    const written = join(segments(Array.from({ length: 100 }, () => 1448)));
    expect(written.map(({ length }) => length - VIRTIO - 14)).toEqual([40 + 45 * 1448, 40 + 45 * 1448, 40 + 10 * 1448]);
  });

  it("loses and changes nothing, whatever comes", () => {
    const frame = fc.record({
      kind: fc.constantFrom("tcp", "udp"),
      size: fc.constantFrom(0, 1, 99, 100),
      port: fc.constantFrom(40000, 40001),
      flags: fc.constantFrom(ACK, ACK | PSH, ACK | FIN, 0x02),
      follows: fc.boolean(),
    });
    fc.assert(
      fc.property(fc.array(frame, { maxLength: 20 }), (script) => {
        const next = new Map<number, number>();
        const frames = script.map(({ kind, size, port, flags, follows }, index) => {
          if (kind === "udp") return udpFrame(pattern(size), index);
          const sequence = (next.get(port) ?? 1) + (follows ? 0 : 1);
          next.set(port, sequence + size);
          return tcpFrame({ payload: pattern(size), sourcePort: port, flags, sequence, identification: 0 });
        });
        const plain = (each: Uint8Array): Uint8Array => {
          // A card numbers the segments itself.
          const copy = each.slice();
          copy.fill(0, 18, 20);
          copy.fill(0, 24, 26);
          return copy;
        };
        expect(cutAgain(join(frames)).map(plain)).toEqual(frames.map(plain));
      }),
    );
  });
});
