import { formatIpv4 } from "../netstack/index.ts";
import {
  appendXForwardedFor,
  type ForwardedElement,
  formatForwarded,
  type HttpHeaders,
  header,
  headerValues,
  withHeader,
} from "../protocols/index.ts";
import type { ProxyOrigin } from "./proxy-header.ts";

/** Which header fields tell an HTTP backend about the client. */
export type ForwardingStyle = "none" | "x-forwarded" | "forwarded";

/**
 * What becomes of a field that the client sent itself. "add-line": it stays, a line of ours follows, as HAProxy does. "append": ours is added to its
 * value, as nginx's $proxy_add_x_forwarded_for and Amazon's balancers do. "replace": it is thrown away, the only one to be trusted blindly.
 */
export type ExistingHeader = "add-line" | "append" | "replace";

export interface ForwardingHeaders {
  readonly style: ForwardingStyle;
  /** "add-line" unless told. */
  readonly existing?: ExistingHeader;
}

/** The request's headers with what the proxy says about the client: X-Forwarded-For, -Proto, -Port and -Host, or Forwarded (RFC 7239). */
export function withForwardingHeaders(headers: HttpHeaders, rule: ForwardingHeaders, origin: ProxyOrigin): HttpHeaders {
  const { style, existing = "add-line" } = rule;
  const client = formatIpv4(origin.client.address);
  const host = header(headers, "host");
  if (style === "none") return headers;
  if (style === "forwarded") {
    const element: ForwardedElement = {
      for: { kind: "ipv4", address: client },
      ...(host !== undefined && { host }),
      proto: "http",
    };
    return added(headers, ["Forwarded", formatForwarded([element])], existing);
  }
  let result = added(headers, ["X-Forwarded-For", client], existing);
  result = withHeader(result, "X-Forwarded-Proto", "http");
  result = withHeader(result, "X-Forwarded-Port", String(origin.server.port));
  return host === undefined ? result : withHeader(result, "X-Forwarded-Host", host);
}

function added(headers: HttpHeaders, field: readonly [string, string], existing: ExistingHeader): HttpHeaders {
  const [name, value] = field;
  if (existing === "add-line") return [...headers, field];
  const before = headerValues(headers, name).join(", ");
  // Both headers are lists, so that members are joined alike (RFC 9110 §5.3).
  return withHeader(headers, name, existing === "append" ? appendXForwardedFor(before, value) : value);
}
