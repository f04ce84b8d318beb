import {
  ETHERNET_HEADER_LENGTH,
  formatIpv4,
  getU8,
  getU16,
  getU32,
  IpProtocol,
  type Ipv4Header,
  isIcmpError,
  parseTcp,
  parseTcpOptions,
  parseVxlan,
  readIpv4Header,
  UDP_HEADER_LENGTH,
  VXLAN_HEADER_LENGTH,
  VXLAN_PORT,
} from "../../src/netstack/index.ts";

/*
 * Two captures of the same happenings, one by the kernel and one by natscope, brought into a form in which they must be equal: for each interface, for each
 * connection, its packets in order. Ports that were drawn are named in the order in which they appear; times, IP identifications, TCP's numbers and windows, and pure
 * acknowledgements, whose number depends on timing, are left out.
 */

/** A packet as it passed an interface: without its link-layer header. */
export interface SeenFrame {
  readonly time: number;
  /** `host/interface` */
  readonly at: string;
  readonly direction: "in" | "out";
  readonly ip: Uint8Array;
}

/** What to leave out and how to call things. */
export interface Naming {
  /** Ports and identifiers that mean themselves; all others are named by order. */
  readonly ports: ReadonlySet<number>;
  /** Pure acknowledgements count too: where every packet was sent by hand. */
  readonly keepsAcks?: boolean;
  /** Packets meet on their way: what comes in and what goes out is compared apart, as which was first there depends on how long links are. */
  readonly crosses?: boolean;
}

/** For each capture point and connection, its packets in order; and the names of ports, for connection tables. */
export interface PointLines {
  readonly points: ReadonlyMap<string, ReadonlyMap<string, readonly string[]>>;
  readonly names: PortNames;
}

export function pointLines(frames: readonly SeenFrame[], naming: Naming): PointLines {
  const names = new PortNames(naming.ports);
  const points = new Map<string, Map<string, string[]>>();
  for (const frame of frames) {
    const described = describe(frame, names, naming);
    if (described === undefined) continue;
    const connections = points.get(frame.at) ?? new Map<string, string[]>();
    points.set(frame.at, connections);
    const key = naming.crosses ? `${described.connection} ${frame.direction}` : described.connection;
    const lines = connections.get(key) ?? [];
    connections.set(key, lines);
    lines.push(`${frame.direction} ${described.line}`);
  }
  return { points, names };
}

/** Names for numbers that chance chose: P1, P2, … in the order in which they were first seen. */
export class PortNames {
  readonly #fixed: ReadonlySet<number>;
  readonly #names = new Map<number, string>();
  #drawn = 0;

  constructor(fixed: ReadonlySet<number>) {
    this.#fixed = fixed;
  }

  /** Gives a number a name that others may have too: a tunnel's source port says nothing but that it belongs to a flow. */
  call(port: number, name: string): void {
    this.#names.set(port, name);
  }

  of(port: number): string {
    if (this.#fixed.has(port)) return String(port);
    const known = this.#names.get(port);
    if (known !== undefined) return known;
    this.#drawn += 1;
    this.#names.set(port, `P${this.#drawn}`);
    return `P${this.#drawn}`;
  }
}

interface Described {
  readonly connection: string;
  readonly line: string;
}

function describe({ ip: bytes }: SeenFrame, names: PortNames, naming: Naming): Described | undefined {
  const { keepsAcks = false } = naming;
  const ip = readIpv4Header(bytes, 0);
  if (ip.protocol === IGMP) return undefined;
  const at = ip.headerLength;
  const end = ip.totalLength;
  const isLater = ip.fragmentOffset > 0;
  const isFragment = isLater || ip.moreFragments;
  const about = [
    `ttl ${ip.ttl}`,
    `len ${ip.totalLength}`,
    ...(ip.dontFragment ? ["DF"] : []),
    ...(ip.typeOfService > 0 ? [`tos ${ip.typeOfService}`] : []),
    ...(isFragment ? [`fragment ${ip.fragmentOffset}${ip.moreFragments ? "+" : ""}`] : []),
  ].join(" ");
  if (isLater) return { connection: keyOf(ip, undefined), line: `${pair(ip, undefined)} ${about}` };
  if (ip.protocol === IpProtocol.icmp) return describeIcmp(bytes, ip, about, names);
  const inside = ip.protocol === IpProtocol.udp && !isFragment ? tunnelled(bytes, at, end) : undefined;
  if (inside !== undefined) {
    names.call(getU16(bytes, at), "flow");
    const inner = describe({ time: 0, at: "", direction: "in", ip: inside.packet }, names, naming);
    const outer = `${pair(ip, readPorts(bytes, at, names))} ${about}`;
    return inner && { connection: inner.connection, line: `${outer} vxlan ${inside.vni} [${inner.line}]` };
  }
  const ports =
    ip.protocol === IpProtocol.tcp || ip.protocol === IpProtocol.udp ? readPorts(bytes, at, names) : undefined;
  const line = `${pair(ip, ports)} ${about}`;
  // The other pieces have no ports to be sorted by.
  const connection = keyOf(ip, isFragment ? undefined : ports);
  const tcp = ip.protocol === IpProtocol.tcp ? parseTcp(bytes, at, end) : undefined;
  if (tcp === undefined) return { connection, line };
  const payload = end - at - tcp.headerLength;
  if (tcp.flags === 16 && payload === 0 && !keepsAcks) return undefined;
  const { mss, windowScale } = parseTcpOptions(bytes, at, tcp.headerLength);
  const options = mss === undefined ? "" : ` mss ${mss} wscale ${windowScale}`;
  return { connection, line: `${line} ${flagsOf(tcp.flags)} data ${payload}${options}` };
}

const IGMP = 2;

/** The IPv4 packet in a VXLAN packet; both kinds of outer checksum, none and a right one, show in its line. */
function tunnelled(bytes: Uint8Array, at: number, end: number): { vni: string; packet: Uint8Array } | undefined {
  if (getU16(bytes, at + 2) !== VXLAN_PORT) return undefined;
  const vxlan = parseVxlan(bytes, at + UDP_HEADER_LENGTH, end);
  if (vxlan === undefined) return undefined;
  const checksum = getU16(bytes, at + 6) === 0 ? "unsummed" : "summed";
  const inner = at + UDP_HEADER_LENGTH + VXLAN_HEADER_LENGTH + ETHERNET_HEADER_LENGTH;
  return { vni: `${vxlan.vni} ${checksum}`, packet: bytes.subarray(inner, end) };
}

interface Ports {
  readonly source: string;
  readonly destination: string;
}

function readPorts(bytes: Uint8Array, at: number, names: PortNames): Ports {
  return { source: names.of(getU16(bytes, at)), destination: names.of(getU16(bytes, at + 2)) };
}

function describeIcmp(bytes: Uint8Array, ip: Ipv4Header, about: string, names: PortNames): Described {
  const at = ip.headerLength;
  const type = getU8(bytes, at);
  const what = `icmp ${type}/${getU8(bytes, at + 1)}`;
  if (!isIcmpError(type)) {
    const id = names.of(getU16(bytes, at + 4));
    return {
      connection: keyOf(ip, { source: id, destination: id }),
      line: `${pair(ip, undefined)} ${what} id ${id} ${about}`,
    };
  }
  const quoted = readIpv4Header(bytes, at + 8);
  const inner = at + 8 + quoted.headerLength;
  const ports = quotedPorts(bytes, inner, quoted, names);
  const rest = getU32(bytes, at + 4);
  const quote = `about ${pair(quoted, ports)} ttl ${quoted.ttl} len ${quoted.totalLength}${rest > 0 ? ` rest ${rest}` : ""}`;
  return { connection: keyOf(quoted, ports), line: `${pair(ip, undefined)} ${what} ${about} ${quote}` };
}

/** An echo's identifier stands for both ports. */
function quotedPorts(bytes: Uint8Array, at: number, quoted: Ipv4Header, names: PortNames): Ports | undefined {
  if (quoted.protocol === IpProtocol.tcp || quoted.protocol === IpProtocol.udp) return readPorts(bytes, at, names);
  if (quoted.protocol !== IpProtocol.icmp) return undefined;
  const id = names.of(getU16(bytes, at + 4));
  return { source: id, destination: id };
}

function pair(ip: Ipv4Header, ports: Ports | undefined): string {
  const source = formatIpv4(ip.source);
  const destination = formatIpv4(ip.destination);
  const name = PROTOCOLS[ip.protocol] ?? ip.protocol;
  return ports === undefined
    ? `${name} ${source} > ${destination}`
    : `${name} ${source}:${ports.source} > ${destination}:${ports.destination}`;
}

const PROTOCOLS: Readonly<Record<number, string>> = { 1: "icmp", 6: "tcp", 17: "udp" };

/** The same for both directions. */
function keyOf(ip: Ipv4Header, ports: Ports | undefined): string {
  const ends = [
    `${formatIpv4(ip.source)}:${ports?.source ?? "*"}`,
    `${formatIpv4(ip.destination)}:${ports?.destination ?? "*"}`,
  ];
  return `${PROTOCOLS[ip.protocol] ?? ip.protocol} ${ends.sort().join(" ")}`;
}

/** `S`, `SA`, `PA`, … */
function flagsOf(flags: number): string {
  const bits = [
    ["S", 2],
    ["F", 1],
    ["R", 4],
    ["P", 8],
    ["A", 16],
    ["U", 32],
    ["E", 64],
    ["C", 128],
  ] as const;
  return (
    bits
      .filter(([, bit]) => (flags & bit) !== 0)
      .map(([letter]) => letter)
      .join("") || "-"
  );
}

/** A line of `conntrack -L` without timeouts and counts, ports by their names. */
export function connectionLine(line: string, names: PortNames): string {
  return line
    .replace(/^ipv4 +2 +(\w+) +\d+ \d+ /, "$1 ")
    .replace(/ (mark|use|secctx|zone)=\S+/g, "")
    .replace(/\b(sport|dport|id)=(\d+)/g, (_, field: string, port: string) => `${field}=${names.of(Number(port))}`)
    .trim();
}

/** What stands in one list and not in the other, in their order: `-` lines are only in the first, `+` lines only in the second. */
export function differences(one: readonly string[], other: readonly string[]): string[] {
  const longest: number[][] = Array.from({ length: one.length + 1 }, () => new Array(other.length + 1).fill(0));
  for (let i = one.length - 1; i >= 0; i--)
    for (let j = other.length - 1; j >= 0; j--)
      longest[i]![j] =
        one[i] === other[j] ? longest[i + 1]![j + 1]! + 1 : Math.max(longest[i + 1]![j]!, longest[i]![j + 1]!);
  const found: string[] = [];
  let [i, j] = [0, 0];
  while (i < one.length || j < other.length) {
    if (i < one.length && j < other.length && one[i] === other[j]) [i, j] = [i + 1, j + 1];
    else if (j >= other.length || (i < one.length && longest[i + 1]![j]! >= longest[i]![j + 1]!))
      found.push(`- ${one[i++]}`);
    else found.push(`+ ${other[j++]}`);
  }
  return found;
}
