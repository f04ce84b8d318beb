/** Over TCP each message has its length before it, in two bytes (RFC 1035 §4.2.2). */
const PREFIX_LENGTH = 2;

/** Cuts a TCP stream into messages, however it arrives. Holds at most one message that is not complete. */
export class DnsStreamReader {
  #message = new Uint8Array(0);
  /** Bytes of prefix and message that have come. */
  #filled = 0;
  #high = 0;

  /** The messages these bytes complete, each in an array of its own, without the prefix and not looked into. */
  push(bytes: Uint8Array): readonly Uint8Array[] {
    const messages: Uint8Array[] = [];
    let at = 0;
    while (at < bytes.length) {
      at = this.#filled < PREFIX_LENGTH ? this.#takePrefixByte(bytes, at) : this.#takeBody(bytes, at);
      if (this.#filled >= PREFIX_LENGTH && this.#filled === PREFIX_LENGTH + this.#message.length) {
        messages.push(this.#message);
        this.#filled = 0;
      }
    }
    return messages;
  }

  /** Whether a message has begun and is not complete: the stream must not end here. */
  get isMidMessage(): boolean {
    return this.#filled > 0;
  }

  #takePrefixByte(bytes: Uint8Array, at: number): number {
    const byte = bytes[at] ?? 0;
    if (this.#filled === 0) this.#high = byte;
    else this.#message = new Uint8Array(this.#high * 256 + byte);
    this.#filled++;
    return at + 1;
  }

  #takeBody(bytes: Uint8Array, at: number): number {
    const piece = bytes.subarray(at, at + this.#message.length + PREFIX_LENGTH - this.#filled);
    this.#message.set(piece, this.#filled - PREFIX_LENGTH);
    this.#filled += piece.length;
    return at + piece.length;
  }
}

/** A message with its length before it, for TCP. */
export function emitDnsStream(message: Uint8Array): Uint8Array {
  if (message.length > 0xffff) throw new RangeError(`Cannot write a DNS message of ${message.length} bytes: 65535 fit`);
  const framed = new Uint8Array(PREFIX_LENGTH + message.length);
  framed.set([message.length >>> 8, message.length & 0xff]);
  framed.set(message, PREFIX_LENGTH);
  return framed;
}
