import { trackedEntry } from "./build-connection.ts";
import type { ReportPacket, TrackedChange, TrackedLife } from "./report-data.ts";
import type { PacketRecord, TrackingRecord } from "./report-reader.ts";

interface OpenLife {
  readonly life: Omit<TrackedLife, "changes" | "ended" | "refreshed">;
  readonly changes: TrackedChange[];
  ended: number | undefined;
}

/** What lines of a report's packets are found by. */
export interface TrackedPackets {
  readonly packets: readonly ReportPacket[];
  /** The number of a packet in the report. */
  readonly numberOf: (packet: PacketRecord) => number | undefined;
  /** The box of a place on a packet's way. */
  readonly boxOf: (hop: number) => string | undefined;
}

/** The lives of the lines in all boxes' tables of connections, from what connection tracking said. */
export function trackedLives(records: readonly TrackingRecord[], about: TrackedPackets): TrackedLife[] {
  const lives: OpenLife[] = [];
  const open = new Map<string, OpenLife>();
  for (const record of records.toSorted((one, other) => one.time - other.time)) {
    const { protocol, original, reply, change } = readLine(record, about);
    const key = `${record.box} ${protocol} ${original.source} ${original.destination} ${idOf(record.text)}`;
    const known = record.change === "NEW" ? undefined : open.get(key);
    if (record.change === "DESTROY") {
      if (known !== undefined) known.ended = record.time;
      open.delete(key);
    } else if (known !== undefined) known.changes.push(change);
    else {
      const connection = change.packet === undefined ? undefined : about.packets[change.packet]?.connection;
      const life = { box: record.box, protocol, original, reply, ...(connection !== undefined && { connection }) };
      const begun = { life, changes: [change], ended: undefined };
      lives.push(begun);
      open.set(key, begun);
    }
  }
  const passages = passagesOf(about);
  return lives.map(({ life, changes, ended }) => ({
    ...life,
    changes,
    refreshed: refreshes(passages.get(`${life.connection} ${life.box}`) ?? [], changes, ended),
    ...(ended !== undefined && { ended }),
  }));
}

/** Echoes differ by their identifier alone. */
function idOf(text: string): string {
  return / id=(\d+)/.exec(text)?.[1] ?? "";
}

function readLine(
  record: TrackingRecord,
  about: TrackedPackets,
): Pick<TrackedLife, "protocol" | "original" | "reply"> & { readonly change: TrackedChange } {
  const { original, reply } = trackedEntry(record);
  const [protocol = "", , timeout = "", state = ""] = record.text.split(/ +/);
  const packet = record.packet === undefined ? undefined : about.numberOf(record.packet);
  const change = {
    time: record.time,
    ...(/^[A-Z]/.test(state) && { state }),
    timeout: /^\d+$/.test(timeout) ? Number(timeout) : 0,
    replied: !record.text.includes("[UNREPLIED]"),
    assured: record.text.includes("[ASSURED]"),
    ...(packet !== undefined && { packet }),
  };
  return { protocol: protocol.toUpperCase(), original, reply, change };
}

/** When packets of a connection passed a box, by both. ICMP errors begin no entry's time anew. */
function passagesOf({ packets, boxOf }: TrackedPackets): ReadonlyMap<string, number[]> {
  const passages = new Map<string, number[]>();
  for (const { connection, direction, way } of packets) {
    if (connection === undefined || direction === "error") continue;
    for (const { hop, time } of way) {
      const key = `${connection} ${boxOf(hop)}`;
      const known = passages.get(key);
      if (known === undefined) passages.set(key, [time]);
      else known.push(time);
    }
  }
  return passages;
}

function refreshes(passages: readonly number[], changes: readonly TrackedChange[], ended = Infinity): number[] {
  const began = changes[0]?.time ?? 0;
  const told = new Set(changes.map(({ time }) => time));
  return passages.filter((time) => time > began && time < ended && !told.has(time)).sort((one, other) => one - other);
}
