import {
  type BodyFraming,
  type HttpHeader,
  type HttpRequest,
  type HttpResponse,
  type HttpVersion,
  withoutHopByHop,
} from "../protocols/index.ts";
import { type ForwardingHeaders, withForwardingHeaders } from "./forwarding-headers.ts";
import type { ProxyOrigin } from "./proxy-header.ts";

const CHUNKED: HttpHeader = ["Transfer-Encoding", "chunked"];

/** The head a backend gets: without hop-by-hop fields, with the framing of its body, and with what is to be told about the client. */
export function requestForBackend(
  request: HttpRequest,
  framing: BodyFraming,
  told: { readonly forwarding: ForwardingHeaders; readonly origin: ProxyOrigin },
): HttpRequest {
  const framed = framing.kind === "chunked" ? [CHUNKED] : [];
  const keep: HttpHeader[] = request.version === "1.0" ? [["Connection", "keep-alive"]] : [];
  const headers = withForwardingHeaders(withoutHopByHop(request.headers), told.forwarding, told.origin);
  return { ...request, headers: [...headers, ...framed, ...keep] };
}

/** How a response's body reaches the client: as it came, but never in chunks to a client of HTTP/1.0. */
export function framingForClient(framing: BodyFraming, version: HttpVersion): BodyFraming["kind"] {
  return framing.kind === "chunked" && version === "1.0" ? "until-close" : framing.kind;
}

/** The head a client gets: without hop-by-hop fields, with the framing of its body and what becomes of the connection. */
export function responseForClient(
  response: HttpResponse,
  connection: { readonly framing: BodyFraming["kind"]; readonly version: HttpVersion; readonly keepAlive: boolean },
): HttpResponse {
  const { framing, version, keepAlive } = connection;
  const framed = framing === "chunked" ? [CHUNKED] : [];
  const state: HttpHeader[] = keepAlive
    ? version === "1.0"
      ? [["Connection", "keep-alive"]]
      : []
    : [["Connection", "close"]];
  return { ...response, version: "1.1", headers: [...withoutHopByHop(response.headers), ...framed, ...state] };
}
