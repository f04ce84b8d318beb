import { readFileSync } from "node:fs";
import { parseIptablesSave } from "../../src/nat/index.ts";
import {
  address,
  cidr,
  EVERYWHERE,
  formatIpv4,
  getU16,
  IpProtocol,
  type Ipv4Header,
  mac,
  type PacketEvent,
  parseInterfaceAddress,
  parseIpv4,
  parseMac,
  parseTcp,
  parseTcpOptions,
  readIpv4Header,
} from "../../src/netstack/index.ts";
import { type Bridge, type Host, Network } from "../../src/nodes/index.ts";
import type { Device } from "../../src/sim/index.ts";
import type { SeenFrame } from "./kernel-lab-lines.ts";

/*
 * Transcripts of what a real kernel (Linux 6.18) did in network namespaces, one JSON file each in test/kernel-truth/: the topology, the rules loaded, and every
 * packet with every place it was seen at. Here the same topology is built of emulated hosts, and what they do is written down in the same form, one line a packet.
 */

interface TranscriptInterface {
  readonly kind: "veth" | "bridge" | "vxlan";
  readonly peer?: string;
  readonly mtu: number;
  readonly addrs: readonly string[];
  readonly ports?: readonly string[];
  readonly hairpin?: boolean;
  readonly tunnel?: TranscriptTunnel;
}

/** A VXLAN device as flannel sets it up: nothing learnt, every other end known. */
interface TranscriptTunnel {
  readonly vni: number;
  readonly port: number;
  /** The interface with the outer address. */
  readonly dev: string;
  readonly local: string;
  readonly mac: string;
  readonly udpChecksum: boolean;
  readonly ends: readonly { readonly mac: string; readonly inner: string; readonly outer: string }[];
}

/** A host: its interfaces, routes as `ip route add` takes them, and kernel parameters. */
export interface Namespace {
  readonly ifs: Readonly<Record<string, TranscriptInterface>>;
  readonly routes?: readonly string[];
  readonly sysctl?: Readonly<Record<string, number>>;
}

export type Topology = Readonly<Record<string, Namespace>>;

interface Quoted {
  readonly proto: string;
  readonly src: string;
  readonly sport: number | string;
  readonly dst: string;
  readonly dport: number | string;
  readonly ttl: number;
  readonly len: number;
}

interface Hop {
  readonly at: string;
  readonly dir: "in" | "out";
  readonly src: string;
  readonly sport?: number | string;
  readonly dst: string;
  readonly dport?: number | string;
  readonly ttl: number;
  readonly embedded?: Quoted;
}

interface TranscriptPacket {
  readonly proto: string;
  readonly flags?: string;
  readonly type?: number;
  readonly code?: number;
  readonly len: number;
  readonly df?: boolean;
  readonly tos?: number;
  readonly frag?: { readonly off: number; readonly mf: boolean };
  readonly opts?: { readonly mss?: number; readonly wscale?: number };
  readonly plen: number;
  readonly embedded?: Quoted;
  readonly hops: readonly Hop[];
}

export interface Transcript {
  readonly title: string;
  readonly topology: Topology;
  readonly rules: Readonly<Record<string, readonly string[]>>;
  readonly client_sees: unknown;
  readonly packets: readonly TranscriptPacket[];
  readonly conntrack: Readonly<Record<string, readonly unknown[]>>;
}

export function readTranscript(name: string): Transcript {
  return JSON.parse(readFileSync(new URL(`../kernel-truth/${name}.json`, import.meta.url), "utf8"));
}

/** The transcript's packets, one line each, ports that differ from run to run by symbols. */
export function transcriptLines({ packets }: Transcript): string[] {
  const symbols = new Symbols();
  return packets.map((packet) => describePacket(packet, symbols));
}

/** The transcript's network built of emulated hosts, with everything that passes its interfaces. */
export class TranscriptWorld {
  readonly network: Network;
  readonly #seen: PacketEvent[] = [];

  constructor(transcript: Pick<Transcript, "topology" | "rules">, seed = 7) {
    this.network = new Network({ seed });
    this.network.events.read((event) => {
      if ((event.kind === "arrived" || event.kind === "sent") && event.interface !== "lo") {
        this.#seen.push({ ...event, bytes: event.bytes.slice() });
      }
    });
    for (const [name, namespace] of Object.entries(transcript.topology)) this.#addHost(name, namespace);
    for (const [name, namespace] of Object.entries(transcript.topology))
      this.#addLinks(name, namespace, transcript.topology);
    for (const [name, namespace] of Object.entries(transcript.topology)) this.#addRoutes(name, namespace);
    for (const [name, { sysctl = {} }] of Object.entries(transcript.topology)) this.#answerForGateways(name, sysctl);
    for (const [name, lines] of Object.entries(transcript.rules)) {
      this.host(name).setRules(parseIptablesSave(lines.join("\n"), {}).ruleset);
    }
  }

  host(name: string): Host {
    const host = this.network.hosts.get(name);
    if (host === undefined) throw new Error(`no host ${name}`);
    return host;
  }

  /** Everything that passed an interface, in order of time. */
  seen(): SeenFrame[] {
    const frames = this.#seen.flatMap((event): SeenFrame[] => {
      if ((event.kind !== "arrived" && event.kind !== "sent") || event.bytes[12] !== 8 || event.bytes[13] !== 0)
        return [];
      const direction = event.kind === "sent" ? "out" : "in";
      const { time, node, interface: name, bytes } = event;
      return [{ time, at: `${node}/${name}`, direction, ip: bytes.subarray(14) }];
    });
    return frames.sort((a, b) => a.time - b.time);
  }

  /** What was seen, in the form of {@link transcriptLines}; ARP is left out as there. */
  lines(): string[] {
    const packets = new Map<string, { readonly packet: Omit<TranscriptPacket, "hops">; readonly hops: Hop[] }>();
    const inOrder = this.#seen
      .map((event, order) => ({ event, order }))
      .sort((a, b) => a.event.time - b.event.time || a.order - b.order);
    for (const { event } of inOrder) {
      if ((event.kind !== "arrived" && event.kind !== "sent") || event.bytes[12] !== 8 || event.bytes[13] !== 0)
        continue;
      const ip = readIpv4Header(event.bytes, 14);
      const key = `${event.lineage} ${ip.fragmentOffset} ${ip.moreFragments}`;
      const known = packets.get(key) ?? { packet: readPacket(event.bytes, ip), hops: [] };
      known.hops.push({
        ...readHop(event.bytes, ip),
        at: `${event.node}/${event.interface}`,
        dir: event.kind === "sent" ? "out" : "in",
      });
      packets.set(key, known);
    }
    const symbols = new Symbols();
    return [...packets.values()].map(({ packet, hops }) => describePacket({ ...packet, hops }, symbols));
  }

  #addHost(name: string, { sysctl = {} }: Namespace): void {
    this.network.addHost(name, {
      forwarding: sysctl["net.ipv4.ip_forward"] === 1,
      routeLocalnet: sysctl["net.ipv4.conf.all.route_localnet"] === 1,
    });
  }

  #addLinks(name: string, namespace: Namespace, topology: Topology): void {
    const host = this.host(name);
    for (const [ifname, each] of Object.entries(namespace.ifs)) {
      if (each.kind === "bridge") {
        this.#bridge(name, namespace, ifname);
        continue;
      }
      if (each.kind === "vxlan") {
        this.#addTunnel(host, ifname, each);
        continue;
      }
      const [peerName = "", peerIf = ""] = (each.peer ?? "").split("/");
      const peer = topology[peerName];
      if (
        peer === undefined ||
        this.#bridgeOf(namespace, ifname) !== undefined ||
        host.stack.interface(ifname) !== undefined
      )
        continue;
      const end = this.network.addVeth(host, {
        name: ifname,
        addresses: each.addrs.map((text) => parseInterfaceAddress(text)!),
        mtu: each.mtu,
        hostEnd: `${peerName}/${peerIf}`,
      });
      this.#plug(peerName, peer, peerIf, end);
    }
  }

  #plug(name: string, namespace: Namespace, ifname: string, device: Device): void {
    const host = this.host(name);
    const bridge = this.#bridgeOf(namespace, ifname);
    const own = namespace.ifs[ifname]!;
    if (bridge !== undefined) {
      host.addBridgePort(this.#bridge(name, namespace, bridge), {
        name: ifname,
        device,
        hairpin: own.hairpin ?? false,
      });
    } else {
      host.addInterface({
        name: ifname,
        device,
        mac: nextMac(),
        addresses: own.addrs.map((text) => parseInterfaceAddress(text)!),
      });
    }
  }

  #bridge(name: string, namespace: Namespace, ifname: string): Bridge {
    const host = this.host(name);
    const { mtu, addrs } = namespace.ifs[ifname]!;
    return (
      host.bridge(ifname) ??
      host.addBridge({
        name: ifname,
        mac: nextMac(),
        mtu,
        addresses: addrs.map((text) => parseInterfaceAddress(text)!),
        callsIptables: namespace.sysctl?.["net.bridge.bridge-nf-call-iptables"] === 1,
      })
    );
  }

  #bridgeOf(namespace: Namespace, port: string): string | undefined {
    return Object.entries(namespace.ifs).find(([, each]) => each.ports?.includes(port))?.[0];
  }

  #addTunnel(host: Host, name: string, { tunnel, addrs, mtu }: TranscriptInterface): void {
    if (tunnel === undefined) return;
    const { vni, port, udpChecksum } = tunnel;
    const [local, own] = [address(tunnel.local), parseMac(tunnel.mac)!];
    const addresses = addrs.map((text) => parseInterfaceAddress(text)!);
    const device = host.addVxlan({ name, vni, port, local, udpChecksum, mac: own, addresses, mtu, learns: false });
    for (const { mac: end, inner, outer } of tunnel.ends) {
      device.addEntry(parseMac(end)!, address(outer));
      host.stack.link.neighbours.setPermanent(host.stack.interface(name)!, address(inner), parseMac(end)!);
    }
  }

  /** proxy_arp, of which only the pods' gateway is asked for. */
  #answerForGateways(name: string, sysctl: Readonly<Record<string, number>>): void {
    const { stack } = this.host(name);
    for (const [key, value] of Object.entries(sysctl)) {
      const end = /^net\.ipv4\.conf\.(\S+)\.proxy_arp$/.exec(key)?.[1];
      if (end !== undefined && value === 1) stack.link.answerFor(stack.interface(end)!, address("169.254.1.1"));
    }
  }

  #addRoutes(name: string, { routes = [] }: Namespace): void {
    const { stack } = this.host(name);
    const { addressing } = stack;
    for (const text of routes) {
      const [, to = "", via, dev] = /^(\S+)(?: via (\S+))?(?: dev (\S+))?(?: onlink)?$/.exec(text) ?? [];
      const gateway = via === undefined ? undefined : parseIpv4(via)!;
      const out = dev === undefined ? addressing.hop(gateway!)!.out : stack.interface(dev)!;
      const destination = to === "default" ? EVERYWHERE : cidr(to.includes("/") ? to : `${to}/32`);
      addressing.routes.add({ destination, out, ...(gateway !== undefined && { via: gateway }) });
    }
  }
}

let macs = 0;
function nextMac(): ReturnType<typeof mac> {
  macs += 1;
  return mac(0x0206_0000_0000 + macs);
}

const PROTOCOL: Readonly<Record<number, string>> = {
  [IpProtocol.tcp]: "tcp",
  [IpProtocol.udp]: "udp",
  [IpProtocol.icmp]: "icmp",
};

function readPacket(bytes: Uint8Array, ip: Ipv4Header): Omit<TranscriptPacket, "hops"> {
  const at = 14 + ip.headerLength;
  const isFragment = ip.moreFragments || ip.fragmentOffset > 0;
  const base = {
    proto: PROTOCOL[ip.protocol] ?? String(ip.protocol),
    len: ip.totalLength,
    ...(ip.dontFragment && { df: true }),
    ...(ip.typeOfService > 0 && { tos: ip.typeOfService }),
    ...(isFragment && { frag: { off: ip.fragmentOffset, mf: ip.moreFragments } }),
  };
  const payload = ip.totalLength - ip.headerLength;
  if (ip.fragmentOffset > 0) return { ...base, plen: payload };
  if (ip.protocol === IpProtocol.icmp) return { ...base, type: bytes[at]!, code: bytes[at + 1]!, plen: 0 };
  if (ip.protocol === IpProtocol.udp) return { ...base, plen: payload - 8 };
  const tcp = parseTcp(bytes, at, 14 + ip.totalLength)!;
  const { mss, windowScale: wscale } = parseTcpOptions(bytes, at, tcp.headerLength);
  const opts = mss === undefined ? undefined : { mss, ...(wscale !== undefined && { wscale }) };
  return { ...base, flags: flagsOf(tcp.flags), ...(opts && { opts }), plen: payload - tcp.headerLength };
}

/** The transcripts write S, SA, A, PA, FA, R, RA. */
function flagsOf(flags: number): string {
  const bits = { S: 2, F: 1, R: 4, P: 8, A: 16 } as const;
  return Object.entries(bits)
    .filter(([, bit]) => (flags & bit) !== 0)
    .map(([letter]) => letter)
    .join("");
}

function readHop(bytes: Uint8Array, ip: Ipv4Header): Omit<Hop, "at" | "dir"> {
  const at = 14 + ip.headerLength;
  const hasPorts = ip.fragmentOffset === 0 && ip.protocol !== IpProtocol.icmp;
  const embedded = ip.protocol === IpProtocol.icmp && ip.fragmentOffset === 0 ? readQuoted(bytes, at + 8) : undefined;
  return {
    src: formatIpv4(ip.source),
    dst: formatIpv4(ip.destination),
    ttl: ip.ttl,
    ...(hasPorts && { sport: getU16(bytes, at), dport: getU16(bytes, at + 2) }),
    ...(embedded && { embedded }),
  };
}

function readQuoted(bytes: Uint8Array, at: number): Quoted {
  const ip = readIpv4Header(bytes, at);
  const ports = at + ip.headerLength;
  return {
    proto: PROTOCOL[ip.protocol] ?? String(ip.protocol),
    src: formatIpv4(ip.source),
    sport: getU16(bytes, ports),
    dst: formatIpv4(ip.destination),
    dport: getU16(bytes, ports + 2),
    ttl: ip.ttl,
    len: ip.totalLength,
  };
}

/** Ephemeral ports by the order in which they first appear. */
class Symbols {
  readonly #names = new Map<number | string, string>();

  /** Well-known ports and those of the stimuli stand for themselves. */
  of(port: number | string): string {
    if (typeof port === "number" && FIXED.has(port)) return String(port);
    const known = this.#names.get(port);
    if (known !== undefined) return known;
    const name = `P${this.#names.size + 1}`;
    this.#names.set(port, name);
    return name;
  }
}

const FIXED = new Set([80, 8080, 5353, 31380, 30053, 40000, 33434, 33435, 33436, 33437]);

function describePacket(packet: TranscriptPacket, symbols: Symbols): string {
  const what =
    packet.proto === "icmp"
      ? `icmp ${packet.type}/${packet.code}`
      : [packet.proto, packet.flags].filter(Boolean).join(" ");
  const options = packet.opts === undefined ? "" : ` mss ${packet.opts.mss} wscale ${packet.opts.wscale}`;
  const fragment = packet.frag === undefined ? "" : ` fragment ${packet.frag.off}${packet.frag.mf ? "+" : ""}`;
  const head = `${what} len ${packet.len} data ${packet.plen}${packet.df ? " DF" : ""}${packet.tos ? ` tos ${packet.tos}` : ""}${options}${fragment}`;
  return [head, ...packet.hops.map((hop) => `  ${describeHop(hop, packet.embedded, symbols)}`)].join("\n");
}

function describeHop(hop: Hop, always: Quoted | undefined, symbols: Symbols): string {
  const source = hop.sport === undefined ? hop.src : `${hop.src}:${symbols.of(hop.sport)}`;
  const destination = hop.dport === undefined ? hop.dst : `${hop.dst}:${symbols.of(hop.dport)}`;
  const quoted = hop.embedded ?? always;
  const about =
    quoted === undefined
      ? ""
      : ` about ${quoted.proto} ${quoted.src}:${symbols.of(quoted.sport)} > ${quoted.dst}:${symbols.of(quoted.dport)} ttl ${quoted.ttl} len ${quoted.len}`;
  return `${hop.at} ${hop.dir} ${source} > ${destination} ttl ${hop.ttl}${about}`;
}
