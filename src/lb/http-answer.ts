import { emitResponse, type HttpHeader, reasonPhrase } from "../protocols/index.ts";

/**
 * The answers a proxy gives of its own, each the last one on its connection. 503: no backend took the connection. 502: what the backend said is no
 * response. 504: it said nothing in time. 408: the client did not. The others are requests that were refused.
 */
export type ProxyStatus = 400 | 405 | 408 | 413 | 414 | 431 | 501 | 502 | 503 | 504 | 505;

/** A short page with the status, for people; without its body when it answers a HEAD. */
export function proxyAnswer(status: ProxyStatus, method: string | undefined): Uint8Array {
  const reason = reasonPhrase(status);
  const page = new TextEncoder().encode(`<html><body><h1>${status} ${reason}</h1></body></html>\n`);
  const headers: HttpHeader[] = [
    ["Content-Type", "text/html"],
    ["Cache-Control", "no-cache"],
    ["Content-Length", String(page.length)],
    ["Connection", "close"],
  ];
  const head = { version: "1.1", status, reason, headers } as const;
  return method === "HEAD" ? emitResponse(head) : emitResponse(head, page);
}
