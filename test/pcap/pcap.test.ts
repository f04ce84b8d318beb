import fc from "fast-check";
import { expect, test } from "vitest";
import { PcapWriter, readCapture, readPcap } from "../../src/pcap/index.ts";
import { fromHex, toHex } from "./bytes-from-hex.ts";
import { collect } from "./collected.ts";

test("PcapWriter writes exactly these bytes", () => {
  const file = collect();
  const writer = new PcapWriter(file.sink, { startDate: 1_767_225_600_999_999_999n });
  writer.writePacket({ time: 0, bytes: fromHex("00 01 02 03"), start: 1, end: 4 });
  writer.writePacket({ time: 3_000_000_001, bytes: fromHex("ff"), start: 0, end: 1 });
  writer.flush();
  const expected = fromHex(`
    4d3cb2a1 0200 0400 00000000 00000000 00000400 01000000   # nanosecond magic, version 2.4, snap length 262,144, Ethernet
    00b95569 ffc99a3b 03000000 03000000 010203               # 2026-01-01 00:00:00.999999999, 3 bytes of 3
    04b95569 00000000 01000000 01000000 ff                   # 3.000000001 s later: the second is carried`);
  expect(toHex(file.bytes())).toBe(toHex(expected));
});

test("what PcapWriter writes, readPcap reads", () => {
  const packets = fc.array(fc.tuple(fc.nat(2 ** 31), fc.uint8Array({ maxLength: 100 })));
  fc.assert(
    fc.property(
      packets,
      fc.bigInt(0n, 2n ** 61n),
      fc.nat(80),
      fc.nat(0xffff),
      (list, startDate, snapLength, linkType) => {
        const file = collect();
        const writer = new PcapWriter(file.sink, { startDate, snapLength, linkType, bufferBytes: 64 });
        for (const [time, bytes] of list) writer.writePacket({ time, bytes, start: 0, end: bytes.length });
        writer.flush();
        const read = readPcap(file.bytes());
        expect([read.error, read.interfaces.map((one) => one.linkType)]).toEqual([undefined, [linkType]]);
        expect(read.packets.map((one) => [one.time, [...one.bytes], one.originalLength])).toEqual(
          list.map(([time, bytes]) => [
            startDate + BigInt(time),
            [...bytes.slice(0, snapLength === 0 ? undefined : snapLength)],
            bytes.length,
          ]),
        );
      },
    ),
  );
});

test.each([
  [
    "little-endian microseconds",
    "d4c3b2a1 02000400 00000000 00000000 60000000 65000000  07000000 08000000 02000000 09000000 abcd",
    7_000_008_000n,
  ],
  [
    "big-endian microseconds",
    "a1b2c3d4 00020004 00000000 00000000 00000060 00000065  00000007 00000008 00000002 00000009 abcd",
    7_000_008_000n,
  ],
  [
    "little-endian nanoseconds",
    "4d3cb2a1 02000400 00000000 00000000 60000000 65000000  07000000 08000000 02000000 09000000 abcd",
    7_000_000_008n,
  ],
  [
    "big-endian nanoseconds",
    "a1b23c4d 00020004 00000000 00000000 00000060 00000065  00000007 00000008 00000002 00000009 abcd",
    7_000_000_008n,
  ],
  [
    "a frame check sequence told in the link type",
    "a1b23c4d 00020004 00000000 00000000 00000060 24000065  00000007 00000008 00000002 00000009 abcd",
    7_000_000_008n,
  ],
])("readCapture() reads classic pcap: %s", (_, hex, time) => {
  const read = readCapture(fromHex(hex));
  expect([read.format, read.error]).toEqual(["pcap", undefined]);
  const packets = read.packets.map((one) => [
    one.interface.linkType,
    one.interface.snapLength,
    one.time,
    toHex(one.bytes),
    one.originalLength,
    one.offset,
  ]);
  expect(packets).toEqual([[101, 96, time, "abcd", 9, 24]]);
});

const HEADER = "4d3cb2a1 02000400 00000000 00000000 00000400 01000000";

test.each<[string, string, "truncated" | "corrupt", number, string, number]>([
  ["an empty file", "", "truncated", 0, "0 bytes, a pcap file has at least 24", 0],
  ["another kind of file", "00".repeat(24), "corrupt", 0, "not a pcap file: its magic number is none of pcap's", 0],
  ["half a record header", `${HEADER} 00000000`, "truncated", 24, "the file ends within a record's header", 0],
  [
    "half a packet",
    `${HEADER} 00000000 00000000 01000000 01000000 aa 00000000 00000000 02000000 02000000 ff`,
    "truncated",
    41,
    "record of 2 bytes, 1 left",
    1,
  ],
  [
    "an impossible length",
    `${HEADER} 00000000 00000000 ffffffff ffffffff`,
    "corrupt",
    24,
    "record of 4294967295 bytes, more than any packet has",
    0,
  ],
])("readPcap() tells about %s", (_, hex, kind, offset, message, whole) => {
  const read = readPcap(fromHex(hex));
  expect([read.error, read.packets.length]).toEqual([{ kind, offset, message }, whole]);
});

test("readPcap() never throws, and gives no bytes from outside the file", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 120 }), fc.boolean(), (rest, small) => {
      // Every fourth byte zero makes lengths that can be true.
      if (small) for (let i = 9; i < rest.length; i += 1) if (i % 16 > 8) rest[i] = 0;
      const bytes = Uint8Array.from([...fromHex(HEADER), ...rest]);
      for (const packet of readPcap(bytes).packets) {
        expect(packet.bytes.byteOffset + packet.bytes.length).toBeLessThanOrEqual(bytes.length);
      }
    }),
  );
});

test("PcapWriter refuses a time before the start", () => {
  const writer = new PcapWriter(() => {});
  expect(() => writer.writePacket({ time: -1, bytes: new Uint8Array(1), start: 0, end: 1 })).toThrow(
    new RangeError("Cannot write a packet: its time is -1"),
  );
});
