import * as fc from "fast-check";

/** Where to cut a stream: at these places (taken modulo its length), or after every byte. */
export type Cuts = readonly number[] | "every byte";

/** The same bytes cut into pieces; empty pieces occur. */
export function pieces(bytes: Uint8Array, cuts: Cuts): Uint8Array[] {
  if (cuts === "every byte") return Array.from(bytes, (byte) => Uint8Array.of(byte));
  const inside = cuts.map((cut) => cut % (bytes.length + 1)).sort((a, b) => a - b);
  const places = [0, ...inside, bytes.length];
  return places.slice(1).map((place, index) => bytes.slice(places[index], place));
}

/** Any cuts. */
export const anyCuts: fc.Arbitrary<Cuts> = fc.oneof(
  { weight: 4, arbitrary: fc.array(fc.nat(10_000), { maxLength: 20 }) },
  { weight: 1, arbitrary: fc.constant("every byte" as const) },
);
