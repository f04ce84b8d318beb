import type { ReportData } from "../explain/index.ts";
import type { Filter } from "./rows.ts";

/** What an address of the page's names: a moment, and what was filtered. */
export interface Place {
  /** A moment's place in the report. */
  readonly moment: number;
  readonly filter: Filter;
}

/** `#t=306000&p=1`: the moment of packet `p` that is nearest to `t` nanoseconds; `c` and `q` are the filter's. */
export function readPlace(hash: string, data: ReportData): Place {
  const given = new URLSearchParams(hash.replace(/^#/, ""));
  const connection = Number(given.get("c"));
  const filter = {
    connection: data.connections[connection - 1] === undefined ? undefined : connection - 1,
    text: given.get("q") ?? "",
    showsArp: given.get("arp") === "1",
  };
  return { moment: nearest(data, given.get("t"), given.get("p")), filter };
}

function nearest({ moments, packets }: ReportData, time: string | null, lineage: string | null): number {
  const wanted = Number(time ?? Number.NaN);
  let best = firstOfConnection({ moments, packets });
  if (time === null || Number.isNaN(wanted)) {
    const first = moments.findIndex(({ packet }) => String(packets[packet]?.lineage) === lineage);
    return first < 0 ? best : first;
  }
  let distance = Number.POSITIVE_INFINITY;
  for (const [index, { time: at, packet }] of moments.entries()) {
    if (lineage !== null && String(packets[packet]?.lineage) !== lineage) continue;
    if (Math.abs(at - wanted) >= distance) continue;
    best = index;
    distance = Math.abs(at - wanted);
  }
  return best;
}

/** Where the reader begins: ARP comes first in every network, and explains the least. */
function firstOfConnection({ moments, packets }: Pick<ReportData, "moments" | "packets">): number {
  return Math.max(
    0,
    moments.findIndex(({ packet }) => packets[packet]?.connection !== undefined),
  );
}

/** The inverse of {@link readPlace}. */
export function formatPlace({ moment, filter }: Place, { moments, packets }: ReportData): string {
  const at = moments[moment];
  const parts = new URLSearchParams();
  if (at !== undefined) {
    parts.set("t", String(at.time));
    parts.set("p", String(packets[at.packet]?.lineage));
  }
  if (filter.connection !== undefined) parts.set("c", String(filter.connection + 1));
  if (filter.text !== "") parts.set("q", filter.text);
  if (filter.showsArp) parts.set("arp", "1");
  return `#${parts}`;
}
