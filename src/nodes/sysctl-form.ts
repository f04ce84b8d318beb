/** How the text of a kernel parameter is checked. */
export interface Form {
  /** What may be written, in words that continue "expected …". */
  readonly expected: string;
  /** The value as it is read back; `undefined` when the kernel would not take it. */
  normal(value: string): string | undefined;
}

export const MOST: number = 2 ** 31 - 1;
export const FLAG: Form = whole("0 or 1", 0, 1);
export const SECONDS: Form = whole("seconds", 0, MOST);

/** One whole number from `from` to `to`. */
export function whole(expected: string, from: number, to: number): Form {
  const normal = (text: string): string | undefined => {
    if (!/^\d{1,10}$/.test(text.trim())) return undefined;
    const value = Number(text);
    return value >= from && value <= to ? String(value) : undefined;
  };
  return { expected, normal };
}

/** So many numbers, none less than the one before it and none 0. */
export function numbers(expected: string, count: number, most: number): Form {
  const normal = (text: string): string | undefined => {
    if (!/^\s*\d{1,10}(\s+\d{1,10})*\s*$/.test(text)) return undefined;
    const values = list(text);
    const rise = values.every((value, index) => value >= (values[index - 1] ?? 1) && value <= most);
    return values.length === count && rise ? values.join("\t") : undefined;
  };
  return { expected, normal };
}

/** One of these. */
export function words(...known: readonly string[]): Form {
  const normal = (text: string): string | undefined => (known.includes(text) ? text : undefined);
  return { expected: known.join(" or "), normal };
}

/** The numbers in a text. */
export function list(text: string): readonly number[] {
  return text.trim().split(/\s+/).map(Number);
}

/** As `/proc/sys` has it. */
export function fromFlag(value: boolean): string {
  return value ? "1" : "0";
}

/** What {@link fromFlag} gave. */
export function toFlag(text: string): boolean {
  return text === "1";
}
