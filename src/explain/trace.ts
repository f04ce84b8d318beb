import {
  type ConnectionEnds,
  describeArp,
  describeIcmp,
  describeIpv4,
  describeTcp,
  describeUdp,
  EtherType,
  formatIpv4,
  IpProtocol,
  type Ipv4Header,
  ipv4,
  networkLayer,
  type PacketEvent,
  type PacketField,
  type PacketSummary,
  parseArp,
  parseIcmp,
  parseIpv4Header,
  parseTcp,
  parseUdp,
  type RewriteCause,
  type RuleReference,
} from "../netstack/index.ts";

/** One line for one event: when, where, which packet, what. The packet's number is its lineage: it stays the same from box to box. */
export function describeEvent(event: PacketEvent): string {
  const time = (event.time / 1e9).toFixed(9);
  return `${time} ${event.node} #${event.lineage} ${describeDetail(event)}`;
}

function describeDetail(event: PacketEvent): string {
  switch (event.kind) {
    case "arrived":
      return `arrived at ${event.interface}: ${describeFrame(event.bytes)}`;
    case "sent":
      return `sent by ${event.interface}: ${describeFrame(event.bytes)}`;
    case "hook":
      return `${event.hook.toUpperCase()}${describeInterfaces(event)} ${describeSummary(event.packet)} ${event.state}`;
    case "rule":
      return `${event.matched ? "matched" : "not matched"}: ${describeRule(event.rule)}: ${event.verdict}`;
    case "policy":
      return `end of ${event.table} ${event.chain}: policy ${event.verdict}`;
    case "rewritten":
      return describeRewrite(event);
    case "routed":
      return `to ${formatIpv4(event.destination)}: ${describeRoute(event.out, event.nextHop)}`;
    case "queued":
      return `waits at ${event.interface} for ARP: who has ${formatIpv4(event.nextHop)}?`;
    case "fragmented":
      return `fragmented into ${event.into}`;
    case "reassembled":
      return `reassembled from ${event.from} fragments`;
    case "balanced":
      return `${event.service}: to ${event.backend}, ${event.reason}`;
    case "proxied":
      return `${event.service}: ${describeEnds(event.own)} (${event.backend}) carries ${describeEnds(event.client)}`;
    case "encapsulated":
      return `into ${event.in} ${formatIpv4(event.source)} > ${formatIpv4(event.destination)}`;
    case "decapsulated":
      return `out of ${event.in} ${formatIpv4(event.source)} > ${formatIpv4(event.destination)}`;
    case "delivered":
      return `delivered to ${event.to}`;
    case "conntrack":
      return `conntrack [${event.change}] ${event.text}`;
    case "dropped":
      return `dropped: ${event.reason}${event.rule === undefined ? "" : ` by ${describeRule(event.rule)}`}`;
  }
}

function describeEnds({ source, sourcePort, destination, destinationPort }: ConnectionEnds): string {
  return `${formatIpv4(source)}:${sourcePort} > ${formatIpv4(destination)}:${destinationPort}`;
}

function describeInterfaces({
  in: from,
  out,
}: {
  readonly in: string | undefined;
  readonly out: string | undefined;
}): string {
  return `${from === undefined ? "" : ` in ${from}`}${out === undefined ? "" : ` out ${out}`}`;
}

function describeRoute(out: string, nextHop: PacketSummary["source"] | undefined): string {
  if (out === "local") return "it is for this host";
  return nextHop === undefined ? `by ${out}` : `by ${out} to ${formatIpv4(nextHop)}`;
}

function describeRewrite(event: Extract<PacketEvent, { kind: "rewritten" }>): string {
  const { field, from, to, cause, quoted } = event;
  const where = quoted ? "quoted packet's " : "";
  return `${where}${FIELD_NAMES[field]} ${formatField(field, from)} -> ${formatField(field, to)}, ${describeCause(cause)}`;
}

/** A field's name in sentences. */
export const FIELD_NAMES: Readonly<Record<PacketField, string>> = {
  source: "source",
  destination: "destination",
  sourcePort: "source port",
  destinationPort: "destination port",
  ttl: "TTL",
  mark: "mark",
  mss: "MSS",
};

/** A field's value as people write it. */
export function formatField(field: PacketField, value: number): string {
  if (field === "source" || field === "destination") return formatIpv4(ipv4(value));
  return field === "mark" ? `0x${value.toString(16)}` : String(value);
}

/** What made a box rewrite a packet, as the end of a sentence. */
export function describeCause(cause: RewriteCause): string {
  switch (cause.kind) {
    case "rule":
      return `${cause.target} by ${describeRule(cause.rule)}`;
    case "conntrack":
      return `as conntrack remembers, ${cause.direction} direction`;
    case "clash":
      return "as another connection has the port";
    case "balancer":
      return `by the load balancer of ${cause.service} for ${cause.backend}, ${cause.direction} direction`;
    case "mapping":
      return `by the NAT's mapping ${cause.mapping}, ${cause.direction}`;
    case "forwarding":
      return "forwarding";
  }
}

function describeRule({ table, chain, number, text }: RuleReference): string {
  return `${table} ${chain} rule ${number} (${text})`;
}

/** `TCP 10.0.0.1:40000 > 10.0.0.2:80` */
export function describeSummary({ protocol, source, sourcePort, destination, destinationPort }: PacketSummary): string {
  const end = (address: PacketSummary["source"], port: number): string =>
    port === 0 ? formatIpv4(address) : `${formatIpv4(address)}:${port}`;
  return `${protocolName(protocol)} ${end(source, sourcePort)} > ${end(destination, destinationPort)}`;
}

/** A frame in short: its addresses, then what it carries. */
function describeFrame(bytes: Uint8Array): string {
  const network = networkLayer(bytes, 0, bytes.length);
  if (network?.type === EtherType.arp) {
    const arp = parseArp(bytes, network.at, bytes.length);
    return arp === undefined ? "ARP, malformed" : describeArp(arp);
  }
  if (network?.type !== EtherType.ipv4) return `${bytes.length} bytes`;
  const header = parseIpv4Header(bytes, network.at, bytes.length);
  if (header === undefined) return "IPv4, malformed";
  const end = Math.min(bytes.length, network.at + header.totalLength);
  const inside = header.fragmentOffset > 0 ? undefined : describeTransport(header, bytes, network.at, end);
  return `${describeIpv4(header)}${inside === undefined ? "" : `, ${inside}`}`;
}

function describeTransport(header: Ipv4Header, bytes: Uint8Array, ip: number, end: number): string | undefined {
  const at = ip + header.headerLength;
  switch (header.protocol) {
    case IpProtocol.tcp: {
      const tcp = parseTcp(bytes, at, end);
      return tcp && describeTcp(tcp);
    }
    case IpProtocol.udp: {
      const udp = parseUdp(bytes, at, end);
      return udp && describeUdp(udp);
    }
    case IpProtocol.icmp: {
      const icmp = parseIcmp(bytes, at, end);
      return icmp && describeIcmp(icmp);
    }
    default:
      return undefined;
  }
}

/** `TCP`, or `protocol 99` */
export function protocolName(protocol: number): string {
  const name = Object.entries(IpProtocol).find(([, number]) => number === protocol)?.[0];
  return name === undefined ? `protocol ${protocol}` : name.toUpperCase();
}
