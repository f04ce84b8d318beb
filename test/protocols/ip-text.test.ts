import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { formatIpv6Text, parseIpv6Text } from "../../src/protocols/index.ts";
import { parseIpv4Text } from "../../src/protocols/ip-text.ts";
import { hex } from "./hex.ts";

const IPV6: readonly [text: string, hex: string][] = [
  ["::", "00000000000000000000000000000000"],
  ["::1", "00000000000000000000000000000001"],
  ["1::", "00010000000000000000000000000000"],
  ["2001:db8::8:0:417a", "20010db80000000000000008 0000417a"],
  ["2001:db8:0:1:1:1:1:1", "20010db8000000010001000100010001"],
  ["2001:0:0:1::1", "20010000000000010000000000000001"],
  ["1:2:3:4:5:6:7:8", "00010002000300040005000600070008"],
];

describe("parseIpv6Text()", () => {
  it.each([
    ...IPV6,
    ["2001:DB8::A", "20010db800000000000000000000000a"],
    ["::ffff:192.0.2.1", "00000000000000000000ffffc0000201"],
    ["64:ff9b::192.0.2.33", "0064ff9b0000000000000000c0000221"],
    ["1:2:3:4:5:6:192.0.2.1", "000100020003000400050006c0000201"],
    ["1:2:3:4:5:6:7::", "00010002000300040005000600070000"],
  ])("reads %s", (text, bytes) => {
    expect(parseIpv6Text(text)).toEqual(hex(bytes));
  });

  it.each([
    [""],
    [":"],
    [":::"],
    ["1"],
    ["1:2:3:4:5:6:7"],
    ["1:2:3:4:5:6:7:8:9"],
    ["1::2::3"],
    ["1:2:3:4:5:6:7:8::"],
    ["1:2:3:4::5:6:7:8"],
    [":1:2:3:4:5:6:7"],
    ["12345::"],
    ["g::"],
    ["192.0.2.1::"],
    ["::192.0.2.1:1"],
    ["::192.0.2.256"],
    ["fe80::1%eth0"],
    ["[::1]"],
    [" ::1"],
  ])("refuses %j", (text) => {
    expect(parseIpv6Text(text)).toBeUndefined();
  });
});

describe("formatIpv6Text()", () => {
  it.each(IPV6)("writes %s", (text, bytes) => {
    expect(formatIpv6Text(hex(bytes))).toBe(text);
  });

  it("is read back as it was written", () => {
    const group = fc.oneof(fc.constant(0), fc.nat(255));
    fc.assert(
      fc.property(fc.array(group, { minLength: 16, maxLength: 16 }), (numbers) => {
        const bytes = Uint8Array.from(numbers);
        expect(parseIpv6Text(formatIpv6Text(bytes))).toEqual(bytes);
      }),
      { seed: 1, numRuns: 500 },
    );
  });
});

describe("parseIpv4Text()", () => {
  it("reads a dotted quad as an unsigned number", () => {
    expect(["0.0.0.0", "192.0.2.1", "255.255.255.255"].map(parseIpv4Text)).toEqual([0, 0xc0000201, 0xffffffff]);
  });

  it.each([[""], ["1.2.3"], ["1.2.3.4.5"], ["01.2.3.4"], ["1.2.3.256"], ["1.2.3.4 "], ["0x1.2.3.4"]])(
    "refuses %j",
    (text) => {
      expect(parseIpv4Text(text)).toBeUndefined();
    },
  );
});
