import { type BodyFraming, declaredFraming } from "./http1-body.ts";
import { type HttpFault, responseError } from "./http1-fault.ts";
import { type HttpHeaders, type HttpVersion, keepsAlive } from "./http1-headers.ts";
import { type HttpEvent, type HttpLimits, type Interpretation, MessageParser } from "./http1-parser.ts";
import { parseVersion } from "./http1-request.ts";

/** A response without its body. */
export interface HttpResponse {
  readonly version: HttpVersion;
  readonly status: number;
  readonly reason: string;
  readonly headers: HttpHeaders;
}

/** What a response parser tells: `interim` for each 1xx, then one message for each request. */
export type HttpResponseEvent = HttpEvent<HttpResponse>;

/** Most requests whose responses are still to come. */
const MOST_OUTSTANDING = 1024;

/**
 * Reads the responses of one connection. The caller says which request each one answers, because a response to HEAD has
 * no body whatever its headers say. What follows a 101, or a 2xx to CONNECT, comes as `tunnel` events.
 */
export class HttpResponseParser {
  readonly #parser: MessageParser<HttpResponse, StatusLine>;
  readonly #methods: string[] = [];

  constructor(limits: HttpLimits) {
    const methods = this.#methods;
    this.#parser = new MessageParser(
      {
        // Bytes that answer no request cannot belong to the next one (RFC 9112 §9.2).
        begin: () => (methods.length === 0 ? "unexpected-response" : undefined),
        parseStart: parseStatusLine,
        interpret: (line, headers) => interpretResponse(line, headers, methods),
        errorOf: responseError,
      },
      limits,
    );
  }

  /** A request of this method has been sent on the connection. */
  expect(method: string): void {
    if (this.#methods.length >= MOST_OUTSTANDING) {
      throw new RangeError(`Cannot expect another response: ${MOST_OUTSTANDING} are still to come`);
    }
    this.#methods.push(method);
  }

  /** What these bytes complete. They are copied: the caller may reuse the array. */
  push(bytes: Uint8Array): readonly HttpResponseEvent[] {
    return this.#parser.push(bytes);
  }

  /** The server will send nothing more: the end of a body without a length, otherwise an error if a response is missing. */
  end(): readonly HttpResponseEvent[] {
    return this.#parser.end(this.#methods.length > 0 ? "no-response" : undefined);
  }
}

type StatusLine = Omit<HttpResponse, "headers">;

function parseStatusLine(line: string): StatusLine | HttpFault {
  // Servers leave out the space before an empty reason, although RFC 9112 §4 wants it.
  const match = /^(HTTP\/\d\.\d) ([1-9]\d\d)(?: ([\t\x20-\x7e\x80-\xff]*))?$/.exec(line);
  if (match === null) return "bad-start-line";
  const version = parseVersion(match[1] ?? "");
  if (version === undefined || version === "unsupported") return "unsupported-version";
  return { version, status: Number(match[2]), reason: match[3] ?? "" };
}

function interpretResponse(
  line: StatusLine,
  headers: HttpHeaders,
  methods: string[],
): Interpretation<HttpResponse> | HttpFault {
  const head: HttpResponse = { ...line, headers };
  if (line.status < 200 && line.status !== 101) return { event: { kind: "interim", head }, afterwards: "next" };
  const method = methods.shift() ?? "";
  const tunnel = line.status === 101 || (method === "CONNECT" && line.status < 300);
  const framing = hasNoBody(line.status, method) ? ({ kind: "none" } as const) : responseFraming(line.version, headers);
  if (typeof framing === "string") return framing;
  const keepAlive = keepsAlive(line.version, headers) && framing.kind !== "until-close";
  return {
    event: { kind: "head", head, framing, keepAlive, expectsContinue: false },
    afterwards: tunnel ? "tunnel" : keepAlive ? "next" : "closed",
  };
}

/** RFC 9112 §6.3, rules 1 and 2. */
function hasNoBody(status: number, method: string): boolean {
  return (
    method === "HEAD" || status < 200 || status === 204 || status === 304 || (method === "CONNECT" && status < 300)
  );
}

function responseFraming(version: HttpVersion, headers: HttpHeaders): BodyFraming | HttpFault {
  return declaredFraming(version, headers) ?? { kind: "until-close" };
}
