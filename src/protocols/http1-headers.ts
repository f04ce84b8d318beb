import { isToken } from "./http-token.ts";

/** One header field as received: the name's case kept, the value without surrounding whitespace, as an octet string. */
export type HttpHeader = readonly [name: string, value: string];

/** Header fields in the order received. */
export type HttpHeaders = readonly HttpHeader[];

/** The protocol version; later minor versions are treated as 1.1 (RFC 9110 §6.2). */
export type HttpVersion = "1.0" | "1.1";

/** The first value of the field `name`, in any case. */
export function header(headers: HttpHeaders, name: string): string | undefined {
  const wanted = name.toLowerCase();
  return headers.find((field) => field[0].toLowerCase() === wanted)?.[1];
}

/** Every value of the field `name`, in order. */
export function headerValues(headers: HttpHeaders, name: string): readonly string[] {
  const wanted = name.toLowerCase();
  return headers.filter((field) => field[0].toLowerCase() === wanted).map((field) => field[1]);
}

/** The members of a comma-separated field spread over any number of lines, in lower case. For tokens, not quoted strings. */
export function headerTokens(headers: HttpHeaders, name: string): readonly string[] {
  return headerValues(headers, name)
    .flatMap((value) => value.split(","))
    .map((member) => trimWhitespace(member).toLowerCase())
    .filter((member) => member !== "");
}

/** The headers with one field `name` of this value: in the place of the first one if there was any, otherwise at the end. */
export function withHeader(headers: HttpHeaders, name: string, value: string): HttpHeaders {
  const wanted = name.toLowerCase();
  const first = headers.findIndex((field) => field[0].toLowerCase() === wanted);
  if (first < 0) return [...headers, [name, value]];
  return headers.flatMap((field, index): HttpHeaders => {
    if (index === first) return [[name, value]];
    return field[0].toLowerCase() === wanted ? [] : [field];
  });
}

const HOP_BY_HOP = ["connection", "keep-alive", "proxy-connection", "te", "transfer-encoding", "upgrade"];

/** What an intermediary may pass on: without `Connection`, what it names, and the other hop-by-hop fields (RFC 9110 §7.6.1). */
export function withoutHopByHop(headers: HttpHeaders): HttpHeaders {
  const dropped = new Set([...HOP_BY_HOP, ...headerTokens(headers, "connection")]);
  return headers.filter((field) => !dropped.has(field[0].toLowerCase()));
}

/** Whether the connection stays open after this message, RFC 9112 §9.3. */
export function keepsAlive(version: HttpVersion, headers: HttpHeaders): boolean {
  const options = headerTokens(headers, "connection");
  if (options.includes("close")) return false;
  return version === "1.1" || options.includes("keep-alive");
}

/** Reads one line of a header section; `undefined` when it is not `name: value`. */
export function parseHeaderLine(line: string): HttpHeader | undefined {
  const colon = line.indexOf(":");
  if (colon < 0) return undefined;
  // No whitespace before the colon: proxies disagree about what it means (RFC 9112 §5.1).
  const name = line.slice(0, colon);
  const value = trimWhitespace(line.slice(colon + 1));
  return isToken(name) && isHeaderValue(value) ? [name, value] : undefined;
}

/** Whether `value` may stand in a field: no control characters but the tab, nothing above one octet (RFC 9110 §5.5). */
export function isHeaderValue(value: string): boolean {
  return !/[^\t\x20-\x7e\x80-\xff]/.test(value);
}

/**
 * The lines of a header section, without the empty one. A field that would break out of its line is the caller's mistake:
 * what came out of a parser never does.
 */
export function formatHeaders(headers: HttpHeaders): string {
  let text = "";
  for (const [name, value] of headers) {
    if (!isToken(name)) throw new RangeError(`Cannot write header "${name}": its name is not a token`);
    if (!isHeaderValue(value))
      throw new RangeError(`Cannot write header "${name}": its value is not octets without control characters`);
    text += `${name}: ${value}\r\n`;
  }
  return text;
}

/** `text` without spaces and tabs at its ends, in linear time whatever the text. */
function trimWhitespace(text: string): string {
  let start = 0;
  let end = text.length;
  while (start < end && isBlank(text.charCodeAt(start))) start++;
  while (end > start && isBlank(text.charCodeAt(end - 1))) end--;
  return text.slice(start, end);
}

function isBlank(code: number): boolean {
  return code === 0x20 || code === 0x09;
}
