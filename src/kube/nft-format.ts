import { type Cidr, formatCidr, formatIpv4, ipv4, lastAddress } from "./address.ts";
import {
  NFT_DNAT_PRIORITY,
  NFT_SNAT_PRIORITY,
  type NftChain,
  type NftElement,
  type NftKey,
  type NftSet,
  type NftTable,
} from "./nft-table.ts";

const PROTOCOL_NUMBERS = { tcp: 6, udp: 17, sctp: 132 } as const;

/** The table as `nft list ruleset` 1.0.6 prints it. */
export function formatNftTable(table: NftTable): string {
  const parts = [...table.sets.map(formatSet), ...table.chains.map(formatChain)];
  return `table ${table.family} ${table.name} {\n\tcomment "${table.comment}"\n${parts.join("\n")}}\n`;
}

/**
 * Ranges as nft shows them in a rule: one alone without braces; several sorted, and merged where they touch, unless all are single
 * addresses, which make a set of another kind.
 */
export function formatNftRanges(ranges: readonly Cidr[]): string {
  const [first] = ranges;
  if (first !== undefined && ranges.length === 1) return formatRange(first.network, lastAddress(first));
  const spans = ranges.map((range) => [range.network as number, lastAddress(range) as number] as const);
  spans.sort((a, b) => a[0] - b[0] || a[1] - b[1]);
  const single = spans.every(([from, to]) => from === to);
  const merged: [number, number][] = [];
  for (const [from, to] of spans) {
    const last = merged.at(-1);
    if (last !== undefined && from <= last[1] + (single ? 0 : 1)) last[1] = Math.max(last[1], to);
    else merged.push([from, to]);
  }
  return `{ ${merged.map(([from, to]) => formatRange(from, to)).join(", ")} }`;
}

/** A number of seconds as nft prints times: `3h`, `1d1h1m1s`. */
export function formatNftSeconds(seconds: number): string {
  const parts: readonly (readonly [number, string])[] = [
    [Math.floor(seconds / 86_400), "d"],
    [Math.floor(seconds / 3600) % 24, "h"],
    [Math.floor(seconds / 60) % 60, "m"],
    [seconds % 60, "s"],
  ];
  return parts.map(([count, unit]) => (count === 0 ? "" : `${count}${unit}`)).join("") || "0s";
}

function formatSet(set: NftSet): string {
  const lines = [`${set.kind} ${set.name} {`, `\ttype ${set.type}`];
  // A set that rules add to has a size; the kernel's is 65535 where none is given.
  if (set.timeoutSeconds !== undefined)
    lines.push("\tsize 65535", "\tflags dynamic,timeout", `\ttimeout ${formatNftSeconds(set.timeoutSeconds)}`);
  if (set.comment !== undefined) lines.push(`\tcomment "${set.comment}"`);
  if (set.elements.length > 0) lines.push(...formatElements(set));
  return block([...lines, "}"]);
}

/** Two to a line in a set, one to a line in a map, indented to the first. */
function formatElements(set: NftSet): readonly string[] {
  const perLine = set.kind === "set" ? 2 : 1;
  const texts = sortElements(set.elements).map(formatElement);
  const lines: string[] = [];
  for (let i = 0; i < texts.length; i += perLine) lines.push(texts.slice(i, i + perLine).join(", "));
  return lines.map((line, index) => {
    const start = index === 0 ? "\telements = { " : "\t\t     ";
    return `${start}${line}${index === lines.length - 1 ? " }" : ","}`;
  });
}

function formatElement(element: NftElement): string {
  const comment = element.comment === undefined ? "" : ` comment "${element.comment}"`;
  const verdict = element.verdict === undefined ? "" : ` : ${element.verdict}`;
  return `${formatKey(element.key)}${comment}${verdict}`;
}

function formatKey({ address, protocol, port }: NftKey): string {
  const parts = [address === undefined ? undefined : formatIpv4(ipv4(address)), protocol, port];
  return parts.filter((part) => part !== undefined).join(" . ");
}

/**
 * nft sorts single addresses as numbers, but keys of several parts as if their bytes, in the order of the wire, were one little-endian
 * number (src/expression.c concat_expr_msort_value): the last byte counts most.
 */
function sortElements(elements: readonly NftElement[]): readonly NftElement[] {
  return elements.toSorted((a, b) => {
    if (a.key.port === undefined) return (a.key.address ?? 0) - (b.key.address ?? 0);
    const [left, right] = [keyBytes(a.key), keyBytes(b.key)];
    for (let i = left.length - 1; i >= 0; i--) {
      const difference = (left[i] ?? 0) - (right[i] ?? 0);
      if (difference !== 0) return difference;
    }
    return 0;
  });
}

function keyBytes({ address, protocol, port = 0 }: NftKey): readonly number[] {
  const addressBytes =
    address === undefined ? [] : [address >>> 24, (address >>> 16) & 255, (address >>> 8) & 255, address & 255];
  return [...addressBytes, PROTOCOL_NUMBERS[protocol ?? "tcp"], port >>> 8, port & 255];
}

function formatChain(chain: NftChain): string {
  const { base } = chain;
  const head = [`chain ${chain.name} {`];
  if (chain.comment !== undefined) head.push(`\tcomment "${chain.comment}"`);
  if (base !== undefined)
    head.push(`\ttype ${base.type} hook ${base.hook} priority ${formatPriority(base)}; policy accept;`);
  return block([...head, ...chain.rules.map((rule) => `\t${rule}`), "}"]);
}

/** nft has names for the two nat priorities, each at its own hook only. */
function formatPriority({ hook, priority }: NonNullable<NftChain["base"]>): string {
  const [name, base] = hook === "prerouting" ? ["dstnat", NFT_DNAT_PRIORITY] : ["srcnat", NFT_SNAT_PRIORITY];
  if (hook !== "prerouting" && hook !== "postrouting") return String(priority);
  const offset = priority - base;
  if (offset === 0) return name;
  return `${name} ${offset < 0 ? "-" : "+"} ${Math.abs(offset)}`;
}

function formatRange(from: number, to: number): string {
  if (from === to) return formatIpv4(ipv4(from));
  const size = to - from + 1;
  const prefixLength = 32 - Math.log2(size);
  if (Number.isInteger(prefixLength) && from % size === 0) return formatCidr({ network: ipv4(from), prefixLength });
  return `${formatIpv4(ipv4(from))}-${formatIpv4(ipv4(to))}`;
}

function block(lines: readonly string[]): string {
  return lines.map((line) => `\t${line}\n`).join("");
}
