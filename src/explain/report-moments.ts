import type { StoryHop } from "./packet-story.ts";
import type { ReportMoment } from "./report-data.ts";
import type { PacketRecord, Sighting } from "./report-reader.ts";

/** What a packet's moments are told with. */
export interface MomentSurroundings {
  /** The packet's number in the report. */
  readonly number: number;
  readonly networks: ReadonlySet<string>;
  /** Where in the packet's way a passage through a box is; `undefined` where the box did nothing with it. */
  readonly place: (hop: StoryHop | undefined) => number | undefined;
}

/**
 * A packet's ways from box to box: what arrives somewhere is, byte for byte, what the latest other box has sent. Networks are no boxes here: they carry.
 */
export function momentsOf(packet: PacketRecord, about: MomentSurroundings): ReportMoment[] {
  const seen = packet.sightings.toSorted((one, other) => one.time - other.time);
  const atBoxes = seen.filter(({ box }) => !about.networks.has(box));
  const carried = seen.filter(({ box, kind }) => kind === "sent" && about.networks.has(box));
  const matched = new Set<Sighting>();
  const moments: ReportMoment[] = [];
  for (const arrival of atBoxes.filter((each) => isFromOutside(each, atBoxes))) {
    const sent = atBoxes.findLast((each) => isSameWay(each, arrival));
    if (sent === undefined) continue;
    matched.add(sent);
    // A copy of a flooded frame that its receiver had no use for.
    if (arrival.hop !== undefined && !packet.story.hops.some((hop) => hop === arrival.hop)) continue;
    moments.push(wayBetween(sent, arrival, { ...about, carried }));
  }
  const lost = packet.story.hops.find(({ box }) => box.startsWith("link "))?.end;
  for (const sent of atBoxes) {
    if (sent.kind !== "sent" || matched.has(sent) || isInside(sent, atBoxes)) continue;
    // A broadcast also goes to where nobody is any more.
    if (packet.owner === undefined) continue;
    moments.push({ ...departure(sent, about), ...(lost?.kind === "dropped" && { lost: lost.reason }) });
  }
  return moments.length === 0 ? unsent(packet, about) : moments;
}

/** A frame that a box's bridge hands on to the box itself has come in before, by another interface. */
function isFromOutside(arrival: Sighting, all: readonly Sighting[]): boolean {
  if (arrival.kind !== "arrived") return false;
  const before = all.slice(0, all.indexOf(arrival));
  const inside = before.find((each) => each.kind === "arrived" && each.hop === arrival.hop);
  return inside === undefined || inside.interface === arrival.interface || inside.frame !== arrival.frame;
}

function isSameWay(sent: Sighting, arrival: Sighting): boolean {
  if (sent.kind !== "sent" || sent.frame !== arrival.frame || sent.time >= arrival.time) return false;
  return sent.box !== arrival.box || sent.interface === arrival.interface;
}

/** What leaves a box by its bridge leaves it once more, by the bridge's port. */
function isInside(sent: Sighting, all: readonly Sighting[]): boolean {
  return all.some(
    (each) =>
      each.kind === "sent" && each.hop === sent.hop && each.time > sent.time && each.interface !== sent.interface,
  );
}

function departure(sent: Sighting, { number, place }: MomentSurroundings): ReportMoment {
  const leaves = place(sent.hop);
  const { time, box, frame } = sent;
  return { time, packet: number, from: box, out: sent.interface, frame, ...(leaves !== undefined && { leaves }) };
}

function wayBetween(
  sent: Sighting,
  arrival: Sighting,
  about: MomentSurroundings & { readonly carried: readonly Sighting[] },
): ReportMoment {
  const enters = about.place(arrival.hop);
  const end = `${arrival.box}/${arrival.interface}`;
  const via = about.carried.findLast(
    (each) => each.interface === end && each.time < arrival.time && each.frame === arrival.frame,
  )?.box;
  return {
    ...departure(sent, about),
    to: arrival.box,
    in: arrival.interface,
    arrived: arrival.time,
    ...(via !== undefined && { via }),
    ...(enters !== undefined && { enters }),
  };
}

/** A packet that ended where it began. */
function unsent({ story }: PacketRecord, { number, place }: MomentSurroundings): ReportMoment[] {
  const [hop] = story.hops;
  if (hop?.end === undefined) return [];
  const leaves = place(hop);
  return [{ time: hop.time, packet: number, from: hop.box, ...(leaves !== undefined && { leaves }) }];
}
