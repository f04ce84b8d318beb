import type { ReportData } from "../explain/index.ts";

/** A header's field before and after a box. */
export interface HeaderRow {
  readonly layer: string;
  readonly name: string;
  readonly before: string | undefined;
  readonly after: string | undefined;
  /** `rewritten` is what NAT does; `forwarded` what every router does: TTL, checksums, MAC addresses. */
  readonly change: "none" | "forwarded" | "rewritten";
  readonly beforeAt: ByteRange | undefined;
  readonly afterAt: ByteRange | undefined;
}

export interface ByteRange {
  readonly at: number;
  readonly length: number;
}

interface Field extends ByteRange {
  readonly layer: string;
  readonly name: string;
  readonly value: string;
}

/** Changed on every hop, by every router. */
const FORWARDING = /^(?:TTL|Header checksum|Checksum)$/;

/** The fields of a packet as it came and as it left, side by side. */
export function headerRows(data: ReportData, before: number | undefined, after: number | undefined): HeaderRow[] {
  const [first, second] = [rawFields(data, before), rawFields(data, after)];
  const [came, left] = [byName(carriedAs(first, second)), byName(carriedAs(second, first))];
  const isPassing = came.size > 0 && left.size > 0;
  const keys = [...new Set([...came.keys(), ...left.keys()])];
  const byKey = new Map([...came, ...left]);
  return keys.flatMap((key) => {
    const [one, other, any] = [came.get(key), left.get(key), byKey.get(key)];
    if (any === undefined) return [];
    const isSame = !isPassing || one?.value === other?.value;
    // A tunnel's own headers come and go; that is no rewriting.
    const isTunnels = one === undefined || other === undefined;
    const isForwarding = isTunnels || any.layer.startsWith("Ethernet") || FORWARDING.test(any.name);
    return [
      {
        layer: any.layer,
        name: any.name,
        before: one?.value,
        after: other?.value,
        change: isSame ? "none" : isForwarding ? "forwarded" : "rewritten",
        beforeAt: one,
        afterAt: other,
      } as const,
    ];
  });
}

function rawFields(data: ReportData, number: number | undefined): Field[] {
  const frame = number === undefined ? undefined : data.frames[number];
  const layout = frame === undefined ? [] : (data.layouts[frame.layout] ?? []);
  return layout.map((field, index) => ({ ...field, value: frame?.values[index] ?? "" }));
}

/** A packet that goes into a tunnel, or comes out of one, is on the other side the one inside. */
function carriedAs(fields: readonly Field[], other: readonly Field[]): Field[] {
  const inside = new Set(other.map(({ layer }) => layer).filter((layer) => layer.endsWith(" inside")));
  const isTunnel = fields.some(({ layer }) => layer.endsWith(" inside"));
  return fields.map((field) => {
    const layer = `${field.layer} inside`;
    return isTunnel || !inside.has(layer) ? field : { ...field, layer };
  });
}

/** By layer, name and how many of that name came before. */
function byName(all: readonly Field[]): ReadonlyMap<string, Field> {
  const seen = new Map<string, number>();
  const fields = new Map<string, Field>();
  for (const field of all) {
    const name = `${field.layer} ${field.name}`;
    const times = (seen.get(name) ?? 0) + 1;
    seen.set(name, times);
    fields.set(`${name} ${times}`, field);
  }
  return fields;
}

/** The bytes of a frame. */
export function bytesOf(data: ReportData, number: number | undefined): Uint8Array {
  const text = number === undefined ? "" : (data.frames[number]?.bytes ?? "");
  return Uint8Array.from(text.match(/../g) ?? [], (pair) => Number.parseInt(pair, 16));
}

/** Which bytes belong to fields that were changed. */
export function changedBytes(
  rows: readonly HeaderRow[],
  which: "beforeAt" | "afterAt",
): ReadonlyMap<number, HeaderRow["change"]> {
  const places = new Map<number, HeaderRow["change"]>();
  for (const row of rows) {
    const range = row[which];
    if (row.change === "none" || range === undefined) continue;
    for (let at = range.at; at < range.at + range.length; at++) places.set(at, row.change);
  }
  return places;
}
