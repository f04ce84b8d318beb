import { describe, expect, it } from "vitest";
import { compileDisplayFilter } from "../../src/scenario/display-filter.ts";
import type { SeenFrame } from "../../src/scenario/filter-frame.ts";
import { arpFrame, pingFrame, tcpFrame, udpFrame } from "./filter-frames.ts";

const SYN = 0x02;
const SYN_ACK = 0x12;

describe("a display filter matches", () => {
  it.each<[string, SeenFrame]>([
    ["tcp", tcpFrame(SYN)],
    ["ip", udpFrame()],
    ["udp", udpFrame()],
    ["icmp", pingFrame()],
    ["arp", arpFrame()],
    ["eth", arpFrame()],
    ["ip.src == 10.244.3.8", tcpFrame(SYN)],
    ["ip.src eq 10.244.3.8", tcpFrame(SYN)],
    ["ip.addr == 10.0.170.92", tcpFrame(SYN)],
    ["ip.dst == 10.0.0.0/16", tcpFrame(SYN)],
    ["ip.dst in {10.1.0.0/16, 10.0.170.92}", tcpFrame(SYN)],
    ["ip.src != 10.0.170.92", tcpFrame(SYN)],
    ["ip.ttl == 63", tcpFrame(SYN)],
    ["ip.ttl < 64 && ip.ttl > 62 and ip.ttl >= 63 and ip.ttl <= 63", tcpFrame(SYN)],
    ["ip.id == 0x1234", tcpFrame(SYN)],
    ["ip.flags.df == 1 && ip.flags.mf == false", tcpFrame(SYN)],
    ["tcp.port == 80", tcpFrame(SYN)],
    ["tcp.dstport in {22, 80..90}", tcpFrame(SYN)],
    ["tcp.port in {40000}", tcpFrame(SYN)],
    ["tcp.flags.syn == 1 and tcp.flags.ack == 0", tcpFrame(SYN)],
    ["tcp.flags.syn == true && tcp.flags.ack == true", tcpFrame(SYN_ACK)],
    ["tcp.flags == 0x12", tcpFrame(SYN_ACK)],
    ["tcp.len == 3", tcpFrame(SYN)],
    ["tcp.seq_raw == 1000", tcpFrame(SYN)],
    ["udp.dstport == 53 and udp.length == 16", udpFrame()],
    ["icmp.type == 8 && icmp.ident == 7 && icmp.seq == 3", pingFrame()],
    ["arp.opcode == 1 && arp.dst.proto_ipv4 == 10.244.3.8", arpFrame()],
    ["eth.src == 0a:58:0a:f4:03:08", arpFrame()],
    ["eth.type == 0x0806", arpFrame()],
    ["frame.len == 57", tcpFrame(SYN)],
    ['frame.interface_name == "node3/cbr0"', tcpFrame(SYN)],
    ['frame.interface_name contains "cbr"', tcpFrame(SYN)],
    ['frame contains "GET"', tcpFrame(SYN)],
    ["not arp", tcpFrame(SYN)],
    ["!(arp or icmp)", tcpFrame(SYN)],
    ["! ip.src == 1.2.3.4", tcpFrame(SYN)],
    ["arp or tcp and ip.ttl == 63", tcpFrame(SYN)],
    ["arp || icmp || udp || tcp", tcpFrame(SYN)],
  ])("%s", (text, frame) => {
    expect(matches(text, frame)).toBe(true);
  });
});

describe("a display filter does not match", () => {
  it.each<[string, SeenFrame]>([
    ["udp", tcpFrame(SYN)],
    ["ip", arpFrame()],
    ["ip.src == 10.0.170.92", tcpFrame(SYN)],
    // As in Wireshark 4: no value may be equal.
    ["ip.addr != 10.244.3.8", tcpFrame(SYN)],
    ["tcp.port != 80", tcpFrame(SYN)],
    // A field that is not there differs from nothing.
    ["ip.src != 1.2.3.4", arpFrame()],
    ["ip.dst == 10.1.0.0/16", tcpFrame(SYN)],
    ["ip.ttl > 63", tcpFrame(SYN)],
    ["tcp.port in {81..90}", tcpFrame(SYN)],
    ["(arp or tcp) and ip.ttl == 64", tcpFrame(SYN)],
    ['frame contains "POST"', tcpFrame(SYN)],
    ["icmp.ident == 7", tcpFrame(SYN)],
    ["not not arp", tcpFrame(SYN)],
  ])("%s", (text, frame) => {
    expect(matches(text, frame)).toBe(false);
  });
});

describe("compileDisplayFilter() refuses, with the column and what was expected,", () => {
  it.each([
    ["", 1, "expected a field such as ip.src, got the end"],
    ["ip.scr == 10.0.0.1", 1, 'there is no field "ip.scr" here; did you mean "ip.src"?'],
    ["ip.src == 80", 11, 'expected an IPv4 address, or a range like 10.0.0.0/8, got "80"'],
    ["ip.src == 10.0.0", 11, 'expected an IPv4 address, or a range like 10.0.0.0/8, got "10.0.0"'],
    ["tcp.port == http", 13, 'expected a number, got "http"'],
    ["tcp.port ==", 12, "expected a number, got the end"],
    ["tcp.port = 80", 10, 'unexpected character "="'],
    ["tcp && ", 8, "expected a field such as ip.src, got the end"],
    ["(tcp", 5, 'expected ")", got the end'],
    ["tcp)", 4, 'expected "and" or "or" before ")"'],
    ["tcp udp", 5, 'expected "and" or "or" before "udp"'],
    ["tcp == 1", 5, '"tcp" is there or not: it has no value to compare'],
    ["tcp.port in 80", 13, 'expected "{" and values, got "80"'],
    ["tcp.port in {80 81}", 17, 'expected "," or "}", got "81"'],
    ["ip.src > 10.0.0.0/8", 10, "a range is not more or less than an address; use == or in"],
    ["tcp.flags.syn == 2", 18, 'expected 1, 0, true or false, got "2"'],
    ['frame.interface_name > "a"', 22, "text is not more or less; use ==, != or contains"],
    ["frame.interface_name == node2/eth0", 25, 'expected text in quotes, like "node2/eth0", got "node2/eth0"'],
    ['ip.src contains "1"', 8, "only text can be searched with contains"],
    ['frame contains "GET', 16, 'expected a closing " for this one'],
    ["__proto__ == 1", 1, 'there is no field "__proto__" here'],
    [`${"!".repeat(101)}tcp`, 101, "nested deeper than 100 levels"],
  ])("%j", (text, column, message) => {
    const compiled = compileDisplayFilter(text);
    const fault = "fault" in compiled ? compiled.fault : undefined;
    expect(fault).toMatchObject({ column });
    expect(fault?.message.slice(0, message.length)).toBe(message);
  });
});

it("a display filter never throws, whatever the bytes", () => {
  const whole = tcpFrame(SYN);
  const compiled = compileDisplayFilter(
    'tcp.port == 80 or udp.port == 53 or icmp.type == 8 or arp or frame contains "x"',
  );
  if (!("filter" in compiled)) throw new Error("the filter is good");
  for (let end = 0; end <= whole.bytes.length; end++) compiled.filter.matches({ ...whole, end });
  for (let at = 0; at < whole.bytes.length; at++) {
    const bytes = whole.bytes.slice();
    bytes[at] = 0xff;
    compiled.filter.matches({ ...whole, bytes });
  }
});

function matches(text: string, frame: SeenFrame): boolean {
  const compiled = compileDisplayFilter(text);
  if ("fault" in compiled) throw new Error(compiled.fault.message);
  return compiled.filter.matches(frame);
}
