import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  emitChunk,
  emitLastChunk,
  emitRequest,
  type HttpLimits,
  HttpMessageCollector,
  HttpRequestParser,
  header,
} from "../../src/protocols/index.ts";
import { ascii, asText, shorterPrefixes } from "./hex.ts";
import { storyOf } from "./http1-story.ts";
import { anyCuts, pieces } from "./pieces.ts";

const LIMITS: HttpLimits = { body: 1000 };

/** What the parser tells about a stream given in these pieces and then ended. */
function story(stream: readonly Uint8Array[], limits: HttpLimits = LIMITS): string[] {
  const parser = new HttpRequestParser(limits);
  return storyOf([...stream.flatMap((bytes) => [...parser.push(bytes)]), ...parser.end()]);
}

/** A request with these header lines; the host is there already. */
function withLines(...lines: string[]): string {
  return ["POST / HTTP/1.1", "Host: a", ...lines, "", ""].join("\r\n");
}

const UNDERSTOOD: readonly [name: string, text: string, lines: string[]][] = [
  ["a GET", "GET /a?b=c HTTP/1.1\r\nHost: a\r\n\r\n", ["head GET /a?b=c 1.1 none keep", "end"]],
  ["lines ended by LF", "GET / HTTP/1.1\nHost: a\n\n", ["head GET / 1.1 none keep", "end"]],
  ["an HTTP/1.0 request without Host", "GET / HTTP/1.0\r\n\r\n", ["head GET / 1.0 none close", "end"]],
  [
    "an HTTP/1.0 request that keeps alive",
    "GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n",
    ["head GET / 1.0 none keep", "end"],
  ],
  ["a later minor version as 1.1", "GET / HTTP/1.7\r\nHost: a\r\n\r\n", ["head GET / 1.1 none keep", "end"]],
  ["an empty line before the request", "\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", ["head GET / 1.1 none keep", "end"]],
  ["an absolute target", "GET http://a/b HTTP/1.1\r\nHost: a\r\n\r\n", ["head GET http://a/b 1.1 none keep", "end"]],
  ["the asterisk", "OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n", ["head OPTIONS * 1.1 none keep", "end"]],
  ["an IPv6 host", "GET / HTTP/1.1\r\nHost: [2001:db8::1]:80\r\n\r\n", ["head GET / 1.1 none keep", "end"]],
  ["an empty host", "GET / HTTP/1.1\r\nHost:\r\n\r\n", ["head GET / 1.1 none keep", "end"]],
  ["a body by length", `${withLines("Content-Length: 5")}hello`, ["head POST / 1.1 length keep", "body hello", "end"]],
  ["a length of zero", withLines("Content-Length: 0"), ["head POST / 1.1 none keep", "end"]],
  [
    "chunks with extensions and trailers",
    `${withLines("Transfer-Encoding: Chunked")}5;a;b=c;d="e;f"\r\nhello\r\n00B ; x\r\n, and world\r\n0\r\nSum: 7\r\n\r\n`,
    ["head POST / 1.1 chunked keep", "body hello, and world", "end Sum=7"],
  ],
  [
    "100-continue",
    `${withLines("Expect: 100-Continue", "Content-Length: 2")}ok`,
    ["head POST / 1.1 length keep waits", "body ok", "end"],
  ],
  [
    "100-continue without a body as nothing to wait for",
    withLines("Expect: 100-continue"),
    ["head POST / 1.1 none keep", "end"],
  ],
  [
    "pipelined requests",
    `${withLines("Content-Length: 1")}aGET /b HTTP/1.1\r\nHost: b\r\n\r\n`,
    ["head POST / 1.1 length keep", "body a", "end", "head GET /b 1.1 none keep", "end"],
  ],
  [
    "an empty line before each of two requests",
    "\r\nGET /a HTTP/1.1\r\nHost: a\r\n\r\n\r\nGET /b HTTP/1.1\r\nHost: b\r\n\r\n",
    ["head GET /a 1.1 none keep", "end", "head GET /b 1.1 none keep", "end"],
  ],
  [
    "nothing after Connection: close",
    "GET / HTTP/1.1\r\nHost: a\r\nConnection: x, Close\r\n\r\nGET /b HTTP/1.1\r\nHost: b\r\n\r\n",
    ["head GET / 1.1 none close", "end"],
  ],
  [
    "bytes after CONNECT as a tunnel's",
    "CONNECT a:443 HTTP/1.1\r\nHost: a\r\n\r\n\0\0",
    ["head CONNECT a:443 1.1 none keep", "end", "tunnel \0\0"],
  ],
];

const LONG = "x".repeat(20_000);

const REFUSED: readonly [name: string, text: string, error: string][] = [
  ["an empty method", " / HTTP/1.1\r\n", "400 bad-start-line"],
  ["no version", "GET /\r\n", "400 bad-start-line"],
  ["two spaces", "GET  / HTTP/1.1\r\n", "400 bad-start-line"],
  ["a space in the target", "GET /a b HTTP/1.1\r\n", "400 bad-start-line"],
  ["a relative target", "GET a HTTP/1.1\r\n", "400 bad-start-line"],
  ["an asterisk without OPTIONS", "GET * HTTP/1.1\r\n", "400 bad-start-line"],
  ["CONNECT without a port", "CONNECT a HTTP/1.1\r\n", "400 bad-start-line"],
  ["a version in small letters", "GET / http/1.1\r\n", "400 bad-start-line"],
  ["a CR inside the request line", "GET /\r HTTP/1.1\r\n", "400 bad-start-line"],
  ["two empty lines", "\r\n\r\n", "400 bad-start-line"],
  ["a TLS hello, by its first byte", "\x16", "400 bad-start-line"],
  ["a PROXY v1 header", "PROXY TCP4 192.0.2.1 192.0.2.2 40000 80\r\n", "400 bad-start-line"],
  ["a PROXY v2 header", "\r\n\r\n\0\r\nQUIT\n", "400 bad-start-line"],
  ["HTTP/2's preface", "PRI * HTTP/2.0\r\n", "400 bad-start-line"],
  ["another major version", "GET / HTTP/2.0\r\n", "505 unsupported-version"],
  ["a request line of more than 8 KiB", `GET /${LONG}`, "414 start-line-too-long"],
  ["a folded header", withLines(" b"), "400 folded-header"],
  ["a first header line that begins with a tab", "GET / HTTP/1.1\r\n\tHost: a\r\n\r\n", "400 folded-header"],
  ["a space before the colon", withLines("A : b"), "400 bad-header"],
  ["a line without colon", withLines("A"), "400 bad-header"],
  ["an empty header name", withLines(": b"), "400 bad-header"],
  ["a zero byte in a value", withLines("A: b\0"), "400 bad-header"],
  ["a lone CR in a value", withLines("A: b\rC: d"), "400 bad-header"],
  ["a header section of more than 16 KiB", `GET / HTTP/1.1\r\nHost: a\r\nA: ${LONG}`, "431 header-section-too-large"],
  ["no Host in HTTP/1.1", "GET / HTTP/1.1\r\n\r\n", "400 bad-host"],
  ["two Hosts", withLines("Host: b"), "400 bad-host"],
  ["a Host with a path", "GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", "400 bad-host"],
  ["two lengths", withLines("Content-Length: 5", "Content-Length: 5"), "400 bad-content-length"],
  ["a list of lengths", withLines("Content-Length: 5, 5"), "400 bad-content-length"],
  ["a length with a sign", withLines("Content-Length: +5"), "400 bad-content-length"],
  ["a negative length", withLines("Content-Length: -5"), "400 bad-content-length"],
  ["a hexadecimal length", withLines("Content-Length: 0x5"), "400 bad-content-length"],
  ["an empty length", withLines("Content-Length:"), "400 bad-content-length"],
  ["a length no number holds", withLines(`Content-Length: ${"9".repeat(30)}`), "413 body-too-large"],
  ["a body longer than the limit", withLines("Content-Length: 1001"), "413 body-too-large"],
  [
    "length and chunked together",
    withLines("Transfer-Encoding: chunked", "Content-Length: 5"),
    "400 length-and-transfer-encoding",
  ],
  ["chunked twice", withLines("Transfer-Encoding: chunked", "Transfer-Encoding: chunked"), "400 bad-transfer-encoding"],
  ["chunked not last", withLines("Transfer-Encoding: chunked, gzip"), "400 bad-transfer-encoding"],
  ["identity", withLines("Transfer-Encoding: identity"), "400 bad-transfer-encoding"],
  ["an empty Transfer-Encoding", withLines("Transfer-Encoding:"), "400 bad-transfer-encoding"],
  ["chunked with a comma", withLines("Transfer-Encoding: chunked,"), "400 bad-transfer-encoding"],
  ["chunked with a vertical tab", withLines("Transfer-Encoding: \vchunked"), "400 bad-header"],
  ["chunked in HTTP/1.0", "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", "400 bad-transfer-encoding"],
  ["gzip inside chunked", withLines("Transfer-Encoding: gzip, chunked"), "501 unsupported-transfer-coding"],
];

const REFUSED_CHUNKS: readonly [name: string, text: string, error: string][] = [
  ["no size", "\r\n", "400 bad-chunk"],
  ["a size with a sign", "+5\r\n", "400 bad-chunk"],
  ["a size with 0x", "0x5\r\n", "400 bad-chunk"],
  ["a size of 14 digits", "00000000000005\r\n", "400 bad-chunk"],
  ["a size line ended by LF", "5\nhello\r\n", "400 bad-chunk"],
  ["a space after the size", "5 \r\n", "400 bad-chunk"],
  ["an extension that is none", "5;=\r\n", "400 bad-chunk"],
  ["data longer than the size", "5\r\nhello!\r\n", "400 bad-chunk"],
  ["data ended by LF", "5\r\nhello\n0\r\n\r\n", "400 bad-chunk"],
  ["a trailer ended by LF", "0\r\nA: b\n\r\n", "400 bad-chunk"],
  ["a trailer that is none", "0\r\nA\r\n\r\n", "400 bad-header"],
  ["a chunk line of more than 1 KiB", `5;${LONG}`, "400 chunk-line-too-long"],
  ["trailers of more than 16 KiB", `0\r\nA: ${LONG}`, "431 header-section-too-large"],
  ["one chunk beyond the limit", "3e9\r\n", "413 body-too-large"],
];

describe("HttpRequestParser", () => {
  it.each(UNDERSTOOD)("understands %s", (_name, text, lines) => {
    expect(story([ascii(text)])).toEqual(lines);
  });

  it.each(REFUSED)("refuses %s", (_name, text, error) => {
    expect(story([ascii(text)])).toEqual([`error ${error}`]);
  });

  it.each(REFUSED_CHUNKS)("refuses %s in a chunked body", (_name, text, error) => {
    expect(story([ascii(withLines("Transfer-Encoding: chunked") + text)]).at(-1)).toBe(`error ${error}`);
  });

  it("adds up chunks against the body limit", () => {
    const text = `${withLines("Transfer-Encoding: chunked")}4\r\nabcd\r\n4\r\nefgh\r\n`;
    expect(story([ascii(text)], { body: 7 })).toEqual([
      "head POST / 1.1 chunked keep",
      "body abcd",
      "error 413 body-too-large",
    ]);
  });

  it("takes a body of exactly the limit", () => {
    expect(story([ascii(`${withLines("Content-Length: 5")}hello`)], { body: 5 }).at(-1)).toBe("end");
  });

  it("measures the start line and the header section against the limits it was given", () => {
    const text = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
    const limits = { ...LIMITS, startLine: 15, headerSection: 11 };
    expect(story([ascii(text)], limits)).toEqual(["head GET / 1.1 none keep", "end"]);
    expect(story([ascii(text)], { ...limits, startLine: 14 })).toEqual(["error 414 start-line-too-long"]);
    expect(story([ascii(text)], { ...limits, headerSection: 10 })).toEqual(["error 431 header-section-too-large"]);
  });

  it("keeps header order, case and bytes that are no UTF-8", () => {
    const bytes = Uint8Array.from([
      ...ascii("GET / HTTP/1.1\r\nhOsT: a\r\nX-B: \t1 2 \r\nx-a:"),
      0xe9,
      ...ascii("\r\n\r\n"),
    ]);
    const [event] = new HttpRequestParser(LIMITS).push(bytes);
    const headers = event?.kind === "head" ? event.head.headers : [];
    expect(headers).toEqual([
      ["hOsT", "a"],
      ["X-B", "1 2"],
      ["x-a", "\xe9"],
    ]);
    expect(header(headers, "X-A")).toBe("\xe9");
  });

  it("gives the same story however the stream is cut", () => {
    const streams = [...UNDERSTOOD, ...REFUSED].map(([, text]) => text);
    const chunked = REFUSED_CHUNKS.map(([, text]) => withLines("Transfer-Encoding: chunked") + text);
    fc.assert(
      fc.property(fc.constantFrom(...streams, ...chunked), anyCuts, (text, places) => {
        const bytes = ascii(text);
        expect(story(pieces(bytes, places))).toEqual(story([bytes]));
      }),
      { seed: 1, numRuns: 500 },
    );
  });

  it("calls every shorter beginning of a request incomplete, the empty one excepted", () => {
    const bytes = ascii(`${withLines("Transfer-Encoding: chunked")}2\r\nab\r\n0\r\nA: b\r\n\r\n`);
    expect(story([bytes]).at(-1)).toBe("end A=b");
    const [empty, ...others] = shorterPrefixes(bytes).map((prefix) => story([prefix]).at(-1));
    expect(empty).toBeUndefined();
    expect(new Set(others)).toEqual(new Set(["error 400 incomplete"]));
  });

  it("tells nothing more after an error", () => {
    const parser = new HttpRequestParser(LIMITS);
    expect(parser.push(ascii("x\r\n"))).toHaveLength(1);
    expect(parser.push(ascii("GET / HTTP/1.1\r\nHost: a\r\n\r\n"))).toEqual([]);
    expect(parser.end()).toEqual([]);
  });

  it("never throws on random bytes, and says the same however they are cut", () => {
    const line = fc.constantFrom(
      "GET / HTTP/1.1\r\n",
      "Host: a\r\n",
      "Transfer-Encoding: chunked\r\n",
      "\r\n",
      "5\r\n",
      "0\r\n",
    );
    const part = fc.oneof(fc.uint8Array({ maxLength: 30 }), line.map(ascii));
    fc.assert(
      fc.property(fc.array(part, { maxLength: 12 }), anyCuts, (parts, places) => {
        const bytes = Uint8Array.from(parts.flatMap((one) => [...one]));
        expect(story(pieces(bytes, places), { body: 20 })).toEqual(story([bytes], { body: 20 }));
      }),
      { seed: 2, numRuns: 1000 },
    );
  });

  it("does not keep the pushed array, so the caller may reuse it", () => {
    const parser = new HttpRequestParser(LIMITS);
    const bytes = ascii(`${withLines("Content-Length: 5")}hello`);
    const events = parser.push(bytes);
    bytes.fill(0);
    expect(events[1]).toEqual({ kind: "body", bytes: ascii("hello") });
  });
});

describe("HttpMessageCollector", () => {
  it("puts heads, pieces and trailers together to whole messages", () => {
    const parser = new HttpRequestParser(LIMITS);
    const collector = new HttpMessageCollector();
    const text = `${withLines("Transfer-Encoding: chunked")}2\r\nab\r\n1\r\nc\r\n0\r\nT: 1\r\n\r\nGET / HTTP/1.0\r\n\r\n`;
    const messages = parser.push(ascii(text)).flatMap((event) => collector.add(event) ?? []);
    expect(messages.map(({ body, trailers, keepAlive }) => ({ body: asText(body), trailers, keepAlive }))).toEqual([
      { body: "abc", trailers: [["T", "1"]], keepAlive: true },
      { body: "", trailers: [], keepAlive: false },
    ]);
  });
});

describe("emitRequest()", () => {
  const request = { method: "POST", target: "/a", version: "1.1", headers: [["Host", "b"]] } as const;

  it("writes the head alone when there is no body", () => {
    expect(asText(emitRequest(request))).toBe("POST /a HTTP/1.1\r\nHost: b\r\n\r\n");
  });

  it("adds the length of a body", () => {
    expect(asText(emitRequest(request, ascii("hi")))).toBe(
      "POST /a HTTP/1.1\r\nHost: b\r\nContent-Length: 2\r\n\r\nhi",
    );
  });

  it("writes the body as one chunk where the headers say chunked", () => {
    const chunked = { ...request, headers: [["Transfer-Encoding", "chunked"]] } as const;
    const head = "POST /a HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n";
    expect(asText(emitRequest(chunked, ascii("hi")))).toBe(`${head}2\r\nhi\r\n0\r\n\r\n`);
    expect(asText(emitRequest(chunked, ascii("")))).toBe(`${head}0\r\n\r\n`);
  });

  it.each([
    ["a line break in a value", { ...request, headers: [["A", "b\r\nC: d"]] }],
    ["a name that is no token", { ...request, headers: [["A B", "c"]] }],
    ["a value above one octet", { ...request, headers: [["A", "€"]] }],
    ["a space in the target", { ...request, target: "/a b" }],
    ["a length that is not the body's", { ...request, headers: [["Content-Length", "3"]] }],
  ] as const)("throws on %s, the caller's mistake", (_name, wrong) => {
    expect(() => emitRequest(wrong, ascii("hi"))).toThrow(RangeError);
  });

  it("is read back as it was written", () => {
    const token = fc.stringMatching(/^[A-Za-z!#$%&'*+.^_`|~-]{1,12}$/);
    const value = fc.stringMatching(/^(?:[!-~](?:[ -~]{0,20}[!-~])?)?$/);
    const headers = fc.array(
      fc.tuple(
        token.map((name) => `x-${name}`),
        value,
      ),
      { maxLength: 8 },
    );
    fc.assert(
      fc.property(token, fc.webPath(), headers, fc.uint8Array({ maxLength: 100 }), (method, path, others, body) => {
        fc.pre(method !== "CONNECT");
        const sent = { method, target: `/${path}`, version: "1.1", headers: [["Host", "h"], ...others] } as const;
        const collector = new HttpMessageCollector();
        const [read] = new HttpRequestParser(LIMITS)
          .push(emitRequest(sent, body))
          .flatMap((one) => collector.add(one) ?? []);
        const complete = [...sent.headers, ["Content-Length", String(body.length)]];
        expect(read).toEqual({ head: { ...sent, headers: complete }, body, trailers: [], keepAlive: true });
      }),
      { seed: 3 },
    );
  });
});

describe("emitChunk()", () => {
  it("writes size, data and line ends", () => {
    expect(asText(emitChunk(ascii("hello, world, again")))).toBe("13\r\nhello, world, again\r\n");
  });

  it("writes nothing for no data, because an empty chunk ends the body", () => {
    expect(emitChunk(ascii(""))).toEqual(ascii(""));
  });

  it("is followed by a last chunk with trailers", () => {
    expect(asText(emitLastChunk([["A", "b"]]))).toBe("0\r\nA: b\r\n\r\n");
  });
});
