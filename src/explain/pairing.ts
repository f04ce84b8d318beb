import type { CapturedInterface, CapturedPacket } from "../pcap/index.ts";
import { type CapturedFields, cookedHeader, keptByAll, readFields } from "./captured-fields.ts";

/** One capture's packets, and what to call its points that have no name. */
export interface NamedCapture {
  readonly name: string;
  readonly packets: readonly CapturedPacket[];
  readonly interfaces: readonly CapturedInterface[];
}

/** One record of a packet. */
export interface Sighting {
  readonly point: string;
  readonly record: CapturedPacket;
  readonly fields: CapturedFields;
  /** Whether other points may be behind this one. */
  readonly isOneForMany: boolean;
}

/** One packet, wherever it was captured, in order of time. */
export interface PairedPacket {
  /** The lineage that the capture tells; `undefined` for a packet that was paired by what it holds. */
  readonly id: bigint | undefined;
  readonly sightings: Sighting[];
}

export interface Pairing {
  readonly packets: readonly PairedPacket[];
  /** Records that hold no IPv4 packet. */
  readonly others: number;
}

/** Between two records of one packet no more time passes than this. */
const LONGEST_WAY = 5_000_000_000n;

/**
 * Finds out which records are of one packet: by the packet's id where the capture has it, else by what no address translation changes. A router takes from the TTL,
 * nobody adds to it, and no packet is seen twice alike at one point: what would be, is a repetition.
 */
export function pairPackets(captures: readonly NamedCapture[]): Pairing {
  const records = inOrder(captures);
  const kept = keptByAll(records.map(({ record }) => record));
  const byId = new Map<string, PairedPacket>();
  const byContent = new Map<string, PairedPacket[]>();
  const packets: PairedPacket[] = [];
  let others = 0;
  for (const { capture, record } of records) {
    const fields = readFields(record, kept);
    if (fields === undefined) {
      others += 1;
      continue;
    }
    const sighting = sightingOf(record, capture, fields);
    const id = record.packetId;
    const known = id === undefined ? findByContent(byContent, sighting) : byId.get(`${capture.name} ${id}`);
    if (known !== undefined) {
      known.sightings.push(sighting);
      continue;
    }
    const packet = { id, sightings: [sighting] };
    packets.push(packet);
    if (id !== undefined) byId.set(`${capture.name} ${id}`, packet);
    else remember(byContent, fields.content, packet);
  }
  return { packets, others };
}

/** By time, records without one after those before them in their file. */
function inOrder(captures: readonly NamedCapture[]): { capture: NamedCapture; record: CapturedPacket; time: bigint }[] {
  const all = captures.flatMap((capture) => {
    let time = 0n;
    return capture.packets.map((record) => {
      time = record.time ?? time;
      return { capture, record, time };
    });
  });
  return all.sort((one, other) => (one.time < other.time ? -1 : one.time > other.time ? 1 : 0));
}

/** On one interface that stands for many, as `any` does, the link's own header tells which one it was. */
function sightingOf(record: CapturedPacket, { name, interfaces }: NamedCapture, fields: CapturedFields): Sighting {
  const { interface: source } = record;
  const cooked = cookedHeader(record);
  const direction = record.direction ?? cooked.direction;
  const title = source.name ?? source.description ?? name;
  // Files that were merged may have several without a name.
  const isOneOfMany = source.name === undefined && interfaces.length > 1;
  const number = cooked.interface ?? (isOneOfMany ? interfaces.indexOf(source) : undefined);
  return {
    point: number === undefined ? title : `${title} interface ${number}`,
    record: direction === record.direction ? record : { ...record, direction },
    fields,
    isOneForMany: source.name === undefined && number === undefined,
  };
}

/** The latest packet that the record may be of. */
function findByContent(known: ReadonlyMap<string, PairedPacket[]>, sighting: Sighting): PairedPacket | undefined {
  return known.get(sighting.fields.content)?.findLast(({ sightings }) => {
    const last = sightings.at(-1);
    return last !== undefined && mayFollow(last, sighting) && !sightings.some((each) => isAlike(each, sighting));
  });
}

function mayFollow(last: Sighting, next: Sighting): boolean {
  const [before, after] = [last.record.time, next.record.time];
  if (before !== undefined && after !== undefined && after - before > LONGEST_WAY) return false;
  return next.fields.seen.header.ttl <= last.fields.seen.header.ttl;
}

/** One interface of a capture without names may stand for many, as with `tcpdump -i any`: there a repetition is what comes later than that. */
const REPETITION = 50_000_000n;

function isAlike(one: Sighting, other: Sighting): boolean {
  const [before, after] = [one.record.time, other.record.time];
  if (other.isOneForMany && before !== undefined && after !== undefined && after - before < REPETITION) return false;
  if (one.point !== other.point || one.record.direction !== other.record.direction) return false;
  const names = ["source", "destination", "source port", "destination port", "TTL"] as const;
  return names.every((name) => one.fields.values.get(name) === other.fields.values.get(name));
}

/** Packets of one content that are looked through; of more the oldest are forgotten. */
const ALIKE_LIMIT = 16;

function remember(known: Map<string, PairedPacket[]>, content: string, packet: PairedPacket): void {
  const alike = known.get(content) ?? [];
  alike.push(packet);
  if (alike.length > ALIKE_LIMIT) alike.shift();
  known.set(content, alike);
}
