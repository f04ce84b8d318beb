import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  appendXForwardedFor,
  type ForwardedElement,
  type ForwardedNode,
  formatForwarded,
  formatForwardedNode,
  parseForwarded,
  parseForwardedNode,
  parseXForwardedFor,
} from "../../src/protocols/index.ts";

const IPV4 = { kind: "ipv4", address: "192.0.2.60" } as const;
const IPV6 = { kind: "ipv6", address: "2001:db8:cafe::17" } as const;

/** Read as the value and written the same way. */
const BOTH_WAYS: readonly [text: string, elements: ForwardedElement[]][] = [
  ["for=_gazonk", [{ for: { kind: "obfuscated", id: "_gazonk" } }]],
  ['for="[2001:db8:cafe::17]:4711"', [{ for: { ...IPV6, port: 4711 } }]],
  ['for="[2001:db8:cafe::17]"', [{ for: IPV6 }]],
  [
    "for=192.0.2.60;by=203.0.113.43;proto=http",
    [{ for: IPV4, by: { kind: "ipv4", address: "203.0.113.43" }, proto: "http" }],
  ],
  [
    'for=192.0.2.60, for="198.51.100.17:_p1"',
    [{ for: IPV4 }, { for: { kind: "ipv4", address: "198.51.100.17", port: "_p1" } }],
  ],
  ['for=unknown;host="example.com:8080"', [{ for: { kind: "unknown" }, host: "example.com:8080" }]],
  [
    'for="unknown:80";secret="a\\"b\\\\c"',
    [{ for: { kind: "unknown", port: 80 }, extensions: [["secret", 'a"b\\c']] }],
  ],
  ['host=""', [{ host: "" }]],
];

const READ_ONLY: readonly [name: string, text: string, elements: ForwardedElement[]][] = [
  ["nothing", "", []],
  ["empty members and pairs", " , for=192.0.2.60;; ,,", [{ for: IPV4 }]],
  ["names in any case", 'For="192.0.2.60";PROTO=https', [{ for: IPV4, proto: "https" }]],
  [
    "blanks around the separators",
    "for=192.0.2.60 ; proto=http\t,\tfor=unknown",
    [{ for: IPV4, proto: "http" }, { for: { kind: "unknown" } }],
  ],
  ["a comma and a semicolon inside quotes", 'x="a,b;c"', [{ extensions: [["x", "a,b;c"]] }]],
];

const REFUSED: readonly [name: string, text: string][] = [
  ["a pair without value", "for="],
  ["a pair without equals sign", "for"],
  ["blanks around the equals sign", "for = 192.0.2.60"],
  ["a parameter twice", "for=192.0.2.60;For=192.0.2.61"],
  ["an IPv6 address without quotes", "for=[2001:db8::1]"],
  ["an IPv6 address without brackets", 'for="2001:db8::1"'],
  ["a port without quotes", "for=192.0.2.60:80"],
  ["a port above 65535", 'for="192.0.2.60:65536"'],
  ["an empty port", 'for="192.0.2.60:"'],
  ["a host name as node", "for=example"],
  ["an underscore alone", "for=_"],
  ["an octet above 255", "for=192.0.2.256"],
  ["a quotation that does not end", 'for="192.0.2.60'],
  ["text after a quotation", 'for="192.0.2.60"x'],
  ["one bad member among good ones", "for=192.0.2.60, for=?"],
];

describe("parseForwarded()", () => {
  it.each(BOTH_WAYS)("reads %s", (text, elements) => {
    expect(parseForwarded(text)).toEqual(elements);
  });

  it.each(READ_ONLY)("reads %s", (_name, text, elements) => {
    expect(parseForwarded(text)).toEqual(elements);
  });

  it.each(REFUSED)("refuses %s", (_name, text) => {
    expect(parseForwarded(text)).toBeUndefined();
  });

  it("never throws on random text, and reads back what it writes of it", () => {
    const part = fc.oneof(
      fc.constantFrom("for", "=", '"', ";", ",", " ", "_a", "192.0.2.1", "[::1]", ":1", "\\"),
      fc.string(),
    );
    fc.assert(
      fc.property(fc.array(part, { maxLength: 12 }), (parts) => {
        const elements = parseForwarded(parts.join(""));
        if (elements !== undefined) expect(parseForwarded(formatForwarded(elements))).toEqual(elements);
      }),
      { seed: 1, numRuns: 2000 },
    );
  });
});

describe("formatForwarded()", () => {
  it.each(BOTH_WAYS)("writes %s", (text, elements) => {
    expect(formatForwarded(elements)).toBe(text);
  });
});

describe("parseForwardedNode()", () => {
  it("is the inverse of formatForwardedNode()", () => {
    const port = fc.option(fc.oneof(fc.nat(65535), fc.stringMatching(/^_[A-Za-z0-9._-]{1,8}$/)), { nil: undefined });
    const name: fc.Arbitrary<ForwardedNode> = fc.oneof(
      fc.ipV4().map((address) => ({ kind: "ipv4" as const, address })),
      fc.ipV6().map((address) => ({ kind: "ipv6" as const, address })),
      fc.stringMatching(/^_[A-Za-z0-9._-]{1,8}$/).map((id) => ({ kind: "obfuscated" as const, id })),
      fc.constant({ kind: "unknown" as const }),
    );
    fc.assert(
      fc.property(name, port, (node, number) => {
        const complete = number === undefined ? node : { ...node, port: number };
        expect(parseForwardedNode(formatForwardedNode(complete))).toEqual(complete);
      }),
      { seed: 2, numRuns: 500 },
    );
  });
});

describe("parseXForwardedFor()", () => {
  it.each([
    ["", []],
    ["198.51.100.79", ["198.51.100.79"]],
    ["198.51.100.79,10.240.0.5 , 2001:db8::1", ["198.51.100.79", "10.240.0.5", "2001:db8::1"]],
    [" , anything,", ["anything"]],
  ])("reads %j", (text, members) => {
    expect(parseXForwardedFor(text)).toEqual(members);
  });
});

describe("appendXForwardedFor()", () => {
  it("adds the address the request came from to what was there", () => {
    expect(appendXForwardedFor(undefined, "198.51.100.79")).toBe("198.51.100.79");
    expect(appendXForwardedFor(" ", "198.51.100.79")).toBe("198.51.100.79");
    expect(appendXForwardedFor("192.0.2.1, 192.0.2.2", "198.51.100.79")).toBe("192.0.2.1, 192.0.2.2, 198.51.100.79");
  });
});
