import type { CurlOptions } from "./options.ts";
import type { CurlUrl } from "./url.ts";

/** The version these texts and bytes are those of; Debian 12 has it. */
export const CURL_VERSION = "7.88.1";

/** One request of a transfer; redirects change method and body. */
export interface CurlRequest {
  readonly url: CurlUrl;
  readonly method: string;
  readonly body: string | undefined;
}

/** The request's head, line by line, in curl's order; without the empty line. */
export function requestLines(request: CurlRequest, options: CurlOptions): string[] {
  const { url, method, body } = request;
  const own = options.headers.map(parseHeaderOption).filter((field) => field !== undefined);
  const replaced = new Set(own.map((field) => field.name.toLowerCase()));
  const lines = [`${method} ${url.target} HTTP/${options.httpVersion}`];
  const add = (name: string, value: string | undefined): void => {
    if (value !== undefined && !replaced.has(name.toLowerCase())) lines.push(`${name}: ${value}`);
  };
  const host = own.find((field) => field.name.toLowerCase() === "host");
  if (host === undefined) lines.push(`Host: ${url.hostField}`);
  else if (host.line !== undefined) lines.push(host.line);
  const credentials = options.credentials ?? url.credentials;
  add("Authorization", credentials === undefined ? undefined : `Basic ${encodeBase64(credentials)}`);
  add("User-Agent", (options.userAgent ?? `curl/${CURL_VERSION}`) || undefined);
  add("Accept", "*/*");
  add("Accept-Encoding", options.compressed ? "deflate, gzip, br, zstd" : undefined);
  add("Referer", options.referer);
  for (const field of own) if (field !== host && field.line !== undefined) lines.push(field.line);
  if (body !== undefined) {
    add("Content-Length", String(new TextEncoder().encode(body).length));
    add("Content-Type", "application/x-www-form-urlencoded");
  }
  return lines;
}

/** `Name: value` adds or replaces a field, `Name;` sends it empty, `Name:` leaves curl's own one out. */
function parseHeaderOption(option: string): { name: string; line: string | undefined } | undefined {
  // A line break would smuggle in a field of its own.
  if (/[\r\n]/.test(option)) return undefined;
  const empty = /^([^:;]+);\s*$/.exec(option)?.[1];
  if (empty !== undefined) return { name: empty, line: `${empty}:` };
  const match = /^([^:;]+):\s*(.*)$/.exec(option);
  if (match === null) return undefined;
  const [, name = "", value = ""] = match;
  return { name, line: value === "" ? undefined : option };
}

/** Base64 of the UTF-8 bytes of a text. */
function encodeBase64(text: string): string {
  return btoa(String.fromCharCode(...new TextEncoder().encode(text)));
}

/**
 * The request a redirect leads to. 301, 302 and 303 turn POST into GET, unless -X says otherwise, and lose the body whatever
 * the method is (RFC 9110 §15.4, as browsers do it).
 */
export function redirectedRequest(
  request: CurlRequest,
  url: CurlUrl,
  status: number,
  forcedMethod: string | undefined,
): CurlRequest {
  if (request.body === undefined || status > 303) return { ...request, url };
  const method = request.method === "POST" && forcedMethod === undefined ? "GET" : request.method;
  return { url, method, body: undefined };
}
