/**
 * Builds pcapng blocks of either byte order for the reader's tests. It shares no code with the writer under test, so that the
 * two cannot be wrong together.
 */
export interface BlockBuilder {
  u16(value: number): number[];
  u32(value: number): number[];
  u64(value: bigint): number[];
  option(code: number, value: readonly number[]): number[];
  text(code: number, value: string): number[];
  block(type: number, ...parts: readonly (readonly number[])[]): number[];
  sectionHeader(...options: readonly (readonly number[])[]): number[];
  interfaceBlock(linkType: number, snapLength: number, ...options: readonly (readonly number[])[]): number[];
  packetBlock(id: number, ticks: bigint, data: readonly number[], ...options: readonly (readonly number[])[]): number[];
}

export function blocks(order: "little" | "big"): BlockBuilder {
  const number = (value: bigint, size: number): number[] => {
    const bytes = Array.from({ length: size }, (_, i) => Number((value >> BigInt(8 * i)) & 0xffn));
    return order === "little" ? bytes : bytes.reverse();
  };
  const u16 = (value: number): number[] => number(BigInt(value), 2);
  const u32 = (value: number): number[] => number(BigInt(value), 4);
  const u64 = (value: bigint): number[] => number(BigInt.asUintN(64, value), 8);
  const option = (code: number, value: readonly number[]): number[] => [
    ...u16(code),
    ...u16(value.length),
    ...padded(value),
  ];
  const block = (type: number, ...parts: readonly (readonly number[])[]): number[] => {
    const body = parts.flat();
    const total = u32(body.length + 12);
    return [...u32(type), ...total, ...body, ...total];
  };
  return {
    u16,
    u32,
    u64,
    option,
    text: (code, value) => option(code, [...new TextEncoder().encode(value)]),
    block,
    sectionHeader: (...options) =>
      block(0x0a0d0d0a, u32(0x1a2b3c4d), u16(1), u16(0), u64(-1n), ...ended(options, option)),
    interfaceBlock: (linkType, snapLength, ...options) =>
      block(1, u16(linkType), u16(0), u32(snapLength), ...ended(options, option)),
    packetBlock: (id, ticks, data, ...options) =>
      block(
        6,
        u32(id),
        u32(Number(ticks >> 32n)),
        u32(Number(ticks & 0xffff_ffffn)),
        u32(data.length),
        u32(data.length),
        padded(data),
        ...ended(options, option),
      ),
  };
}

export function padded(bytes: readonly number[]): number[] {
  return [...bytes, ...new Array<number>((4 - (bytes.length % 4)) % 4).fill(0)];
}

function ended(
  options: readonly (readonly number[])[],
  option: (code: number, value: readonly number[]) => number[],
): readonly (readonly number[])[] {
  return options.length === 0 ? [] : [...options, option(0, [])];
}
