import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { emitResponse, HttpResponseParser, reasonPhrase } from "../../src/protocols/index.ts";
import { ascii, asText } from "./hex.ts";
import { storyOf } from "./http1-story.ts";
import { anyCuts, pieces } from "./pieces.ts";

/** What the parser tells about a stream that answers these requests, in these pieces. */
function story(methods: string, stream: readonly Uint8Array[], close: "then closed" | "still open"): string[] {
  const parser = new HttpResponseParser({ body: 100 });
  for (const method of methods.split(" ").filter((one) => one !== "")) parser.expect(method);
  const events = stream.flatMap((bytes) => [...parser.push(bytes)]);
  if (close === "then closed") events.push(...parser.end());
  return storyOf(events);
}

const OK = "HTTP/1.1 200 OK\r\n";

const UNDERSTOOD: readonly [name: string, methods: string, text: string, lines: string[]][] = [
  ["a body by length", "GET", `${OK}Content-Length: 2\r\n\r\nhi`, ['head 1.1 200 "OK" length keep', "body hi", "end"]],
  ["a body until close", "GET", `${OK}\r\nhi`, ['head 1.1 200 "OK" until-close close', "body hi", "end"]],
  ["an empty body until close", "GET", `${OK}\r\n`, ['head 1.1 200 "OK" until-close close', "end"]],
  [
    "chunks and trailers",
    "GET",
    `${OK}Transfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\nA: b\r\n\r\n`,
    ['head 1.1 200 "OK" chunked keep', "body hi", "end A=b"],
  ],
  ["no body after HEAD", "HEAD", `${OK}Content-Length: 2\r\n\r\n`, ['head 1.1 200 "OK" none keep', "end"]],
  ["no body in 204", "GET", "HTTP/1.1 204 No Content\r\n\r\n", ['head 1.1 204 "No Content" none keep', "end"]],
  [
    "no body in 304",
    "GET",
    "HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n",
    ['head 1.1 304 "Not Modified" none keep', "end"],
  ],
  [
    "100 Continue before the response",
    "POST",
    "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
    ['interim 1.1 100 "Continue"', 'head 1.1 200 "OK" none keep', "end"],
  ],
  [
    "pipelined responses, each by its own request",
    "HEAD GET",
    `${OK}Content-Length: 2\r\n\r\n${OK}Content-Length: 2\r\n\r\nhi`,
    ['head 1.1 200 "OK" none keep', "end", 'head 1.1 200 "OK" length keep', "body hi", "end"],
  ],
  [
    "an HTTP/1.0 response that keeps alive",
    "GET",
    "HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 2\r\n\r\nhi",
    ['head 1.0 200 "OK" length keep', "body hi", "end"],
  ],
  ["a status without reason", "GET", "HTTP/1.1 204\r\n\r\n", ['head 1.1 204 "" none keep', "end"]],
  [
    "a switched protocol's bytes",
    "GET",
    "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\nabc",
    ['head 1.1 101 "Switching Protocols" none keep', "end", "tunnel abc"],
  ],
  ["a tunnel's bytes after CONNECT", "CONNECT", `${OK}\r\nabc`, ['head 1.1 200 "OK" none keep', "end", "tunnel abc"]],
  [
    "a refused CONNECT as an ordinary response",
    "CONNECT",
    "HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno",
    ['head 1.1 403 "Forbidden" length keep', "body no", "end"],
  ],
];

const REFUSED: readonly [name: string, methods: string, text: string, error: string][] = [
  ["bytes nobody asked for", "", `${OK}\r\n`, "502 unexpected-response"],
  ["a second response to one request", "GET", `${OK}Content-Length: 0\r\n\r\nH`, "502 unexpected-response"],
  ["a status of two digits", "GET", "HTTP/1.1 20 OK\r\n", "502 bad-start-line"],
  ["another protocol", "GET", "SSH-2.0-x\r\n", "502 bad-start-line"],
  ["another major version", "GET", "HTTP/2.0 200 OK\r\n", "502 unsupported-version"],
  [
    "length and chunked together",
    "GET",
    `${OK}Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n`,
    "502 length-and-transfer-encoding",
  ],
  ["two lengths", "GET", `${OK}Content-Length: 2\r\nContent-Length: 3\r\n\r\n`, "502 bad-content-length"],
  ["gzip as transfer coding", "GET", `${OK}Transfer-Encoding: gzip\r\n\r\n`, "502 bad-transfer-encoding"],
  ["a body until close beyond the limit", "GET", `${OK}\r\n${"x".repeat(101)}`, "502 body-too-large"],
  ["a length beyond the limit", "GET", `${OK}Content-Length: 101\r\n\r\n`, "502 body-too-large"],
  ["a connection closed before the response", "GET", "", "502 no-response"],
  ["a connection closed in the status line", "GET", "HTTP/1.1 2", "502 incomplete"],
  ["a connection closed in the headers", "GET", `${OK}A: b\r\n`, "502 incomplete"],
  ["a connection closed in a body with a length", "GET", `${OK}Content-Length: 3\r\n\r\nhi`, "502 incomplete"],
  ["a connection closed between chunks", "GET", `${OK}Transfer-Encoding: chunked\r\n\r\n1\r\na\r\n`, "502 incomplete"],
  ["a connection closed after 100 Continue", "POST", "HTTP/1.1 100 Continue\r\n\r\n", "502 no-response"],
];

describe("HttpResponseParser", () => {
  it.each(UNDERSTOOD)("understands %s", (_name, methods, text, lines) => {
    expect(story(methods, [ascii(text)], "then closed")).toEqual(lines);
  });

  it.each(REFUSED)("refuses %s", (_name, methods, text, error) => {
    expect(story(methods, [ascii(text)], "then closed").at(-1)).toBe(`error ${error}`);
  });

  it("does not end a body until close while the connection is open", () => {
    expect(story("GET", [ascii(`${OK}\r\nhi`)], "still open")).toEqual([
      'head 1.1 200 "OK" until-close close',
      "body hi",
    ]);
  });

  it("gives the same story however the stream is cut", () => {
    fc.assert(
      fc.property(fc.constantFrom(...UNDERSTOOD, ...REFUSED), anyCuts, ([, methods, text], places) => {
        const bytes = ascii(text);
        expect(story(methods, pieces(bytes, places), "then closed")).toEqual(story(methods, [bytes], "then closed"));
      }),
      { seed: 1, numRuns: 500 },
    );
  });

  it("never throws on random bytes", () => {
    fc.assert(
      fc.property(fc.constantFrom("", OK, `${OK}\r\n`), fc.uint8Array({ maxLength: 200 }), (start, bytes) => {
        const parser = new HttpResponseParser({ body: 50 });
        parser.expect("GET");
        parser.push(ascii(start));
        parser.push(bytes);
        expect(parser.end().length).toBeLessThanOrEqual(1);
      }),
      { seed: 2, numRuns: 500 },
    );
  });

  it("bounds how many responses may be outstanding", () => {
    const parser = new HttpResponseParser({ body: 1 });
    for (let i = 0; i < 1024; i++) parser.expect("GET");
    expect(() => parser.expect("GET")).toThrow("Cannot expect another response: 1024 are still to come");
  });
});

describe("emitResponse()", () => {
  const response = { version: "1.1", status: 200, reason: "OK", headers: [["Server", "x"]] } as const;

  it("writes head and body with the length added", () => {
    const text = "HTTP/1.1 200 OK\r\nServer: x\r\nContent-Length: 2\r\n\r\nhi";
    expect(asText(emitResponse(response, ascii("hi")))).toBe(text);
  });

  it("keeps the space before an empty reason", () => {
    expect(asText(emitResponse({ ...response, reason: "" }))).toBe("HTTP/1.1 200 \r\nServer: x\r\n\r\n");
  });

  it.each([
    ["a status of four digits", { ...response, status: 1000 }],
    ["a line break in the reason", { ...response, reason: "OK\r\nA: b" }],
  ])("throws on %s, the caller's mistake", (_name, wrong) => {
    expect(() => emitResponse(wrong)).toThrow(RangeError);
  });
});

describe("reasonPhrase()", () => {
  it("knows the statuses that parsers ask for, and has no word for others", () => {
    expect([400, 413, 414, 431, 501, 505].map(reasonPhrase)).toEqual([
      "Bad Request",
      "Content Too Large",
      "URI Too Long",
      "Request Header Fields Too Large",
      "Not Implemented",
      "HTTP Version Not Supported",
    ]);
    expect(reasonPhrase(299)).toBe("");
  });
});
