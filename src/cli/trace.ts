import {
  describeOutcomes,
  describeRuleTrace,
  type Entry,
  type JsonObject,
  outcomesJson,
  type PacketSketch,
  parsePacketSketch,
  parseTcpFlags,
  ruleTraceJson,
  type SketchedNode,
  type TraceQuestion,
  traceAllWays,
  traceRules,
} from "../explain/index.ts";
import { parseIptablesSave, RuleSyntaxError, type Ruleset } from "../nat/index.ts";
import {
  EVERYWHERE,
  formatIpv4,
  IcmpType,
  IpProtocol,
  parseCidr,
  parseInterfaceAddress,
  parseIpv4,
  parseMac,
  TcpFlag,
} from "../netstack/index.ts";
import { ConfigError } from "../scenario/index.ts";
import { type CommandIo, ExitCode } from "./io.ts";
import { inputName, readTextOrInput } from "./text-file.ts";

/** The options of `natscope trace`. */
export interface TraceFlags {
  readonly rules: string;
  readonly packet: string;
  readonly in?: string;
  readonly fromHost?: boolean;
  readonly address?: readonly string[];
  readonly route?: readonly string[];
  readonly state: TraceQuestion["state"];
  readonly reply?: boolean;
  readonly flags?: string;
  readonly mark?: string;
  readonly ttl?: string;
  readonly length?: string;
  readonly mac?: string;
  readonly recent?: readonly string[];
  readonly lenient?: boolean;
  readonly full?: boolean;
  readonly all?: boolean;
  readonly json?: boolean;
  readonly seed: number;
}

/** More warnings than these are told by their number. */
const MOST_WARNINGS = 10;

/** `natscope trace --rules FILE --packet TEXT`: walks a packet through a node's rules, hook by hook and chain by chain. */
export async function trace(flags: TraceFlags, io: CommandIo): Promise<ExitCode> {
  const rules = readRules(flags, io);
  const packet = readPacket(flags);
  const node = readNode(flags);
  const question: TraceQuestion = {
    rules,
    node,
    packet,
    entry: readEntry(flags, packet, node),
    mark: readNumber("--mark", flags.mark ?? "0", 0xffff_ffff),
    state: flags.state,
    isReply: flags.reply === true,
  };
  warnOfGaps(question, io);
  const answer = flags.all === true ? answerAll(question, flags) : answerOnce(question, flags);
  io.out(typeof answer === "string" ? answer : `${JSON.stringify(answer, undefined, 2)}\n`);
  return ExitCode.ok;
}

function answerOnce(question: TraceQuestion, flags: TraceFlags): string | JsonObject {
  const found = traceRules(question, flags.seed);
  return flags.json === true ? ruleTraceJson(found) : describeRuleTrace(found, { everyRule: flags.full === true });
}

function answerAll(question: TraceQuestion, flags: TraceFlags): string | JsonObject {
  const found = traceAllWays(question);
  return flags.json === true ? outcomesJson(found) : describeOutcomes(found);
}

function refuse(option: string, given: string, message: string): never {
  throw new ConfigError([{ file: `${option} ${given}`, message }]);
}

function readRules({ rules: file, lenient = false }: TraceFlags, io: CommandIo): Ruleset {
  const name = inputName(file);
  const text = readTextOrInput(file, io);
  try {
    const { ruleset, warnings } = parseIptablesSave(text, { file: name, lenient });
    for (const { line, message } of warnings.slice(0, MOST_WARNINGS)) io.err(`warning: ${name}:${line}: ${message}\n`);
    const more = warnings.length - MOST_WARNINGS;
    if (more > 0) io.err(`warning: ${name}: … and ${more} more lines\n`);
    if (ruleset.size === 0) refuse("--rules", file, "there are no rules in it; expected what iptables-save prints");
    return ruleset;
  } catch (error) {
    if (!(error instanceof RuleSyntaxError)) throw error;
    const hint = error.remedy.includes("--lenient") ? "" : " (--lenient skips such lines)";
    const message = `${error.problem}; ${error.remedy}${lenient ? "" : hint}`;
    throw new ConfigError([{ file: name, line: error.line, column: error.column, message }]);
  }
}

function readPacket(flags: TraceFlags): PacketSketch {
  const sketch = parsePacketSketch(flags.packet);
  if (typeof sketch === "string") return refuse("--packet", JSON.stringify(flags.packet), sketch);
  if (flags.flags !== undefined && sketch.protocol !== IpProtocol.tcp)
    refuse("--flags", flags.flags, "only TCP has flags; leave it out");
  const isEcho = sketch.icmp?.type === IcmpType.echoRequest;
  if (sketch.icmp !== undefined && !isEcho && (flags.reply || flags.state === "established"))
    refuse("--packet", JSON.stringify(flags.packet), "of ICMP only an echo-request begins a connection");
  if (flags.state === "invalid" && !CHECKED.has(sketch.protocol))
    refuse("--state", "invalid", "only TCP, UDP and ICMP can be malformed");
  const ttl = readNumber("--ttl", flags.ttl ?? "64", 255);
  const length = flags.length === undefined ? undefined : readNumber("--length", flags.length, 65_535);
  const sourceMac = flags.mac === undefined ? undefined : parseMac(flags.mac);
  if (flags.mac !== undefined && sourceMac === undefined)
    refuse("--mac", flags.mac, "expected one like 02:00:00:00:00:01");
  return {
    ...sketch,
    flags: readFlags(flags),
    ttl,
    ...(length !== undefined && { length }),
    ...(sourceMac !== undefined && { sourceMac }),
  };
}

const CHECKED: ReadonlySet<number> = new Set([IpProtocol.tcp, IpProtocol.udp, IpProtocol.icmp]);

/** A first packet has SYN, later ones ACK. */
function readFlags({ flags, state, reply }: TraceFlags): number {
  if (flags === undefined) return state === "established" && reply !== true ? TcpFlag.ack : TcpFlag.syn;
  const bits = parseTcpFlags(flags);
  return bits ?? refuse("--flags", flags, "expected letters such as S, S., R or FA, or names such as SYN,ACK");
}

function readNumber(option: string, text: string, most: number): number {
  const number = /^(0x[\da-f]{1,8}|\d{1,10})$/i.test(text) ? Number(text) : Number.NaN;
  return number <= most ? number : refuse(option, text, `expected a number from 0 to ${most}`);
}

function readNode(flags: TraceFlags): SketchedNode {
  return {
    addresses: (flags.address ?? []).map((text) => {
      const [address = "", name = ""] = splitAt(text, "@");
      const own = parseInterfaceAddress(address.includes("/") ? address : `${address}/32`);
      if (own === undefined || name === "")
        return refuse(
          "--address",
          text,
          "expected an address with its prefix and an interface, like 10.240.0.4/24@eth0",
        );
      return { interface: name, own };
    }),
    routes: (flags.route ?? []).map(readRoute),
    seen: (flags.recent ?? []).map((text) => {
      const [list = "", hits = "1"] = splitAt(text, "=");
      return { list, hits: readNumber("--recent", hits, 255) };
    }),
  };
}

function splitAt(text: string, separator: string): string[] {
  const at = text.lastIndexOf(separator);
  return at < 0 ? [text] : [text.slice(0, at), text.slice(at + 1)];
}

/** `CIDR=IF`, `default=IF` or `CIDR=IF,via ADDRESS`. */
function readRoute(text: string): SketchedNode["routes"][number] {
  const match = /^([^=]+)=([^,\s]+)(?:,?\s*via\s+(\S+))?$/.exec(text.trim());
  const [, range = "", name = "", next] = match ?? [];
  const to = range === "default" ? EVERYWHERE : parseCidr(range);
  const via = next === undefined ? undefined : parseIpv4(next);
  if (match === null || to === undefined || (next !== undefined && via === undefined))
    return refuse("--route", text, "expected one like 10.180.1.0/24=cbr0 or 'default=eth0,via 10.240.0.1'");
  return { to, interface: name, ...(via !== undefined && { via }) };
}

function readEntry(flags: TraceFlags, packet: PacketSketch, node: SketchedNode): Entry {
  if (flags.in !== undefined) {
    if (flags.fromHost)
      refuse("--in", flags.in, "a packet comes in or is sent by the node; leave out --from-host or this");
    return { kind: "arrives", interface: flags.in };
  }
  const isOwn = packet.source >>> 24 === 127 || node.addresses.some(({ own }) => own.address === packet.source);
  if (isOwn || flags.fromHost) return { kind: "sent" };
  const source = formatIpv4(packet.source);
  const message = `the source ${source} is not the node's: say by which interface the packet comes in with --in eth0, or that the node sends it with --from-host or --address ${source}/24@eth0`;
  return refuse("--packet", JSON.stringify(flags.packet), message);
}

/** What the rules ask about and nobody has told. */
function warnOfGaps({ rules, node }: TraceQuestion, io: CommandIo): void {
  const asked = [...rules.values()].flatMap((table) =>
    [...table.chains.values()].flatMap((chain) => chain.rules.flatMap((rule) => rule.matches)),
  );
  if (node.addresses.length === 0)
    io.err("note: without --address only 127.0.0.0/8 is the node's own: say --address 10.240.0.4/24@eth0\n");
  const sets = new Set(asked.flatMap((match) => (match.kind === "set" ? [match.name] : [])));
  if (sets.size > 0) io.err(`note: the sets ${[...sets].join(", ")} are taken to be empty\n`);
  if (asked.some((match) => match.kind === "limit" || match.kind === "hashlimit"))
    io.err("note: limits are taken as not reached\n");
  const lists = new Set(asked.flatMap((match) => (match.kind === "recent" ? [match.name] : [])));
  for (const { list } of node.seen ?? []) if (!lists.has(list)) refuse("--recent", list, "no rule asks for this list");
}
