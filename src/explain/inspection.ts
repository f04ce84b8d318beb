import { type CaptureFileError, readCapture } from "../pcap/index.ts";
import type { FieldName } from "./captured-fields.ts";
import type { FlowText } from "./explanation.ts";
import { type Flow, formatEnd, protocolName } from "./flow.ts";
import { FlowBook, type View } from "./flow-book.ts";
import { describeIcmpError } from "./icmp-words.ts";
import { type PairedPacket, pairPackets, type Sighting } from "./pairing.ts";

/** A capture file to be inspected. */
export interface CaptureBytes {
  readonly name: string;
  readonly bytes: Uint8Array;
}

/** What a capture shows: docs/json.md describes it, as `--json` prints it. */
export interface Inspection {
  readonly files: readonly InspectedFile[];
  /** How records were found to be of one packet. */
  readonly pairedBy: "lineage" | "content" | "both" | "nothing";
  readonly points: readonly string[];
  readonly connections: readonly InspectedConnection[];
  /** Records that hold no IPv4 packet. */
  readonly others: number;
}

/** A capture file that was read, as far as it could be. */
export interface InspectedFile {
  readonly name: string;
  readonly format: "pcapng" | "pcap";
  readonly records: number;
  /** Where and why reading stopped before the end. */
  readonly error?: CaptureFileError;
}

/** One connection as a capture shows it, with the ways its packets took. */
export interface InspectedConnection {
  readonly number: number;
  readonly protocol: string;
  readonly asked: FlowText;
  readonly ways: readonly InspectedWay[];
}

/** Packets of a connection that were seen at the same points with the same changes. */
export interface InspectedWay {
  readonly direction: "original" | "reply" | "error";
  /** Their numbers: the lineage where the capture tells it, else in the order in which they were first seen. */
  readonly packets: readonly number[];
  /** What the first one is, in words. */
  readonly what: string;
  /** Seconds since the capture's first record, of the first one; absent when it has no time. */
  readonly time?: number;
  readonly from: FlowText;
  readonly hops: readonly InspectedHop[];
}

/** A packet at one capture point, and what differs from the point before. */
export interface InspectedHop {
  readonly point: string;
  readonly direction?: "in" | "out";
  readonly changes: readonly { readonly field: FieldName; readonly from: string; readonly to: string }[];
  /** What the capture says about the record. */
  readonly comments: readonly string[];
}

/** Which packets are inspected. */
export interface InspectOptions {
  /** Which records count: a packet is shown if one of its records does. */
  readonly filter?: (sighting: Sighting) => boolean;
}

interface Traced {
  readonly number: number;
  readonly packet: PairedPacket;
  readonly direction: InspectedWay["direction"];
}

interface Owner {
  readonly asked: Flow;
  readonly syn: string | undefined;
  readonly packets: Traced[];
}

/** Reads captures, pairs the records of each packet and says what changed from one to the next. Never throws for what the bytes are. */
export function inspectCaptures(captures: readonly CaptureBytes[], { filter }: InspectOptions = {}): Inspection {
  const read = captures.map(({ name, bytes }) => ({ name, ...readCapture(bytes) }));
  const { packets, others } = pairPackets(read);
  const wanted = filter === undefined ? packets : packets.filter(({ sightings }) => sightings.some(filter));
  const start = read.flatMap((file) => file.packets.map(({ time }) => time)).find((time) => time !== undefined);
  return {
    files: read.map(({ name, format, packets: records, error }) => ({
      name,
      format,
      records: records.length,
      ...(error && { error }),
    })),
    pairedBy: pairedBy(packets),
    points: [...new Set(packets.flatMap(({ sightings }) => sightings.map(({ point }) => point)))],
    connections: sortIntoConnections(wanted).map((owner, index) => buildConnection(owner, index + 1, start ?? 0n)),
    others,
  };
}

function pairedBy(packets: readonly PairedPacket[]): Inspection["pairedBy"] {
  const paired = packets.filter(({ sightings }) => sightings.length > 1);
  const byId = paired.some(({ id }) => id !== undefined);
  const byContent = paired.some(({ id }) => id === undefined);
  if (byId && byContent) return "both";
  return byId ? "lineage" : byContent ? "content" : "nothing";
}

function sortIntoConnections(packets: readonly PairedPacket[]): Owner[] {
  const book = new FlowBook<Owner>();
  const owners: Owner[] = [];
  const fragmented = new Map<string, View<Owner>>();
  packets.forEach((packet, index) => {
    const [first] = packet.sightings;
    if (first === undefined) return;
    const { seen } = first.fields;
    const isLaterFragment = seen.header.fragmentOffset > 0;
    const found = (isLaterFragment ? fragmented.get(fragmentKey(first)) : undefined) ?? findOwner(book, packet);
    const isSyn = first.fields.values.get("flags") === "S";
    const isAnew = isSyn && found !== undefined && found.owner.syn !== first.fields.values.get("seq");
    const view = found === undefined || isAnew ? { owner: newOwner(first), direction: "original" as const } : found;
    if (view !== found) owners.push(view.owner);
    const direction = seen.error === undefined ? view.direction : "error";
    if (seen.header.moreFragments && !isLaterFragment)
      for (const sighting of packet.sightings) fragmented.set(fragmentKey(sighting), view);
    view.owner.packets.push({ number: packet.id === undefined ? index + 1 : Number(packet.id), packet, direction });
    if (direction !== "error" && !isLaterFragment)
      for (const { point, fields } of packet.sightings) book.add(point, fields.seen.flow, view);
  });
  return owners;
}

/** What a packet's fragments have in common at one point, RFC 791 §3.2; only the first one has ports. */
function fragmentKey({ point, fields }: Sighting): string {
  const { protocol, source, destination, identification } = fields.seen.header;
  return `${point} ${protocol} ${source} ${destination} ${identification}`;
}

function newOwner({ fields }: Sighting): Owner {
  const isSyn = fields.values.get("flags") === "S";
  return { asked: fields.seen.flow, syn: isSyn ? fields.values.get("seq") : undefined, packets: [] };
}

/** By any point at which something of the connection has been seen; an ICMP error by what it quotes. */
function findOwner(book: FlowBook<Owner>, { sightings }: PairedPacket): ReturnType<FlowBook<Owner>["find"]> {
  for (const { point, fields } of sightings) {
    const found = book.find(point, fields.seen.error?.quoted ?? fields.seen.flow);
    if (found !== undefined) return found;
  }
  return undefined;
}

function buildConnection({ asked, packets }: Owner, number: number, start: bigint): InspectedConnection {
  const ways = new Map<string, Traced[]>();
  for (const each of packets) {
    const key = `${each.direction} ${JSON.stringify(hopsOf(each.packet).map((hop) => ({ ...hop, comments: [] })))}`;
    const alike = ways.get(key);
    if (alike === undefined) ways.set(key, [each]);
    else alike.push(each);
  }
  return {
    number,
    protocol: protocolName(asked.protocol),
    asked: flowText(asked),
    ways: [...ways.values()].flatMap((alike) => buildWay(alike, start)),
  };
}

function buildWay(alike: readonly Traced[], start: bigint): InspectedWay[] {
  const [first] = alike;
  const [seen] = first?.packet.sightings ?? [];
  if (first === undefined || seen === undefined) return [];
  const { time } = seen.record;
  return [
    {
      direction: first.direction,
      packets: alike.map(({ number }) => number),
      what: describeSighting(seen),
      ...(time !== undefined && { time: Number(time - start) / 1e9 }),
      from: flowText(seen.fields.seen.flow),
      hops: hopsOf(first.packet),
    },
  ];
}

function hopsOf({ sightings }: PairedPacket): InspectedHop[] {
  return sightings.map((sighting, index) => {
    const before = sightings[index - 1];
    const { direction, comments } = sighting.record;
    return {
      point: sighting.point,
      ...(direction !== undefined && { direction }),
      changes: before === undefined ? [] : changesBetween(before, sighting),
      comments,
    };
  });
}

function changesBetween(before: Sighting, after: Sighting): InspectedHop["changes"] {
  const names = new Set([...before.fields.values.keys(), ...after.fields.values.keys()]);
  return [...names].flatMap((field) => {
    const [from, to] = [before.fields.values.get(field) ?? "none", after.fields.values.get(field) ?? "none"];
    return from === to ? [] : [{ field, from, to }];
  });
}

function describeSighting({ fields }: Sighting): string {
  const { seen, values } = fields;
  if (seen.error !== undefined) return describeIcmpError(seen.error.type, seen.error.code);
  const flags = values.get("flags");
  if (flags !== undefined) return `[${flags}] seq ${values.get("seq")}`;
  return `${values.get("ICMP") ?? protocolName(seen.flow.protocol)}, ${values.get("length")} bytes`;
}

function flowText(flow: Flow): FlowText {
  return { source: formatEnd(flow, "source"), destination: formatEnd(flow, "destination") };
}
