import type { ReportData, ReportFrame, ReportMoment, ReportPacket } from "../explain/index.ts";

/** A time since the run's start in seconds, to the microsecond: what happens in one box lies no closer together. */
export function formatTime(nanoseconds: number): string {
  return `${(nanoseconds / 1e9).toFixed(6)} s`;
}

/** How long something took, in the unit that suits it. */
export function formatSpan(nanoseconds: number): string {
  if (nanoseconds >= 59.95e9) return `${round(nanoseconds / 60e9)} min`;
  if (nanoseconds >= 999.5e6) return `${round(nanoseconds / 1e9)} s`;
  if (nanoseconds >= 999.5e3) return `${round(nanoseconds / 1e6)} ms`;
  return `${round(nanoseconds / 1e3)} µs`;
}

function round(value: number): string {
  return String(Math.round(value * 10) / 10);
}

/** The frame that is under way at a moment. */
export function frameAt(data: ReportData, moment: ReportMoment): ReportFrame | undefined {
  return moment.frame === undefined ? undefined : data.frames[moment.frame];
}

/** The packet that a moment is about. */
export function packetAt(data: ReportData, moment: ReportMoment): ReportPacket | undefined {
  return data.packets[moment.packet];
}

/** What is under way, in few words. */
export function whatAt(data: ReportData, moment: ReportMoment): string {
  return frameAt(data, moment)?.what ?? packetAt(data, moment)?.what ?? "";
}

/** A long name in lines of about `width` characters, cut where its parts end. */
export function wrapName(name: string, width: number): string[] {
  const lines: string[] = [];
  let line = "";
  for (const part of name.match(/[^-./]+[-./]?|[-./]/g) ?? [name]) {
    if (line !== "" && line.length + part.length > width) {
      lines.push(line);
      line = "";
    }
    line += part;
  }
  if (line !== "") lines.push(line);
  return lines.flatMap((each) =>
    each.length > width + 3 ? (each.match(new RegExp(`.{1,${width}}`, "g")) ?? [each]) : [each],
  );
}

/** `1 packet`, `2 packets`. */
export function count(number: number, what: string): string {
  return `${number} ${what}${number === 1 ? "" : "s"}`;
}
