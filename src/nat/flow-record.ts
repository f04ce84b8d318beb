/*
 * The layout of one connection in {@link FlowTable}: 32 words of 32 bits, two cache lines. Connections at rest would cost a few hundred bytes
 * as objects; a million of them must fit into the memory of a small machine (DESIGN.md §8).
 *
 * Addresses and sequence numbers are kept as signed words, as `Int32Array` gives them; `>>> 0` makes them what the wire says.
 */

export const RECORD_WORDS = 32;
/** Log2 of the words: `slot << RECORD_SHIFT` is where a record begins. */
export const RECORD_SHIFT = 5;

/** Word offsets within a record. `PORTS` holds a source port above a destination port; see tuple.ts for ICMP. */
export const Field = {
  originalSource: 0,
  originalDestination: 1,
  originalPorts: 2,
  replySource: 3,
  replyDestination: 4,
  replyPorts: 5,
  /** Bits of {@link Status}, with the protocol from bit 16 on and the slot's generation from bit 24 on. */
  status: 6,
  /** TCP's state, of tcp-states.ts. */
  tcpState: 7,
  /** A 64-bit float over two words: when the entry dies, in nanoseconds. */
  expires: 8,
  mark: 10,
  /** The interface MASQUERADE took its address from, numbered by {@link Netfilter}; 0 is none. */
  masqueradeInterface: 11,
  nextBySource: 12,
  previousBySource: 13,
  /** Place in the queue of records that no index knows. */
  ticket: 14,
  /** UDP: when the first packet came, in milliseconds. */
  firstSeen: 15,
  /** TCP's window in the original direction, then in the reply direction: {@link Window}. */
  windows: 16,
  /** TCP's last segment: {@link Last}. */
  last: 26,
} as const;

/** Offsets within one direction's window (`struct ip_ct_tcp_state`): five words. */
export const Window = { end: 0, maxEnd: 1, maxWindow: 2, maxAck: 3, flags: 4 } as const;
export const WINDOW_WORDS = 5;

/** Offsets behind {@link Field.last}: sequence, acknowledgment, end, window, then the small values packed. */
export const Last = { sequence: 0, acknowledgment: 1, end: 2, window: 3, kind: 4 } as const;

/** Bits of `Field.status`; the first ones are netfilter's IPS_ bits by meaning. */
export const Status = {
  seenReply: 1,
  assured: 2,
  confirmed: 4,
  sourceNat: 8,
  destinationNat: 16,
  sourceNatDone: 32,
  destinationNatDone: 64,
  dying: 128,
  fixedTimeout: 256,
  /** Only the reply tuple is in the index. */
  natClash: 512,
  /** Something changed that `conntrack -E` will tell of when the packet leaves. */
  changed: 1024,
} as const;

export const STATUS_MASK = 0xffff;
export const PROTOCOL_SHIFT = 16;
export const GENERATION_SHIFT = 24;
export const GENERATION_MASK = 15;

/** A word of a typed array at a place that is known to be inside it. */
export function word(words: Int32Array, at: number): number {
  return words[at] as number;
}
