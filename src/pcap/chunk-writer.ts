/** Where written bytes go. The chunk is valid during the call only: a sink writes it out, or copies it, before it returns. */
export type ByteSink = (chunk: Uint8Array) => void;

const encoder = new TextEncoder();

/** Below this length a loop copies faster than `subarray` and `set`. */
const SHORT_COPY = 32;

/**
 * Little-endian output through one large buffer that is used again and again. `reserve` makes room for a whole block, so that
 * its length can still be patched when its end is known; all other methods trust that reservation.
 */
export class ChunkWriter {
  readonly #sink: ByteSink;
  #buffer: Uint8Array;
  #view: DataView;
  #position = 0;

  constructor(sink: ByteSink, bufferBytes: number) {
    this.#sink = sink;
    this.#buffer = new Uint8Array(bufferBytes);
    this.#view = new DataView(this.#buffer.buffer);
  }

  /** Where the next byte goes, for `patchU16` and `patchU32` until the next `reserve`. */
  get position(): number {
    return this.#position;
  }

  /** Makes room for `bytes` more, by handing over what is there and, for a giant, by taking a larger buffer. */
  reserve(bytes: number): void {
    if (this.#position + bytes <= this.#buffer.length) return;
    this.flush();
    if (bytes <= this.#buffer.length) return;
    this.#buffer = new Uint8Array(bytes);
    this.#view = new DataView(this.#buffer.buffer);
  }

  u8(value: number): void {
    this.#view.setUint8(this.#position, value);
    this.#position += 1;
  }

  u16(value: number): void {
    this.#view.setUint16(this.#position, value, true);
    this.#position += 2;
  }

  u32(value: number): void {
    this.#view.setUint32(this.#position, value, true);
    this.#position += 4;
  }

  /** A whole number below 2^53, in the eight bytes of a little-endian u64. */
  u64(value: number): void {
    this.u32(value >>> 0);
    this.u32(Math.floor(value / 0x1_0000_0000));
  }

  /** Four bytes in network order: how every address field of pcapng is stored, whatever the file's own order. */
  ipv4(address: number): void {
    this.#view.setUint32(this.#position, address, false);
    this.#position += 4;
  }

  bytes(source: Uint8Array, start: number, end: number): void {
    const at = this.#position;
    const buffer = this.#buffer;
    if (end - start > SHORT_COPY) {
      buffer.set(start === 0 && end === source.length ? source : source.subarray(start, end), at);
    } else {
      for (let i = start; i < end; i += 1) buffer[at + i - start] = source[i] ?? 0;
    }
    this.#position = at + end - start;
  }

  /** Writes UTF-8, at most `maxBytes` of it and never half a character; returns how many bytes it took. */
  text(text: string, maxBytes: number): number {
    const at = this.#position;
    const buffer = this.#buffer;
    const length = Math.min(text.length, maxBytes);
    for (let i = 0; i < length; i += 1) {
      const code = text.charCodeAt(i);
      if (code > 0x7f) return this.#encode(text, maxBytes);
      buffer[at + i] = code;
    }
    this.#position = at + length;
    return length;
  }

  #encode(text: string, maxBytes: number): number {
    const at = this.#position;
    const { written } = encoder.encodeInto(text, this.#buffer.subarray(at, at + maxBytes));
    this.#position = at + written;
    return written;
  }

  /** Zeros up to the next multiple of four; every block starts at one. */
  padTo4(): void {
    while ((this.#position & 3) !== 0) this.u8(0);
  }

  patchU16(at: number, value: number): void {
    this.#view.setUint16(at, value, true);
  }

  patchU32(at: number, value: number): void {
    this.#view.setUint32(at, value, true);
  }

  /** Hands over everything written so far. Emptied first: after a sink that throws, nothing is handed over twice. */
  flush(): void {
    const length = this.#position;
    if (length === 0) return;
    this.#position = 0;
    this.#sink(this.#buffer.subarray(0, length));
  }
}
