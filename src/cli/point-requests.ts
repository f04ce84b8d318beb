/*
 * What is said through the socket of a running network: one line of JSON from whoever asks, then the answer. Asked for its points, a network answers with a
 * line of JSON; asked for packets, with a pcapng stream, or a line of JSON that says why not. The two differ in their first byte.
 */

/** What can be asked. Packets are those of all points when none is named; the filter is a display filter as `--filter` takes it. */
export type PointRequest =
  | { readonly want: "points" }
  | { readonly want: "packets"; readonly point?: string; readonly filter?: string };

/** The answer to who asks for the points. */
export interface PointList {
  readonly scenario: string;
  readonly points: readonly string[];
}

/** No request is longer, and no list of points either. */
export const LONGEST_REQUEST: number = 16 * 1024;
export const LONGEST_LIST: number = 4 * 1024 * 1024;
/** The first byte of an answer in JSON; a pcapng stream begins with 0x0a. */
export const JSON_BEGINS = 0x7b;

/** Undefined when it is no request. */
export function parseRequest(line: string): PointRequest | undefined {
  const { want, point, filter } = readObject(line);
  if (want === "points") return { want };
  if (want !== "packets" || !isTextOrNone(point) || !isTextOrNone(filter)) return undefined;
  return { want, ...(point !== undefined && { point }), ...(filter !== undefined && { filter }) };
}

/** Undefined when it is no list. */
export function parsePointList(line: string): PointList | undefined {
  const { scenario, points } = readObject(line);
  if (typeof scenario !== "string" || !Array.isArray(points)) return undefined;
  return { scenario, points: points.filter((point) => typeof point === "string") };
}

/** The reason for which packets are refused. */
export function parseRefusal(line: string): string | undefined {
  const { error } = readObject(line);
  return typeof error === "string" ? error : undefined;
}

function isTextOrNone(value: unknown): value is string | undefined {
  return value === undefined || typeof value === "string";
}

function readObject(line: string): Readonly<Record<string, unknown>> {
  try {
    const value: unknown = JSON.parse(line);
    return typeof value === "object" && value !== null ? { ...value } : {};
  } catch {
    return {};
  }
}
