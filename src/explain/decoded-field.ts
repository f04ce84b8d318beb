import type { HeaderField } from "./report-data.ts";

/** A field of a header, with what it says. */
export interface DecodedField extends HeaderField {
  readonly value: string;
}

/** Bytes that a header is read from: from `at` to `end`. */
export interface HeaderRange {
  readonly bytes: Uint8Array;
  readonly at: number;
  readonly end: number;
}
