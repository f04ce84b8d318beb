import type { Direction } from "./captured-packet.ts";
import type { ByteSink } from "./chunk-writer.ts";
import { PcapFiles } from "./pcap-files.ts";
import {
  DEFAULT_START_DATE,
  type InterfaceDescription,
  type OutgoingPacket,
  PcapngWriter,
  type SectionInfo,
} from "./pcapng.ts";
import { MAX_VALUE_BYTES } from "./pcapng-format.ts";
import { type CapturableFrame, PendingRecords } from "./pending-records.ts";
import { PointSelection } from "./point-selection.ts";

/** What `record` returns for a frame that the point selection or the filter left out. */
export const NOT_RECORDED = 0;

const DEFAULT_MAX_PENDING = 8192;

/** Names one record, for `annotate`. */
export type RecordHandle = number;

/** A place where frames are captured: an interface of a node. */
export interface CapturePoint {
  readonly name: string;
  readonly linkType: number | undefined;
  /** The interface's number in the file; undefined when the point is not wanted. */
  readonly interfaceId: number | undefined;
}

/** What a capture point is, when it is declared. */
export type CapturePointDescription = Omit<InterfaceDescription, "filter" | "since" | "snapLength">;

/** Which frames are kept. `text` is the filter in words, for the file. */
export interface PacketFilter {
  readonly text: string;
  /** Whether a frame is kept. The bytes are valid during the call only. */
  readonly accepts: (bytes: Uint8Array, start: number, end: number, point: CapturePoint) => boolean;
}

/** One pcapng file, or one classic pcap file a point; or nothing is kept and packets are only counted. */
export type CaptureTarget =
  | { readonly format: "pcapng"; readonly sink: ByteSink; readonly section?: SectionInfo }
  | {
      readonly format: "pcap";
      /** Opens a point's file. */
      readonly sinkFor: (pointName: string) => ByteSink;
    }
  | { readonly format: "count" };

/** What is captured, and where it goes. Times are nanoseconds. */
export interface CaptureOptions {
  readonly target: CaptureTarget;
  /** The clock, in nanoseconds since the run's start: no frame will be recorded for a time before it. */
  readonly now: () => number;
  /** What time 0 is, in nanoseconds since 1970; `DEFAULT_START_DATE` when left out. */
  readonly startDate?: bigint;
  /** Capture at these points only: patterns such as `node2/*`. */
  readonly only?: readonly string[];
  readonly filter?: PacketFilter;
  /** Frames are cut off after so many bytes; 0, the default, keeps all. */
  readonly snapLength?: number;
  /** How many records may wait to be written; beyond that the oldest are written early. */
  readonly maxPending?: number;
  /** Whether whoever takes the bytes has fallen behind: frames are then counted as dropped instead of recorded, and the next record says how many. */
  readonly isBehind?: () => boolean;
}

/** What a capture has done so far. */
export interface CaptureCounters {
  readonly written: number;
  /** Frames left out because the taker was behind. */
  readonly missed: number;
  /** Records whose time had been written past; they carry the time of the record before them. */
  readonly late: number;
  /** Comments that came after their record was written, or did not fit. */
  readonly refusedComments: number;
}

interface CaptureWriter {
  addInterface(description: InterfaceDescription): number;
  writeNames(names: ReadonlyMap<number, readonly string[]>): void;
  writePacket(packet: OutgoingPacket): void;
  countUnwritten(interfaceId: number, why: "filtered" | "dropped"): void;
  flush(): void;
  close(time: number): void;
}

/**
 * Collects what the taps see and writes it in time order. A record waits until the clock has passed its time, since a box may
 * stamp a frame some µs ahead and what happens to a frame is known only after its arrival; until then it takes comments.
 */
export class Capture {
  /** Whether comments reach the file: for others nobody need make them. */
  readonly keepsComments: boolean;
  readonly #onlyCounts: boolean;
  readonly #writer: CaptureWriter;
  readonly #now: () => number;
  readonly #filter: PacketFilter | undefined;
  readonly #snapLength: number;
  readonly #selection: PointSelection;
  readonly #pending: PendingRecords;
  readonly #isBehind: (() => boolean) | undefined;
  readonly #points = new Map<string, CapturePoint>();
  readonly #names = new Map<number, string[]>();
  /** The addresses whose names have changed since names were last written. */
  readonly #renamed = new Set<number>();
  #writtenUntil = 0;
  #written = 0;
  #late = 0;
  #refusedComments = 0;
  #missed = 0;
  /** Of {@link #missed}, those that a record's comment has told of. */
  #toldMissed = 0;
  #finished = false;

  constructor(options: CaptureOptions) {
    this.#writer = createWriter(options.target, options.startDate ?? DEFAULT_START_DATE);
    this.keepsComments = options.target.format === "pcapng";
    this.#onlyCounts = options.target.format === "count";
    this.#now = options.now;
    this.#filter = options.filter;
    this.#isBehind = options.isBehind;
    this.#snapLength = options.snapLength ?? 0;
    this.#selection = new PointSelection(options.only);
    // One more than may stay, so that a new record finds its place before the oldest one leaves.
    this.#pending = new PendingRecords((options.maxPending ?? DEFAULT_MAX_PENDING) + 1);
  }

  /**
   * Declares a point; its interface block is written at once, whether or not it ever sees a frame. Declaring a name again, as for
   * a pod that comes back, gives the point that is there.
   */
  addPoint(description: CapturePointDescription): CapturePoint {
    const known = this.#points.get(description.name);
    if (known !== undefined) {
      if (known.linkType === description.linkType) return known;
      throw new RangeError(`Cannot add capture point ${description.name}: it is there with another link type`);
    }
    const point: CapturePoint = {
      name: description.name,
      linkType: description.linkType,
      interfaceId: this.#selection.selects(description.name) ? this.#addInterface(description) : undefined,
    };
    this.#points.set(point.name, point);
    return point;
  }

  /** Gives an address a name; its first one is displayed. Names known before the first frame stand before it in the file. */
  addName(address: number, name: string): void {
    const names = this.#names.get(address);
    if (names === undefined) this.#names.set(address, [name]);
    else if (names.includes(name)) return;
    else names.push(name);
    this.#renamed.add(address);
  }

  /** Copies a frame as it goes through a point. Without effect once the capture is finished. */
  record(point: CapturePoint, direction: Direction, frame: CapturableFrame): RecordHandle {
    const { interfaceId } = point;
    if (interfaceId === undefined || this.#finished) return NOT_RECORDED;
    const filter = this.#filter;
    if (filter !== undefined && !filter.accepts(frame.bytes, frame.start, frame.end, point)) {
      this.#writer.countUnwritten(interfaceId, "filtered");
      return NOT_RECORDED;
    }
    if (this.#onlyCounts) {
      this.#written += 1;
      return NOT_RECORDED;
    }
    this.advance(this.#now());
    if (this.#isBehind?.() === true) {
      this.#missed += 1;
      this.#writer.countUnwritten(interfaceId, "dropped");
      return NOT_RECORDED;
    }
    if (frame.at < this.#writtenUntil) this.#late += 1;
    const handle = this.#pending.add({ interfaceId, direction, time: Math.max(frame.at, this.#writtenUntil) }, frame);
    if (this.#missed > this.#toldMissed) this.#tellMissed(handle);
    if (this.#pending.isFull) this.#writeOldest();
    return handle;
  }

  /** Adds a line to a record's comment; false when the record is already written or was never made. */
  annotate(handle: RecordHandle, text: string): boolean {
    if (handle === NOT_RECORDED) return false;
    return this.#comment(this.#pending.find(handle), text);
  }

  /** Adds a line to the latest record of a lineage, at one point or at any; false when no such record is waiting. */
  annotateLatest(lineage: number, text: string, point?: CapturePoint): boolean {
    if (!this.keepsComments || (point !== undefined && point.interfaceId === undefined)) return false;
    return this.#comment(this.#pending.findLatest(lineage, point?.interfaceId), text);
  }

  /** Counts a frame that the interface itself lost, before it could be seen there: isb_ifdrop. */
  countDropped(point: CapturePoint): void {
    if (point.interfaceId !== undefined && !this.#finished) this.#writer.countUnwritten(point.interfaceId, "dropped");
  }

  /** Writes the records from before `now`. `record` does it too; call it when the network has been silent. */
  advance(now: number): void {
    let oldest = this.#pending.oldest;
    while (oldest !== undefined && oldest.time < now) {
      this.#writeOldest();
      oldest = this.#pending.oldest;
    }
  }

  /** Hands all that is in order to the sink, so that it is in the file if the process dies. */
  flush(): void {
    if (this.#finished) return;
    this.advance(this.#now());
    this.#writer.flush();
  }

  /** Writes everything that waits, and the interface statistics. */
  finish(): void {
    if (this.#finished) return;
    this.advance(Number.POSITIVE_INFINITY);
    this.#writeNewNames();
    this.#finished = true;
    this.#writer.close(Math.max(this.#now(), this.#writtenUntil));
  }

  get counters(): CaptureCounters {
    return {
      written: this.#written,
      missed: this.#missed,
      late: this.#late,
      refusedComments: this.#refusedComments,
    };
  }

  /** The patterns of `only` that match none of the points declared so far. */
  get unusedPatterns(): readonly string[] {
    return this.#selection.unused;
  }

  #addInterface(description: CapturePointDescription): number {
    const filter = this.#filter;
    return this.#writer.addInterface({
      ...description,
      snapLength: this.#snapLength,
      since: this.#now(),
      ...(filter !== undefined && { filter: filter.text }),
    });
  }

  #tellMissed(handle: RecordHandle): void {
    const count = this.#missed - this.#toldMissed;
    this.#toldMissed = this.#missed;
    const what = count === 1 ? "1 packet before this one is" : `${count} packets before this one are`;
    this.annotate(handle, `${what} missing here: not taken in time`);
  }

  #comment(record: { comment: string } | undefined, text: string): boolean {
    if (record === undefined || record.comment.length + text.length >= MAX_VALUE_BYTES) {
      this.#refusedComments += 1;
      return false;
    }
    record.comment = record.comment === "" ? text : `${record.comment}\n${text}`;
    return true;
  }

  #writeOldest(): void {
    const record = this.#pending.removeOldest();
    if (record === undefined) return;
    this.#writeNewNames();
    this.#writtenUntil = record.time;
    this.#written += 1;
    this.#writer.writePacket(record);
  }

  /** All names of an address again, its first one last: Wireshark displays the one it read last. */
  #writeNewNames(): void {
    if (this.#renamed.size === 0) return;
    const block = new Map<number, readonly string[]>();
    for (const address of this.#renamed) {
      const [first, ...others] = this.#names.get(address) ?? [];
      if (first !== undefined) block.set(address, [...others, first]);
    }
    this.#writer.writeNames(block);
    this.#renamed.clear();
  }
}

/** For captures that only count. */
const NO_WRITER: CaptureWriter = {
  addInterface: () => 0,
  writeNames: () => {},
  writePacket: () => {},
  countUnwritten: () => {},
  flush: () => {},
  close: () => {},
};

function createWriter(target: CaptureTarget, startDate: bigint): CaptureWriter {
  if (target.format === "count") return NO_WRITER;
  if (target.format === "pcap") return new PcapFiles(target.sinkFor, startDate);
  return new PcapngWriter(target.sink, { startDate, ...(target.section !== undefined && { section: target.section }) });
}
