import type { Row } from "./rows.ts";
import { wrapName } from "./words.ts";

/** Where things stand in the ladder, in pixels. */
export interface LadderGeometry {
  readonly width: number;
  readonly height: number;
  /** Narrow: the words stand below the arrows instead of beside them. */
  readonly isNarrow: boolean;
  readonly laneStep: number;
  readonly headHeight: number;
  /** The lines of each lane's name; without, there is no room and names stand aslant. */
  readonly names: ReadonlyMap<string, readonly string[]> | undefined;
  /** The middle of each lane. */
  readonly lanes: ReadonlyMap<string, number>;
  readonly textAt: number;
  /** The top of each row. */
  readonly tops: readonly number[];
}

const NARROW = 720;
const TIME_WIDTH = 78;
const TEXT_WIDTH = 306;
const SHORTEST_LANE = 38;
/** From here on, names stand upright above their lanes. */
const UPRIGHT_LANE = 64;
const NAME_LINES = 4;
const CHARACTER = 6.5;

/** Rows of the ladder are of three heights. */
export function rowHeight(kind: Row["kind"], isNarrow: boolean): number {
  if (kind === "step") return 40;
  if (kind === "pause") return 26;
  return isNarrow ? 62 : 46;
}

/** Divides a width among time, lanes and words. */
export function geometryOf(rows: readonly Row[], lanes: readonly string[], available: number): LadderGeometry {
  const isNarrow = available < NARROW;
  const left = isNarrow ? 10 : TIME_WIDTH;
  const right = isNarrow ? 34 : TEXT_WIDTH;
  const laneStep = Math.min(210, Math.max(SHORTEST_LANE, (available - left - right) / Math.max(1, lanes.length)));
  const places = new Map(lanes.map((name, index) => [name, left + laneStep * (index + 0.5)]));
  const tops: number[] = [];
  let height = 0;
  for (const { kind } of rows) {
    tops.push(height);
    height += rowHeight(kind, isNarrow);
  }
  const textAt = isNarrow ? 12 : left + laneStep * lanes.length + 12;
  const width = Math.max(available, left + laneStep * lanes.length + right);
  const names = laneStep < UPRIGHT_LANE ? undefined : new Map(lanes.map((name) => [name, nameLines(name, laneStep)]));
  const most = Math.max(1, ...[...(names?.values() ?? [])].map(({ length }) => length));
  const headHeight = names === undefined ? 92 : 14 + most * 13;
  return {
    names,
    width,
    height,
    isNarrow,
    laneStep,
    headHeight,
    lanes: places,
    textAt,
    tops,
  };
}

function nameLines(name: string, laneStep: number): string[] {
  const lines = wrapName(name, Math.floor(laneStep / CHARACTER));
  return lines.length <= NAME_LINES ? lines : [...lines.slice(0, NAME_LINES - 2), "…", lines.at(-1) ?? ""];
}

/** A name for a place that has room for a dozen characters: its last part, which tells most. */
export function shortName(name: string): string {
  if (name.length <= 13) return name;
  const parts = name.split("-");
  let short = parts.pop() ?? "";
  for (let part = parts.pop(); part !== undefined && short.length + part.length < 11; part = parts.pop())
    short = `${part}-${short}`;
  return short.length > 13 ? `…${short.slice(-12)}` : `…${short}`;
}

/** The rows that are to be seen between two heights: from the first to before the last. */
export function rowsBetween({ tops }: LadderGeometry, from: number, to: number): readonly [number, number] {
  const first = Math.max(0, lowerBound(tops, from) - 1);
  return [first, lowerBound(tops, to)];
}

/** The first place whose value is at least `wanted`. */
function lowerBound(values: readonly number[], wanted: number): number {
  let [low, high] = [0, values.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((values[middle] ?? 0) < wanted) low = middle + 1;
    else high = middle;
  }
  return low;
}
