import {
  getU8,
  type Hook,
  type HookVerdict,
  IcmpType,
  IpProtocol,
  type Ipv4Address,
  isIcmpError,
  type Packet,
  type PacketHook,
  type Stack,
  TcpFlag,
  UnreachableCode,
} from "../netstack/index.ts";
import type { Backend } from "./backend-pool.ts";
import { describeMethod } from "./balancer.ts";
import { endpoint, type FlowEntry, FlowTable, type FlowTableLimits } from "./flow-table.ts";
import { FragmentTable } from "./fragment-table.ts";
import { type IcmpQuote, readIcmpQuote, rewriteIcmpQuote } from "./icmp-quote.ts";
import { describeService, type PassthroughService, serves } from "./passthrough-service.ts";

/** What becomes of a packet that cannot go to a backend: nothing, an ICMP error or RST, or the balancer's own host takes it. */
export type Refusal = "drop" | "reject" | "host";

export interface PassthroughOptions {
  readonly stack: Stack;
  readonly flows?: FlowTableLimits;
  /** For ports of a virtual address that no service has; "drop" unless told, as Google's balancers do. Pings of the address are among them. */
  readonly otherPorts?: Refusal;
  /** For services without an eligible backend; "drop" unless told. */
  readonly noBackend?: "drop" | "reject";
  /** Whether flows stay with a backend that became unhealthy ("keep", unless told) or move to another. */
  readonly unhealthyFlows?: "keep" | "move";
}

/** What a balancer did since it was made. */
export interface PassthroughCounters {
  /** Packets sent on to backends, and packets of backends translated back. */
  forwarded: number;
  returned: number;
  newFlows: number;
  /** Flows given to another backend, because theirs left or became unhealthy. */
  moved: number;
  idle: number;
  evicted: number;
  noService: number;
  noBackend: number;
}

/**
 * A load balancer that forwards packets: a hook on its host's packet path. It ends no connection and keeps the client's address; what else it
 * changes is each service's {@link Delivery}.
 */
export class PassthroughBalancer implements PacketHook {
  readonly counters: PassthroughCounters;
  readonly #stack: Stack;
  readonly #options: PassthroughOptions;
  readonly #services = new Map<Ipv4Address, PassthroughService[]>();
  readonly #flows: FlowTable<PassthroughService>;
  readonly #fragments: FragmentTable;
  #translates = false;

  constructor(options: PassthroughOptions) {
    this.#stack = options.stack;
    this.#options = options;
    const { clock } = options.stack;
    this.#flows = new FlowTable(clock, options.flows ?? {}, (entry, why) => {
      if (why === "idle" || why === "evicted") this.counters[why] += 1;
      if (!entry.isClosing) entry.service.pool.closed(entry.backend);
    });
    this.#fragments = new FragmentTable(clock);
    this.counters = {
      forwarded: 0,
      returned: 0,
      newFlows: 0,
      moved: 0,
      idle: 0,
      evicted: 0,
      noService: 0,
      noBackend: 0,
    };
  }

  /** DNAT needs the ports of every packet, so fragments are put together first, as IPVS does. */
  get wantsDatagrams(): boolean {
    return this.#translates;
  }

  get services(): readonly PassthroughService[] {
    return [...this.#services.values()].flat();
  }

  /** The flows bound to a backend, open ones first. */
  get flows(): readonly BoundFlow[] {
    return this.#flows.list();
  }

  /** Begins to serve; of several services for one port the first one added wins. */
  addService(service: PassthroughService): void {
    this.#services.set(service.address, [...(this.#services.get(service.address) ?? []), service]);
    this.#noteDelivery();
  }

  /** Stops serving: packets of its flows are refused like those to any other port. */
  removeService(service: PassthroughService): void {
    const left = (this.#services.get(service.address) ?? []).filter((other) => other !== service);
    // The address stays the balancer's: its packets are refused, not sent around between routers.
    this.#services.set(service.address, left);
    this.#noteDelivery();
  }

  run(hook: Hook, packet: Packet): HookVerdict {
    if (hook === "postrouting") {
      if (this.#translates) this.#translateBack(packet);
      return "accept";
    }
    if (hook !== "prerouting") return "accept";
    const services = this.#services.get(packet.destination);
    if (services !== undefined) return this.#toVirtualAddress(packet, services);
    if (this.#translates && packet.protocol === IpProtocol.icmp) this.#translateErrorBack(packet);
    return "accept";
  }

  /** Services, backends and counts, for people. */
  describe(): readonly string[] {
    const { forwarded, returned, newFlows, moved, noService, noBackend } = this.counters;
    return [
      ...this.services.flatMap(describeService),
      `${this.#flows.size} flows now, ${newFlows} in all, ${moved} moved; ${forwarded} packets forwarded, ${returned} translated back; ${noService} for no service, ${noBackend} without a backend`,
    ];
  }

  #noteDelivery(): void {
    this.#translates = this.services.some((service) => service.delivery.kind === "dnat");
  }

  #toVirtualAddress(packet: Packet, services: readonly PassthroughService[]): HookVerdict {
    if (packet.protocol === IpProtocol.icmp) return this.#icmpToVirtualAddress(packet);
    const service = serviceFor(packet, services);
    if (service === undefined) {
      this.counters.noService += 1;
      return this.#refuse(packet, this.#options.otherPorts ?? "drop", "balancer-no-service");
    }
    if (packet.isLaterFragment) return this.#laterFragment(packet, service);
    const tuple = endpoint(packet.source, packet.sourcePort);
    const virtual = endpoint(packet.destination, packet.destinationPort);
    const entry = this.#flows.findTuple(packet.protocol, virtual, tuple);
    const follows = entry !== undefined && entry.service === service && this.#stays(entry, packet);
    const bound = follows ? entry : this.#bind(packet, service, entry);
    if (typeof bound === "string") return bound;
    const reason = follows ? "the flow's backend" : `${describeMethod(service.balancer.method)}, new flow`;
    this.#flows.touch(bound);
    if (packet.isFragment) this.#fragments.note(packet, bound.backend);
    this.#deliver(packet, service, bound.backend, reason);
    if (bound.backendPort !== undefined) this.#rewrite(packet, bound, TO_BACKEND);
    this.#noteEnd(bound, packet);
    return "accept";
  }

  /** A flow keeps its backend as long as that is there; a SYN behind a FIN or RST begins a new one (IPVS's conn_reuse_mode). */
  #stays(entry: BoundFlow, packet: Packet): boolean {
    if (entry.isClosing && (tcpFlags(packet) & (TcpFlag.syn | TcpFlag.ack)) === TcpFlag.syn) return false;
    const { backend, service } = entry;
    if (backend.state === "healthy" || backend.state === "draining") return true;
    if (backend.state === "removed") return false;
    return this.#options.unhealthyFlows !== "move" || service.pool.eligible.includes(backend);
  }

  #bind(packet: Packet, service: PassthroughService, before: BoundFlow | undefined): BoundFlow | HookVerdict {
    const flow = packet.summary();
    const backend = service.balancer.pick(flow, service.pool.eligible);
    if (backend === undefined) {
      this.counters.noBackend += 1;
      return this.#refuse(packet, this.#options.noBackend ?? "drop", "balancer-no-backend");
    }
    const port = service.delivery.kind === "dnat" ? (backend.port ?? flow.destinationPort) : undefined;
    const entry = this.#flows.add(flow, service, backend, port);
    if (entry === undefined) return "conntrack-clash";
    service.pool.opened(backend);
    this.counters.newFlows += 1;
    if (before !== undefined && before.backend !== backend) this.counters.moved += 1;
    return entry;
  }

  /**
   * A fragment without ports goes where its first one went. When that was not seen, the parts of the flow that it has decide, as Google's and Azure's
   * balancers do with fragments: right for every method whose key has no ports.
   */
  #laterFragment(packet: Packet, service: PassthroughService): HookVerdict {
    const known = this.#fragments.find(packet);
    const backend = known ?? service.balancer.pick(packet.summary(), service.pool.eligible);
    if (backend === undefined) {
      this.counters.noBackend += 1;
      return "balancer-no-backend";
    }
    this.#deliver(packet, service, backend, known ? "first fragment's backend" : "fragment without its first one");
    return "accept";
  }

  /** An error about a packet that a backend sent from the virtual address belongs to that flow (RFC 1812 §5.2.7.3 and every PMTU discovery). */
  #icmpToVirtualAddress(packet: Packet): HookVerdict {
    const quote = readIcmpQuote(packet);
    const entry = quote && this.#flowOfAnswer(quote);
    if (quote === undefined || entry === undefined) {
      this.counters.noService += 1;
      const isError = packet.end > packet.transport && isIcmpError(getU8(packet.bytes, packet.transport));
      const refusal = this.#options.otherPorts ?? "drop";
      return refusal === "drop" || (isError && refusal === "reject") ? "balancer-no-service" : "accept";
    }
    this.#deliver(packet, entry.service, entry.backend, "ICMP error about the flow");
    if (entry.backendPort !== undefined) {
      const { address } = entry.backend;
      rewriteIcmpQuote(packet, quote, "source", { address, port: entry.backendPort });
      this.#rewrite(packet, entry, TO_BACKEND);
    }
    return "accept";
  }

  /** The flow to whose client the quoted packet was going. */
  #flowOfAnswer({ flow }: IcmpQuote): BoundFlow | undefined {
    const virtual = endpoint(flow.source, flow.sourcePort);
    return this.#flows.findTuple(flow.protocol, virtual, endpoint(flow.destination, flow.destinationPort));
  }

  #deliver(packet: Packet, service: PassthroughService, backend: Backend, reason: string): void {
    const { segments } = packet.frame;
    this.counters.forwarded += segments;
    backend.counters.packets += segments;
    backend.counters.bytes += packet.bytesOnWire;
    const { delivery } = service;
    if (delivery.kind === "route") packet.route = this.#stack.addressing.hop(backend.address);
    if (delivery.kind === "ipip") packet.route = delivery.tunnel.hopTo(backend.address);
    if (this.#stack.events.active) {
      const detail = { kind: "balanced", service: service.name, backend: backend.name, reason } as const;
      this.#stack.host.emit(packet.lineage, detail);
    }
  }

  /** A backend's answer on its way to the client gets the virtual address back, as in Linux after routing. */
  #translateBack(packet: Packet): void {
    const client = endpoint(packet.destination, packet.destinationPort);
    const entry = this.#flows.findReply(packet.protocol, endpoint(packet.source, packet.sourcePort), client);
    if (entry === undefined) return;
    this.#flows.touch(entry);
    this.#noteEnd(entry, packet);
    this.counters.returned += packet.frame.segments;
    this.#rewrite(packet, entry, TO_CLIENT);
  }

  /** An error from behind the balancer about a translated packet: the client must find its own packet in it. */
  #translateErrorBack(packet: Packet): void {
    const quote = readIcmpQuote(packet);
    if (quote === undefined) return;
    const { flow } = quote;
    const client = endpoint(flow.source, flow.sourcePort);
    const entry = this.#flows.findReply(flow.protocol, endpoint(flow.destination, flow.destinationPort), client);
    if (entry === undefined) return;
    const { destination: address, destinationPort: port } = entry.flow;
    rewriteIcmpQuote(packet, quote, "destination", { address, port });
    this.counters.returned += 1;
    // The whole path behind a translated destination answers in its name (`nf_nat_icmp_reply_translation`, net/netfilter/nf_nat_core.c).
    this.#rewrite(packet, entry, ERROR_TO_CLIENT);
  }

  #rewrite(packet: Packet, entry: BoundFlow, way: Way): void {
    const toBackend = way.direction === "original";
    const { flow, backend, backendPort = flow.destinationPort } = entry;
    const from = packet[way.address];
    packet[way.address] = toBackend ? backend.address : flow.destination;
    this.#tellRewrite(packet, entry, { way, field: way.address, from });
    // Of an ICMP error this changes nothing: it has its ports in the packet it quotes.
    const fromPort = packet[way.port];
    packet[way.port] = toBackend ? backendPort : flow.destinationPort;
    this.#tellRewrite(packet, entry, { way, field: way.port, from: fromPort });
  }

  #tellRewrite(packet: Packet, entry: BoundFlow, change: Rewritten): void {
    const { way, field, from } = change;
    const to = packet[field];
    if (!this.#stack.events.active || from === to) return;
    const { hook, direction } = way;
    const { service, backend } = entry;
    const cause = { kind: "balancer", service: service.name, backend: backend.name, direction } as const;
    this.#stack.host.emit(packet.lineage, { kind: "rewritten", hook, field, from, to, cause });
  }

  #noteEnd(entry: BoundFlow, packet: Packet): void {
    if (entry.isClosing || (tcpFlags(packet) & (TcpFlag.fin | TcpFlag.rst)) === 0) return;
    this.#flows.close(entry);
    entry.service.pool.closed(entry.backend);
  }

  #refuse(packet: Packet, refusal: Refusal, reason: "balancer-no-service" | "balancer-no-backend"): HookVerdict {
    if (refusal === "host") return "accept";
    if (refusal === "reject") {
      if (packet.protocol === IpProtocol.tcp) this.#stack.sendTcpReset(packet);
      else this.#stack.sendIcmpError(packet, IcmpType.unreachable, UnreachableCode.port);
    }
    return reason;
  }
}

/** A flow with its service and its backend. */
export type BoundFlow = FlowEntry<PassthroughService>;

/** The first service that takes the packet. */
function serviceFor(packet: Packet, services: readonly PassthroughService[]): PassthroughService | undefined {
  for (const service of services) if (serves(service, packet)) return service;
  return undefined;
}

/** Which end of a packet is rewritten, and where on its way. */
interface Way {
  readonly hook: Hook;
  readonly direction: "original" | "reply";
  readonly address: "source" | "destination";
  readonly port: "sourcePort" | "destinationPort";
}

interface Rewritten {
  readonly way: Way;
  readonly field: Way["address"] | Way["port"];
  readonly from: number;
}

const TO_BACKEND: Way = { hook: "prerouting", direction: "original", address: "destination", port: "destinationPort" };
/** As in Linux, an answer's source changes back after routing, that of an error before it. */
const TO_CLIENT: Way = { hook: "postrouting", direction: "reply", address: "source", port: "sourcePort" };
const ERROR_TO_CLIENT: Way = { ...TO_CLIENT, hook: "prerouting" };

/** Offset of the flags in a TCP header. */
const TCP_FLAGS = 13;

/** The flags of a TCP segment; 0 for anything else. */
function tcpFlags(packet: Packet): number {
  const at = packet.transport + TCP_FLAGS;
  if (packet.protocol !== IpProtocol.tcp || packet.isLaterFragment || at >= packet.end) return 0;
  return getU8(packet.bytes, at);
}
