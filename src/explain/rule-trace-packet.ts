import { parseRule } from "../nat/index.ts";
import {
  ETHERNET_HEADER_LENGTH,
  EtherType,
  emitEthernet,
  emitIcmp,
  emitIpv4Header,
  emitTcp,
  emitTcpOptions,
  emitUdp,
  fillIcmpChecksum,
  fillIpv4Checksum,
  fillTcpChecksum,
  fillUdpChecksum,
  getU16,
  ICMP_HEADER_LENGTH,
  IcmpType,
  IPV4_HEADER_LENGTH,
  IpProtocol,
  type Ipv4Address,
  type MacAddress,
  mac,
  Packet,
  parseIpv4,
  setU16,
  TCP_HEADER_LENGTH,
  TcpFlag,
  UDP_HEADER_LENGTH,
} from "../netstack/index.ts";
import type { FramePool } from "../sim/index.ts";

/** A packet in words, to be walked through rules. */
export interface PacketSketch {
  readonly protocol: number;
  readonly source: Ipv4Address;
  readonly destination: Ipv4Address;
  /** 0 where the protocol has no ports. An ICMP echo's identifier is its `sourcePort`. */
  readonly sourcePort: number;
  readonly destinationPort: number;
  readonly icmp?: { readonly type: number; readonly code: number };
  /** Bits of `TcpFlag`. */
  readonly flags: number;
  readonly sequence?: number;
  readonly acknowledgment?: number;
  readonly ttl: number;
  /** Of the IP packet; filled up with zeros. `undefined` for no more than the headers. */
  readonly length?: number;
  readonly sourceMac?: MacAddress;
  /** The transport checksum is wrong, which makes conntrack call the packet INVALID. */
  readonly isCorrupt?: boolean;
}

/** What a packet is when nobody says otherwise: a connection's first. */
const DEFAULTS = { flags: TcpFlag.syn, ttl: 64 } as const;
const DEFAULT_ECHO_ID = 1;
/** A SYN says how long segments may be, as every real one does. */
const SYN_MSS = 1460;
const WINDOW = 65_535;
const SOURCE_MAC = mac(0x0200_0000_00fe);

const WITH_PORTS: ReadonlySet<number> = new Set([IpProtocol.tcp, IpProtocol.udp, IpProtocol.sctp, 136]);

/**
 * Reads `tcp 198.51.100.79:40000 > 10.240.0.4:31000`, `udp …`, `icmp 10.0.0.1 > 10.0.0.2 echo-request` or `esp 10.0.0.1 > 10.0.0.2`. What is
 * wrong with the text comes back as words.
 */
export function parsePacketSketch(text: string): PacketSketch | string {
  const match = /^\s*(\S+)\s+([\d.]+)(?::(\d+))?\s*(?:>|->|→)\s*([\d.]+)(?::(\d+))?(?:\s+(\S.*?))?\s*$/.exec(text);
  if (match === null)
    return "expected one like 'tcp 198.51.100.79:40000 > 10.240.0.4:31000' or 'icmp 10.0.0.1 > 10.0.0.2'";
  const [, name = "", from = "", fromPort, to = "", toPort, rest] = match;
  const protocol = readProtocol(name);
  if (protocol === undefined)
    return `there is no protocol "${name}"; expected tcp, udp, icmp, sctp, another name or a number`;
  const [source, destination] = [parseIpv4(from), parseIpv4(to)];
  if (source === undefined || destination === undefined)
    return `"${source === undefined ? from : to}" is not an IPv4 address`;
  const ports = [fromPort, toPort].map((port) => (port === undefined ? undefined : Number(port)));
  const [sourcePort, destinationPort] = ports;
  if (ports.some((port) => port !== undefined && port > 65_535)) return "ports go from 0 to 65535";
  const base = { ...DEFAULTS, protocol, source, destination };
  if (WITH_PORTS.has(protocol)) {
    if (rest !== undefined) return `"${rest}" stands behind the packet; TCP's flags are given with --flags`;
    if (sourcePort === undefined || destinationPort === undefined)
      return `${name} has ports: write ${from}:${sourcePort ?? 40_000} > ${to}:${destinationPort ?? 80}`;
    return { ...base, sourcePort, destinationPort };
  }
  if (sourcePort !== undefined || destinationPort !== undefined) return `${name} has no ports; leave them out`;
  if (protocol !== IpProtocol.icmp)
    return rest === undefined ? { ...base, sourcePort: 0, destinationPort: 0 } : `"${rest}" stands behind the packet`;
  const icmp = readIcmpType(rest ?? "echo-request");
  if (icmp === undefined)
    return `"${rest}" is no ICMP type; expected a name as iptables has it, such as echo-request, or numbers such as 3/4`;
  return { ...base, icmp, sourcePort: hasIdentifier(icmp.type) ? DEFAULT_ECHO_ID : 0, destinationPort: 0 };
}

/** Reads TCP flags: `S`, `SA` or `S.`, `SYN,ACK`, `none`; `undefined` when there is something else in it. */
export function parseTcpFlags(text: string): number | undefined {
  const names = text.trim().toUpperCase();
  if (names === "NONE") return 0;
  const words = /^[A-Z]{3}(,[A-Z]{3})*$/.test(names) ? names.split(",") : [...names];
  let flags = 0;
  for (const word of words) {
    const flag = FLAG_NAMES.get(word);
    if (flag === undefined) return undefined;
    flags |= flag;
  }
  return words.length === 0 ? undefined : flags;
}

/** Flags as tcpdump writes them: `S`, `S.`, `none`. */
export function formatTcpFlags(flags: number): string {
  const letters = [...LETTERS].filter(([flag]) => (flags & flag) !== 0).map(([, letter]) => letter);
  return letters.length === 0 ? "none" : letters.join("");
}

const LETTERS: ReadonlyMap<number, string> = new Map([
  [TcpFlag.fin, "F"],
  [TcpFlag.syn, "S"],
  [TcpFlag.rst, "R"],
  [TcpFlag.psh, "P"],
  [TcpFlag.urg, "U"],
  [TcpFlag.ece, "E"],
  [TcpFlag.cwr, "W"],
  [TcpFlag.ack, "."],
]);

const FLAG_NAMES: ReadonlyMap<string, number> = new Map([
  ...[...LETTERS].map(([flag, letter]) => [letter, flag] as const),
  ...Object.entries(TcpFlag).map(([name, flag]) => [name.toUpperCase(), flag] as const),
  ["A", TcpFlag.ack],
]);

/** Names and numbers are iptables' own. */
function readProtocol(name: string): number | undefined {
  const protocol = attempt(() => parseRule(`-p ${name}`).protocol?.protocol);
  return protocol === 0 ? undefined : protocol;
}

function readIcmpType(name: string): PacketSketch["icmp"] | undefined {
  const match = attempt(() => parseRule(`-p icmp -m icmp --icmp-type ${name}`).matches[0]);
  if (match?.kind !== "icmp" || match.type > 254) return undefined;
  // A type without a code stands for all its codes.
  return { type: match.type, code: match.code.from };
}

/** What `read` gives, or nothing where it finds words that rules do not have. */
function attempt<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch {
    return undefined;
  }
}

function hasIdentifier(type: number): boolean {
  return type === IcmpType.echoRequest || type === IcmpType.echoReply;
}

/** The packet as a frame, its headers and checksums as the sender would have written them. */
export function emitSketch(sketch: PacketSketch, frames: FramePool, destinationMac: MacAddress): Packet {
  const header = transportLength(sketch);
  const total = Math.max(sketch.length ?? 0, IPV4_HEADER_LENGTH + header);
  const frame = frames.create(ETHERNET_HEADER_LENGTH + total);
  const { bytes, start } = frame;
  bytes.fill(0, start, frame.end);
  const source = sketch.sourceMac ?? SOURCE_MAC;
  emitEthernet({ destination: destinationMac, source, type: EtherType.ipv4 }, bytes, start);
  const ip = start + ETHERNET_HEADER_LENGTH;
  emitIpv4Header(
    {
      headerLength: IPV4_HEADER_LENGTH,
      typeOfService: 0,
      totalLength: total,
      identification: 0,
      dontFragment: sketch.protocol === IpProtocol.tcp,
      moreFragments: false,
      fragmentOffset: 0,
      ttl: sketch.ttl,
      protocol: sketch.protocol,
      checksum: 0,
      source: sketch.source,
      destination: sketch.destination,
    },
    bytes,
    ip,
  );
  fillIpv4Checksum(bytes, ip);
  const packet = new Packet(frame, ip);
  emitTransport(sketch, packet);
  return packet;
}

function isSyn(sketch: PacketSketch): boolean {
  return (sketch.flags & TcpFlag.syn) !== 0;
}

function transportLength(sketch: PacketSketch): number {
  switch (sketch.protocol) {
    case IpProtocol.tcp:
      return TCP_HEADER_LENGTH + (isSyn(sketch) ? 4 : 0);
    case IpProtocol.udp:
      return UDP_HEADER_LENGTH;
    case IpProtocol.icmp:
      return ICMP_HEADER_LENGTH;
    default:
      return SCTP_HEADER_LENGTH;
  }
}

/** Of the other protocols conntrack wants to see no more than SCTP's common header and one chunk's head (RFC 9260 §3). */
const SCTP_HEADER_LENGTH = 16;
const SCTP_INIT = 1;

function emitTransport(sketch: PacketSketch, packet: Packet): void {
  const { bytes, transport, end } = packet;
  const { sourcePort, destinationPort, source, destination } = sketch;
  switch (sketch.protocol) {
    case IpProtocol.tcp: {
      const headerLength = transportLength(sketch);
      const { flags, sequence = 0, acknowledgment = 0 } = sketch;
      const numbers = { sequence, acknowledgment, window: WINDOW, checksum: 0, urgentPointer: 0 };
      emitTcp({ sourcePort, destinationPort, headerLength, flags, ...numbers }, bytes, transport);
      if (isSyn(sketch)) emitTcpOptions({ mss: SYN_MSS }, bytes, transport + TCP_HEADER_LENGTH);
      fillTcpChecksum(bytes, { at: transport, end, source, destination });
      return corrupt(sketch, bytes, transport + 16);
    }
    case IpProtocol.udp:
      emitUdp({ sourcePort, destinationPort, length: end - transport, checksum: 0 }, bytes, transport);
      fillUdpChecksum(bytes, transport, source, destination);
      return corrupt(sketch, bytes, transport + 6);
    case IpProtocol.icmp: {
      const { type, code } = sketch.icmp ?? { type: IcmpType.echoRequest, code: 0 };
      emitIcmp({ type, code, checksum: 0, rest: sourcePort * 0x1_0000 + 1 }, bytes, transport);
      fillIcmpChecksum(bytes, transport, end);
      return corrupt(sketch, bytes, transport + 2);
    }
    default:
      if (!WITH_PORTS.has(sketch.protocol)) return;
      setU16(bytes, transport, sourcePort);
      setU16(bytes, transport + 2, destinationPort);
      setU16(bytes, transport + 12, SCTP_INIT << 8);
      setU16(bytes, transport + 14, 4);
  }
}

function corrupt(sketch: PacketSketch, bytes: Uint8Array, checksum: number): void {
  // Zero would be "no checksum" in UDP, and stays away from both forms of it.
  if (sketch.isCorrupt) setU16(bytes, checksum, getU16(bytes, checksum) ^ 0x5555 || 0x1111);
}
