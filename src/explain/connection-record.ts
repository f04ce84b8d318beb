import { type Flow, invertFlow, isSameFlow } from "./flow.ts";
import { type PacketStory, type StoryChange, type StoryEnd, type StoryHop, sideOf } from "./packet-story.ts";

export type Direction = "original" | "reply" | "error";

/** A change, with how many packets of its journey had it, and in how many of them a rule set it up. */
export interface CountedChange {
  readonly change: StoryChange;
  packets: number;
  byRule: number;
}

export interface RecordedHop extends Omit<StoryHop, "changes"> {
  readonly changes: CountedChange[];
}

/** Packets of one direction that passed the same boxes, were rewritten alike and ended alike. */
export interface RecordedJourney {
  readonly direction: Direction;
  /** Its first packet. */
  readonly story: PacketStory;
  readonly isReset: boolean;
  readonly hops: readonly RecordedHop[];
  packets: number;
}

/** The other one of two connections that a program in the middle joins. */
export interface Joined {
  /** The other is the client's that the program took, or the one to a backend that the program opened for it. */
  readonly side: "client" | "backend";
  readonly other: ConnectionRecord;
  readonly box: string;
  readonly service: string;
  readonly backend: string;
}

/** A connection as it is put together from its packets' stories. */
export interface ConnectionRecord {
  /** The step in which it began. */
  readonly step: number;
  /** In its step, from 1. */
  readonly number: number;
  readonly opener: string;
  readonly asked: Flow;
  readonly journeys: Map<string, RecordedJourney>;
  /** Conntrack's latest line, by box and the original tuple. */
  readonly entries: Map<string, { readonly box: string; readonly text: string }>;
  readonly joined: Joined[];
  /** False for one of too many: only its packets are known as its. */
  readonly isTold: boolean;
}

const TCP_RESET = 4;

/** Adds a packet whose story is over. */
export function addStory(connection: ConnectionRecord, direction: Direction, story: PacketStory): void {
  for (const entry of story.entries) connection.entries.set(`${entry.box} ${tupleKey(entry.text)}`, entry);
  if (story.hops.length === 0) return;
  const isReset = ((story.packet?.tcpFlags ?? 0) & TCP_RESET) !== 0;
  const key = `${direction} ${isReset} ${story.hops.map(hopKey).join(" | ")}`;
  const known = connection.journeys.get(key);
  if (known === undefined) {
    const hops = story.hops.map((hop) => ({ ...hop, changes: hop.changes.map(counted) }));
    connection.journeys.set(key, { direction, story, isReset, hops, packets: 1 });
    return;
  }
  known.packets += 1;
  story.hops.forEach((hop, index) => {
    const same = known.hops[index];
    if (same !== undefined) for (const change of hop.changes) addChange(same.changes, change);
  });
}

function addChange(changes: CountedChange[], change: StoryChange): void {
  const key = changeKey(change);
  const known = changes.find((each) => changeKey(each.change) === key);
  if (known === undefined) {
    changes.push(counted(change));
    return;
  }
  known.packets += 1;
  known.byRule += change.cause.kind === "rule" ? 1 : 0;
}

/** A change of one packet. */
export function counted(change: StoryChange): CountedChange {
  return { change, packets: 1, byRule: change.cause.kind === "rule" ? 1 : 0 };
}

/** TTL, mark and MSS belong to a packet, not to its way. */
function hopKey(hop: StoryHop): string {
  const changes = hop.changes.filter(isAddressChange).map(changeKey);
  return `${hop.box} ${changes.join()} ${endKey(hop.end)}`;
}

export function isAddressChange(change: StoryChange): boolean {
  const side = change.fields[0] && sideOf(change.fields[0].field);
  return side === "source" || side === "destination";
}

function changeKey({ hook, quoted, fields }: StoryChange): string {
  return `${hook} ${quoted} ${fields.map(({ field, from, to }) => `${field} ${from} ${to}`).join()}`;
}

function endKey(end: StoryEnd | undefined): string {
  if (end?.kind !== "dropped") return end?.kind ?? "";
  return `${end.reason} ${end.rule?.chain} ${end.rule?.number}`;
}

function tupleKey(text: string): string {
  return text.match(/src=\S+ dst=\S+(?: sport=\d+ dport=\d+| type=\d+ code=\d+ id=\d+)?/)?.[0] ?? text;
}

/** True when an answer reached the opener as one to what it asked. */
export function isAnswerTo(connection: ConnectionRecord, hop: Pick<StoryHop, "box" | "after">): boolean {
  return (
    hop.box === connection.opener && hop.after !== undefined && isSameFlow(hop.after, invertFlow(connection.asked))
  );
}
