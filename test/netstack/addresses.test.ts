import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  contains,
  formatCidr,
  formatIpv4,
  formatMac,
  ipv4,
  lastAddress,
  mac,
  parseCidr,
  parseInterfaceAddress,
  parseIpv4,
  parseMac,
} from "../../src/netstack/index.ts";

describe("IPv4 addresses", () => {
  it.each(["0.0.0.0", "10.0.0.1", "127.0.0.1", "192.168.255.254", "255.255.255.255"])("reads and prints %s", (text) => {
    expect(formatIpv4(parseIpv4(text)!)).toBe(text);
  });

  it.each([
    "",
    "1",
    "1.2.3",
    "1.2.3.4.5",
    "256.0.0.1",
    "01.2.3.4",
    "1..2.3",
    "0x10.1.1.1",
    "1.2.3.-4",
    " 1.2.3.4",
    "1.2.3.4 ",
    "1e1.2.3.4",
    "a.b.c.d",
  ])("refuses %j", (text) => {
    expect(parseIpv4(text)).toBeUndefined();
  });

  it("reads what it prints", () => {
    fc.assert(fc.property(fc.nat(0xffffffff), (bits) => parseIpv4(formatIpv4(ipv4(bits))) === ipv4(bits)));
  });
});

describe("ranges", () => {
  it.each([
    ["10.180.1.7/24", "10.180.1.0/24"],
    ["10.0.0.1", "10.0.0.1/32"],
    ["1.2.3.4/0", "0.0.0.0/0"],
    ["1.2.3.4/32", "1.2.3.4/32"],
  ])("clears what is behind the prefix of %s", (text, range) => {
    expect(formatCidr(parseCidr(text)!)).toBe(range);
  });

  it.each(["10.0.0.0/33", "10.0.0.0/", "10.0.0.0/-1", "10.0.0.0/024", "/24", "10.0.0/24"])("refuses %j", (text) => {
    expect(parseCidr(text)).toBeUndefined();
  });

  it("contains its addresses and no others", () => {
    const range = parseCidr("10.180.1.0/24")!;
    expect(contains(range, parseIpv4("10.180.1.255")!)).toBe(true);
    expect(contains(range, parseIpv4("10.180.2.0")!)).toBe(false);
    expect(contains(parseCidr("0.0.0.0/0")!, parseIpv4("255.255.255.255")!)).toBe(true);
    expect(formatIpv4(lastAddress(range))).toBe("10.180.1.255");
  });

  it("keeps an interface's address whole", () => {
    expect(parseInterfaceAddress("10.180.1.1/24")).toEqual({ address: parseIpv4("10.180.1.1"), prefixLength: 24 });
    expect(parseInterfaceAddress("10.180.1.1")).toBeUndefined();
  });
});

describe("MAC addresses", () => {
  it("reads what it prints", () => {
    fc.assert(fc.property(fc.maxSafeNat(), (bits) => parseMac(formatMac(mac(bits % 2 ** 48))) === bits % 2 ** 48));
  });

  it.each(["", "0a:58:0a:f4:03", "0a-58-0a-f4-03-08", "0a:58:0a:f4:03:g8"])("refuses %j", (text) => {
    expect(parseMac(text)).toBeUndefined();
  });
});
