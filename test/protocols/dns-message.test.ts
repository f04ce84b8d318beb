import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  DNS_QUERY,
  DnsClass,
  type DnsMessage,
  DnsRcode,
  type DnsRecord,
  dnsUdpLimit,
  emitDns,
  parseDns,
  parseDnsHeader,
} from "../../src/protocols/index.ts";
import { hex, shorterPrefixes } from "./hex.ts";

const IN = DnsClass.in;
const EMPTY = { questions: [], answers: [], authorities: [], additionals: [] } as const;
const ANSWER = { ...DNS_QUERY, response: true, recursionAvailable: true };

const MESSAGES: readonly [name: string, hex: string, message: DnsMessage][] = [
  [
    "a query",
    "1234 0100 0001 0000 0000 0000 0a 'kubernetes' 07 'default' 03 'svc' 07 'cluster' 05 'local' 00 0001 0001",
    {
      ...DNS_QUERY,
      ...EMPTY,
      id: 0x1234,
      questions: [{ name: "kubernetes.default.svc.cluster.local.", type: "A", class: IN }],
    },
  ],
  [
    "a query with EDNS and a cookie",
    "0001 0120 0001 0000 0000 0001 00 0002 0001   00 0029 04d0 00 00 8000 000c 000a 0008 0102030405060708",
    {
      ...DNS_QUERY,
      ...EMPTY,
      id: 1,
      authenticData: true,
      questions: [{ name: ".", type: "NS", class: IN }],
      edns: { udpSize: 1232, version: 0, dnssecOk: true, options: [{ code: 10, data: hex("0102030405060708") }] },
    },
  ],
  [
    "a refusal of an unknown EDNS version, its response code in two places",
    "0002 8010 0000 0000 0000 0001   00 0029 1000 01 00 0000 0000",
    {
      ...DNS_QUERY,
      ...EMPTY,
      id: 2,
      response: true,
      recursionDesired: false,
      checkingDisabled: true,
      rcode: DnsRcode.badVersion,
      edns: { udpSize: 4096, version: 0, dnssecOk: false, options: [] },
    },
  ],
  [
    "a name error",
    "0003 8583 0001 0000 0000 0000 01 'x' 00 0041 00ff",
    {
      ...ANSWER,
      ...EMPTY,
      id: 3,
      authoritative: true,
      rcode: DnsRcode.nameError,
      questions: [{ name: "x.", type: "TYPE65", class: DnsClass.any }],
    },
  ],
  [
    "an answer with every record type",
    `1234 8180 0001 0002 0002 0006
     03 'www' 07 'example' 03 'com' 00 0001 0001
     c00c 0005 0001 0000012c 0006 03 'web' c010
     c02d 0001 0001 0000003c 0004 c0000201
     c010 0002 0001 00000e10 0005 02 'ns' c010
     c010 0006 0001 00000e10 001e c04f 05 'admin' c010 78495e01 00001c20 00000384 00127500 0000012c
     c04f 001c 0001 00000e10 0010 20010db8000000000000000000000001
     05 '_http' 04 '_tcp' c010 0021 0001 0000001e 0017 0000 0005 0050 03 'www' 07 'example' 03 'com' 00
     c00c 0010 0001 00000000 0006 03 'a=1' 01 'b'
     01 '1' 01 '2' 01 '0' 03 '192' 07 'in-addr' 04 'arpa' 00 000c 0001 0000003c 0002 c00c
     c010 0101 0001 00000e10 0009 00 05 'issue' 'ca'
     c00c 0001 0003 0000003c 0001 07`,
    {
      ...ANSWER,
      id: 0x1234,
      questions: [{ name: "www.example.com.", type: "A", class: IN }],
      answers: [
        { name: "www.example.com.", class: IN, ttl: 300, type: "CNAME", target: "web.example.com." },
        { name: "web.example.com.", class: IN, ttl: 60, type: "A", address: 0xc0000201 },
      ],
      authorities: [
        { name: "example.com.", class: IN, ttl: 3600, type: "NS", target: "ns.example.com." },
        {
          name: "example.com.",
          class: IN,
          ttl: 3600,
          type: "SOA",
          primary: "ns.example.com.",
          mailbox: "admin.example.com.",
          serial: 2018074113,
          refresh: 7200,
          retry: 900,
          expire: 1209600,
          minimum: 300,
        },
      ],
      additionals: [
        {
          name: "ns.example.com.",
          class: IN,
          ttl: 3600,
          type: "AAAA",
          address: hex("20010db8000000000000000000000001"),
        },
        {
          name: "_http._tcp.example.com.",
          class: IN,
          ttl: 30,
          type: "SRV",
          priority: 0,
          weight: 5,
          port: 80,
          target: "www.example.com.",
        },
        { name: "www.example.com.", class: IN, ttl: 0, type: "TXT", strings: ["a=1", "b"] },
        { name: "1.2.0.192.in-addr.arpa.", class: IN, ttl: 60, type: "PTR", target: "www.example.com." },
        { name: "example.com.", class: IN, ttl: 3600, type: "other", code: 257, data: hex("00 05 'issueca'") },
        { name: "www.example.com.", class: DnsClass.chaos, ttl: 60, type: "other", code: 1, data: hex("07") },
      ],
    },
  ],
];

/** A message of one answer; its record begins at offset 12. */
function answerOf(record: string): Uint8Array {
  return hex(`0000 8000 0000 0001 0000 0000 ${record}`);
}

const REFUSED: readonly [name: string, bytes: Uint8Array][] = [
  ["a name that is a pointer to itself", answerOf("c00c 0001 0001 00000000 0004 01020304")],
  ["a pointer forwards", answerOf("c016 0001 0001 00000000 0004 00000000")],
  ["a pointer into the header", answerOf("c000 0001 0001 00000000 0004 01020304")],
  ["two names that point at each other", answerOf("01 'a' c00c 0001 0001 00000000 0004 01020304")],
  ["the reserved label type 0x40", answerOf("41 'a' 00 0001 0001 00000000 0004 01020304")],
  ["the reserved label type 0x80", answerOf("81 'a' 00 0001 0001 00000000 0004 01020304")],
  [
    "a name of 256 octets",
    answerOf(`${`3f ${"61".repeat(63)}`.repeat(3)} 3e ${"61".repeat(62)} 00 0001 0001 00000000 0004 01020304`),
  ],
  ["an A of three bytes", answerOf("00 0001 0001 00000000 0003 010203")],
  ["an A of five bytes", answerOf("00 0001 0001 00000000 0005 0102030405")],
  ["an AAAA of four bytes", answerOf("00 001c 0001 00000000 0004 01020304")],
  ["a CNAME whose name runs past its data", answerOf("00 0005 0001 00000000 0002 03 'abc' 00")],
  ["a CNAME whose pointer runs past its data", answerOf("01 'a' 00 0005 0001 00000000 0001 c00c")],
  ["a CNAME with bytes after its name", answerOf("00 0005 0001 00000000 0002 00 00")],
  ["a TXT without string", answerOf("00 0010 0001 00000000 0000")],
  ["a TXT string longer than its data", answerOf("00 0010 0001 00000000 0002 02 'a'")],
  ["data longer than the message", answerOf("00 0063 0001 00000000 0002 00")],
  ["bytes after the last record", hex("0000 0100 0000 0000 0000 0000 00")],
  ["65535 records that are not there", hex("0000 8000 0000 ffff 0000 0000")],
  ["an OPT among the answers", answerOf("00 0029 04d0 00000000 0000")],
  ["two OPTs", hex("0000 0000 0000 0000 0000 0002 00 0029 04d0 00000000 0000 00 0029 04d0 00000000 0000")],
  ["an OPT with a name", hex("0000 0000 0000 0000 0000 0001 01 'a' 00 0029 04d0 00000000 0000")],
  ["an EDNS option longer than its OPT", hex("0000 0000 0000 0000 0000 0001 00 0029 04d0 00000000 0005 000a 0002 00")],
];

describe("parseDns()", () => {
  it.each(MESSAGES)("reads %s", (_name, bytes, message) => {
    expect(parseDns(hex(bytes))).toEqual(message);
  });

  it.each(MESSAGES)("refuses every shorter beginning of %s", (_name, bytes) => {
    expect(
      shorterPrefixes(hex(bytes))
        .map(parseDns)
        .every((message) => message === undefined),
    ).toBe(true);
  });

  it.each(REFUSED)("refuses %s", (_name, bytes) => {
    expect(parseDns(bytes)).toBeUndefined();
  });

  it("reads a name of 255 octets, the longest", () => {
    const name = `${`3f ${"61".repeat(63)}`.repeat(3)} 3d ${"62".repeat(61)} 00`;
    const [answer] = parseDns(answerOf(`${name} 0001 0001 00000000 0004 01020304`))?.answers ?? [];
    expect(answer?.name).toBe(`${`${"a".repeat(63)}.`.repeat(3)}${"b".repeat(61)}.`);
  });

  it("follows 127 pointers for one name and no more", () => {
    // A record whose data is a chain of pointers, each to the one before it, and a name that points at the chain's end.
    const chained = (pointers: number): Uint8Array => {
      const chain = Array.from({ length: pointers - 1 }, (_, index) =>
        (0xc017 + (index === 0 ? 0 : 1 + 2 * (index - 1))).toString(16),
      );
      const data = `00 ${chain.join("")}`;
      const length = (1 + 2 * chain.length).toString(16).padStart(4, "0");
      const last = (0xc018 + 2 * (chain.length - 1)).toString(16);
      return hex(
        `0000 8000 0000 0002 0000 0000 00 0063 0001 00000000 ${length} ${data} ${last} 0001 0001 00000000 0004 01020304`,
      );
    };
    expect(parseDns(chained(127))?.answers[1]).toMatchObject({ name: ".", address: 0x01020304 });
    expect(parseDns(chained(128))).toBeUndefined();
  });

  it("takes a TTL with its top bit set as zero", () => {
    expect(parseDns(answerOf("00 0001 0001 80000001 0004 01020304"))?.answers[0]?.ttl).toBe(0);
  });

  it("reads a compressed SRV target, although nobody should write one", () => {
    const message = parseDns(answerOf("01 'a' 00 0021 0001 00000000 0008 0001 0002 0003 c00c"));
    expect(message?.answers[0]).toMatchObject({ type: "SRV", target: "a." });
  });

  it("never throws on random bytes", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 80 }), fc.nat(3), (tail, count) => {
        const bytes = Uint8Array.from([...hex("0000 8180 0001 0001 0001"), 0, count, ...tail]);
        const message = parseDns(bytes);
        if (message !== undefined) expect(message.questions).toHaveLength(1);
      }),
      { seed: 1, numRuns: 2000 },
    );
  });

  it("never throws on a message with one byte changed", () => {
    const bytes = hex(MESSAGES[4]?.[1] ?? "");
    fc.assert(
      fc.property(fc.nat(bytes.length - 1), fc.nat(255), (at, value) => {
        const changed = bytes.slice();
        changed[at] = value;
        const message = parseDns(changed);
        if (message !== undefined) expect(parseDns(emitDns(message))).toEqual(message);
      }),
      { seed: 2, numRuns: 2000 },
    );
  });
});

describe("parseDnsHeader()", () => {
  it("reads what a server needs to refuse a message it cannot read", () => {
    expect(parseDnsHeader(hex("abcd 2900 ffff ffff ffff ffff"))).toEqual({ ...DNS_QUERY, id: 0xabcd, opcode: 5 });
  });

  it("refuses fewer than 12 bytes", () => {
    expect(parseDnsHeader(hex("abcd 0100 0001 0000 0000 00"))).toBeUndefined();
  });
});

describe("emitDns()", () => {
  it.each(MESSAGES)("writes %s", (_name, bytes, message) => {
    expect(emitDns(message)).toEqual(hex(bytes));
  });

  it("keeps each name's own case and does not point at another one's", () => {
    const questions = [{ name: "WWW.example.com.", type: "A", class: IN }];
    const answers: DnsRecord[] = [{ name: "www.Example.com.", class: IN, ttl: 0, type: "A", address: 1 }];
    const message = { ...ANSWER, ...EMPTY, questions, answers };
    expect(parseDns(emitDns(message))).toEqual(message);
  });

  it("does not point behind the first 16 KiB", () => {
    const filler: DnsRecord = { name: ".", class: IN, ttl: 0, type: "other", code: 99, data: new Uint8Array(16384) };
    const late: DnsRecord = { name: "late.", class: IN, ttl: 0, type: "A", address: 1 };
    const message = { ...ANSWER, ...EMPTY, answers: [filler, late, late] };
    const bytes = emitDns(message);
    expect(bytes).toHaveLength(12 + 11 + 16384 + 2 * (6 + 10 + 4));
    expect(parseDns(bytes)).toEqual(message);
  });

  describe("with a size limit", () => {
    const questions = [{ name: "a.", type: "A", class: IN }];
    const record = (address: number): DnsRecord => ({ name: "a.", class: IN, ttl: 5, type: "A", address });
    const edns = { udpSize: 512, version: 0, dnssecOk: false, options: [] };
    const head = 12 + 7;
    const each = 16;

    it("leaves out answers that do not fit, and everything after, and sets TC", () => {
      const message = {
        ...ANSWER,
        questions,
        answers: [1, 2, 3].map(record),
        authorities: [record(4)],
        additionals: [record(5)],
      };
      const bytes = emitDns(message, head + 2 * each + 15);
      expect(bytes).toHaveLength(head + 2 * each);
      const expected = { ...message, answers: [1, 2].map(record), authorities: [], additionals: [], truncated: true };
      expect(parseDns(bytes)).toEqual(expected);
    });

    it("leaves out additional records without TC", () => {
      const message = { ...ANSWER, ...EMPTY, questions, answers: [record(1)], additionals: [2, 3].map(record) };
      const bytes = emitDns(message, head + 2 * each);
      expect(parseDns(bytes)).toEqual({ ...message, additionals: [record(2)] });
    });

    it("writes a message that fits exactly whole", () => {
      const message = { ...ANSWER, ...EMPTY, questions, answers: [1, 2].map(record) };
      expect(parseDns(emitDns(message, head + 2 * each))).toEqual(message);
    });

    it("keeps OPT and makes room for it", () => {
      const message = { ...ANSWER, ...EMPTY, questions, answers: [1, 2].map(record), edns };
      const bytes = emitDns(message, head + 2 * each);
      expect(parseDns(bytes)).toEqual({ ...message, answers: [record(1)], truncated: true });
    });

    it("leaves out even the question rather than exceed it", () => {
      const message = { ...ANSWER, ...EMPTY, questions };
      expect(emitDns(message, 12)).toEqual(hex("0000 8380 0000 0000 0000 0000"));
    });
  });

  it.each([
    ["a name with an empty label", { questions: [{ name: "a..b", type: "A", class: IN }] }],
    ["a type without a code", { questions: [{ name: "a.", type: "NOPE", class: IN }] }],
    [
      "an IPv6 address of four bytes",
      { answers: [{ name: "a.", class: IN, ttl: 0, type: "AAAA", address: hex("01020304") }] },
    ],
    ["a TXT without string", { answers: [{ name: "a.", class: IN, ttl: 0, type: "TXT", strings: [] }] }],
    [
      "a TXT string of 256 octets",
      { answers: [{ name: "a.", class: IN, ttl: 0, type: "TXT", strings: ["x".repeat(256)] }] },
    ],
    ["a TTL of 32 bits", { answers: [{ name: "a.", class: IN, ttl: 2 ** 31, type: "A", address: 1 }] }],
    ["an extended response code without EDNS", { rcode: 16 }],
  ] satisfies [string, Partial<DnsMessage>][])("throws on %s, the caller's mistake", (_name, wrong) => {
    expect(() => emitDns({ ...DNS_QUERY, ...EMPTY, ...wrong })).toThrow(RangeError);
  });
});

describe("dnsUdpLimit()", () => {
  it.each([
    ["no EDNS", undefined, 4096, 512],
    ["EDNS below 512", 100, 4096, 512],
    ["EDNS below the server's limit", 1232, 4096, 1232],
    ["EDNS above the server's limit", 4096, 1232, 1232],
  ])("with %s is what both sides take", (_name, udpSize, serverLimit, expected) => {
    const edns = udpSize === undefined ? undefined : { udpSize, version: 0, dnssecOk: false, options: [] };
    expect(dnsUdpLimit(edns, serverLimit)).toBe(expected);
  });
});
