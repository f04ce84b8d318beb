import { isToken } from "./http-token.ts";
import { type BodyFraming, declaredFraming } from "./http1-body.ts";
import { type HttpFault, requestError } from "./http1-fault.ts";
import { type HttpHeaders, type HttpVersion, headerTokens, headerValues, keepsAlive } from "./http1-headers.ts";
import {
  type HttpEvent,
  type HttpLimits,
  type Interpretation,
  type MessageGrammar,
  MessageParser,
} from "./http1-parser.ts";

/** A request without its body; `target` as it stands in the request line. */
export interface HttpRequest {
  readonly method: string;
  readonly target: string;
  readonly version: HttpVersion;
  readonly headers: HttpHeaders;
}

/** What a request parser tells. */
export type HttpRequestEvent = HttpEvent<HttpRequest>;

/**
 * Reads the requests of one connection, pipelined ones included. What follows `Connection: close` is ignored; what
 * follows a CONNECT comes as `tunnel` events.
 */
export class HttpRequestParser {
  readonly #parser: MessageParser<HttpRequest, RequestLine>;

  constructor(limits: HttpLimits) {
    this.#parser = new MessageParser(REQUEST_GRAMMAR, limits);
  }

  /** Whether the next byte begins a request. */
  get isBetween(): boolean {
    return this.#parser.isBetween;
  }

  /** What these bytes complete. They are copied: the caller may reuse the array. */
  push(bytes: Uint8Array): readonly HttpRequestEvent[] {
    return this.#parser.push(bytes);
  }

  /** The client will send nothing more. */
  end(): readonly HttpRequestEvent[] {
    return this.#parser.end(undefined);
  }
}

type RequestLine = Omit<HttpRequest, "headers">;

const REQUEST_GRAMMAR: MessageGrammar<HttpRequest, RequestLine> = {
  // A TLS hello or other bytes that are no HTTP are refused at once, not when a line of them is complete.
  begin: (first) => (isToken(String.fromCharCode(first)) ? undefined : "bad-start-line"),
  parseStart: parseRequestLine,
  interpret: interpretRequest,
  errorOf: requestError,
};

function parseRequestLine(line: string): RequestLine | HttpFault {
  const [method = "", target = "", protocol = "", ...more] = line.split(" ");
  if (more.length > 0 || !isToken(method) || !isTarget(method, target)) return "bad-start-line";
  const version = parseVersion(protocol);
  if (version === undefined) return "bad-start-line";
  return version === "unsupported" ? "unsupported-version" : { method, target, version };
}

/** The version in `HTTP/x.y`; `undefined` when it is not of that form. */
export function parseVersion(protocol: string): HttpVersion | "unsupported" | undefined {
  const match = /^HTTP\/(\d)\.(\d)$/.exec(protocol);
  if (match === null) return undefined;
  if (match[1] !== "1") return "unsupported";
  return match[2] === "0" ? "1.0" : "1.1";
}

/** Whether `target` has one of the four forms of RFC 9112 §3.2 and the method that form is for. */
function isTarget(method: string, target: string): boolean {
  if (!/^[\x21-\x7e]+$/.test(target)) return false;
  if (method === "CONNECT") return /^[^/?#@]+:\d{1,5}$/.test(target);
  if (target === "*") return method === "OPTIONS";
  return target.startsWith("/") || /^[A-Za-z][A-Za-z0-9+.-]*:\/\/./.test(target);
}

function interpretRequest(line: RequestLine, headers: HttpHeaders): Interpretation<HttpRequest> | HttpFault {
  if (!hasValidHost(line.version, headers)) return "bad-host";
  const declared = declaredFraming(line.version, headers) ?? { kind: "none" };
  if (typeof declared === "string") return declared;
  const tunnel = line.method === "CONNECT";
  const framing: BodyFraming = tunnel ? { kind: "none" } : declared;
  const keepAlive = keepsAlive(line.version, headers);
  const expectsContinue =
    framing.kind !== "none" && line.version === "1.1" && headerTokens(headers, "expect").includes("100-continue");
  return {
    event: { kind: "head", head: { ...line, headers }, framing, keepAlive, expectsContinue },
    afterwards: tunnel ? "tunnel" : keepAlive ? "next" : "closed",
  };
}

/** One Host field in HTTP/1.1, at most one in HTTP/1.0, and nothing in it but a host and a port (RFC 9112 §3.2). */
function hasValidHost(version: HttpVersion, headers: HttpHeaders): boolean {
  const hosts = headerValues(headers, "host");
  if (hosts.length > 1 || (hosts.length === 0 && version === "1.1")) return false;
  return hosts.every((host) => /^(?:[A-Za-z0-9\-._~!$&'()*+;=%]*|\[[0-9A-Za-z:.]+\])(?::\d*)?$/.test(host));
}
