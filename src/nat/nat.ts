import {
  type DropReason,
  type Hook,
  IpProtocol,
  type Ipv4Address,
  ipv4,
  LOOPBACK_ADDRESS,
  type RewriteCause,
} from "../netstack/index.ts";
import type { Draws } from "../sim/index.ts";
import type { Conntrack } from "./conntrack.ts";
import type { CompiledChain } from "./evaluate.ts";
import { Field, RECORD_SHIFT, Status, word } from "./flow-record.ts";
import { ORIGINAL, REPLY } from "./flow-table.ts";
import { type Manip, type NatChoice, natChoice } from "./nat-range.ts";
import { dropReasonOf, type PacketWalk, Verdict } from "./packet-walk.ts";
import { PortChooser } from "./port-choice.ts";
import { isRedirect, rewrite } from "./rewrite.ts";
import { rewriteQuoted } from "./rewrite-quoted.ts";
import type { AddressRange, Target } from "./rule.ts";
import { directionOf, Part, partOf, slotOf, trackingIn, UNTRACKED } from "./tracking.ts";
import { TupleWords } from "./tuple.ts";

/** Set where this end of the connection is translated. */
function isBit(manip: Manip): number {
  return manip === "source" ? Status.sourceNat : Status.destinationNat;
}

/** Set once it is decided whether it is. */
function doneBit(manip: Manip): number {
  return manip === "source" ? Status.sourceNatDone : Status.destinationNatDone;
}

const UNBOUND = { ports: undefined, isRandom: false, isPersistent: false } as const;

/**
 * Address translation of one host: net/netfilter/nf_nat_core.c. The nat table is asked for a connection's first packet, once for each end; what
 * it says becomes part of the connection, and from then on both directions are rewritten by that.
 */
export class Nat {
  readonly #conntrack: Conntrack;
  readonly #chooser: PortChooser;
  readonly #tuple = new TupleWords();
  /** Interfaces that MASQUERADE has used; their numbers count from 1. */
  readonly #interfaces: string[] = [];

  constructor(conntrack: Conntrack, random: Draws) {
    this.#conntrack = conntrack;
    this.#chooser = new PortChooser(conntrack, random);
  }

  /** The nat step of a hook: `nf_nat_ipv4_fn` and `nf_nat_inet_fn`. */
  run(walk: PacketWalk, chain: CompiledChain | undefined): "accept" | DropReason {
    const tracking = trackingIn(walk.packet, this.#conntrack.table);
    if (tracking === undefined || tracking === UNTRACKED) return "accept";
    const slot = slotOf(tracking);
    const direction = directionOf(tracking);
    const manip = manipOf(walk.hook);
    const part = partOf(tracking);
    if (part === Part.related && walk.packet.protocol === IpProtocol.icmp)
      return this.#translateError(walk, slot, direction, manip);
    let cause: RewriteCause | undefined;
    if (part !== Part.established && (this.#conntrack.table.status(slot) & doneBit(manip)) === 0) {
      const reason = this.#bind(walk, slot, manip, chain?.decide(walk) ?? Verdict.accept);
      if (reason !== "accept") return reason;
      cause = walk.isTold ? causeOf(walk) : undefined;
    } else if (this.#isElsewhere(walk, slot, direction)) {
      this.#conntrack.destroy(slot, walk.packet.lineage);
      return "nat-no-address";
    }
    this.#translate(walk, slot, direction, manip, cause);
    return "accept";
  }

  /**
   * Gives a new connection another destination after the nat table had its say, as a virtual server does with `vs.conntrack=1`
   * (`ip_vs_update_conntrack`, net/netfilter/ipvs/ip_vs_nfct.c). Packets of connections that are known already go on as they are.
   */
  redirect(
    walk: PacketWalk,
    to: { readonly address: Ipv4Address; readonly port: number },
    cause: RewriteCause,
  ): "accept" | DropReason {
    const tracking = trackingIn(walk.packet, this.#conntrack.table);
    if (tracking === undefined || tracking === UNTRACKED) return "accept";
    const slot = slotOf(tracking);
    if (partOf(tracking) !== Part.new || this.#conntrack.table.isConfirmed(slot)) return "accept";
    const tuple = this.#tuple;
    this.#conntrack.table.tuple(slot, REPLY, tuple);
    tuple.invert();
    const choice = natChoice({ from: to.address, to: to.address }, { ports: { from: to.port, to: to.port } });
    if (!this.#setUp(slot, choice, "destination")) return "nat-no-free-port";
    this.#translate(walk, slot, ORIGINAL, "destination", cause);
    return "accept";
  }

  /** Ends the connections whose MASQUERADE address is gone (`masq_inet_event`, net/netfilter/nf_nat_masquerade.c). */
  addressRemoved(interfaceName: string, address: number): void {
    const number = this.#interfaces.indexOf(interfaceName) + 1;
    if (number === 0) return;
    for (const slot of this.#conntrack.slots()) {
      const at = slot << RECORD_SHIFT;
      const { words } = this.#conntrack.table;
      const isIts = word(words, at + Field.masqueradeInterface) === number;
      if (isIts && word(words, at + Field.replyDestination) === (address | 0)) this.#conntrack.destroy(slot);
    }
  }

  /** Makes what the nat table said part of the connection; without a rule's word, that nothing changes. */
  #bind(walk: PacketWalk, slot: number, manip: Manip, verdict: number): "accept" | DropReason {
    if (verdict !== Verdict.accept) return dropReasonOf(verdict);
    // A connection that others know by its tuples keeps them.
    if (this.#conntrack.table.isConfirmed(slot)) return "accept";
    const tuple = this.#tuple;
    this.#conntrack.table.tuple(slot, REPLY, tuple);
    tuple.invert();
    const choice = this.#choiceOf(walk, walk.natTarget, manip, slot);
    if (choice === "nat-no-address") return choice;
    return this.#setUp(slot, choice ?? keep(tuple, manip), manip) ? "accept" : "nat-no-free-port";
  }

  /** `nf_nat_setup_info` */
  #setUp(slot: number, choice: NatChoice, manip: Manip): boolean {
    const { table, statistics } = this.#conntrack;
    const tuple = this.#tuple;
    const { source, destination, ports } = tuple;
    const isUnique = this.#chooser.choose(slot, tuple, choice, manip);
    // Linux lets the packet go on and drops it when the connection is to be entered, in the same hook.
    if (!isUnique && manip === "source") {
      statistics.insertFailed += 1;
      statistics.drop += 1;
      return false;
    }
    if (tuple.source !== source || tuple.destination !== destination || tuple.ports !== ports) {
      tuple.invert();
      table.setReply(slot, tuple);
      table.addStatus(slot, isBit(manip));
    }
    table.addStatus(slot, doneBit(manip));
    return true;
  }

  /** What a target allows; `undefined` when it does not apply. */
  #choiceOf(
    walk: PacketWalk,
    target: Target | undefined,
    manip: Manip,
    slot: number,
  ): NatChoice | "nat-no-address" | undefined {
    switch (target?.kind) {
      case "snat":
        return manip === "source" ? natChoice(target.addresses, target) : undefined;
      case "dnat":
        return manip === "destination" ? natChoice(target.addresses, target) : undefined;
      case "masquerade":
        return manip === "source" ? this.#masquerade(walk, target, slot) : undefined;
      case "redirect":
        return manip === "destination" ? redirect(walk, target) : undefined;
      case "netmap":
        return natChoice(netmapped(walk, target, manip), {});
      default:
        return undefined;
    }
  }

  #masquerade(
    walk: PacketWalk,
    target: Extract<Target, { kind: "masquerade" }>,
    slot: number,
  ): NatChoice | "nat-no-address" | undefined {
    // A host that asks for its first address has none to be replaced.
    if (walk.source === 0) return undefined;
    const { out } = walk.packet;
    const address = out && walk.environment.host.sourceAddressFor(out, ipv4(walk.destination));
    if (out === undefined || address === undefined) return "nat-no-address";
    this.#conntrack.table.words[(slot << RECORD_SHIFT) + Field.masqueradeInterface] = this.#numberOf(out.name);
    return natChoice({ from: address, to: address }, target);
  }

  #numberOf(interfaceName: string): number {
    const place = this.#interfaces.indexOf(interfaceName);
    return place >= 0 ? place + 1 : this.#interfaces.push(interfaceName);
  }

  /** The packet leaves by another interface than the one whose address it was given (`nf_nat_oif_changed`). */
  #isElsewhere(walk: PacketWalk, slot: number, direction: number): boolean {
    if (walk.hook !== "postrouting" || direction !== ORIGINAL) return false;
    const number = word(this.#conntrack.table.words, (slot << RECORD_SHIFT) + Field.masqueradeInterface);
    return number !== 0 && this.#interfaces[number - 1] !== walk.packet.out?.name;
  }

  /** `nf_nat_packet`: the packet shall look like the inverse of the other direction. */
  #translate(walk: PacketWalk, slot: number, direction: number, manip: Manip, cause: RewriteCause | undefined): void {
    if (!this.#isTranslated(slot, direction, manip)) return;
    const target = this.#tuple;
    this.#conntrack.table.tuple(slot, 1 - direction, target);
    target.invert();
    rewrite(walk, target, manip, cause ?? (walk.isTold ? conntrackCause(direction) : undefined));
  }

  /** Destination translation shows in the source of the replies, and the other way about. */
  #isTranslated(slot: number, direction: number, manip: Manip): boolean {
    const end: Manip = (direction === ORIGINAL) === (manip === "source") ? "source" : "destination";
    return (this.#conntrack.table.status(slot) & isBit(end)) !== 0;
  }

  /** An ICMP error about a translated packet: what it quotes is translated back, and its own address like a reply's. */
  #translateError(walk: PacketWalk, slot: number, direction: number, manip: Manip): "accept" | DropReason {
    const status = this.#conntrack.table.status(slot);
    if (isRedirect(walk.packet)) {
      // It would tell somebody of a way that is not theirs.
      const done = Status.sourceNatDone | Status.destinationNatDone;
      if ((status & done) !== done || (status & (Status.sourceNat | Status.destinationNat)) !== 0)
        return "icmp-ignored";
    }
    if (!this.#isTranslated(slot, direction, manip)) return "accept";
    const { table } = this.#conntrack;
    const tuple = this.#tuple;
    const cause = walk.isTold ? conntrackCause(direction) : undefined;
    table.tuple(slot, 1 - direction, tuple);
    rewriteQuoted(walk, tuple, manip === "source" ? "destination" : "source", cause);
    tuple.invert();
    rewrite(walk, tuple, manip, cause);
    return "accept";
  }
}

/** POSTROUTING and INPUT change the source, PREROUTING and OUTPUT the destination (`HOOK2MANIP`). */
function manipOf(hook: Hook): Manip {
  return hook === "postrouting" || hook === "input" ? "source" : "destination";
}

function causeOf(walk: PacketWalk): RewriteCause {
  const rule = walk.natRule;
  if (rule === undefined) return { kind: "clash" };
  return { kind: "rule", target: rule.rule.target?.kind.toUpperCase() ?? "", rule: rule.reference };
}

function conntrackCause(direction: number): RewriteCause {
  return { kind: "conntrack", direction: direction === ORIGINAL ? "original" : "reply" };
}

/** No translation: the address stays, and the port too unless another connection's replies have it (`nf_nat_alloc_null_binding`). */
function keep(tuple: TupleWords, manip: Manip): NatChoice {
  const address = ipv4(manip === "source" ? tuple.source : tuple.destination);
  return { ...UNBOUND, addresses: { from: address, to: address } };
}

/** To the host itself: what it sends goes to 127.0.0.1, what comes in to the first address of the interface (net/netfilter/nf_nat_redirect.c). */
function redirect(walk: PacketWalk, target: Extract<Target, { kind: "redirect" }>): NatChoice | "nat-no-address" {
  const own = walk.hook === "output" ? LOOPBACK_ADDRESS : walk.packet.in?.addresses[0]?.address;
  return own === undefined ? "nat-no-address" : natChoice({ from: own, to: own }, target);
}

/** The network part is replaced, the host part stays. */
function netmapped(walk: PacketWalk, target: Extract<Target, { kind: "netmap" }>, manip: Manip): AddressRange {
  const before = manip === "source" ? walk.source : walk.destination;
  const address = ipv4((before & ~target.mask) | (target.address & target.mask));
  return { from: address, to: address };
}
