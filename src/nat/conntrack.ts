import { type DropReason, type Hook, type HookHost, IpProtocol, type Packet } from "../netstack/index.ts";
import { after, between, type Duration, seconds, type Time, type Timer, toSeconds } from "../sim/index.ts";
import {
  type ConntrackEntry,
  type ConntrackStatistics,
  emptyStatistics,
  formatConntrackEvent,
} from "./conntrack-entry.ts";
import { type ConntrackSysctls, DEFAULT_CONNTRACK_SYSCTLS } from "./conntrack-sysctls.ts";
import { Field, RECORD_SHIFT, Status, word } from "./flow-record.ts";
import { FlowTable, NOT_FOUND, ORIGINAL, REPLY } from "./flow-table.ts";
import { TCP_STATE_NAMES } from "./tcp-states.ts";
import { findQuoted, isIcmpAboutOther, isIcmpFaulty, mayIcmpBegin } from "./track-icmp.ts";
import { isClosing, KEEP_TIMEOUT, TcpTracker } from "./track-tcp.ts";
import { beginUdp, isUdpFaulty, trackUdp } from "./track-udp.ts";
import { directionOf, Outcome, Part, REPLY_BIT, slotOf, trackingIn, trackingOf, UNTRACKED } from "./tracking.ts";
import { readTuple, TupleWords, tupleOf, UDP_LITE } from "./tuple.ts";

/** Index entries looked at to make room (`early_drop`: eight buckets). */
const EARLY_DROP_REACH = 16;
/** Dead entries are looked for no more often than this. */
const SWEEP_INTERVAL: Duration = seconds(1);
/** The kernel's round through the table (`GC_SCAN_INTERVAL_MAX`: what it comes to when entries live for minutes). */
const ROUND: Duration = seconds(60);
const NEVER = Number.POSITIVE_INFINITY as Time;
/** How long a connection lives whose original tuple another one has (`nf_ct_resolve_clash_harder`). */
const CLASH_TIMEOUT = 1;

/** Connection tracking of one host: net/netfilter/nf_conntrack_core.c. */
export class Conntrack {
  readonly table: FlowTable = new FlowTable();
  readonly sysctls: ConntrackSysctls;
  readonly statistics: ConntrackStatistics = emptyStatistics();
  readonly #host: HookHost;
  readonly #settlesTranslated: boolean;
  readonly #tcp: TcpTracker;
  readonly #sweeper: Timer;
  /** Set while the table is full. */
  readonly #reliever: Timer;
  #nextSweep: Time = NEVER;
  readonly #tuple = new TupleWords();
  readonly #scratch = new TupleWords();

  constructor(host: HookHost, sysctls: Partial<ConntrackSysctls> = {}, settlesTranslated = true) {
    this.#host = host;
    this.#settlesTranslated = settlesTranslated;
    this.sysctls = { ...DEFAULT_CONNTRACK_SYSCTLS, ...sysctls };
    this.#tcp = new TcpTracker(this.table, this.sysctls);
    this.#sweeper = host.clock.timer(() => this.#sweep(), "protocol");
    this.#reliever = host.clock.timer(() => this.#relieve(), "protocol");
  }

  /** Finds or makes the packet's connection (`nf_conntrack_in`). A packet that has one, or was taken out of tracking, is left alone. */
  track(hook: Hook, packet: Packet): "accept" | DropReason {
    if (trackingIn(packet, this.table) !== undefined) return "accept";
    packet.tracking = undefined;
    const verifies = hook === "prerouting" && this.sysctls.checksum;
    const tuple = this.#tuple;
    if (!readTuple(packet, tuple) || this.#isFaulty(packet, verifies)) {
      this.statistics.invalid += 1;
      return "accept";
    }
    if (tuple.protocol === IpProtocol.icmp && isIcmpAboutOther(packet)) {
      this.#relate(packet);
      return "accept";
    }
    return this.#follow(packet);
  }

  /** Makes the packet's connection known, if it is new; when the packet has passed all hooks (`nf_conntrack_confirm`). */
  confirm(packet: Packet): "accept" | DropReason {
    const tracking = trackingIn(packet, this.table);
    if (tracking === undefined || tracking === UNTRACKED) return "accept";
    const slot = slotOf(tracking);
    const status = this.table.status(slot);
    if ((status & (Status.confirmed | Status.dying)) === 0) {
      return directionOf(tracking) === ORIGINAL ? this.#enter(packet, slot) : "accept";
    }
    if ((status & Status.changed) !== 0) {
      this.#clearStatus(slot, Status.changed);
      if ((status & Status.confirmed) !== 0) this.#tell("UPDATE", slot, packet.lineage);
    }
    return "accept";
  }

  /** Does the packet begin a connection that is not known yet? */
  isUnconfirmed(packet: Packet): boolean {
    const tracking = trackingIn(packet, this.table);
    if (tracking === undefined || tracking === UNTRACKED) return false;
    return (this.table.status(slotOf(tracking)) & (Status.confirmed | Status.dying)) === 0;
  }

  /** Makes `answer` a packet that is related to the other one's connection, in the other direction (`nf_conntrack_attach`). */
  attach(answer: Packet, packet: Packet): void {
    const tracking = trackingIn(packet, this.table);
    if (tracking === undefined || tracking === UNTRACKED) return;
    const slot = slotOf(tracking);
    const reply = directionOf(tracking) === ORIGINAL ? REPLY_BIT : 0;
    answer.tracking = trackingOf(slot, this.table.generation(slot), Part.related | reply);
  }

  /** Is a tuple that replies would carry in use by another connection than `except`? (`nf_conntrack_tuple_taken`) */
  isTaken(reply: TupleWords, except: number): boolean {
    const found = this.#find(reply);
    if (found === NOT_FOUND || found >> 1 === except || this.#hasSameOriginal(found >> 1, except)) return false;
    this.statistics.found += 1;
    return true;
  }

  /** Like {@link FlowTable.find}, but an entry whose time is up is gone. */
  #find(tuple: TupleWords): number {
    const found = this.table.find(tuple);
    if (found === NOT_FOUND || (this.table.times[this.#expiresAt(found >> 1)] as number) > this.#host.clock.now())
      return found;
    this.#expire(found >> 1);
    return NOT_FOUND;
  }

  /** The connection that holds a reply tuple, or {@link NOT_FOUND}. */
  holder(reply: TupleWords): number {
    return this.#find(reply);
  }

  /** Two packets of one flow that came in before either was confirmed are told apart when they are (`nf_conntrack_tuple_taken`). */
  #hasSameOriginal(a: number, b: number): boolean {
    const { words } = this.table;
    for (let field = 0; field < Field.replySource; field++) {
      if (word(words, (a << RECORD_SHIFT) + field) !== word(words, (b << RECORD_SHIFT) + field)) return false;
    }
    return this.table.protocol(a) === this.table.protocol(b);
  }

  /** Ends a connection: `conntrack -D`, or one whose translation no longer holds. */
  destroy(slot: number, lineage = 0): void {
    if (!this.table.isConfirmed(slot)) return;
    this.#tell("DESTROY", slot, lineage);
    this.table.remove(slot);
  }

  /** Slots of all living connections. */
  *slots(): IterableIterator<number> {
    const now = this.#host.clock.now();
    for (let slot = 0; slot < this.table.bound; slot++) {
      if (this.table.isConfirmed(slot) && (this.table.times[this.#expiresAt(slot)] as number) > now) yield slot;
    }
  }

  entry(slot: number): ConntrackEntry {
    const { table } = this;
    const status = table.status(slot);
    const state = word(table.words, (slot << RECORD_SHIFT) + Field.tcpState);
    const left = this.#secondsLeft(slot);
    this.table.tuple(slot, ORIGINAL, this.#scratch);
    const original = tupleOf(this.#scratch);
    this.table.tuple(slot, REPLY, this.#scratch);
    return {
      original,
      reply: tupleOf(this.#scratch),
      state: table.protocol(slot) === IpProtocol.tcp ? TCP_STATE_NAMES[state] : undefined,
      timeout: left > 0 ? Math.floor(left) : undefined,
      seenReply: (status & Status.seenReply) !== 0,
      assured: (status & Status.assured) !== 0,
      mark: this.mark(slot),
    };
  }

  mark(slot: number): number {
    return word(this.table.words, (slot << RECORD_SHIFT) + Field.mark) >>> 0;
  }

  setMark(slot: number, mark: number): void {
    if (this.mark(slot) === mark >>> 0) return;
    this.table.words[(slot << RECORD_SHIFT) + Field.mark] = mark;
    this.table.addStatus(slot, Status.changed);
  }

  /** Seconds until the entry dies. */
  secondsLeft(slot: number): number {
    return Math.floor(this.#secondsLeft(slot));
  }

  #isFaulty(packet: Packet, verifiesChecksum: boolean): boolean {
    switch (this.#tuple.protocol) {
      case IpProtocol.tcp:
        return !this.#tcp.segment.read(packet) || (verifiesChecksum && !packet.isSumRight());
      case IpProtocol.udp:
      case UDP_LITE:
        return isUdpFaulty(packet, verifiesChecksum);
      case IpProtocol.icmp:
        return isIcmpFaulty(packet, verifiesChecksum);
      default:
        return false;
    }
  }

  #relate(packet: Packet): void {
    const found = findQuoted(this.table, packet, this.#scratch);
    if (found === NOT_FOUND || this.#secondsLeft(found >> 1) <= 0) {
      this.statistics.invalid += 1;
      this.statistics.error += 1;
      return;
    }
    const reply = (found & 1) === REPLY ? REPLY_BIT : 0;
    packet.tracking = trackingOf(found >> 1, this.table.generation(found >> 1), Part.related | reply);
  }

  /** `resolve_normal_ct` and `nf_conntrack_handle_packet`. */
  #follow(packet: Packet): "accept" | DropReason {
    let found = this.#find(this.#tuple);
    let outcome: number = Outcome.repeat;
    if (found !== NOT_FOUND) outcome = this.#apply(found >> 1, found & 1);
    if (outcome === Outcome.repeat) {
      if (found !== NOT_FOUND) this.destroy(found >> 1, packet.lineage);
      if (!this.#mayBegin()) return this.#invalid();
      if (!this.#makeRoom(packet.lineage)) {
        this.statistics.drop += 1;
        return "conntrack-table-full";
      }
      const slot = this.#begin();
      found = slot * 2 + ORIGINAL;
      outcome = this.#apply(slot, ORIGINAL);
    }
    if (outcome === Outcome.invalid) return this.#invalid();
    if (outcome === Outcome.ended) this.destroy(found >> 1, packet.lineage);
    this.#attribute(packet, found >> 1, found & 1);
    return "accept";
  }

  #invalid(): "accept" {
    this.statistics.invalid += 1;
    return "accept";
  }

  /** Notes the packet's part: the first answer makes the connection one that has been seen both ways. */
  #attribute(packet: Packet, slot: number, direction: number): void {
    const status = this.table.status(slot);
    let part: number = Part.established;
    if (direction === REPLY) {
      part |= REPLY_BIT;
      if ((status & Status.seenReply) === 0) this.table.addStatus(slot, Status.seenReply | Status.changed);
    } else if ((status & Status.seenReply) === 0) {
      part = Part.new;
    }
    packet.tracking = trackingOf(slot, this.table.generation(slot), part);
  }

  #mayBegin(): boolean {
    if (this.#tuple.protocol === IpProtocol.tcp) return this.#tcp.mayBegin();
    if (this.#tuple.protocol === IpProtocol.icmp) return mayIcmpBegin((this.#tuple.ports >>> 8) & 0xff);
    return true;
  }

  #begin(): number {
    const tuple = this.#tuple;
    this.#scratch.copy(tuple);
    this.#scratch.invert();
    const slot = this.table.create(tuple, this.#scratch);
    if (tuple.protocol === IpProtocol.tcp) this.#tcp.begin(slot);
    else if (tuple.protocol === IpProtocol.udp) beginUdp(this.table, slot, this.#nowMs());
    return slot;
  }

  /** What the packet does to its connection: one of {@link Outcome}. */
  #apply(slot: number, direction: number): number {
    const { sysctls } = this;
    switch (this.#tuple.protocol) {
      case IpProtocol.tcp: {
        const outcome = this.#tcp.track(slot, direction, this.#secondsLeft(slot));
        if (this.#tcp.timeout !== KEEP_TIMEOUT) this.#refresh(slot, this.#tcp.timeout);
        return outcome;
      }
      case IpProtocol.udp:
      case UDP_LITE:
        this.#refresh(slot, trackUdp(this.table, slot, this.#nowMs(), sysctls));
        return Outcome.accept;
      case IpProtocol.icmp:
        this.#refresh(slot, sysctls.icmpTimeout);
        return Outcome.accept;
      case IpProtocol.gre:
        this.#refresh(slot, this.#greTimeout(slot));
        return Outcome.accept;
      default:
        this.#refresh(slot, sysctls.genericTimeout);
        return Outcome.accept;
    }
  }

  #greTimeout(slot: number): number {
    const status = this.table.status(slot);
    if ((status & Status.seenReply) === 0) return this.sysctls.greTimeout;
    if ((status & Status.assured) === 0) this.table.addStatus(slot, Status.assured | Status.changed);
    return this.sysctls.greTimeoutStream;
  }

  #refresh(slot: number, timeout: number): void {
    if ((this.table.status(slot) & Status.fixedTimeout) !== 0) return;
    const expires = after(this.#host.clock.now(), seconds(timeout));
    this.table.times[this.#expiresAt(slot)] = expires;
    if (expires < this.#nextSweep) this.#sweepAt(expires);
  }

  /** `__nf_conntrack_confirm` for a new connection. */
  #enter(packet: Packet, slot: number): "accept" | DropReason {
    const tuple = this.#scratch;
    for (const direction of [ORIGINAL, REPLY]) {
      this.table.tuple(slot, direction, tuple);
      const found = this.#find(tuple);
      if (found !== NOT_FOUND) return this.#settle(packet, slot, found >> 1);
    }
    this.#insert(packet, slot);
    return "accept";
  }

  #insert(packet: Packet, slot: number): void {
    this.table.insert(slot);
    this.#clearStatus(slot, Status.changed);
    this.#tell("NEW", slot, packet.lineage);
  }

  /** Another packet of the same flow was quicker (`nf_ct_resolve_clash`). Only UDP can do without an answer to the question who is right. */
  #settle(packet: Packet, loser: number, winner: number): "accept" | DropReason {
    this.statistics.insertFailed += 1;
    const protocol = this.table.protocol(loser);
    if (protocol === IpProtocol.udp || protocol === UDP_LITE) {
      const natDone = Status.sourceNatDone | Status.destinationNatDone;
      const isUntranslated = (this.table.status(winner) & natDone) === 0;
      if (!this.#settlesTranslated && !isUntranslated) return this.#lose();
      if (isUntranslated || this.#hasSameTuples(winner, loser, false)) return this.#merge(packet, winner, Part.new);
      if (this.#hasSameTuples(winner, loser, true)) return this.#merge(packet, winner, Part.established | REPLY_BIT);
      if (this.#enterReplyOnly(packet, loser)) return "accept";
    }
    return this.#lose();
  }

  #lose(): DropReason {
    this.statistics.drop += 1;
    return "conntrack-clash";
  }

  #merge(packet: Packet, winner: number, part: number): "accept" {
    packet.tracking = trackingOf(winner, this.table.generation(winner), part);
    this.statistics.clashResolve += 1;
    return "accept";
  }

  #hasSameTuples(a: number, b: number, reversed: boolean): boolean {
    const { words } = this.table;
    const shift = reversed ? Field.replySource : 0;
    for (let field = 0; field < 2 * Field.replySource; field++) {
      const other = (field + shift) % (2 * Field.replySource);
      if (word(words, (a << RECORD_SHIFT) + field) !== word(words, (b << RECORD_SHIFT) + other)) return false;
    }
    return true;
  }

  /** The reply's tuple is free: the answer to this packet shall find its way, for a second. */
  #enterReplyOnly(packet: Packet, slot: number): boolean {
    this.table.tuple(slot, REPLY, this.#scratch);
    if (this.#find(this.#scratch) !== NOT_FOUND) return false;
    this.#refresh(slot, CLASH_TIMEOUT);
    this.table.addStatus(slot, Status.natClash | Status.fixedTimeout);
    this.#insert(packet, slot);
    this.statistics.clashResolve += 1;
    return true;
  }

  /** Room for one more entry; an unassured one may have to go. */
  #makeRoom(lineage: number): boolean {
    if (this.table.count < this.sysctls.max) return true;
    const now = this.#host.clock.now();
    for (const slot of this.table.near(this.#tuple, EARLY_DROP_REACH)) {
      if (!this.table.isConfirmed(slot)) continue;
      if ((this.table.times[this.#expiresAt(slot)] as number) <= now) {
        this.#expire(slot);
        return true;
      }
      if ((this.table.status(slot) & Status.assured) !== 0) continue;
      this.statistics.earlyDrop += 1;
      this.destroy(slot, lineage);
      return true;
    }
    if (this.#reliever.deadline === undefined) this.#reliever.set(nextRound(now));
    return false;
  }

  /**
   * Connections were refused since the last round: what is closing or has not been answered goes, until a twentieth of the table is free (`gc_worker` with
   * `early_drop` set; with fewer than a hundred entries it does not).
   */
  #relieve(): void {
    const enough = Math.floor(this.sysctls.max / 100) * 95;
    for (let slot = 0; slot < this.table.bound && this.table.count >= enough && enough > 0; slot++) {
      const status = this.table.status(slot);
      if ((status & Status.confirmed) === 0) continue;
      const state = word(this.table.words, (slot << RECORD_SHIFT) + Field.tcpState);
      const mayGo = this.table.protocol(slot) === IpProtocol.tcp && isClosing(state);
      if (mayGo || (status & Status.assured) === 0) this.destroy(slot);
    }
  }

  #expire(slot: number): void {
    this.destroy(slot);
  }

  #sweepAt(time: Time): void {
    const earliest = after(this.#host.clock.now(), SWEEP_INTERVAL);
    this.#nextSweep = time < earliest ? earliest : time;
    this.#sweeper.set(this.#nextSweep);
  }

  /** Ends what is dead and looks up when the next one will be. */
  #sweep(): void {
    const now = this.#host.clock.now();
    let next = NEVER;
    this.#nextSweep = NEVER;
    for (let slot = 0; slot < this.table.bound; slot++) {
      if (!this.table.isConfirmed(slot)) continue;
      const expires = this.table.times[this.#expiresAt(slot)] as Time;
      if (expires <= now) this.#expire(slot);
      else if (expires < next) next = expires;
    }
    if (next < NEVER) this.#sweepAt(next);
  }

  #tell(change: "NEW" | "UPDATE" | "DESTROY", slot: number, lineage: number): void {
    const { events, clock, name } = this.#host;
    if (!events.active) return;
    const entry = this.entry(slot);
    const timeout = entry.timeout === undefined ? {} : { timeout: seconds(entry.timeout) };
    const text = formatConntrackEvent(entry);
    events.emit({ time: clock.now(), node: name, lineage, kind: "conntrack", change, text, ...timeout });
  }

  #clearStatus(slot: number, bits: number): void {
    const at = (slot << RECORD_SHIFT) + Field.status;
    this.table.words[at] = word(this.table.words, at) & ~bits;
  }

  #expiresAt(slot: number): number {
    return ((slot << RECORD_SHIFT) + Field.expires) >> 1;
  }

  #secondsLeft(slot: number): number {
    const expires = this.table.times[this.#expiresAt(slot)] as Time;
    return toSeconds(between(this.#host.clock.now(), expires));
  }

  #nowMs(): number {
    return Math.floor(this.#host.clock.now() / 1e6) | 0;
  }
}

function nextRound(now: Time): Time {
  return ((Math.floor(now / ROUND) + 1) * ROUND) as Time;
}
