import { IpProtocol } from "../netstack/index.ts";
import type { Draws } from "../sim/index.ts";
import type { Conntrack } from "./conntrack.ts";
import { Field, RECORD_SHIFT, Status, Window, word } from "./flow-record.ts";
import { NOT_FOUND, ORIGINAL, REPLY } from "./flow-table.ts";
import { hashAddress, swapBytes } from "./jenkins-hash.ts";
import type { Manip, NatChoice } from "./nat-range.ts";
import type { NumberRange } from "./rule.ts";
import { windowAt } from "./tcp-record.ts";
import { TcpState } from "./tcp-states.ts";
import { TupleWords, UDP_LITE } from "./tuple.ts";

/** Ports tried in a row (`NF_NAT_MAX_ATTEMPTS`); then half as many from another start, and so on down to the least. */
const MOST_ATTEMPTS = 128;
const LEAST_ATTEMPTS = 16;
/** With so few left, a dead connection may have to give up its port (`NF_NAT_HARDER_THRESH`). */
const LAST_ATTEMPTS = 32;
const ALL_IDS: NumberRange = { from: 0, to: 65535 };

/** Gives a connection a tuple that no other one has: `get_unique_tuple` and what it calls, net/netfilter/nf_nat_core.c in Linux 6.x. */
export class PortChooser {
  readonly #conntrack: Conntrack;
  readonly #random: Draws;
  readonly #reply = new TupleWords();
  readonly #other = new TupleWords();
  readonly #before = new TupleWords();

  constructor(conntrack: Conntrack, random: Draws) {
    this.#conntrack = conntrack;
    this.#random = random;
  }

  /**
   * Changes `tuple`, the connection's in the original direction as translated so far, to one that the choice allows. False when its
   * replies could not be told from another connection's.
   */
  choose(slot: number, tuple: TupleWords, choice: NatChoice, manip: Manip): boolean {
    this.#before.copy(tuple);
    if (manip === "source" && !choice.isRandom && this.#keepsMapping(slot, tuple, choice)) return true;
    tuple.copy(this.#before);
    if (choice.addresses !== undefined) this.#chooseAddress(tuple, choice, manip);
    if (!choice.isRandom && this.#keepsPort(slot, tuple, choice, manip)) return true;
    return this.#choosePort(slot, tuple, choice, manip);
  }

  /** The source as it is, if it is allowed and free; else the one this source already has towards another server. */
  #keepsMapping(slot: number, tuple: TupleWords, choice: NatChoice): boolean {
    if (isSourceAllowed(tuple, choice)) return !this.#isTakenByStranger(slot, tuple);
    return this.#findMapping(tuple, choice) && !this.#isTaken(slot, tuple);
  }

  /** `find_appropriate_src`: what another connection of the same source was translated to. */
  #findMapping(tuple: TupleWords, choice: NatChoice): boolean {
    const { table } = this.#conntrack;
    const before = this.#before;
    const other = this.#other;
    for (let slot = table.firstBySource(before); slot !== NOT_FOUND; slot = table.nextBySource(slot)) {
      table.tuple(slot, ORIGINAL, other);
      const isSame =
        other.protocol === before.protocol &&
        other.source === before.source &&
        other.ports >>> 16 === before.ports >>> 16;
      if (!isSame) continue;
      table.tuple(slot, REPLY, other);
      other.invert();
      tuple.source = other.source;
      tuple.ports = (other.ports & 0xffff0000) | (before.ports & 0xffff);
      if (isSourceAllowed(tuple, choice)) return true;
    }
    return false;
  }

  /** `find_best_ips_proto`: by a hash of both addresses, so that one client keeps its address towards one server. */
  #chooseAddress(tuple: TupleWords, choice: NatChoice, manip: Manip): void {
    const { from, to } = choice.addresses as NonNullable<NatChoice["addresses"]>;
    let address: number = from;
    if (from !== to) {
      const hash = hashAddress(tuple.source, choice.isPersistent ? 0 : swapBytes(tuple.destination));
      address = from + Math.floor((hash * (to - from + 1)) / 2 ** 32);
    }
    if (manip === "source") tuple.source = address | 0;
    else tuple.destination = address | 0;
  }

  #keepsPort(slot: number, tuple: TupleWords, choice: NatChoice, manip: Manip): boolean {
    const { ports } = choice;
    if (ports === undefined) return !this.#isTaken(slot, tuple);
    if (choice.portBase !== undefined || !isPortAllowed(tuple, ports, manip)) return false;
    return ports.from === ports.to || !this.#isTaken(slot, tuple);
  }

  /** `nf_nat_l4proto_unique_tuple` */
  #choosePort(slot: number, tuple: TupleWords, choice: NatChoice, manip: Manip): boolean {
    const range = portsToTry(tuple, choice, manip);
    if (range === undefined) return manip === "destination" || !this.#isTaken(slot, tuple);
    const size = range.to - range.from + 1;
    let offset = this.#firstOffset(tuple, choice, manip);
    let attempts = Math.min(size, MOST_ATTEMPTS);
    for (;;) {
      for (let i = 0; i < attempts; i++, offset = (offset + 1) & 0xffff) {
        setPort(tuple, range.from + (offset % size), manip);
        if (!this.#isTakenForGood(slot, tuple, attempts - i)) return true;
      }
      if (attempts >= size || attempts < LEAST_ATTEMPTS) return false;
      attempts = Math.floor(attempts / 2);
      offset = this.#random.below(0x10000);
    }
  }

  #firstOffset(tuple: TupleWords, choice: NatChoice, manip: Manip): number {
    if (choice.portBase !== undefined) return (portOf(tuple, manip) - choice.portBase) & 0xffff;
    return choice.isRandom || manip === "source" ? this.#random.below(0x10000) : 0;
  }

  #isTaken(slot: number, tuple: TupleWords): boolean {
    this.#reply.copy(tuple);
    this.#reply.invert();
    return this.#conntrack.isTaken(this.#reply, slot);
  }

  /** Like {@link #isTaken}, but the other direction of the same UDP flow, which came in first, is no stranger (`nf_nat_used_tuple_new`). */
  #isTakenByStranger(slot: number, tuple: TupleWords): boolean {
    if (!this.#isTaken(slot, tuple)) return false;
    if (tuple.protocol !== IpProtocol.udp && tuple.protocol !== UDP_LITE) return true;
    const { table } = this.#conntrack;
    const found = this.#conntrack.holder(this.#reply);
    const translated = Status.sourceNat | Status.destinationNat;
    if (found === NOT_FOUND || (found & 1) === REPLY || (table.status(found >> 1) & translated) !== 0) return true;
    table.tuple(found >> 1, REPLY, this.#other);
    const { source, destination, ports } = this.#before;
    return this.#other.source !== source || this.#other.destination !== destination || this.#other.ports !== ports;
  }

  /** In the last attempts a connection that is over makes room, if the newcomer's numbers are ahead of its (`nf_nat_used_tuple_harder`). */
  #isTakenForGood(slot: number, tuple: TupleWords, left: number): boolean {
    const { words } = this.#conntrack.table;
    const state = word(words, (slot << RECORD_SHIFT) + Field.tcpState);
    if (left > LAST_ATTEMPTS || tuple.protocol !== IpProtocol.tcp || state !== TcpState.synSent)
      return this.#isTaken(slot, tuple);
    this.#reply.copy(tuple);
    this.#reply.invert();
    const found = this.#conntrack.holder(this.#reply);
    if (found === NOT_FOUND) return false;
    if ((found & 1) === ORIGINAL || !this.#mayEvict(found >> 1, slot)) return true;
    this.#conntrack.destroy(found >> 1);
    return false;
  }

  #mayEvict(old: number, newcomer: number): boolean {
    const { table } = this.#conntrack;
    const { words } = table;
    if (word(words, (old << RECORD_SHIFT) + Field.tcpState) < TcpState.timeWait) return false;
    if ((table.status(old) & Status.fixedTimeout) !== 0 || (table.status(old) & Status.sourceNat) === 0) return false;
    const ahead = word(words, windowAt(newcomer, 0) + Window.end) - word(words, windowAt(old, 0) + Window.end);
    return (ahead | 0) > 0;
  }
}

function hasPorts(protocol: number): boolean {
  return (
    protocol === IpProtocol.tcp || protocol === IpProtocol.udp || protocol === IpProtocol.sctp || protocol === UDP_LITE
  );
}

/** Would the source do as it is? (`in_range`) */
function isSourceAllowed(tuple: TupleWords, choice: NatChoice): boolean {
  const { addresses, ports } = choice;
  const source = tuple.source >>> 0;
  if (addresses !== undefined && (source < addresses.from || source > addresses.to)) return false;
  return ports === undefined || isPortAllowed(tuple, ports, "source");
}

function isPortAllowed(tuple: TupleWords, ports: NumberRange, manip: Manip): boolean {
  if (!hasPorts(tuple.protocol) && tuple.protocol !== IpProtocol.icmp) return true;
  const port = portOf(tuple, manip);
  return port >= ports.from && port <= ports.to;
}

/** An ICMP identifier is the same at both ends. */
function portOf(tuple: TupleWords, manip: Manip): number {
  return manip === "source" || tuple.protocol === IpProtocol.icmp ? tuple.ports >>> 16 : tuple.ports & 0xffff;
}

function setPort(tuple: TupleWords, port: number, manip: Manip): void {
  if (manip === "source" || tuple.protocol === IpProtocol.icmp) tuple.ports = (tuple.ports & 0xffff) | (port << 16);
  else tuple.ports = (tuple.ports & 0xffff0000) | port;
}

/** What a port may become; `undefined` when it must stay. Without a given range, low ports stay low: they may vouch for their user. */
function portsToTry(tuple: TupleWords, choice: NatChoice, manip: Manip): NumberRange | undefined {
  if (tuple.protocol === IpProtocol.icmp) return choice.ports ?? ALL_IDS;
  if (!hasPorts(tuple.protocol)) return undefined;
  if (choice.ports !== undefined) {
    const { from, to } = choice.ports;
    return from <= to ? choice.ports : { from: to, to: from };
  }
  if (manip === "destination") return undefined;
  const port = tuple.ports >>> 16;
  if (port < 512) return { from: 1, to: 511 };
  return port < 1024 ? { from: 600, to: 1023 } : { from: 1024, to: 65535 };
}
