import { type Flow, hashFlow, hashWords } from "../lb/index.ts";
import {
  ETHERNET_HEADER_LENGTH,
  EtherType,
  emitUdp,
  emitVxlan,
  ethernetType,
  fillUdpChecksum,
  getMac,
  IPV4_HEADER_LENGTH,
  IpProtocol,
  type Ipv4Address,
  ipv4Fault,
  isGroupMac,
  type MacAddress,
  mac,
  Packet,
  parseVxlan,
  type Stack,
  UDP_HEADER_LENGTH,
  VXLAN_HEADER_LENGTH,
  VXLAN_PORT,
} from "../netstack/index.ts";
import { after, BOX_TIME, type Device, type Frame, type FrameHandler } from "../sim/index.ts";

/** What VXLAN puts before an inner packet: outer IP and UDP, its own header, the inner Ethernet header (`VXLAN_HEADROOM`, include/net/vxlan.h). */
export const VXLAN_OVERHEAD: number =
  IPV4_HEADER_LENGTH + UDP_HEADER_LENGTH + VXLAN_HEADER_LENGTH + ETHERNET_HEADER_LENGTH;

/** Addresses learnt from what came in; the one learnt first gives way. */
const LEARNT_LIMIT = 65536;

export interface VxlanOptions {
  readonly stack: Stack;
  readonly vni: number;
  /** 4789 unless told. */
  readonly port?: number;
  /** The outer source address; the one the host would choose towards the other end when left out. */
  readonly local?: Ipv4Address;
  /** Other ends that get broadcasts, and what is for nobody known: forwarding entries for 00:00:00:00:00:00. */
  readonly remotes?: readonly Ipv4Address[];
  /** Remembers who sent from behind which end, as Linux does unless `nolearning` is set. */
  readonly learns?: boolean;
  /** False leaves the outer UDP checksum 0 (`noudpcsum`). Linux computes it unless told. */
  readonly udpChecksum?: boolean;
  /** Of inner packets. */
  readonly mtu: number;
}

/**
 * VXLAN (RFC 7348) as Linux's device of that type does it (drivers/net/vxlan): an Ethernet port whose frames travel in UDP datagrams to the end that its
 * forwarding table names. The outer header has a TTL of its own, no DF, and of the inner one's type of service only what ECN needs; its source port is a hash of
 * the inner flow, so that routers on the way spread flows (§5).
 */
export class VxlanDevice implements Device {
  readonly mtu: number;
  readonly vni: number;
  readonly #stack: Stack;
  readonly #options: VxlanOptions;
  readonly #port: number;
  readonly #salt: number;
  readonly #fixed = new Map<MacAddress, Ipv4Address>();
  #shared: ReadonlyMap<MacAddress, Ipv4Address> | undefined;
  readonly #learnt = new Map<MacAddress, Ipv4Address>();
  #handler: FrameHandler | undefined;

  /** @throws RangeError when the host uses the port for something else. */
  constructor(options: VxlanOptions) {
    this.#options = options;
    this.#stack = options.stack;
    this.vni = options.vni;
    this.mtu = options.mtu;
    this.#port = options.port ?? VXLAN_PORT;
    this.#salt = options.stack.random.fork(`vxlan:${options.vni}`).u32();
    options.stack.udp.openTunnel(this.#port, (outer) => this.#decapsulate(outer));
  }

  /** Adds a forwarding entry that stays (`bridge fdb add MAC dev NAME dst ADDRESS`). */
  addEntry(mac: MacAddress, remote: Ipv4Address): void {
    this.#fixed.set(mac, remote);
  }

  /** Has such entries that are the same on several hosts. */
  shareEntries(remotes: ReadonlyMap<MacAddress, Ipv4Address>): void {
    this.#shared = remotes;
  }

  onFrame(handler: FrameHandler): void {
    this.#handler = handler;
  }

  send(frame: Frame): void {
    const destination = getMac(frame.bytes, frame.start);
    const known = isGroupMac(destination) ? undefined : this.#remoteOf(destination);
    const remotes = known === undefined ? (this.#options.remotes ?? []) : [known];
    if (remotes.length === 0) return this.#stack.host.drop(frame, "tunnel-no-remote");
    for (const remote of remotes) this.#encapsulate(frame, remote);
    frame.release();
  }

  #remoteOf(destination: MacAddress): Ipv4Address | undefined {
    return this.#fixed.get(destination) ?? this.#shared?.get(destination) ?? this.#learnt.get(destination);
  }

  #encapsulate(frame: Frame, remote: Ipv4Address): void {
    const { host, ip, addressing } = this.#stack;
    const { local, udpChecksum = true } = this.#options;
    const source = local ?? addressing.sourceFor(remote);
    // The kernel speaks of a circular route (`vxlan_xmit_one`).
    const isCircular = addressing.hop(remote)?.out.device === this;
    if (source === undefined || isCircular) return host.drop(this.#stack.frames.copy(frame), "no-route");
    const inner = innerPacket(frame);
    const typeOfService = inner === undefined ? 0 : outerEcn(inner.typeOfService);
    const header = { protocol: IpProtocol.udp, source, destination: remote, dontFragment: false, typeOfService };
    const length = UDP_HEADER_LENGTH + VXLAN_HEADER_LENGTH + frame.length;
    const outer = ip.create(header, length);
    const { bytes, transport } = outer;
    const sourcePort = this.#sourcePort(frame, inner);
    emitUdp({ sourcePort, destinationPort: this.#port, length, checksum: 0 }, bytes, transport);
    emitVxlan({ vni: this.vni }, bytes, transport + UDP_HEADER_LENGTH);
    bytes.set(frame.view(), transport + UDP_HEADER_LENGTH + VXLAN_HEADER_LENGTH);
    if (udpChecksum) fillUdpChecksum(bytes, transport, source, remote);
    outer.frame.lineage = frame.lineage;
    outer.frame.at = frame.at;
    // It is the same skb: a mark that is left on the inner packet is on the outer one (`skb_scrub_packet`, net/core/skbuff.c).
    outer.mark = inner?.mark ?? 0;
    if (host.events.active)
      host.emit(frame.lineage, { kind: "encapsulated", in: "vxlan", source, destination: remote });
    ip.send(outer);
  }

  /** `udp_flow_src_port` (include/net/udp.h): a hash of the inner flow, brought into the range of local ports. */
  #sourcePort(frame: Frame, inner: Packet | undefined): number {
    const [low, high] = this.#stack.host.sysctls.localPorts;
    const hash =
      inner === undefined ? hashEthernet(frame, this.#salt) : hashFlow(flowOf(inner), "five-tuple", this.#salt);
    return low + Math.floor((hash / 2 ** 32) * (high - low));
  }

  /** False when the packet is not for this device's VNI. */
  #decapsulate(outer: Packet): boolean {
    const { frame, transport, end, source, destination, bytes } = outer;
    const at = transport + UDP_HEADER_LENGTH;
    const inside = at + VXLAN_HEADER_LENGTH;
    if (parseVxlan(bytes, at, end)?.vni !== this.vni || end - inside < ETHERNET_HEADER_LENGTH) return false;
    const { host } = this.#stack;
    if (host.events.active) host.emit(frame.lineage, { kind: "decapsulated", in: "vxlan", source, destination });
    if (this.#options.learns === true) this.#learn(getMac(bytes, inside + 6), source);
    // The inner frame goes on in the same buffer.
    const { typeOfService } = outer;
    frame.start = inside;
    frame.end = end;
    frame.context = undefined;
    if ((typeOfService & ECN_BITS) !== 0 && innerPacket(frame)?.mergeEcn(typeOfService) === false) {
      host.drop(frame, "tunnel-marked");
      return true;
    }
    frame.at = after(frame.at, BOX_TIME);
    if (this.#handler === undefined) frame.release();
    else this.#handler(frame);
    return true;
  }

  #learn(mac: MacAddress, remote: Ipv4Address): void {
    if (isGroupMac(mac)) return;
    if (!this.#learnt.has(mac) && this.#learnt.size >= LEARNT_LIMIT) {
      const [oldest] = this.#learnt.keys();
      if (oldest !== undefined) this.#learnt.delete(oldest);
    }
    this.#learnt.set(mac, remote);
  }
}

/** A locally administered address for a host's device, made of an address of the host's: the same on every run. */
export function vxlanMac(node: Ipv4Address): MacAddress {
  return mac(0x6600 * 2 ** 32 + node);
}

/** `INET_ECN_encapsulate` (include/net/inet_ecn.h): the inner ECN field, but ECT(0) where that is CE, as RFC 3168 §9.1.1 has it and RFC 6040 no longer. */
function outerEcn(typeOfService: number): number {
  const ecn = typeOfService & ECN_BITS;
  return ecn === ECN_CE ? ECN_ECT_0 : ecn;
}

const ECN_BITS = 3;
const ECN_CE = 3;
const ECN_ECT_0 = 2;

/** The IPv4 packet in a frame; the one the stack left with it where the host itself sent it. */
function innerPacket(frame: Frame): Packet | undefined {
  if (frame.context instanceof Packet) return frame.context;
  const ip = frame.start + ETHERNET_HEADER_LENGTH;
  if (frame.length < ETHERNET_HEADER_LENGTH || ethernetType(frame.bytes, frame.start) !== EtherType.ipv4)
    return undefined;
  return ipv4Fault(frame.bytes, ip, frame.end) === undefined ? new Packet(frame, ip) : undefined;
}

/** What the kernel's flow dissector sees (net/core/flow_dissector.c): ports of whole TCP, UDP and SCTP packets; no echo identifiers. */
function flowOf(packet: Packet): Flow {
  const flow = packet.summary();
  return packet.isFragment || flow.protocol === IpProtocol.icmp ? { ...flow, sourcePort: 0, destinationPort: 0 } : flow;
}

function hashEthernet({ bytes, start }: Frame, salt: number): number {
  const low = (mac: MacAddress): number => mac % 2 ** 32;
  return hashWords(hashWords(salt, low(getMac(bytes, start))), low(getMac(bytes, start + 6)));
}
