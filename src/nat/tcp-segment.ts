import { getU8, getU16, getU32, type Packet, TCP_HEADER_LENGTH, TcpFlag } from "../netstack/index.ts";
import { SegmentKind } from "./tcp-states.ts";

/** Flags that TCP segments may have together; PSH, ECE and CWR are free (`tcp_valid_flags`). */
const FREE_FLAGS = TcpFlag.psh | TcpFlag.ece | TcpFlag.cwr;
const VALID_FLAGS: ReadonlySet<number> = new Set([
  TcpFlag.syn,
  TcpFlag.syn | TcpFlag.urg,
  TcpFlag.syn | TcpFlag.ack,
  TcpFlag.rst,
  TcpFlag.rst | TcpFlag.ack,
  TcpFlag.fin | TcpFlag.ack,
  TcpFlag.fin | TcpFlag.ack | TcpFlag.urg,
  TcpFlag.ack,
  TcpFlag.ack | TcpFlag.urg,
]);

const OPTION_END = 0;
const OPTION_NO_OPERATION = 1;
const OPTION_WINDOW_SCALE = 3;
const OPTION_SACK_PERMITTED = 4;
const OPTION_SACK = 5;
/** RFC 7323 §2.3. */
const LARGEST_SCALE = 14;

const NO_BYTES = new Uint8Array(0);

/** A TCP header as window tracking needs it, filled again for each packet. Sequence numbers are signed words: compare differences with `| 0`. */
export class TcpSegment {
  sequence = 0;
  acknowledgment = 0;
  /** Behind the last byte, SYN and FIN counted. */
  end = 0;
  window = 0;
  flags = 0;
  /** One of {@link SegmentKind}. */
  kind: number = SegmentKind.none;
  #bytes: Uint8Array = NO_BYTES;
  #options = 0;
  #optionsEnd = 0;

  /** Reads the header; false when it is cut short or its flags contradict each other. */
  read(packet: Packet): boolean {
    const { bytes, transport, end } = packet;
    if (end - transport < TCP_HEADER_LENGTH) return false;
    const headerLength = (getU8(bytes, transport + 12) >>> 4) * 4;
    if (headerLength < TCP_HEADER_LENGTH || transport + headerLength > end) return false;
    const flags = getU8(bytes, transport + 13);
    if (!VALID_FLAGS.has(flags & ~FREE_FLAGS)) return false;
    this.flags = flags;
    this.kind = kindOf(flags);
    this.sequence = getU32(bytes, transport + 4) | 0;
    this.acknowledgment = getU32(bytes, transport + 8) | 0;
    this.window = getU16(bytes, transport + 14);
    const length = end - transport - headerLength;
    const controls = (flags & TcpFlag.syn ? 1 : 0) + (flags & TcpFlag.fin ? 1 : 0);
    this.end = (this.sequence + length + controls) | 0;
    this.#bytes = bytes;
    this.#options = transport + TCP_HEADER_LENGTH;
    this.#optionsEnd = transport + headerLength;
    return true;
  }

  has(flag: number): boolean {
    return (this.flags & flag) !== 0;
  }

  get hasOptions(): boolean {
    return this.#optionsEnd > this.#options;
  }

  /** The SYN's window scale, at most 14; -1 without the option. */
  get windowScale(): number {
    const at = this.#find(OPTION_WINDOW_SCALE, 3);
    return at < 0 ? -1 : Math.min(getU8(this.#bytes, at), LARGEST_SCALE);
  }

  get permitsSack(): boolean {
    return this.#find(OPTION_SACK_PERMITTED, 2) >= 0;
  }

  /** The highest right edge of the SACK blocks, if beyond `acknowledgment`; otherwise that. */
  highestSack(acknowledgment: number): number {
    const at = this.#find(OPTION_SACK, 0);
    if (at < 0) return acknowledgment;
    const length = getU8(this.#bytes, at - 1) - 2;
    if (length < 8 || length % 8 !== 0) return acknowledgment;
    let highest = acknowledgment;
    for (let block = at; block < at + length; block += 8) {
      const right = getU32(this.#bytes, block + 4) | 0;
      if (((right - highest) | 0) > 0) highest = right;
    }
    return highest;
  }

  /** Where the data of the first option of `kind` lies, or -1; `length` 0 stands for any. Malformed options end the search. */
  #find(kind: number, length: number): number {
    const bytes = this.#bytes;
    const end = this.#optionsEnd;
    let at = this.#options;
    while (at < end) {
      const code = getU8(bytes, at);
      if (code === OPTION_END) return -1;
      if (code === OPTION_NO_OPERATION) {
        at += 1;
        continue;
      }
      const size = at + 1 < end ? getU8(bytes, at + 1) : 0;
      if (size < 2 || at + size > end) return -1;
      if (code === kind && (length === 0 || size === length)) return at + 2;
      at += size;
    }
    return -1;
  }
}

function kindOf(flags: number): number {
  if (flags & TcpFlag.rst) return SegmentKind.rst;
  if (flags & TcpFlag.syn) return flags & TcpFlag.ack ? SegmentKind.synAck : SegmentKind.syn;
  if (flags & TcpFlag.fin) return SegmentKind.fin;
  return flags & TcpFlag.ack ? SegmentKind.ack : SegmentKind.none;
}
