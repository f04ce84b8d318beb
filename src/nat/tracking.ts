import type { Packet } from "../netstack/index.ts";
import { GENERATION_MASK } from "./flow-record.ts";
import type { FlowTable } from "./flow-table.ts";

/*
 * What conntrack leaves with a packet, in `Packet.tracking`: nothing for a packet that was not looked at or is INVALID, {@link UNTRACKED}, or
 * one small integer that names the connection, its generation and the packet's part in it (`ctinfo`).
 */

/** NOTRACK was here. */
export const UNTRACKED = -1;

/** A packet's part in its connection; {@link REPLY_BIT} is added in the reply direction. */
export const Part = { established: 0, related: 1, new: 2 } as const;
export const REPLY_BIT = 4;

export function trackingOf(slot: number, generation: number, part: number): number {
  return (slot << 7) | (generation << 3) | part;
}

export function slotOf(tracking: number): number {
  return tracking >>> 7;
}

/** Without the direction. */
export function partOf(tracking: number): number {
  return tracking & 3;
}

/** 0 for the original direction, 1 for the reply's. */
export function directionOf(tracking: number): number {
  return (tracking >> 2) & 1;
}

/** The packet's tracking if its connection is still there; -1 ({@link UNTRACKED}) or `undefined` otherwise. */
export function trackingIn(packet: Packet, table: FlowTable): number | undefined {
  const { tracking } = packet;
  if (typeof tracking !== "number") return undefined;
  if (tracking < 0) return tracking;
  const slot = tracking >>> 7;
  return table.generation(slot) === ((tracking >> 3) & GENERATION_MASK) ? tracking : undefined;
}

/** What `--ctstate` calls the packet, the states SNAT and DNAT aside. */
export function describeState(
  tracking: number | undefined,
): "INVALID" | "UNTRACKED" | "ESTABLISHED" | "RELATED" | "NEW" {
  if (tracking === undefined) return "INVALID";
  if (tracking < 0) return "UNTRACKED";
  const part = partOf(tracking);
  if (part === Part.established) return "ESTABLISHED";
  return part === Part.related ? "RELATED" : "NEW";
}

/** What a protocol's tracker says of a packet. */
export const Outcome = {
  accept: 0,
  /** The packet gets no connection. */
  invalid: 1,
  /** The entry was an old connection's and is gone: look the packet up again. */
  repeat: 2,
  /** The connection ended with this packet, which is still part of it. */
  ended: 3,
} as const;
