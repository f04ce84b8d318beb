import type { ConntrackEntry } from "../nat/index.ts";
import { contains, IpProtocol, parseCidr } from "../netstack/index.ts";

/** Which connections `conntrack -L` and `-D` are about, and how they are printed. */
export interface ConntrackFilter {
  readonly form: "extended" | "short";
  readonly fits: (entry: ConntrackEntry) => boolean;
}

type Test = (entry: ConntrackEntry) => boolean;
/** What an option asks for; `undefined` when its value makes no sense. */
type Reader = (value: string) => Test | undefined;

const PROTOCOLS: Readonly<Record<string, number>> = {
  icmp: IpProtocol.icmp,
  tcp: IpProtocol.tcp,
  udp: IpProtocol.udp,
  gre: IpProtocol.gre,
  sctp: IpProtocol.sctp,
};

const TCP_STATES =
  /^(NONE|SYN_SENT|SYN_RECV|ESTABLISHED|FIN_WAIT|CLOSE_WAIT|LAST_ACK|TIME_WAIT|CLOSE|LISTEN|SYN_SENT2)$/;

/** Options with a value, conntrack(8); several names mean the same. */
const READERS: Readonly<Record<string, Reader>> = {
  ...named(
    ["-s", "--src", "--orig-src"],
    address(({ original }) => original.source),
  ),
  ...named(
    ["-d", "--dst", "--orig-dst"],
    address(({ original }) => original.destination),
  ),
  ...named(
    ["-r", "--reply-src"],
    address(({ reply }) => reply.source),
  ),
  ...named(
    ["-q", "--reply-dst"],
    address(({ reply }) => reply.destination),
  ),
  ...named(
    ["--sport", "--orig-port-src"],
    port(({ original }) => original.sourcePort),
  ),
  ...named(
    ["--dport", "--orig-port-dst"],
    port(({ original }) => original.destinationPort),
  ),
  ...named(
    ["--reply-port-src"],
    port(({ reply }) => reply.sourcePort),
  ),
  ...named(
    ["--reply-port-dst"],
    port(({ reply }) => reply.destinationPort),
  ),
  ...named(["-p", "--proto"], protocol),
  ...named(["--state"], (value) => (TCP_STATES.test(value) ? ({ state }) => state === value : undefined)),
  ...named(["-u", "--status"], status),
  ...named(["-m", "--mark"], mark),
};

/** Options without a value, or with one that may follow. */
const NAT_TESTS: Readonly<Record<string, Test>> = {
  ...named(["-n", "--src-nat"], isSourceNat),
  ...named(["-g", "--dst-nat"], isDestinationNat),
  ...named(["-j", "--any-nat"], (entry: ConntrackEntry) => isSourceNat(entry) || isDestinationNat(entry)),
};

/** Reads the options of `conntrack -L` and `-D`; why they make no sense, otherwise. */
export function readConntrackFilter(args: readonly string[]): ConntrackFilter | { readonly fault: string } {
  const tests: Test[] = [];
  let form: ConntrackFilter["form"] = "short";
  for (let i = 0; i < args.length; i++) {
    const option = args[i] ?? "";
    const natTest = Object.hasOwn(NAT_TESTS, option) ? NAT_TESTS[option] : undefined;
    if (natTest !== undefined) {
      tests.push(natTest);
      continue;
    }
    i += 1;
    const value = args[i];
    if (option === "-f" || option === "--family") {
      if (value !== "ipv4") return { fault: "only -f ipv4 is known here" };
    } else if (option === "-o" || option === "--output") {
      if (value !== "extended") return { fault: `only -o extended is known here, got \`${value ?? ""}'` };
      form = "extended";
    } else {
      const test = readTest(option, value, args);
      if (typeof test === "string") return { fault: test };
      tests.push(test);
    }
  }
  return { form, fits: (entry) => tests.every((test) => test(entry)) };
}

function readTest(option: string, value: string | undefined, args: readonly string[]): Test | string {
  const reader = Object.hasOwn(READERS, option) ? READERS[option] : undefined;
  if (reader === undefined) return `unknown option \`${option}'`;
  // Ports belong to a protocol: conntrack learns these options from -p.
  const isOfProtocol = option === "--state" || /sport|dport|port-/.test(option);
  if (isOfProtocol && !args.includes("-p") && !args.includes("--proto")) return `unknown option \`${option}'`;
  if (value === undefined) return `option \`${option}' requires an argument`;
  return reader(value) ?? badValue(option, value);
}

function badValue(option: string, value: string): string {
  return option === "-p" || option === "--proto"
    ? `\`${value}' unsupported protocol`
    : `bad value \`${value}' of option \`${option}'`;
}

function named<T>(names: readonly string[], value: T): Record<string, T> {
  return Object.fromEntries(names.map((name) => [name, value]));
}

function address(of: (entry: ConntrackEntry) => ConntrackEntry["original"]["source"]): Reader {
  return (value) => {
    const range = parseCidr(value);
    return range && ((entry) => contains(range, of(entry)));
  };
}

function port(of: (entry: ConntrackEntry) => number): Reader {
  return (value) => (/^\d{1,5}$/.test(value) ? (entry) => of(entry) === Number(value) : undefined);
}

function protocol(value: string): Test | undefined {
  const number = Object.hasOwn(PROTOCOLS, value)
    ? PROTOCOLS[value]
    : /^\d{1,3}$/.test(value)
      ? Number(value)
      : undefined;
  return number === undefined ? undefined : ({ original }) => original.protocol === number;
}

function status(value: string): Test | undefined {
  const words = value.split(",");
  if (!words.every((word) => /^(ASSURED|SEEN_REPLY|UNREPLIED|SRC_NAT|DST_NAT)$/.test(word))) return undefined;
  return (entry) =>
    words.every((word) => {
      if (word === "ASSURED") return entry.assured;
      if (word === "SEEN_REPLY") return entry.seenReply;
      if (word === "UNREPLIED") return !entry.seenReply;
      return word === "SRC_NAT" ? isSourceNat(entry) : isDestinationNat(entry);
    });
}

function mark(value: string): Test | undefined {
  const match = /^(0x[\da-f]{1,8}|\d{1,10})(?:\/(0x[\da-f]{1,8}|\d{1,10}))?$/i.exec(value);
  if (match === null) return undefined;
  const [wanted, mask] = [Number(match[1]), Number(match[2] ?? 0xffff_ffff)];
  return (entry) => (entry.mark & mask) >>> 0 === wanted;
}

function isSourceNat({ original, reply }: ConntrackEntry): boolean {
  // ICMP's identifier stands in both tuples' sourcePort.
  const replied = original.protocol === IpProtocol.icmp ? reply.sourcePort : reply.destinationPort;
  return original.source !== reply.destination || original.sourcePort !== replied;
}

function isDestinationNat({ original, reply }: ConntrackEntry): boolean {
  const hasPorts = original.protocol !== IpProtocol.icmp;
  return original.destination !== reply.source || (hasPorts && original.destinationPort !== reply.sourcePort);
}
