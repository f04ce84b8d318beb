import { quoteIfNeeded, tokenOrQuotedAt, unquote } from "./http-token.ts";
import { parseIpv4Text, parseIpv6Text } from "./ip-text.ts";

/** Who took part in forwarding, RFC 7239 §6. IPv6 addresses stand here without brackets; obfuscated ids keep their `_`. */
export type ForwardedNode =
  | { readonly kind: "ipv4" | "ipv6"; readonly address: string; readonly port?: ForwardedPort }
  | { readonly kind: "obfuscated"; readonly id: string; readonly port?: ForwardedPort }
  | { readonly kind: "unknown"; readonly port?: ForwardedPort };

/** A port number, or an obfuscated port that begins with `_`. */
export type ForwardedPort = number | string;

/** What one proxy says about the request it got, RFC 7239 §4. Unregistered parameters are kept in `extensions`. */
export interface ForwardedElement {
  readonly for?: ForwardedNode;
  readonly by?: ForwardedNode;
  readonly host?: string;
  readonly proto?: string;
  readonly extensions?: readonly (readonly [name: string, value: string])[];
}

/**
 * Reads a `Forwarded` value, the first proxy first; several header lines are joined with a comma before. `undefined` when
 * any part is malformed: half a chain of addresses is worse than none.
 */
export function parseForwarded(text: string): readonly ForwardedElement[] | undefined {
  const elements: ForwardedElement[] = [];
  let pairs = new Map<string, string>();
  let at = skipBlanks(text, 0);
  while (at < text.length) {
    if (text[at] !== "," && text[at] !== ";") {
      const pair = readPair(text, at);
      if (pair === undefined || pairs.has(pair.name)) return undefined;
      pairs.set(pair.name, pair.value);
      at = skipBlanks(text, pair.next);
    }
    if (at < text.length && text[at] !== "," && text[at] !== ";") return undefined;
    if (at === text.length || text[at] === ",") {
      if (!addElement(pairs, elements)) return undefined;
      pairs = new Map();
    }
    at = skipBlanks(text, at + 1);
  }
  return addElement(pairs, elements) ? elements : undefined;
}

/** Adds what the pairs say; an element without pairs is an empty list member, which means nothing (RFC 9110 §5.6.1). */
function addElement(pairs: ReadonlyMap<string, string>, elements: ForwardedElement[]): boolean {
  if (pairs.size === 0) return true;
  const element = elementOf(pairs);
  if (element !== undefined) elements.push(element);
  return element !== undefined;
}

function readPair(text: string, at: number): { name: string; value: string; next: number } | undefined {
  const name = tokenOrQuotedAt(text, at);
  if (name === undefined || name.startsWith('"') || text[at + name.length] !== "=") return undefined;
  const valueAt = at + name.length + 1;
  const value = tokenOrQuotedAt(text, valueAt);
  if (value === undefined) return undefined;
  return { name: name.toLowerCase(), value: unquote(value), next: valueAt + value.length };
}

function skipBlanks(text: string, at: number): number {
  let next = at;
  while (text[next] === " " || text[next] === "\t") next++;
  return next;
}

function elementOf(pairs: ReadonlyMap<string, string>): ForwardedElement | undefined {
  const nodes: { for?: ForwardedNode; by?: ForwardedNode } = {};
  const texts: { host?: string; proto?: string } = {};
  const extensions: [string, string][] = [];
  for (const [name, value] of pairs) {
    if (name === "for" || name === "by") {
      const node = parseForwardedNode(value);
      if (node === undefined) return undefined;
      nodes[name] = node;
    } else if (name === "host" || name === "proto") {
      texts[name] = value;
    } else {
      extensions.push([name, value]);
    }
  }
  return { ...nodes, ...texts, ...(extensions.length > 0 && { extensions }) };
}

/** Reads a node, unquoted: `192.0.2.1`, `[2001:db8::1]:8080`, `unknown`, `_hidden:_port`. */
export function parseForwardedNode(text: string): ForwardedNode | undefined {
  const match = /^(\[[^\]]*\]|[^:]*)(?::(.*))?$/.exec(text);
  if (match === null) return undefined;
  const name = match[1] ?? "";
  const port = match[2] === undefined ? undefined : parsePort(match[2]);
  if (match[2] !== undefined && port === undefined) return undefined;
  const withPort = port === undefined ? {} : { port };
  if (name.startsWith("[")) {
    const address = name.slice(1, -1);
    return parseIpv6Text(address) === undefined ? undefined : { kind: "ipv6", address, ...withPort };
  }
  if (parseIpv4Text(name) !== undefined) return { kind: "ipv4", address: name, ...withPort };
  if (name.toLowerCase() === "unknown") return { kind: "unknown", ...withPort };
  return isObfuscated(name) ? { kind: "obfuscated", id: name, ...withPort } : undefined;
}

function parsePort(text: string): ForwardedPort | undefined {
  if (/^\d{1,5}$/.test(text)) return Number(text) <= 65535 ? Number(text) : undefined;
  return isObfuscated(text) ? text : undefined;
}

function isObfuscated(text: string): boolean {
  return /^_[A-Za-z0-9._-]+$/.test(text);
}

/** Writes a `Forwarded` value, quoting what is no token: every IPv6 address and every port. */
export function formatForwarded(elements: readonly ForwardedElement[]): string {
  return elements.map(formatElement).join(", ");
}

function formatElement(element: ForwardedElement): string {
  const pairs: (readonly [string, string])[] = [];
  if (element.for !== undefined) pairs.push(["for", formatForwardedNode(element.for)]);
  if (element.by !== undefined) pairs.push(["by", formatForwardedNode(element.by)]);
  if (element.host !== undefined) pairs.push(["host", element.host]);
  if (element.proto !== undefined) pairs.push(["proto", element.proto]);
  pairs.push(...(element.extensions ?? []));
  return pairs.map(([name, value]) => `${name}=${quoteIfNeeded(value)}`).join(";");
}

/** Writes a node, unquoted; the inverse of `parseForwardedNode`. */
export function formatForwardedNode(node: ForwardedNode): string {
  const port = node.port === undefined ? "" : `:${node.port}`;
  switch (node.kind) {
    case "ipv4":
      return `${node.address}${port}`;
    case "ipv6":
      return `[${node.address}]${port}`;
    case "obfuscated":
      return `${node.id}${port}`;
    case "unknown":
      return `unknown${port}`;
  }
}

/** The members of an `X-Forwarded-For` value, the client first; they are whatever text the senders wrote. */
export function parseXForwardedFor(text: string): readonly string[] {
  return text
    .split(",")
    .map((member) => member.trim())
    .filter((member) => member !== "");
}

/** The value a proxy passes on: what it got (all lines joined, if any) and the address it got the request from. */
export function appendXForwardedFor(existing: string | undefined, address: string): string {
  return existing === undefined || existing.trim() === "" ? address : `${existing}, ${address}`;
}
