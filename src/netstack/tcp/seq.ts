declare const seqBrand: unique symbol;

/** A TCP sequence number: an integer modulo 2^32 (RFC 9293 §3.4). Never compared with `<`; see {@link seqDiff}. */
export type Seq = number & { readonly [seqBrand]: true };

/** The sequence number with these 32 bits. */
export function seq(value: number): Seq {
  return (value >>> 0) as Seq;
}

/** `count` numbers after `a`; before it when `count` is negative. */
export function seqAdd(a: Seq, count: number): Seq {
  return ((a + count) >>> 0) as Seq;
}

/** Signed distance from `b` to `a`; positive when `a` is later. */
export function seqDiff(a: Seq, b: Seq): number {
  return (a - b) | 0;
}

export function isAfter(a: Seq, b: Seq): boolean {
  return ((a - b) | 0) > 0;
}

export function isBefore(a: Seq, b: Seq): boolean {
  return ((a - b) | 0) < 0;
}

/** The later of two. */
export function seqMax(a: Seq, b: Seq): Seq {
  return isAfter(b, a) ? b : a;
}

/** The earlier of two. */
export function seqMin(a: Seq, b: Seq): Seq {
  return isBefore(b, a) ? b : a;
}

/** Whether `low ≤ value ≤ high` in sequence space. */
export function isBetween(value: Seq, low: Seq, high: Seq): boolean {
  return (high - low) >>> 0 >= (value - low) >>> 0;
}
