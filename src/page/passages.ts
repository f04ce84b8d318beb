import type { Change, JourneyHop, PacketPlace, ReportData, ReportMoment, ReportPacket } from "../explain/index.ts";
import { packetAt } from "./words.ts";

/** A packet's passage through a box, and where on its way it is. */
export interface Passage {
  readonly index: number;
  readonly place: PacketPlace;
  readonly hop: JourneyHop;
}

/** All passages of a moment's packet. */
export function passagesOf(data: ReportData, moment: ReportMoment): Passage[] {
  return (packetAt(data, moment)?.way ?? []).flatMap((place, index) => {
    const hop = data.hops[place.hop];
    return hop === undefined ? [] : [{ index, place, hop }];
  });
}

/** The box that the packet leaves. */
export function leaving(data: ReportData, moment: ReportMoment): Passage | undefined {
  return moment.leaves === undefined ? undefined : passagesOf(data, moment)[moment.leaves];
}

/** The box that the packet comes to. */
export function entering(data: ReportData, moment: ReportMoment): Passage | undefined {
  return moment.enters === undefined ? undefined : passagesOf(data, moment)[moment.enters];
}

/** The passage that has the most to tell at a moment: where the packet comes to, unless its sender already rewrote it. */
export function telling(data: ReportData, moment: ReportMoment): Passage | undefined {
  const left = leaving(data, moment);
  const isSenders = left !== undefined && moment.leaves === 0 && addressChanges(left.hop).length > 0;
  return isSenders ? left : (entering(data, moment) ?? left);
}

/** The changes that NAT is about. */
export function addressChanges(hop: JourneyHop): Change[] {
  return hop.changes.filter(({ side }) => side === "source" || side === "destination");
}

/** Why a packet ended in a box; `undefined` where it went on or arrived. */
export function dropIn(hop: JourneyHop | undefined): Extract<JourneyHop["end"], { kind: "dropped" }> | undefined {
  return hop?.end?.kind === "dropped" ? hop.end : undefined;
}

/** `DNAT`, `MASQUERADE`, …, as a reader knows them. Packets after the first are translated as connection tracking remembers. */
export function targetName(change: Change, direction: ReportPacket["direction"]): string {
  if (change.target === "conntrack") return direction === "original" ? "as remembered" : "translated back";
  return change.target === "clash" ? "port taken" : change.target;
}
