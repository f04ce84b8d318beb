import { type Match, Netfilter, type Rule, type Ruleset } from "../nat/index.ts";
import {
  type Cidr,
  type DropReason,
  describeIcmp,
  EVERYWHERE,
  EventStream,
  formatIpv4,
  type Hook,
  type HookHost,
  type HookVerdict,
  type Interface,
  type InterfaceAddress,
  IpProtocol,
  type Ipv4Address,
  mac,
  type Packet,
  type PacketEvent,
  type PacketHook,
  type PacketSummary,
  parseIcmp,
  Stack,
  type Sysctls,
} from "../netstack/index.ts";
import { type Device, Random, Simulator } from "../sim/index.ts";
import type { ChancyRules, Choice, ScriptedDraws } from "./rule-trace-chance.ts";
import { emitSketch, type PacketSketch } from "./rule-trace-packet.ts";

/** What is known of the node whose rules are walked. */
export interface SketchedNode {
  readonly addresses: readonly { readonly interface: string; readonly own: InterfaceAddress }[];
  readonly routes: readonly { readonly to: Cidr; readonly interface: string; readonly via?: Ipv4Address }[];
  /** Lists of `-m recent` in which the packet's address stands, with how often it was seen. */
  readonly seen?: readonly { readonly list: string; readonly hits: number }[];
  readonly sysctls?: Partial<Sysctls>;
}

/** The packet comes in by an interface, or the node sends it itself. */
export type Entry = { readonly kind: "arrives"; readonly interface: string } | { readonly kind: "sent" };

/** What became of a packet. */
export interface WalkEnd {
  readonly kind: "forwarded" | "sent" | "delivered" | "dropped";
  /** The hook in which it was decided; `undefined` for a packet that the routing ended. */
  readonly hook: Hook | undefined;
  readonly reason: DropReason | undefined;
  /** As it was last. */
  readonly packet: PacketSummary;
  readonly ttl: number;
  readonly mark: number;
  readonly out: string | undefined;
  /** What the node sent back: `ICMP port unreachable to 198.51.100.79`. */
  readonly answers: readonly string[];
  /** A port that chance chose. */
  readonly drawnPort: "sourcePort" | "destinationPort" | undefined;
}

/** The word by which packets whose way has been seen to its end are taken out of the stack: no reader hears of it. */
const SEEN: DropReason = "rule-drop";
const MTU = 1500;
const FIRST_MAC = 0x0200_0000_0001;
/** Where interfaces have no address and no route is given, a packet may still be forwarded. */
const DEFAULT_INTERFACE = "eth0";
/** An empty nat table has connections tracked, and nothing else done. */
const TRACKING_ONLY: Ruleset = new Map([["nat", { name: "nat", chains: new Map() }]]);

interface Walk {
  readonly packet: Packet;
  readonly answers: string[];
  end: Omit<WalkEnd, "answers"> | undefined;
  drawnPort: WalkEnd["drawnPort"];
}

/** One node with its rules: a real stack with a real netfilter on it, out of which packets are taken where they would leave it. */
export class RuleWalker {
  readonly choices: Choice[] = [];
  /** What happened to packets that were walked while {@link records} was true. */
  readonly events: PacketEvent[] = [];
  records = false;
  readonly #simulator = new Simulator({ seed: 1 });
  readonly #stack: Stack;
  readonly #netfilter: Netfilter;
  readonly #rules: ChancyRules;
  readonly #draws: ScriptedDraws;
  #walk: Walk | undefined;

  constructor(rules: ChancyRules, node: SketchedNode, draws: ScriptedDraws) {
    this.#rules = rules;
    this.#draws = draws;
    const events = new EventStream();
    const { frames } = this.#simulator;
    const base = { name: "node", clock: this.#simulator, frames, events };
    const sysctls = { forwarding: true, icmpRateLimitMs: 0, ...node.sysctls };
    this.#stack = new Stack({ ...base, queue: this.#simulator, random: new Random(1), sysctls });
    this.#addInterfaces(node);
    this.#netfilter = new Netfilter({ host: this.#netfilterHost() });
    this.#stack.setHook(this.#hook());
    events.read((event) => this.#onEvent(event), { everyRule: true });
    this.load("rules");
  }

  /** True when these rules make Linux track connections: only then has a packet a state. */
  get tracks(): boolean {
    return this.#netfilter.wantsDatagrams;
  }

  load(which: "rules" | "tracking-only"): void {
    this.#netfilter.setRules(which === "rules" ? this.#rules.ruleset : TRACKING_ONLY);
  }

  /** Puts the packet's address into lists of `-m recent`, as rules that set them have done earlier. */
  remember(seen: NonNullable<SketchedNode["seen"]>, sketch: PacketSketch): void {
    const asked = [...this.#rules.ruleset.values()].flatMap((table) =>
      [...table.chains.values()].flatMap((chain) => chain.rules.flatMap((rule) => rule.matches)),
    );
    for (const { list, hits } of seen) {
      const rules = asked.flatMap((match) => (match.kind === "recent" && match.name === list ? [setRule(match)] : []));
      const chain = { name: "PREROUTING", policy: "ACCEPT", rules } as const;
      this.#netfilter.setRules(new Map([["raw", { name: "raw", chains: new Map([["PREROUTING", chain]]) }]]));
      for (let i = 0; i < hits; i++) this.#netfilter.run("prerouting", this.#emit(sketch));
    }
    this.load("rules");
  }

  /** Walks a packet through the node to its end. */
  walk(sketch: PacketSketch, entry: Entry, mark = 0): WalkEnd {
    const packet = this.#emit(sketch);
    packet.mark = mark;
    const walk: Walk = { packet, answers: [], end: undefined, drawnPort: undefined };
    this.#walk = walk;
    const { ip } = this.#stack;
    if (entry.kind === "sent") ip.send(packet);
    else {
      packet.in = this.#interface(entry.interface);
      ip.receive(packet);
    }
    // What the node sends to itself comes back by the loopback device.
    this.#simulator.runUntilQuiet();
    const end = walk.end ?? endOf(walk, { kind: "dropped", hook: undefined, reason: undefined });
    return { ...end, answers: walk.answers };
  }

  #emit(sketch: PacketSketch): Packet {
    return emitSketch(sketch, this.#simulator.frames, mac(FIRST_MAC));
  }

  #addInterfaces({ addresses, routes }: SketchedNode): void {
    for (const { interface: name, own } of addresses) this.#stack.addAddress(this.#interface(name), own);
    for (const { to, interface: name, via } of routes) {
      const out = this.#interface(name);
      this.#stack.addressing.routes.add({ destination: to, out, ...(via !== undefined && { via }) });
    }
    const out = this.#interface(addresses[0]?.interface ?? routes[0]?.interface ?? DEFAULT_INTERFACE);
    this.#stack.addressing.routes.add({ destination: EVERYWHERE, out, metric: Number.MAX_SAFE_INTEGER });
  }

  #interface(name: string): Interface {
    const known = this.#stack.interface(name);
    if (known !== undefined) return known;
    return this.#stack.addInterface({ name, device: NO_DEVICE, mac: mac(FIRST_MAC) });
  }

  /** The stack as netfilter sees it, with chance in our hands. */
  #netfilterHost(): HookHost {
    const stack = this.#stack;
    return {
      name: stack.name,
      clock: stack.clock,
      frames: stack.frames,
      events: stack.events,
      random: this.#draws,
      addressKind: (address, on) => stack.addressKind(address, on),
      sourceAddressFor: (out, destination) => stack.sourceAddressFor(out, destination),
      pathMtu: (destination) => stack.pathMtu(destination),
      sendIcmpError: (packet, type, code) => stack.sendIcmpError(packet, type, code),
      sendTcpReset: (packet) => stack.sendTcpReset(packet),
    };
  }

  #hook(): PacketHook {
    const netfilter = this.#netfilter;
    return {
      get wantsDatagrams() {
        return netfilter.wantsDatagrams;
      },
      run: (hook, packet) => this.#run(hook, packet),
      attach: (answer, packet) => netfilter.attach(answer, packet),
    };
  }

  #run(hook: Hook, packet: Packet): HookVerdict {
    const walk = this.#walk;
    if (walk === undefined) return SEEN;
    if (packet.lineage !== walk.packet.lineage) {
      walk.answers.push(describeAnswer(packet));
      return SEEN;
    }
    const { ports } = this.#draws;
    const verdict = this.#netfilter.run(hook, packet);
    if (this.#draws.ports > ports)
      walk.drawnPort = hook === "postrouting" || hook === "input" ? "sourcePort" : "destinationPort";
    if (verdict !== "accept") {
      walk.end = endOf(walk, { kind: "dropped", hook, reason: verdict });
      return verdict;
    }
    const leaves = hook === "postrouting" && packet.out !== this.#stack.loopback;
    if (hook !== "input" && !leaves) return "accept";
    const kind = hook === "input" ? "delivered" : packet.in === undefined ? "sent" : "forwarded";
    walk.end = endOf(walk, { kind, hook, reason: undefined });
    return SEEN;
  }

  #onEvent(event: PacketEvent): void {
    if (event.kind === "rule") this.choices.push(...this.#rules.choices(event.rule, this.#draws.take()));
    const walk = this.#walk;
    if (walk === undefined || event.lineage !== walk.packet.lineage) return;
    if (event.kind === "dropped") {
      walk.end ??= endOf(walk, { kind: "dropped", hook: undefined, reason: event.reason });
      return;
    }
    if (!this.records || walk.end !== undefined) return;
    this.events.push(event.kind === "rule" ? { ...event, rule: this.#rules.original(event.rule) } : event);
  }
}

function endOf(walk: Walk, how: Pick<WalkEnd, "kind" | "hook" | "reason">): Omit<WalkEnd, "answers"> {
  const { packet, drawnPort } = walk;
  const out = how.kind === "delivered" || how.kind === "dropped" ? undefined : packet.out?.name;
  return { ...how, packet: packet.summary(), ttl: packet.ttl, mark: packet.mark, out, drawnPort };
}

/** The rule that puts an address into the list that `match` asks. */
function setRule({ name, mask, side }: Extract<Match, { kind: "recent" }>): Rule {
  return { matches: [{ kind: "recent", action: "set", name, mask, side }] };
}

function describeAnswer(packet: Packet): string {
  const icmp = packet.protocol === IpProtocol.icmp ? parseIcmp(packet.bytes, packet.transport, packet.end) : undefined;
  const what = icmp === undefined ? "TCP RST" : describeIcmp(icmp);
  return `${what} to ${formatIpv4(packet.destination)}`;
}

const NO_DEVICE: Device = {
  mtu: MTU,
  send(frame): void {
    frame.release();
  },
  onFrame(): void {},
};
