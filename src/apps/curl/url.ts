/** A URL as far as curl needs it. */
export interface CurlUrl {
  readonly scheme: string;
  /** User and password, `user:password`, when the URL has them. */
  readonly credentials: string | undefined;
  /** Without the brackets of an IPv6 address. */
  readonly host: string;
  readonly port: number;
  /** The Host field: with the port where it is not the scheme's. */
  readonly hostField: string;
  /** Path and query, as the request line has them. */
  readonly target: string;
  /** The URL as `%{url_effective}` shows it. */
  readonly text: string;
}

const DEFAULT_PORT: Readonly<Record<string, number>> = { http: 80, https: 443 };
const USUAL_PORT = 80;

/** Reads a URL as curl does: without a scheme it is http. `undefined` when curl calls it malformed. */
export function parseCurlUrl(typed: string, options: { readonly pathAsIs: boolean }): CurlUrl | undefined {
  if (typed === "" || hasControlOrBlank(typed)) return undefined;
  const match = /^(?:([A-Za-z][A-Za-z0-9+.-]*):\/\/)?([^/?#]*)([^?#]*)(\?[^#]*)?(#.*)?$/.exec(typed);
  if (match === null) return undefined;
  const [, typedScheme = "http", authority = "", typedPath = "", query = "", fragment = ""] = match;
  const scheme = typedScheme.toLowerCase();
  const place = parseAuthority(authority);
  if (place === undefined) return undefined;
  const port = place.port ?? DEFAULT_PORT[scheme] ?? USUAL_PORT;
  const path = options.pathAsIs ? typedPath : removeDotSegments(typedPath);
  const bracketed = place.host.includes(":") ? `[${place.host}]` : place.host;
  const target = `${path === "" ? "/" : path}${query}`;
  return {
    scheme,
    credentials: place.credentials,
    host: place.host,
    port,
    hostField: port === DEFAULT_PORT[scheme] ? bracketed : `${bracketed}:${port}`,
    target,
    text: `${scheme}://${authority}${target}${fragment}`,
  };
}

function hasControlOrBlank(text: string): boolean {
  return [...text].some((character) => character <= " " || character === "\x7f");
}

function parseAuthority(
  authority: string,
): { credentials: string | undefined; host: string; port: number | undefined } | undefined {
  const at = authority.lastIndexOf("@");
  const match = /^(?:\[([0-9A-Fa-f:.]+)\]|([^[\]:@]+))(?::(\d*))?$/.exec(authority.slice(at + 1));
  const host = match?.[1] ?? match?.[2];
  if (match === null || host === undefined || /[<>"{}|\\^`]/.test(host)) return undefined;
  const port = match[3] === undefined || match[3] === "" ? undefined : Number(match[3]);
  if (port !== undefined && (port > 65535 || match[3]?.length === 0)) return undefined;
  return { credentials: at < 0 ? undefined : decodePercent(authority.slice(0, at)), host, port };
}

function decodePercent(text: string): string {
  return text.replace(/%([0-9A-Fa-f]{2})/g, (_, digits: string) => String.fromCharCode(Number.parseInt(digits, 16)));
}

/** RFC 3986 §5.2.4. */
function removeDotSegments(path: string): string {
  const kept: string[] = [];
  const segments = path.split("/");
  for (const [index, segment] of segments.entries()) {
    const isLast = index === segments.length - 1;
    if (segment === "." || segment === "..") {
      if (segment === ".." && kept.length > 1) kept.pop();
      if (isLast) kept.push("");
    } else {
      kept.push(segment);
    }
  }
  return kept.join("/");
}

/** The URL that a `Location` means, seen from `base` (RFC 3986 §5.2). */
export function resolveLocation(base: CurlUrl, location: string): string {
  if (/^[A-Za-z][A-Za-z0-9+.-]*:\/\//.test(location)) return location;
  const origin = /^[^:]+:\/\/[^/?#]*/.exec(base.text)?.[0] ?? "";
  if (location.startsWith("//")) return `${base.scheme}:${location}`;
  if (location.startsWith("/")) return origin + location;
  const path = base.target.replace(/\?.*$/, "");
  if (location.startsWith("?")) return origin + path + location;
  return origin + path.replace(/[^/]*$/, "") + location;
}
