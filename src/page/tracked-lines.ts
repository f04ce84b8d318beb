import type { ReportData, ReportMoment, TrackedChange, TrackedLife } from "../explain/index.ts";

/** A line of a box's table of connections at a moment. */
export interface TrackedLine {
  readonly life: TrackedLife;
  readonly now: TrackedChange;
  /** Seconds that are left. */
  readonly left: number;
  /** The packet of the moment made or changed it. */
  readonly isFresh: boolean;
}

/** The tables of all boxes at a moment, by box. */
export function tablesAt(data: ReportData, moment: ReportMoment): ReadonlyMap<string, readonly TrackedLine[]> {
  const time = moment.arrived ?? moment.time;
  const tables = new Map<string, TrackedLine[]>();
  for (const life of data.tracking) {
    const line = lineAt(life, time, moment);
    if (line === undefined) continue;
    const known = tables.get(life.box);
    if (known === undefined) tables.set(life.box, [line]);
    else known.push(line);
  }
  return tables;
}

/** A life's line at a time; `undefined` before its first packet, and when it has ended or its time is over. */
export function lineAt(life: TrackedLife, time: number, moment?: ReportMoment): TrackedLine | undefined {
  const now = life.changes.findLast((change) => change.time <= time);
  if (now === undefined || (life.ended !== undefined && life.ended <= time)) return undefined;
  const touched = Math.max(now.time, life.refreshed.findLast((each) => each <= time) ?? 0);
  const remaining = now.timeout - (time - touched) / 1e9;
  if (remaining <= 0) return undefined;
  const isFresh = moment !== undefined && now.packet === moment.packet && now.time >= moment.time;
  // As `conntrack -L` rounds.
  return { life, now, left: Math.floor(remaining), isFresh };
}
