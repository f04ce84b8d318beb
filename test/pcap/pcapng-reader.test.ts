import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { readCapture, readPcapng } from "../../src/pcap/index.ts";
import { blocks, padded } from "./block-builder.ts";
import { sampleCapture } from "./sample-capture.ts";

const little = blocks("little");
const big = blocks("big");

function file(...parts: readonly (readonly number[])[]): Uint8Array {
  return Uint8Array.from(parts.flat());
}

describe.each([
  ["little-endian", little],
  ["big-endian", big],
])("readPcapng() on a %s file", (order, b) => {
  test("reads section, interface, packet, names and statistics", () => {
    const read = readPcapng(
      file(
        b.sectionHeader(
          b.text(2, "metal"),
          b.text(3, "Linux"),
          b.text(4, "dumpcap"),
          b.text(1, "one"),
          b.text(1, "two"),
        ),
        b.interfaceBlock(
          1,
          96,
          b.text(2, "eth0"),
          b.text(3, "uplink"),
          b.option(4, [10, 240, 0, 5, 255, 255, 255, 0]),
          b.option(6, [0x0a, 0x58, 0x0a, 0xf4, 3, 8]),
          b.option(9, [9]),
          b.option(11, [0, 0x69, 0x70]),
          b.text(1, "tapped"),
        ),
        b.block(
          4,
          b.u16(1),
          b.u16(9),
          padded([10, 0, 65, 118, 0x61, 0, 0x62, 0x62, 0]),
          b.u16(2),
          b.u16(18),
          padded(new Array(18).fill(1)),
          b.u32(0),
        ),
        b.packetBlock(
          0,
          1_767_225_600_000_000_007n,
          [1, 2, 3],
          b.text(1, "first"),
          b.option(2, b.u32(2)),
          b.text(1, "second →"),
          b.option(5, b.u64(2n ** 63n + 1n)),
        ),
        b.block(
          5,
          b.u32(0),
          b.u32(0),
          b.u32(9),
          b.option(2, [...b.u32(1), ...b.u32(2)]),
          b.option(3, [...b.u32(1), ...b.u32(3)]),
          b.option(4, b.u64(12n)),
          b.option(5, b.u64(3n)),
          b.u32(0),
        ),
      ),
    );
    const eth0 = {
      name: "eth0",
      description: "uplink",
      linkType: 1,
      snapLength: 96,
      mac: 0x0a58_0af4_0308,
      ipv4: { address: 0x0af0_0005, netmask: 0xffff_ff00 },
      filter: "ip",
      comments: ["tapped"],
    };
    expect(read).toEqual({
      format: "pcapng",
      sections: [
        {
          littleEndian: order === "little-endian",
          hardware: "metal",
          os: "Linux",
          application: "dumpcap",
          comments: ["one", "two"],
        },
      ],
      interfaces: [eth0],
      packets: [
        {
          interface: eth0,
          time: 1_767_225_600_000_000_007n,
          bytes: Uint8Array.of(1, 2, 3),
          originalLength: 3,
          direction: "out",
          packetId: 2n ** 63n + 1n,
          comments: ["first", "second →"],
          offset: 84 + 96 + 56,
        },
      ],
      names: [{ address: 0x0a00_4176, names: ["a", "bb"] }],
      statistics: [
        {
          interface: eth0,
          start: 0x1_0000_0002n,
          end: 0x1_0000_0003n,
          received: 12n,
          dropped: 3n,
          accepted: undefined,
        },
      ],
      error: undefined,
    });
  });

  test.each([
    ["absent: microseconds", undefined, 1_500_000n, 1_500_000_000n],
    ["10^-3", 3, 1_500n, 1_500_000_000n],
    ["10^-9", 9, 1_500_000_007n, 1_500_000_007n],
    ["10^-12, rounded down", 12, 1_500_000_007_999n, 1_500_000_007n],
    ["10^-127, with nothing left of it", 127, 5n, 0n],
    ["2^-10", 0x8a, 1536n, 1_500_000_000n],
    ["2^-32", 0xa0, 0x1_8000_0000n, 1_500_000_000n],
    ["2^0: seconds", 0x80, 3n, 3_000_000_000n],
  ])("understands the time resolution %s", (_, resolution, ticks, nanoseconds) => {
    const options = resolution === undefined ? [] : [b.option(9, [resolution])];
    const read = readPcapng(file(b.sectionHeader(), b.interfaceBlock(1, 0, ...options), b.packetBlock(0, ticks, [])));
    expect([read.packets[0]?.time, read.error]).toEqual([nanoseconds, undefined]);
  });

  test("adds if_tsoffset, which may be negative", () => {
    const described = b.interfaceBlock(1, 0, b.option(9, [9]), b.option(14, b.u64(-2n)));
    const read = readPcapng(file(b.sectionHeader(), described, b.packetBlock(0, 5_000_000_001n, [])));
    expect(read.packets[0]?.time).toBe(3_000_000_001n);
  });

  test("reads Simple Packet Blocks, cut at the snap length, and the obsolete Packet Block", () => {
    const read = readPcapng(
      file(
        b.sectionHeader(),
        b.interfaceBlock(101, 5),
        b.block(3, b.u32(9), padded([1, 2, 3, 4, 5])),
        b.block(3, b.u32(2), padded([6, 7])),
        b.block(
          2,
          b.u16(0),
          b.u16(4),
          b.u32(0),
          b.u32(8),
          b.u32(1),
          b.u32(60),
          padded([9]),
          b.option(2, b.u32(1)),
          b.u32(0),
        ),
      ),
    );
    expect(read.error).toBeUndefined();
    expect(read.packets.map((one) => [one.time, [...one.bytes], one.originalLength, one.direction])).toEqual([
      [undefined, [1, 2, 3, 4, 5], 9, undefined],
      [undefined, [6, 7], 2, undefined],
      [8000n, [9], 60, "in"],
    ]);
  });

  test("skips blocks and options that it does not know, and options too short for their meaning", () => {
    const read = readPcapng(
      file(
        b.sectionHeader(),
        b.block(0x8000_0bad, b.u32(1)),
        b.interfaceBlock(1, 0, b.option(0x8bad, [1, 2, 3]), b.option(6, [1]), b.text(2, "eth0")),
        b.block(10),
        b.packetBlock(0, 0n, [1], b.option(2, [1]), b.option(0x7777, [])),
      ),
    );
    expect(read.error).toBeUndefined();
    expect(read.interfaces.map((one) => [one.name, one.mac])).toEqual([["eth0", undefined]]);
    expect(read.packets.map((one) => one.direction)).toEqual([undefined]);
  });
});

test("readPcapng() numbers interfaces anew in each section, and sections may differ in byte order", () => {
  const read = readPcapng(
    file(
      little.sectionHeader(),
      little.interfaceBlock(1, 0, little.text(2, "a")),
      little.interfaceBlock(1, 0, little.text(2, "b")),
      little.packetBlock(1, 0n, []),
      big.sectionHeader(),
      big.interfaceBlock(1, 0, big.text(2, "c")),
      big.packetBlock(0, 0n, []),
    ),
  );
  expect(read.sections.map((one) => one.littleEndian)).toEqual([true, false]);
  expect(read.interfaces.map((one) => one.name)).toEqual(["a", "b", "c"]);
  expect(read.packets.map((one) => one.interface.name)).toEqual(["b", "c"]);
});

test("readPcapng() reads from a view into a larger buffer", () => {
  const sample = sampleCapture();
  const within = new Uint8Array(sample.length + 7);
  within.set(sample, 3);
  expect(readPcapng(within.subarray(3, 3 + sample.length))).toEqual(readPcapng(sample));
});

const header = little.sectionHeader();
const described = [...header, ...little.interfaceBlock(1, 0)];
const at = described.length;
const packetOf = (length: number): number[] =>
  little.block(6, little.u32(0), little.u32(0), little.u32(0), little.u32(length), little.u32(length), [1, 2, 3, 4]);

test.each<[string, number[], "truncated" | "corrupt", number, string]>([
  ["an empty file", [], "truncated", 0, "0 bytes left, a block has at least 12"],
  [
    "text",
    [...new TextEncoder().encode("hello, world")],
    "corrupt",
    0,
    "not a pcapng file: it does not start with a section header",
  ],
  ["a wrong magic", header.with(8, 0), "corrupt", 0, "no byte-order magic in the section header"],
  ["version 2", header.with(12, 2), "corrupt", 0, "pcapng version 2 is not known"],
  [
    "a section header without a version",
    little.block(0x0a0d0d0a, little.u32(0x1a2b3c4d)),
    "corrupt",
    0,
    "section header is too short",
  ],
  [
    "a block length of 0",
    described.with(header.length + 4, 0),
    "corrupt",
    28,
    "block length 0 is less than 12 or no multiple of 4",
  ],
  [
    "a block length of 21",
    described.with(header.length + 4, 21),
    "corrupt",
    28,
    "block length 21 is less than 12 or no multiple of 4",
  ],
  [
    "a block length beyond the file",
    described.with(header.length + 4, 24),
    "truncated",
    28,
    "block of 24 bytes, 20 left",
  ],
  [
    "two lengths that differ",
    described.with(at - 4, 24),
    "corrupt",
    28,
    "block length is 20 before the block and 24 after it",
  ],
  [
    "an interface block without a snap length",
    [...header, ...little.block(1, little.u32(1))],
    "corrupt",
    28,
    "interface description is too short",
  ],
  [
    "an option beyond its block",
    [...header, ...little.block(1, little.u32(1), little.u32(0), little.u16(2), little.u16(5), [1, 2, 3, 4])],
    "corrupt",
    28,
    "an option reaches beyond the interface description",
  ],
  [
    "a packet without an interface",
    [...header, ...packetOf(4)],
    "corrupt",
    28,
    "packet of interface 0, which is not described",
  ],
  [
    "a packet longer than its block",
    [...described, ...packetOf(5)],
    "corrupt",
    at,
    "packet of 5 bytes in a block of 36",
  ],
  [
    "a packet of 4 GB",
    [...described, ...packetOf(0xffff_ffff)],
    "corrupt",
    at,
    "packet of 4294967295 bytes in a block of 36",
  ],
  [
    "a packet block without lengths",
    [...described, ...little.block(6, little.u32(0))],
    "corrupt",
    at,
    "packet block is too short",
  ],
  [
    "a simple packet longer than its block",
    [...described, ...little.block(3, little.u32(5), [1, 2, 3, 4])],
    "corrupt",
    at,
    "packet of 5 bytes in a block of 20",
  ],
  [
    "a simple packet without an interface",
    [...header, ...little.block(3, little.u32(0))],
    "corrupt",
    28,
    "packet of interface 0, which is not described",
  ],
  [
    "a name record beyond its block",
    [...header, ...little.block(4, little.u16(1), little.u16(9), [1, 2, 3, 4])],
    "corrupt",
    28,
    "a name record reaches beyond its block",
  ],
  [
    "a name record without an address",
    [...header, ...little.block(4, little.u16(1), little.u16(3), [1, 2, 3, 0])],
    "corrupt",
    28,
    "a name record is shorter than its address",
  ],
  [
    "statistics without an interface",
    [...header, ...little.block(5, little.u32(0), little.u32(0), little.u32(0))],
    "corrupt",
    28,
    "statistics of interface 0, which is not described",
  ],
  [
    "statistics without a time",
    [...described, ...little.block(5, little.u32(0))],
    "corrupt",
    at,
    "interface statistics are too short",
  ],
  ["a few bytes at the end", [...described, 6, 0, 0], "truncated", at, "3 bytes left, a block has at least 12"],
])("readPcapng() tells about %s", (_, bytes, kind, offset, message) => {
  expect(readPcapng(Uint8Array.from(bytes)).error).toEqual({ kind, offset, message });
});

test("readPcapng() of a file cut off anywhere returns the packets that were whole", () => {
  const sample = sampleCapture();
  const whole = readPcapng(sample).packets;
  const cuts = Array.from({ length: sample.length }, (_, length) => readPcapng(sample.subarray(0, length)));
  for (const [length, cut] of cuts.entries()) {
    expect(cut.packets).toEqual(whole.slice(0, cut.packets.length));
    if (cut.error === undefined) continue;
    expect(cut.error.kind).toBe("truncated");
    expect(cut.error.offset).toBeLessThanOrEqual(length);
  }
  expect(cuts.map((cut) => cut.packets.length)).toContain(2);
});

test("readCapture() never throws on a damaged file, and gives no bytes from outside it", () => {
  const samples = [
    sampleCapture(),
    file(
      big.sectionHeader(),
      big.interfaceBlock(1, 0, big.text(2, "a")),
      big.packetBlock(0, 1n, [1, 2, 3], big.text(1, "x")),
    ),
  ];
  const damage = fc.array(fc.tuple(fc.nat(2000), fc.oneof(fc.constantFrom(0, 1, 0xff, 0x7f), fc.nat(255))), {
    maxLength: 8,
  });
  fc.assert(
    fc.property(fc.constantFrom(...samples), damage, fc.nat(2000), (sample, changes, cut) => {
      const bytes = sample.slice(0, Math.max(0, sample.length - (cut % 64)));
      for (const [position, value] of changes) bytes[position % sample.length] = value;
      for (const packet of readCapture(bytes).packets) {
        expect(packet.bytes.byteOffset + packet.bytes.length).toBeLessThanOrEqual(bytes.length);
      }
    }),
    { numRuns: 3000 },
  );
});

test("readCapture() never throws on random bytes behind a valid beginning", () => {
  fc.assert(
    fc.property(fc.constantFrom(header, described), fc.uint8Array({ maxLength: 200 }), (start, rest) => {
      const { error, packets } = readCapture(Uint8Array.from([...start, ...rest]));
      expect(rest.length === 0 ? error : (error ?? packets)).toEqual(rest.length === 0 ? undefined : expect.anything());
    }),
  );
});
