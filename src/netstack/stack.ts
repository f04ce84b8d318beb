import { type DeliveryQueue, Loopback } from "../sim/index.ts";
import { Addressing } from "./addressing.ts";
import type { InterfaceAddress } from "./cidr.ts";
import { HostContext, type HostContextOptions } from "./context.ts";
import type { AddressKind, Hook, HookHost, PacketHook } from "./hooks.ts";
import { type IcmpErrorHandler, type IcmpErrorMessage, IcmpLayer } from "./icmp.ts";
import { Interface, type InterfaceOptions } from "./interface.ts";
import { IpLayer } from "./ip.ts";
import { type Ipv4Address, LOOPBACK_ADDRESS } from "./ipv4-address.ts";
import { LinkLayer } from "./link-layer.ts";
import { ZERO_MAC } from "./mac.ts";
import type { Packet } from "./packet.ts";
import { PathMtuCache } from "./path-mtu.ts";
import { TcpLayer } from "./tcp-layer.ts";
import { UdpLayer } from "./udp.ts";
import { IcmpType, UnreachableCode } from "./wire/icmp.ts";
import { IpProtocol } from "./wire/ipv4.ts";

const LOOPBACK_MTU = 65536;
/** IP_MAX_MTU (include/net/ip.h): no path takes longer packets, whatever its interface's MTU. */
const LONGEST_PACKET = 65535;

export interface StackOptions extends HostContextOptions {
  readonly queue: DeliveryQueue;
}

/** The network stack of one host: interfaces at the bottom, sockets at the top, and a place for one {@link PacketHook} between. */
export class Stack implements HookHost {
  readonly host: HostContext;
  readonly addressing: Addressing;
  readonly link: LinkLayer;
  readonly ip: IpLayer;
  readonly icmp: IcmpLayer;
  readonly udp: UdpLayer;
  readonly tcp: TcpLayer;
  readonly loopback: Interface;
  readonly #pathMtus: PathMtuCache;
  readonly #errorHandlers = new Set<IcmpErrorHandler>();
  readonly #protocols = new Map<number, (packet: Packet) => void>();

  constructor(options: StackOptions) {
    this.host = new HostContext(options);
    const random = options.random.fork("lo");
    const device = new Loopback({ queue: options.queue, frames: options.frames, random, mtu: LOOPBACK_MTU });
    const addresses = [{ address: LOOPBACK_ADDRESS, prefixLength: 8 }];
    this.loopback = new Interface({ name: "lo", device, mac: ZERO_MAC, addresses, resolves: false });
    this.addressing = new Addressing(this.loopback);
    this.#pathMtus = new PathMtuCache(options.clock);
    const icmpError = (about: Packet, type: number, code: number, rest = 0): void =>
      this.icmp.sendError(about, type, code, rest);
    this.link = new LinkLayer(this.host, this.addressing, { receive: (packet) => this.ip.receive(packet), icmpError });
    this.ip = new IpLayer(this.host, this.addressing, {
      transmit: (packet, out, nextHop) => this.link.transmit(packet, out, nextHop),
      deliver: (packet) => this.#deliver(packet),
      pathMtu: (destination, mtu) => this.#pathMtus.get(destination, mtu),
      icmpError,
    });
    const send = (packet: Packet): void => this.ip.send(packet);
    const create: IpLayer["create"] = (header, length, train) => this.ip.create(header, length, train);
    const attach = (answer: Packet, packet: Packet): void => this.ip.hook?.attach?.(answer, packet);
    this.icmp = new IcmpLayer(this.host, this.addressing, {
      create,
      send,
      attach,
      onError: (error) => this.#onIcmpError(error),
    });
    this.udp = new UdpLayer(this.host, this.addressing, { create, send, icmpError });
    this.tcp = new TcpLayer(this.host, this.addressing, {
      create,
      send,
      pathMtu: (destination) => this.pathMtu(destination),
      mayJoin: (destination) => this.takesTrains && this.addressing.hop(destination)?.out.device.takesTrains === true,
      attach,
    });
    device.onFrame(
      (frame) => this.link.receive(this.loopback, frame),
      () => this.takesTrains,
    );
  }

  get name(): string {
    return this.host.name;
  }

  get clock(): HostContext["clock"] {
    return this.host.clock;
  }

  get random(): HostContext["random"] {
    return this.host.random;
  }

  get frames(): HostContext["frames"] {
    return this.host.frames;
  }

  get events(): HostContext["events"] {
    return this.host.events;
  }

  /** Whether TCP segments may pass the host several as one: while nobody reads of each, and no rule asks about each. */
  get takesTrains(): boolean {
    return !this.host.events.active && this.ip.hook?.wantsSegments !== true;
  }

  /** Sets what stands on the packet path; `undefined` takes it away. */
  setHook(hook: PacketHook | undefined): void {
    this.ip.hook = hook;
  }

  /** Adds an interface with its addresses and the routes to their subnets, and takes frames from its device. */
  addInterface(options: InterfaceOptions): Interface {
    const added = new Interface(options);
    this.addressing.addInterface(added);
    added.device.onFrame(
      (frame) => this.link.receive(added, frame),
      () => this.takesTrains,
    );
    return added;
  }

  /** Takes an interface away: what still comes from its device is dropped. */
  removeInterface(removed: Interface): void {
    removed.up = false;
    this.link.neighbours.flush(removed);
    this.addressing.removeInterface(removed);
  }

  /** Gives an interface one more address. */
  addAddress(to: Interface, own: InterfaceAddress): void {
    this.addressing.addAddress(to, own);
  }

  /** The interface of this name. */
  interface(name: string): Interface | undefined {
    return this.addressing.interfaces.find((candidate) => candidate.name === name);
  }

  /** All programs of the host have ended: their sockets are closed. */
  endPrograms(): void {
    this.tcp.closeAll();
    this.udp.closeAll();
  }

  /** Takes every ICMP error about this host's own packets, whatever their protocol, until the returned function is called. */
  onIcmpError(handler: IcmpErrorHandler): () => void {
    this.#errorHandlers.add(handler);
    return () => this.#errorHandlers.delete(handler);
  }

  /** Hands whole packets of an IP protocol for this host to `handler`, which owns them: a tunnel's end (`inet_add_protocol`). */
  onProtocol(protocol: number, handler: (packet: Packet) => void): void {
    this.#protocols.set(protocol, handler);
  }

  addressKind(address: Ipv4Address, on?: Interface): AddressKind {
    return this.addressing.kind(address, on);
  }

  sourceAddressFor(out: Interface, destination: Ipv4Address): Ipv4Address | undefined {
    return this.addressing.selectAddress(out, this.addressing.hop(destination)?.nextHop ?? destination);
  }

  pathMtu(destination: Ipv4Address): number {
    const mtu = this.addressing.hop(destination)?.out.mtu ?? LOOPBACK_MTU;
    return this.#pathMtus.get(destination, Math.min(mtu, LONGEST_PACKET));
  }

  sendIcmpError(packet: Packet, type: number, code: number): void {
    this.icmp.sendError(packet, type, code);
  }

  sendTcpReset(packet: Packet): void {
    this.tcp.answerWithReset(packet);
  }

  /** Runs one hook for a packet that a bridge carries; false when it ended the packet. */
  runHook(hook: Hook, packet: Packet): boolean {
    return this.ip.runHook(hook, packet);
  }

  #deliver(packet: Packet): boolean {
    switch (packet.protocol) {
      case IpProtocol.tcp:
        this.tcp.receive(packet);
        return true;
      case IpProtocol.udp:
        this.udp.receive(packet);
        return true;
      case IpProtocol.icmp:
        this.icmp.receive(packet);
        return true;
      default:
        return this.#deliverToHandler(packet);
    }
  }

  #deliverToHandler(packet: Packet): boolean {
    const handler = this.#protocols.get(packet.protocol);
    handler?.(packet);
    return handler !== undefined;
  }

  #onIcmpError(error: IcmpErrorMessage): void {
    if (error.type === IcmpType.unreachable && error.code === UnreachableCode.fragmentationNeeded) {
      const mtu = error.rest & 0xffff;
      if (mtu > 0) this.#pathMtus.learn(error.quoted.destination, mtu);
    }
    if (error.quoted.protocol === IpProtocol.udp) this.udp.onIcmpError(error);
    if (error.quoted.protocol === IpProtocol.tcp) this.tcp.onIcmpError(error);
    for (const handler of this.#errorHandlers) handler(error);
  }
}
