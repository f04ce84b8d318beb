import type { GrowthPoint } from "./growth.ts";
import { formatFigure, type RowResult } from "./row.ts";

const WIDTHS = [17, 14, 16, 14, 14, 4] as const;

/** The table's first line. */
export const HEADER: string = line(["row", "unit", "target", "figure", "cold", "ok", "beside"]);

/** A row of the table. */
export function formatRow(row: RowResult): string {
  const { name, unit, target, figure, cold, ok, beside } = row;
  return line([name, unit, target, formatFigure(figure), formatFigure(cold), ok ? "yes" : "NO", beside]);
}

/** A point of a growth curve. */
export function formatGrowth(point: GrowthPoint): string {
  const { curve, at, unit, figure, relative, residentMb } = point;
  const place = `${curve} ${at.toLocaleString("en-US")}`;
  return line([
    place,
    unit,
    "",
    formatFigure(figure),
    "",
    "",
    `× ${relative.toFixed(2)}, ${residentMb.toFixed(0)} MB resident`,
  ]);
}

function line(cells: readonly string[]): string {
  return `${cells
    .map((cell, i) => cell.padEnd(WIDTHS[i] ?? 0))
    .join("  ")
    .trimEnd()}\n`;
}
