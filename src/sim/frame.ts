import { START, type Time } from "./time.ts";

/** Room kept before a frame's first byte, for a tunnel's outer headers; puts an IP header behind Ethernet at a multiple of four. */
const HEADROOM = 66;
/** Buffers of three sizes are kept for reuse, so many of each: for frames of the wire, for jumbo frames, and for whatever is longer. */
const WIRE = { size: 2048, limit: 4096 } as const;
const JUMBO = { size: 10_240, limit: 1024 } as const;
const LONGEST = { size: HEADROOM + 66_000, limit: 256 } as const;

/**
 * Bytes on their way: `bytes` from `start` to `end`. A frame has one owner. `send` gives it away; whoever keeps, floods or
 * duplicates one copies it; whoever ends its way releases it.
 */
export class Frame {
  readonly bytes: Uint8Array;
  /** The same bytes, for whoever reads many words at once: made once with the buffer, not per packet. */
  readonly data: DataView;
  start = 0;
  end = 0;
  /** The same on every copy and every rewritten form of one packet; the capture's `epb_packetid`. */
  lineage = 0;
  /** When the frame is where it is: never before the clock, and a few µs after it inside a box, which takes time to handle it. */
  at: Time = START;
  /** What the box that holds the frame keeps with it from one of its devices to the next; a link takes it off. */
  context: unknown;
  /**
   * Where the transport header begins whose checksum is known to be right, because its sender has just computed it or somebody has verified it; 0 when nothing
   * is known (Linux: CHECKSUM_UNNECESSARY). It holds as long as every change patches that checksum; whoever writes to `bytes` otherwise sets it to 0. New
   * frames and copies know nothing.
   */
  sumKnownAt = 0;
  /**
   * More than 1 for a train: TCP segments that travel as one, with one set of headers, as Linux hands them from device to device (GSO, `gso_segs`). Each has
   * {@link segmentSize} bytes of payload, the last one perhaps fewer, and their lineages count up from {@link lineage}. The TCP checksum is written when the train is cut.
   */
  segments = 1;
  /** Bytes of payload of a train's segments (`gso_size`); 0 for a frame as it is on the wire. */
  segmentSize = 0;
  readonly #pool: FramePool;
  #free = false;

  constructor(pool: FramePool, bytes: Uint8Array) {
    this.#pool = pool;
    this.bytes = bytes;
    this.data = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  get length(): number {
    return this.end - this.start;
  }

  /** The frame's bytes as a view; valid until the frame is given away. */
  view(): Uint8Array {
    return this.bytes.subarray(this.start, this.end);
  }

  /** Ends the frame's way. Its buffer will be another frame's; releasing twice has no effect. */
  release(): void {
    if (this.#free) return;
    this.#free = true;
    this.#pool.give(this);
  }

  /** For the pool: makes a released frame usable again. */
  revive(): void {
    this.#free = false;
  }
}

/** Makes frames and takes them back, so that the packet path allocates no buffers. Also numbers the lineages of a run. */
export class FramePool {
  readonly #wire: Frame[] = [];
  readonly #jumbo: Frame[] = [];
  readonly #longest: Frame[] = [];
  #lineages = 0;

  /** A frame of `length` bytes with a new lineage. Its content is undefined: whoever creates it writes every byte. */
  create(length: number): Frame {
    return this.#take(length, this.newLineage());
  }

  /** A frame of `length` bytes for a train of so many segments, each with a lineage of its own. */
  createTrain(length: number, segments: number, segmentSize: number): Frame {
    const frame = this.#take(length, this.newLineage());
    this.#lineages += segments - 1;
    frame.segments = segments;
    frame.segmentSize = segmentSize;
    return frame;
  }

  /** A second frame with the same bytes, time and lineage. */
  copy(frame: Frame): Frame {
    const copy = this.derive(frame, frame.length);
    copy.bytes.set(frame.bytes.subarray(frame.start, frame.end), copy.start);
    copy.context = frame.context;
    copy.segments = frame.segments;
    copy.segmentSize = frame.segmentSize;
    return copy;
  }

  /** A frame of `length` bytes, to be written, that carries on the way of `frame`: a fragment, a reassembled or wrapped packet. */
  derive(frame: Frame, length: number): Frame {
    const derived = this.#take(length, frame.lineage);
    derived.at = frame.at;
    return derived;
  }

  /** The next lineage number: 1, 2, 3, … */
  newLineage(): number {
    return ++this.#lineages;
  }

  /** For {@link Frame.release}. */
  give(frame: Frame): void {
    const size = frame.bytes.length;
    if (size === WIRE.size && this.#wire.length < WIRE.limit) this.#wire.push(frame);
    else if (size === JUMBO.size && this.#jumbo.length < JUMBO.limit) this.#jumbo.push(frame);
    else if (size === LONGEST.size && this.#longest.length < LONGEST.limit) this.#longest.push(frame);
  }

  #take(length: number, lineage: number): Frame {
    const needed = HEADROOM + length;
    const frame = this.#reuse(needed) ?? new Frame(this, new Uint8Array(sizeFor(needed)));
    frame.revive();
    frame.start = HEADROOM;
    frame.end = needed;
    frame.lineage = lineage;
    frame.at = START;
    frame.context = undefined;
    frame.sumKnownAt = 0;
    frame.segments = 1;
    frame.segmentSize = 0;
    return frame;
  }

  #reuse(needed: number): Frame | undefined {
    if (needed <= WIRE.size) return this.#wire.pop();
    if (needed <= JUMBO.size) return this.#jumbo.pop();
    return needed <= LONGEST.size ? this.#longest.pop() : undefined;
  }
}

function sizeFor(needed: number): number {
  if (needed <= WIRE.size) return WIRE.size;
  return needed <= JUMBO.size ? JUMBO.size : Math.max(needed, LONGEST.size);
}
