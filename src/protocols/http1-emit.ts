import { isToken } from "./http-token.ts";
import { emitChunk, emitLastChunk } from "./http1-chunked.ts";
import { formatHeaders, type HttpHeaders, header, headerTokens, isHeaderValue, withHeader } from "./http1-headers.ts";
import type { HttpRequest } from "./http1-request.ts";
import type { HttpResponse } from "./http1-response.ts";
import { octetsToBytes } from "./octets.ts";

/**
 * The bytes of a request: head alone when no body is given (it may follow in pieces), otherwise head and body, with a
 * `Content-Length` where the headers declare no framing, and in one chunk where they say chunked.
 */
export function emitRequest(request: HttpRequest, body?: Uint8Array): Uint8Array {
  const { method, target, version } = request;
  if (!isToken(method) || !/^[\x21-\x7e]+$/.test(target)) {
    throw new RangeError(
      `Cannot write request "${method} ${target}": method or target has characters not allowed there`,
    );
  }
  return emitMessage(`${method} ${target} HTTP/${version}\r\n`, request.headers, body);
}

/** The bytes of a response, by the same rules. An empty `reason` is written as such; see `reasonPhrase`. */
export function emitResponse(response: HttpResponse, body?: Uint8Array): Uint8Array {
  const { version, status, reason } = response;
  if (!Number.isInteger(status) || status < 100 || status > 999 || !isHeaderValue(reason)) {
    throw new RangeError(`Cannot write response "${status} ${reason}": it is not three digits and a line of text`);
  }
  return emitMessage(`HTTP/${version} ${status} ${reason}\r\n`, response.headers, body);
}

function emitMessage(startLine: string, headers: HttpHeaders, body: Uint8Array | undefined): Uint8Array {
  if (body === undefined) return octetsToBytes(`${startLine}${formatHeaders(headers)}\r\n`);
  if (headerTokens(headers, "transfer-encoding").includes("chunked")) {
    return concatenate(emitMessage(startLine, headers, undefined), emitChunk(body), emitLastChunk());
  }
  const declared = header(headers, "content-length");
  if (declared !== undefined && declared !== String(body.length)) {
    throw new RangeError(`Cannot write a body of ${body.length} bytes: Content-Length says ${declared}`);
  }
  const complete = declared === undefined ? withHeader(headers, "Content-Length", String(body.length)) : headers;
  return concatenate(emitMessage(startLine, complete, undefined), body);
}

function concatenate(...parts: readonly Uint8Array[]): Uint8Array {
  const bytes = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}

/** Reason phrases of the statuses natscope's programs answer with, RFC 9110 §15. */
const REASONS: { readonly [status: number]: string } = {
  100: "Continue",
  101: "Switching Protocols",
  200: "OK",
  201: "Created",
  204: "No Content",
  206: "Partial Content",
  301: "Moved Permanently",
  302: "Found",
  304: "Not Modified",
  307: "Temporary Redirect",
  308: "Permanent Redirect",
  400: "Bad Request",
  401: "Unauthorized",
  403: "Forbidden",
  404: "Not Found",
  405: "Method Not Allowed",
  408: "Request Timeout",
  413: "Content Too Large",
  414: "URI Too Long",
  417: "Expectation Failed",
  429: "Too Many Requests",
  431: "Request Header Fields Too Large",
  500: "Internal Server Error",
  501: "Not Implemented",
  502: "Bad Gateway",
  503: "Service Unavailable",
  504: "Gateway Timeout",
  505: "HTTP Version Not Supported",
};

/** The usual reason phrase of a status, empty where none is known. */
export function reasonPhrase(status: number): string {
  return REASONS[status] ?? "";
}
