import fc from "fast-check";
import { expect, test } from "vitest";
import { type OutgoingPacket, PcapngWriter, readPcapng } from "../../src/pcap/index.ts";
import { fromHex, toHex } from "./bytes-from-hex.ts";
import { collect } from "./collected.ts";

function packet(fields: Partial<OutgoingPacket>): OutgoingPacket {
  const bytes = fields.bytes ?? fromHex("de ad be ef 01");
  const whole = { bytes, start: 0, end: bytes.length };
  return { interfaceId: 0, time: 0, direction: undefined, packetId: 0, comment: "", ...whole, ...fields };
}

test("PcapngWriter writes exactly these bytes", () => {
  const file = collect();
  const writer = new PcapngWriter(file.sink, { section: { application: "natscope", comment: "seed 1" } });
  writer.addInterface({
    name: "node2/eth0",
    mac: 0x0a58_0af4_0308,
    ipv4: { address: 0x0af0_0005, prefixLength: 24 },
    filter: "tcp",
  });
  writer.writeNames(new Map([[0x0af0_0005, ["node2", "cx31"]]]));
  writer.writePacket(packet({ time: 1_000_000_001, direction: "in", packetId: 2 ** 40 + 9, comment: "SNAT é" }));
  writer.countUnwritten(0, "filtered");
  writer.countUnwritten(0, "dropped");
  writer.close(2_000_000_000);
  const expected = fromHex(`
    0a0d0d0a 38000000 4d3c2b1a 0100 0000 ffffffffffffffff   # Section Header, 56 bytes, magic, version 1.0, length not known
      0100 0600 736565642031 0000                           # comment "seed 1", padded
      0400 0800 6e617473636f7065                            # shb_userappl "natscope"
      0000 0000 38000000
    01000000 50000000 0100 0000 00000000                    # Interface Description, Ethernet, no snap length
      0200 0a00 6e6f6465322f65746830 0000                   # if_name "node2/eth0"
      0400 0800 0af00005 ffffff00                           # if_IPv4addr 10.240.0.5/24
      0600 0600 0a580af40308 0000                           # if_MACaddr
      0900 0100 09 000000                                   # if_tsresol 10^-9
      0b00 0400 00 746370                                   # if_filter, in words: "tcp"
      0000 0000 50000000
    04000000 24000000                                       # Name Resolution
      0100 0f00 0af00005 6e6f64653200 6378333100 00         # 10.240.0.5 is "node2" and "cx31"
      0000 0000 24000000
    06000000 4c000000 00000000                              # Enhanced Packet of interface 0
      52728618 01ca9429                                     # 0x18867252_2994ca01: 2026-01-01 + 1.000000001 s
      05000000 05000000 deadbeef01 000000                   # 5 bytes captured of 5
      0100 0700 534e415420c3a9 00                           # comment "SNAT é", 7 bytes of UTF-8
      0200 0400 01000000                                    # epb_flags: inbound
      0500 0800 0900000000010000                            # epb_packetid 2^40 + 9
      0000 0000 4c000000
    05000000 58000000 00000000 52728618 00942f65            # Interface Statistics of interface 0, at 2 s
      0200 0800 51728618 0000faed                            # isb_starttime: the run's start
      0300 0800 52728618 00942f65                            # isb_endtime
      0400 0800 0200000000000000                            # isb_ifrecv: one written, one filtered out
      0500 0800 0100000000000000                            # isb_ifdrop
      0600 0800 0100000000000000                            # isb_filteraccept
      0000 0000 58000000`);
  expect(toHex(file.bytes())).toBe(toHex(expected));
});

const text = fc.string({ unit: "grapheme", maxLength: 60 }).filter((value) => !value.includes("\0"));
const packets = fc.array(
  fc.record({
    interfaceId: fc.nat(2),
    time: fc.maxSafeNat(),
    direction: fc.constantFrom("in" as const, "out" as const, undefined),
    packetId: fc.maxSafeNat(),
    bytes: fc.uint8Array({ maxLength: 200 }),
    comment: text,
  }),
);

test("what PcapngWriter writes, readPcapng reads, whatever the buffer's size", () => {
  fc.assert(
    fc.property(
      packets,
      fc.bigInt(0n, 2n ** 63n),
      fc.integer({ min: 1, max: 2000 }),
      (list, startDate, bufferBytes) => {
        const file = collect();
        const writer = new PcapngWriter(file.sink, { startDate, bufferBytes });
        for (const name of ["a/eth0", "b/eth0", "ü/eth0"]) writer.addInterface({ name });
        for (const { bytes, ...rest } of list) {
          const within = new Uint8Array(bytes.length + 9);
          within.set(bytes, 4);
          writer.writePacket({ ...rest, bytes: within, start: 4, end: 4 + bytes.length });
        }
        writer.close(0);
        const read = readPcapng(file.bytes());
        expect(read.error).toBeUndefined();
        expect(read.interfaces.map((one) => one.name)).toEqual(["a/eth0", "b/eth0", "ü/eth0"]);
        expect(
          read.packets.map((one) => [
            one.interface,
            one.time,
            one.direction,
            one.packetId,
            [...one.bytes],
            one.comments,
          ]),
        ).toEqual(
          list.map((one) => [
            read.interfaces[one.interfaceId],
            startDate + BigInt(one.time),
            one.direction,
            one.packetId === 0 ? undefined : BigInt(one.packetId),
            [...one.bytes],
            one.comment === "" ? [] : [one.comment],
          ]),
        );
      },
    ),
  );
});

test("PcapngWriter adds start and time exactly where the low half overflows", () => {
  const file = collect();
  const writer = new PcapngWriter(file.sink, { startDate: 0x1_ffff_ffffn });
  writer.addInterface({ name: "a/eth0" });
  for (const time of [0, 1, 0xffff_ffff, 0x1_0000_0000, 2 ** 53 - 1]) writer.writePacket(packet({ time }));
  writer.close(0);
  expect(readPcapng(file.bytes()).packets.map((one) => one.time)).toEqual([
    0x1_ffff_ffffn,
    0x2_0000_0000n,
    0x2_ffff_fffen,
    0x2_ffff_ffffn,
    0x20_0001_ffff_fffen,
  ]);
});

test("PcapngWriter accepts interfaces and names between packets", () => {
  const file = collect();
  const writer = new PcapngWriter(file.sink);
  writer.addInterface({ name: "a/eth0" });
  writer.writePacket(packet({}));
  expect(writer.addInterface({ name: "b/eth0", linkType: 101, description: "later" })).toBe(1);
  writer.writeNames(new Map([[1, ["one"]]]));
  writer.writePacket(packet({ interfaceId: 1 }));
  writer.close(0);
  const read = readPcapng(file.bytes());
  expect(read.packets.map((one) => [one.interface.name, one.interface.linkType, one.interface.description])).toEqual([
    ["a/eth0", 1, undefined],
    ["b/eth0", 101, "later"],
  ]);
  expect(read.names).toEqual([{ address: 1, names: ["one"] }]);
});

test("PcapngWriter cuts packets at the interface's snap length and keeps their original length", () => {
  const file = collect();
  const writer = new PcapngWriter(file.sink);
  writer.addInterface({ name: "a/eth0", snapLength: 3 });
  writer.writePacket(packet({}));
  writer.close(0);
  const [read] = readPcapng(file.bytes()).packets;
  expect(read && [toHex(read.bytes), read.originalLength]).toEqual(["deadbe", 5]);
});

test("PcapngWriter cuts a comment at 65,535 bytes, after a whole character", () => {
  const file = collect();
  const writer = new PcapngWriter(file.sink);
  writer.addInterface({ name: "a/eth0" });
  writer.writePacket(packet({ comment: "x".repeat(70_000) }));
  writer.writePacket(packet({ comment: `x${"é".repeat(40_000)}` }));
  writer.writePacket(packet({ comment: `${"é".repeat(40_000)}` }));
  writer.close(0);
  const read = readPcapng(file.bytes());
  expect(read.error).toBeUndefined();
  expect(read.packets.map((one) => one.comments)).toEqual([
    ["x".repeat(65_535)],
    [`x${"é".repeat(32_767)}`],
    ["é".repeat(32_767)],
  ]);
});

test("PcapngWriter hands over nothing before flush, then everything so far, and never a part of a block", () => {
  const chunks: number[] = [];
  const writer = new PcapngWriter((chunk) => chunks.push(chunk.length), { bufferBytes: 200 });
  writer.addInterface({ name: "a/eth0" });
  expect(chunks).toEqual([]);
  writer.flush();
  writer.flush();
  // Section Header 32, Interface Description 44.
  expect(chunks).toEqual([76]);
  for (let i = 0; i < 4; i += 1) writer.writePacket(packet({ bytes: new Uint8Array(100) }));
  expect(chunks).toEqual([76, 136, 136, 136]);
});

test("PcapngWriter refuses an interface that was never added, a time before the start, and anything after close", () => {
  const writer = new PcapngWriter(() => {});
  writer.addInterface({ name: "a/eth0" });
  expect(() => writer.writePacket(packet({ interfaceId: 1 }))).toThrow(
    new RangeError("Cannot write to interface 1: it was never added"),
  );
  expect(() => writer.writePacket(packet({ time: -1 }))).toThrow(
    new RangeError("Cannot write a packet: its time is -1"),
  );
  writer.close(0);
  expect(() => writer.writePacket(packet({}))).toThrow("Cannot write to an interface: the capture file is closed");
  expect(() => writer.close(0)).toThrow("Cannot close: the capture file is closed");
});

test("PcapngWriter does not hand the same bytes over twice when the sink throws", () => {
  const handed: number[] = [];
  const writer = new PcapngWriter((chunk) => {
    handed.push(chunk.length);
    if (handed.length === 1) throw new Error("disk full");
  });
  expect(() => writer.flush()).toThrow("disk full");
  writer.addInterface({ name: "a/eth0" });
  writer.flush();
  expect(handed).toEqual([32, 44]);
});
