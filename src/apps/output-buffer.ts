const DECODER = new TextDecoder();

/** Bytes that a process wrote, in pieces. Whoever appends bounds the length. */
export class OutputBuffer {
  readonly #pieces: Uint8Array[] = [];
  #length = 0;

  get length(): number {
    return this.#length;
  }

  /** Adds `bytes`, which then belong to the buffer. */
  append(bytes: Uint8Array): void {
    if (bytes.length === 0) return;
    this.#pieces.push(bytes);
    this.#length += bytes.length;
  }

  bytes(): Uint8Array {
    const all = new Uint8Array(this.#length);
    let at = 0;
    for (const piece of this.#pieces) {
      all.set(piece, at);
      at += piece.length;
    }
    return all;
  }

  /** The bytes read as UTF-8; broken sequences become U+FFFD. */
  text(): string {
    return DECODER.decode(this.bytes());
  }
}
