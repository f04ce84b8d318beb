import { assert } from "../sim/index.ts";
import {
  Field,
  GENERATION_MASK,
  GENERATION_SHIFT,
  PROTOCOL_SHIFT,
  RECORD_SHIFT,
  RECORD_WORDS,
  STATUS_MASK,
  Status,
  word,
} from "./flow-record.ts";
import type { TupleWords } from "./tuple.ts";

/** Records that no index knows: connections not yet confirmed, and dead ones whose last packet is still in the host. */
const LIMBO = 1024;
const FIRST_CAPACITY = 32;
const FIRST_INDEX = 128;

export const ORIGINAL = 0;
export const REPLY = 1;
export const NOT_FOUND = -1;

/** What a table has before its first connection: of 5,000 nodes most never see one. */
const NO_WORDS = new Int32Array(0);
const NO_TIMES = new Float64Array(0);

/**
 * All connections of one host: records in one typed array, found by either tuple through an open-addressing index, or by original source
 * through chains. A connection is its record's number, the slot. Slots are used again; a generation of four bits tells a packet that kept one too
 * long. Records wait in a queue of fixed length between their making and {@link insert}, and after {@link remove}: whoever holds a packet may still
 * ask for them, and a packet that ends meanwhile need not tell anybody.
 */
export class FlowTable {
  /** All records; replaced when the table grows, so read it anew after {@link create}. */
  words: Int32Array = NO_WORDS;
  /** The same bytes as floats, for `Field.expires`. */
  times: Float64Array = NO_TIMES;
  #index: Int32Array = NO_WORDS;
  #sources: Int32Array = NO_WORDS;
  #limbo: Int32Array = NO_WORDS;
  #tickets = 0;
  #used = 0;
  /** First of the free slots, plus 1; each has the next one in `Field.nextBySource`. */
  #free = 0;
  #entries = 0;
  #count = 0;

  /** Connections in the index. */
  get count(): number {
    return this.#count;
  }

  /** Slots that have ever been used: the bound for walking through all. */
  get bound(): number {
    return this.#used;
  }

  /** Bytes held. */
  get memory(): number {
    return this.words.byteLength + this.#index.byteLength + this.#sources.byteLength + this.#limbo.byteLength;
  }

  /** Makes a record for a connection that begins with `tuple`; its reply tuple is the inverse. Not in the index yet. */
  create(tuple: TupleWords, reply: TupleWords): number {
    const slot = this.#takeSlot();
    const { words } = this;
    const at = slot << RECORD_SHIFT;
    const generation = (word(words, at + Field.status) >>> GENERATION_SHIFT) + 1;
    words.fill(0, at, at + RECORD_WORDS);
    words[at + Field.originalSource] = tuple.source;
    words[at + Field.originalDestination] = tuple.destination;
    words[at + Field.originalPorts] = tuple.ports;
    words[at + Field.status] =
      ((generation & GENERATION_MASK) << GENERATION_SHIFT) | (tuple.protocol << PROTOCOL_SHIFT);
    this.setReply(slot, reply);
    this.#enterLimbo(slot);
    return slot;
  }

  /** Changes the reply tuple of a connection that is not in the index. */
  setReply(slot: number, reply: TupleWords): void {
    const at = slot << RECORD_SHIFT;
    this.words[at + Field.replySource] = reply.source;
    this.words[at + Field.replyDestination] = reply.destination;
    this.words[at + Field.replyPorts] = reply.ports;
  }

  /** Where the tuple is: slot × 2 + direction, or {@link NOT_FOUND}. */
  find(tuple: TupleWords): number {
    const index = this.#index;
    if (index.length === 0) return NOT_FOUND;
    const { words } = this;
    const { source, destination, ports, protocol } = tuple;
    const mask = index.length - 1;
    let place = hash(source, destination, ports, protocol) & mask;
    for (;;) {
      const entry = word(index, place);
      if (entry === 0) return NOT_FOUND;
      const found = entry - 1;
      const at = (found >> 1) << RECORD_SHIFT;
      const tupleAt = at + (found & 1) * Field.replySource;
      if (
        word(words, tupleAt) === source &&
        word(words, tupleAt + 1) === destination &&
        word(words, tupleAt + 2) === ports &&
        ((word(words, at + Field.status) >>> PROTOCOL_SHIFT) & 0xff) === protocol
      ) {
        return found;
      }
      place = (place + 1) & mask;
    }
  }

  /** Puts a record into the index under both tuples, or under its reply tuple alone when `Status.natClash` says so. */
  insert(slot: number): void {
    if ((this.#entries + 2) * 2 > this.#index.length) this.#growIndex();
    const at = slot << RECORD_SHIFT;
    const status = word(this.words, at + Field.status);
    this.words[at + Field.status] = status | Status.confirmed;
    if ((status & Status.natClash) === 0) this.#link(slot * 2 + ORIGINAL);
    this.#link(slot * 2 + REPLY);
    if ((status & Status.sourceNatDone) !== 0) this.#linkSource(slot);
    this.#count += 1;
  }

  /** Takes a record out of the index. Packets that hold it may still read it for a while. */
  remove(slot: number): void {
    const at = slot << RECORD_SHIFT;
    const status = word(this.words, at + Field.status);
    if ((status & Status.confirmed) === 0) return;
    if ((status & Status.natClash) === 0) this.#unlink(slot * 2 + ORIGINAL);
    this.#unlink(slot * 2 + REPLY);
    if ((status & Status.sourceNatDone) !== 0) this.#unlinkSource(slot);
    this.words[at + Field.status] = (status & ~Status.confirmed) | Status.dying;
    this.#count -= 1;
    this.#enterLimbo(slot);
  }

  isConfirmed(slot: number): boolean {
    return (word(this.words, (slot << RECORD_SHIFT) + Field.status) & Status.confirmed) !== 0;
  }

  generation(slot: number): number {
    return (word(this.words, (slot << RECORD_SHIFT) + Field.status) >>> GENERATION_SHIFT) & GENERATION_MASK;
  }

  protocol(slot: number): number {
    return (word(this.words, (slot << RECORD_SHIFT) + Field.status) >>> PROTOCOL_SHIFT) & 0xff;
  }

  status(slot: number): number {
    return word(this.words, (slot << RECORD_SHIFT) + Field.status) & STATUS_MASK;
  }

  addStatus(slot: number, bits: number): void {
    const at = (slot << RECORD_SHIFT) + Field.status;
    this.words[at] = word(this.words, at) | bits;
  }

  /** Fills `into` with one of the connection's tuples. */
  tuple(slot: number, direction: number, into: TupleWords): void {
    const at = (slot << RECORD_SHIFT) + direction * Field.replySource;
    const { words } = this;
    into.set(word(words, at), word(words, at + 1), word(words, at + 2), this.protocol(slot));
  }

  /** The newest connection that began at this source and port; then {@link nextBySource}. {@link NOT_FOUND} at the end. Others may be among them. */
  firstBySource(tuple: TupleWords): number {
    if (this.#sources.length === 0) return NOT_FOUND;
    return word(this.#sources, this.#sourcePlace(tuple.source, tuple.ports, tuple.protocol)) - 1;
  }

  nextBySource(slot: number): number {
    return word(this.words, (slot << RECORD_SHIFT) + Field.nextBySource) - 1;
  }

  /** Up to `count` connections whose index entries lie at or behind the tuple's place, as slots; some twice. */
  near(tuple: TupleWords, count: number): number[] {
    const index = this.#index;
    const mask = index.length - 1;
    const slots: number[] = [];
    const start = hash(tuple.source, tuple.destination, tuple.ports, tuple.protocol);
    for (let step = 0; step < index.length && slots.length < count; step++) {
      const entry = word(index, (start + step) & mask);
      if (entry !== 0) slots.push((entry - 1) >> 1);
    }
    return slots;
  }

  #takeSlot(): number {
    if (this.#free !== 0) {
      const slot = this.#free - 1;
      this.#free = word(this.words, (slot << RECORD_SHIFT) + Field.nextBySource);
      return slot;
    }
    if (this.#used << RECORD_SHIFT === this.words.length) this.#growRecords();
    return this.#used++;
  }

  /** By half: the table may hold little more than what it needs. */
  #growRecords(): void {
    const slots = Math.max(FIRST_CAPACITY, Math.ceil((this.#used * 3) / 2));
    assert(slots < 2 ** 24, "a slot's number has 24 bits");
    const words = new Int32Array(slots << RECORD_SHIFT);
    words.set(this.words);
    this.words = words;
    this.times = new Float64Array(words.buffer);
  }

  /** Queues a record that nobody finds; the one that has waited longest becomes free, unless it found its way into the index. */
  #enterLimbo(slot: number): void {
    if (this.#limbo.length === 0) this.#limbo = new Int32Array(LIMBO);
    const ticket = this.#tickets;
    this.#tickets = (ticket + 1) & 0x7fffffff;
    const place = ticket & (LIMBO - 1);
    const oldest = word(this.#limbo, place) - 1;
    this.#limbo[place] = slot + 1;
    if (oldest >= 0) this.#release(oldest, (ticket - LIMBO) & 0x7fffffff);
    this.words[(slot << RECORD_SHIFT) + Field.ticket] = ticket;
  }

  #release(slot: number, ticket: number): void {
    const at = slot << RECORD_SHIFT;
    if (word(this.words, at + Field.ticket) !== ticket || this.isConfirmed(slot)) return;
    // A generation of its own, so that who still holds the slot sees that it is gone.
    const status = word(this.words, at + Field.status);
    this.words[at + Field.status] = (((status >>> GENERATION_SHIFT) + 1) & GENERATION_MASK) << GENERATION_SHIFT;
    this.words[at + Field.ticket] = -1;
    this.words[at + Field.nextBySource] = this.#free;
    this.#free = slot + 1;
  }

  #hashOf(found: number): number {
    const { words } = this;
    const at = (found >> 1) << RECORD_SHIFT;
    const tupleAt = at + (found & 1) * Field.replySource;
    const protocol = (word(words, at + Field.status) >>> PROTOCOL_SHIFT) & 0xff;
    return hash(word(words, tupleAt), word(words, tupleAt + 1), word(words, tupleAt + 2), protocol);
  }

  #link(found: number): void {
    const index = this.#index;
    const mask = index.length - 1;
    let place = this.#hashOf(found) & mask;
    while (word(index, place) !== 0) place = (place + 1) & mask;
    index[place] = found + 1;
    this.#entries += 1;
  }

  /** Takes an entry out and moves those behind it up, so that no gap breaks their chain. */
  #unlink(found: number): void {
    const index = this.#index;
    const mask = index.length - 1;
    let gap = this.#hashOf(found) & mask;
    while (word(index, gap) !== found + 1) gap = (gap + 1) & mask;
    for (let place = (gap + 1) & mask; word(index, place) !== 0; place = (place + 1) & mask) {
      const home = this.#hashOf(word(index, place) - 1) & mask;
      // An entry may move to the gap unless its own place lies behind the gap.
      if (((place - home) & mask) < ((place - gap) & mask)) continue;
      index[gap] = word(index, place);
      gap = place;
    }
    index[gap] = 0;
    this.#entries -= 1;
  }

  #growIndex(): void {
    const before = this.#index;
    this.#index = new Int32Array(Math.max(FIRST_INDEX, before.length * 2));
    this.#entries = 0;
    for (let place = 0; place < before.length; place++) {
      const entry = word(before, place);
      if (entry !== 0) this.#link(entry - 1);
    }
    this.#growSources();
  }

  #growSources(): void {
    this.#sources = new Int32Array(this.#index.length / 4);
    for (let slot = 0; slot < this.#used; slot++) {
      const status = this.status(slot);
      if ((status & Status.confirmed) !== 0 && (status & Status.sourceNatDone) !== 0) this.#linkSource(slot);
    }
  }

  #sourcePlace(source: number, ports: number, protocol: number): number {
    return hash(source, 0, ports >>> 16, protocol) & (this.#sources.length - 1);
  }

  #linkSource(slot: number): void {
    const { words } = this;
    const at = slot << RECORD_SHIFT;
    const place = this.#sourcePlace(
      word(words, at + Field.originalSource),
      word(words, at + Field.originalPorts),
      this.protocol(slot),
    );
    const next = word(this.#sources, place);
    words[at + Field.nextBySource] = next;
    words[at + Field.previousBySource] = 0;
    if (next !== 0) words[((next - 1) << RECORD_SHIFT) + Field.previousBySource] = slot + 1;
    this.#sources[place] = slot + 1;
  }

  #unlinkSource(slot: number): void {
    const { words } = this;
    const at = slot << RECORD_SHIFT;
    const next = word(words, at + Field.nextBySource);
    const previous = word(words, at + Field.previousBySource);
    if (next !== 0) words[((next - 1) << RECORD_SHIFT) + Field.previousBySource] = previous;
    if (previous !== 0) {
      words[((previous - 1) << RECORD_SHIFT) + Field.nextBySource] = next;
      return;
    }
    const source = word(words, at + Field.originalSource);
    const ports = word(words, at + Field.originalPorts);
    this.#sources[this.#sourcePlace(source, ports, this.protocol(slot))] = next;
  }
}

function hash(source: number, destination: number, ports: number, protocol: number): number {
  let mixed =
    Math.imul(source, 0x9e3779b1) ^ Math.imul(destination, 0x85ebca77) ^ Math.imul(ports + protocol, 0xc2b2ae3d);
  mixed = Math.imul(mixed ^ (mixed >>> 15), 0x2c1b3c6d);
  return mixed ^ (mixed >>> 13);
}
