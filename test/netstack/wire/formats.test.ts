import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  address,
  describeArp,
  describeEthernet,
  describeIcmp,
  describeIpv4,
  describeUdp,
  describeVxlan,
  emitArp,
  emitEthernet,
  emitIcmp,
  emitIpv4Header,
  emitUdp,
  emitVxlan,
  ipv4Fault,
  networkLayer,
  parseArp,
  parseEthernet,
  parseIcmp,
  parseIpv4Header,
  parseMac,
  parseUdp,
  parseVxlan,
} from "../../../src/netstack/index.ts";
import { hex, toHex } from "../../support/hex.ts";

interface Format<T> {
  readonly parse: (bytes: Uint8Array, at: number, end: number) => T | undefined;
  readonly emit: (value: T, bytes: Uint8Array, at: number) => void;
  readonly describe: (value: T) => string;
  /** Bytes that must be there; shorter prefixes are refused. */
  readonly least: number;
}

const MAC_A = parseMac("0a:58:0a:f4:03:08")!;
const MAC_B = parseMac("42:01:0a:f0:00:05")!;

/** The laws every wire file keeps: parse gives the value, emit gives the bytes at any offset, shorter prefixes are refused, describe says so. */
function testFormat<T>(
  name: string,
  format: Format<T>,
  cases: readonly [digits: string, value: T, text: string][],
): void {
  describe(name, () => {
    it.each(cases)("%s", (digits, value, text) => {
      const bytes = hex(digits);
      expect(format.parse(bytes, 0, bytes.length)).toEqual(value);
      expect(format.describe(value)).toBe(text);
      const shifted = new Uint8Array(bytes.length + 7);
      format.emit(value, shifted, 7);
      expect(toHex(shifted.subarray(7, 7 + format.least))).toBe(toHex(bytes.subarray(0, format.least)));
      for (let end = 0; end < format.least; end++) expect(format.parse(bytes, 0, end)).toBeUndefined();
    });
    it("never throws on random bytes", () => {
      fc.assert(fc.property(fc.uint8Array({ maxLength: 80 }), (bytes) => void format.parse(bytes, 0, bytes.length)));
    });
  });
}

testFormat("Ethernet", { parse: parseEthernet, emit: emitEthernet, describe: describeEthernet, least: 14 }, [
  [
    "42010af00005 0a580af40308 0800",
    { destination: MAC_B, source: MAC_A, type: 0x0800 },
    "0a:58:0a:f4:03:08 > 42:01:0a:f0:00:05 type 0x0800",
  ],
]);

testFormat("ARP", { parse: parseArp, emit: emitArp, describe: describeArp, least: 28 }, [
  [
    "0001 0800 06 04 0001 0a580af40308 0af40308 000000000000 0af40301",
    {
      operation: 1,
      senderMac: MAC_A,
      senderIp: address("10.244.3.8"),
      targetMac: 0 as typeof MAC_A,
      targetIp: address("10.244.3.1"),
    },
    "ARP who has 10.244.3.1? tell 10.244.3.8",
  ],
  [
    "0001 0800 06 04 0002 42010af00005 0af00005 0a580af40308 0af40308",
    {
      operation: 2,
      senderMac: MAC_B,
      senderIp: address("10.240.0.5"),
      targetMac: MAC_A,
      targetIp: address("10.244.3.8"),
    },
    "ARP 10.240.0.5 is at 42:01:0a:f0:00:05",
  ],
]);

testFormat("IPv4", { parse: parseIpv4Header, emit: emitIpv4Header, describe: describeIpv4, least: 20 }, [
  [
    "45 00 0014 1c46 4000 40 06 e926 c633644f 0af00005",
    {
      headerLength: 20,
      typeOfService: 0,
      totalLength: 20,
      identification: 0x1c46,
      dontFragment: true,
      moreFragments: false,
      fragmentOffset: 0,
      ttl: 64,
      protocol: 6,
      checksum: 0xe926,
      source: address("198.51.100.79"),
      destination: address("10.240.0.5"),
    },
    "198.51.100.79 > 10.240.0.5 ttl 64 id 7238 DF length 20",
  ],
  [
    "45 c0 0018 0001 20b9 01 11 ac26 c0a8010a c633644f 00000000",
    {
      headerLength: 20,
      typeOfService: 0xc0,
      totalLength: 24,
      identification: 1,
      dontFragment: false,
      moreFragments: true,
      fragmentOffset: 1480,
      ttl: 1,
      protocol: 17,
      checksum: 0xac26,
      source: address("192.168.1.10"),
      destination: address("198.51.100.79"),
    },
    "192.168.1.10 > 198.51.100.79 ttl 1 id 1 fragment at 1480+ length 24",
  ],
]);

testFormat("ICMP", { parse: parseIcmp, emit: emitIcmp, describe: describeIcmp, least: 8 }, [
  ["08 00 f7fd 0001 0001", { type: 8, code: 0, checksum: 0xf7fd, rest: 0x10001 }, "ICMP echo request id 1 seq 1"],
  [
    "03 04 f6e8 0000 0574",
    { type: 3, code: 4, checksum: 0xf6e8, rest: 1396 },
    "ICMP fragmentation needed, destination unreachable",
  ],
  ["0b 00 f4ff 0000 0000", { type: 11, code: 0, checksum: 0xf4ff, rest: 0 }, "ICMP time exceeded in transit"],
]);

testFormat("UDP", { parse: parseUdp, emit: emitUdp, describe: describeUdp, least: 8 }, [
  [
    "9c40 829a 0008 beef",
    { sourcePort: 40000, destinationPort: 33434, length: 8, checksum: 0xbeef },
    "UDP 40000 > 33434 length 8",
  ],
]);

describe("ipv4Fault", () => {
  const sound = "45 00 0014 1c46 4000 40 06 e926 c633644f 0af00005";
  it.each([
    ["a sound header", sound, undefined],
    ["version 6", sound.replace("45", "65"), "ip-bad-version"],
    ["a header of 16 bytes", sound.replace("45", "44"), "ip-bad-header-length"],
    ["options beyond the end", sound.replace("45", "46"), "ip-truncated"],
    ["a wrong checksum", sound.replace("e926", "e927"), "ip-bad-checksum"],
    ["a total length shorter than the header", "45 00 0010 1c46 4000 40 06 e92a c633644f 0af00005", "ip-bad-length"],
    ["a total length beyond the end", "45 00 0015 1c46 4000 40 06 e925 c633644f 0af00005", "ip-truncated"],
    ["no bytes", "", "ip-truncated"],
  ])("finds %s", (_name, digits, fault) => {
    const bytes = hex(digits);
    expect(ipv4Fault(bytes, 0, bytes.length)).toBe(fault);
  });
});

testFormat("VXLAN", { parse: parseVxlan, emit: emitVxlan, describe: describeVxlan, least: 8 }, [
  ["0800 0000 0000 0100", { vni: 1 }, "VXLAN vni 1"],
  ["0800 0000 ffff ff00", { vni: 0xffffff }, "VXLAN vni 16777215"],
]);

describe("parseVxlan", () => {
  it("refuses a header without the I flag", () => {
    expect(parseVxlan(hex("0000 0000 0000 0100"), 0, 8)).toBeUndefined();
  });
  it("ignores what is reserved", () => {
    expect(parseVxlan(hex("ff12 3456 0000 2aff"), 0, 8)).toEqual({ vni: 42 });
  });
});

describe("parseUdp", () => {
  it("refuses a length shorter than the header or longer than the packet", () => {
    expect(parseUdp(hex("9c40 829a 0007 0000"), 0, 8)).toBeUndefined();
    expect(parseUdp(hex("9c40 829a 0009 0000"), 0, 8)).toBeUndefined();
  });
});

describe("networkLayer", () => {
  it("skips VLAN tags, one or two", () => {
    const macs = "42010af00005 0a580af40308";
    const find = (rest: string): unknown => networkLayer(hex(macs + rest), 0, hex(macs + rest).length);
    expect(find("0800 45")).toEqual({ type: 0x0800, at: 14 });
    expect(find("8100 0064 0806 0001")).toEqual({ type: 0x0806, at: 18 });
    expect(find("88a8 0064 8100 0065 0800 45")).toEqual({ type: 0x0800, at: 22 });
    expect(find("8100 00")).toBeUndefined();
  });
});
