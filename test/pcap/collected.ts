import type { ByteSink } from "../../src/pcap/index.ts";

/** A sink that keeps what it gets, and the file so far. It copies, as a sink must. */
export interface Collected {
  readonly sink: ByteSink;
  bytes(): Uint8Array;
}

export function collect(): Collected {
  const chunks: Uint8Array[] = [];
  return {
    sink: (chunk) => chunks.push(chunk.slice()),
    bytes: () => Uint8Array.from(chunks.flatMap((chunk) => [...chunk])),
  };
}
