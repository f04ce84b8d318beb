import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type ForwardingHeaders, withForwardingHeaders } from "../../src/lb/index.ts";
import { address } from "../../src/netstack/index.ts";
import { HttpMessageCollector, HttpRequestParser, HttpResponseParser } from "../../src/protocols/index.ts";
import { ms, seconds } from "../../src/sim/index.ts";
import { bytesSent, CLIENT } from "./balanced-network.ts";
import { backendServer, bytesOf, Caller, httpBackend, proxiedNetwork } from "./proxied-network.ts";

const HTTP = { kind: "http" } as const;
const OK = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

function get(path: string, more = ""): string {
  return `GET ${path} HTTP/1.1\r\nHost: app.example\r\n${more}\r\n`;
}

function statuses(text: string): number[] {
  return [...text.matchAll(/HTTP\/1\.[01] (\d+) /g)].map((match) => Number(match[1]));
}

describe("an HTTP proxy", () => {
  it("passes a request on without hop-by-hop fields, and the response back", () => {
    const world = proxiedNetwork({ mode: HTTP });
    const heard = httpBackend(
      world.b1,
      () => "HTTP/1.1 200 Fine\r\nX-A: 1\r\nKeep-Alive: timeout=5\r\nContent-Length: 2\r\n\r\nok",
    );
    const more =
      "Connection: keep-alive, X-Hop\r\nX-Hop: 1\r\nKeep-Alive: 300\r\nTE: trailers\r\nUpgrade: h2c\r\nX-End: 2\r\n";
    const caller = new Caller(world.client).say(get("/a?b=c", more));
    world.net.run();
    expect(heard[0]?.text).toBe("GET /a?b=c HTTP/1.1\r\nHost: app.example\r\nX-End: 2\r\n\r\n");
    expect(caller.got).toBe("HTTP/1.1 200 Fine\r\nX-A: 1\r\nContent-Length: 2\r\n\r\nok");
    expect(world.told.slice(-2)).toEqual([
      `GET /a?b=c of ${CLIENT}:${caller.socket.local.port} goes to b1`,
      `${CLIENT}:${caller.socket.local.port} gets 200 from the backend`,
    ]);
  });

  it("keeps both connections for the next request", () => {
    const world = proxiedNetwork({ mode: HTTP });
    const heard = httpBackend(world.b1, (_head, i) => `HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n${i}`);
    const caller = new Caller(world.client).say(get("/0"));
    world.net.run();
    caller.say(get("/1"));
    world.net.run();
    expect(heard.length).toBe(1);
    expect(caller.got.replaceAll("HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n", "")).toBe("01");
    expect(world.proxy.counters).toMatchObject({ sessions: 1, requests: 2 });
  });

  it("answers pipelined requests in their order", () => {
    const world = proxiedNetwork({ mode: HTTP });
    const heard = httpBackend(world.b1, (head) => {
      const path = /^GET \/(\w)/.exec(head)?.[1] ?? "?";
      return `HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n${path}`;
    });
    const caller = new Caller(world.client).say(["a", "b", "c", "d"].map((path) => get(`/${path}`)).join(""));
    world.net.run();
    expect(caller.got.replace(/HTTP\/1.1 200 OK\r\nContent-Length: 1\r\n\r\n/g, "")).toBe("abcd");
    expect(heard.length).toBe(1);
  });

  it("answers what was pipelined before the client's end, and then ends", () => {
    const world = proxiedNetwork({ mode: HTTP });
    httpBackend(world.b1, () => OK);
    const caller = new Caller(world.client);
    world.net.run();
    caller.say(get("/1") + get("/2")).socket.end();
    world.net.run();
    expect(statuses(caller.got)).toEqual([200, 200]);
    expect(caller.ended).toBe("closed");
    expect([world.proxy.active, world.pool.find("b1")?.active]).toEqual([0, 0]);
  });

  const closers: [string, string, string, boolean][] = [
    ["the client says close", "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", OK, true],
    ["the client speaks HTTP/1.0", "GET / HTTP/1.0\r\n\r\n", OK, true],
    ["HTTP/1.0 with keep-alive", "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", OK, false],
    ["the backend says close", get("/"), "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok", false],
    ["the backend speaks HTTP/1.0", get("/"), "HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok", false],
  ];
  it.each(closers)(
    "when %s the client's connection ends with the answer only where it must",
    (_when, request, response, closes) => {
      const world = proxiedNetwork({ mode: HTTP });
      httpBackend(world.b1, () => response);
      const caller = new Caller(world.client).say(request);
      world.net.run();
      expect(caller.got.startsWith("HTTP/1.1 200 OK\r\n")).toBe(true);
      expect(caller.got.endsWith("\r\n\r\nok")).toBe(true);
      expect(caller.hasEnd).toBe(closes);
      expect(caller.got.includes("Connection: close")).toBe(closes);
      expect(caller.got.includes("Connection: keep-alive")).toBe(request.includes("keep-alive"));
    },
  );

  it("opens a new connection when the backend closed the kept one", () => {
    const world = proxiedNetwork({ mode: HTTP });
    const heard = httpBackend(world.b1, () => OK);
    const caller = new Caller(world.client).say(get("/1"));
    world.net.run();
    heard[0]?.socket.end();
    world.net.run();
    caller.say(get("/2"));
    world.net.run();
    expect(statuses(caller.got)).toEqual([200, 200]);
    expect(world.proxy.counters.sessions).toBe(1);
    expect(world.pool.backends.map(({ counters }) => counters.connections)).toEqual([2, 0]);
  });

  it.each(["drain", "unhealthy"])("leaves a backend with the next request when it gets no new flows: %s", (why) => {
    const world = proxiedNetwork({ mode: HTTP });
    const heard = [httpBackend(world.b1, () => OK), httpBackend(world.b2, () => OK)];
    const caller = new Caller(world.client).say(get("/1"));
    world.net.run();
    if (why === "drain") world.pool.remove("b1", seconds(60));
    else world.pool.setHealth("b1", "unhealthy", "test");
    caller.say(get("/2"));
    world.net.run();
    expect(heard.map((connections) => connections.length)).toEqual([1, 1]);
    expect(statuses(caller.got)).toEqual([200, 200]);
    expect(world.pool.find("b1")?.active).toBe(why === "drain" ? undefined : 0);
  });

  it("carries chunked bodies both ways as they come, with their trailers", () => {
    const world = proxiedNetwork({ mode: HTTP });
    let answered = false;
    const heard = backendServer(world.b1, ({ text, socket }) => {
      if (answered || !text.includes("\r\n0\r\n")) return;
      answered = true;
      socket.write(
        bytesOf(
          "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2;x=y\r\nde\r\n0\r\nX-Sum: 5\r\n\r\n",
        ),
      );
    });
    const caller = new Caller(world.client);
    caller.say("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nwxyz\r\n");
    world.net.run();
    expect(heard[0]?.text).toBe("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nwxyz\r\n");
    caller.say("1\r\n!\r\n0\r\nX-T: 1\r\n\r\n");
    world.net.run();
    expect(heard[0]?.text.endsWith("\r\n\r\n4\r\nwxyz\r\n1\r\n!\r\n0\r\nX-T: 1\r\n\r\n")).toBe(true);
    expect(caller.got).toBe(
      "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\nX-Sum: 5\r\n\r\n",
    );
  });

  it("passes a body without a length on until the end, and ends the client's connection with it", () => {
    const world = proxiedNetwork({ mode: HTTP });
    const heard = httpBackend(world.b1, () => "HTTP/1.1 200 OK\r\n\r\nall of");
    const caller = new Caller(world.client).say(get("/"));
    world.net.run();
    heard[0]?.socket.write(bytesOf(" it"));
    heard[0]?.socket.end();
    world.net.run();
    expect(caller.got).toBe("HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nall of it");
    expect(caller.ended).toBe("closed");
  });

  it("takes the chunks off a response for a client of HTTP/1.0, whom it asks for no chunks", () => {
    const world = proxiedNetwork({ mode: HTTP });
    const heard = httpBackend(
      world.b1,
      () => "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n",
    );
    const caller = new Caller(world.client).say("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
    world.net.run();
    expect(heard[0]?.text).toBe("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
    expect(caller.got).toBe("HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nabcde");
    expect(caller.ended).toBe("closed");
  });

  it("passes 100 Continue back before the body goes on", () => {
    const world = proxiedNetwork({ mode: HTTP });
    const heard = httpBackend(world.b1, (_head, i) => (i === 0 ? "HTTP/1.1 100 Continue\r\n\r\n" : undefined));
    const caller = new Caller(world.client);
    caller.say("PUT /x HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\n");
    world.net.run();
    expect(caller.got).toBe("HTTP/1.1 100 Continue\r\n\r\n");
    caller.say("body");
    world.net.run();
    expect(heard[0]?.text.endsWith("\r\n\r\nbody")).toBe(true);
    heard[0]?.socket.write(bytesOf(OK));
    world.net.run();
    expect(statuses(caller.got)).toEqual([100, 200]);
  });

  it.each([
    ["HEAD", "HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n"],
    ["GET", "HTTP/1.1 304 Not Modified\r\nETag: x\r\n\r\n"],
    ["DELETE", "HTTP/1.1 204 No Content\r\n\r\n"],
  ])("knows that the answer to %s ends with its head: %j", (method, response) => {
    const world = proxiedNetwork({ mode: HTTP });
    httpBackend(world.b1, () => response);
    const caller = new Caller(world.client).say(`${method} / HTTP/1.1\r\nHost: a\r\n\r\n`);
    world.net.run();
    caller.say(`${method} / HTTP/1.1\r\nHost: a\r\n\r\n`);
    world.net.run();
    expect(caller.got).toBe(response + response);
  });
});

describe("the proxy's own answers", () => {
  const page = (status: string): string => `<html><body><h1>${status}</h1></body></html>\n`;

  it("503 when no backend takes the connection, as a whole page, and the connection ends", () => {
    const world = proxiedNetwork({ mode: HTTP });
    const caller = new Caller(world.client).say(get("/"));
    world.net.run();
    expect(caller.got).toBe(
      `HTTP/1.1 503 Service Unavailable\r\nContent-Type: text/html\r\nCache-Control: no-cache\r\nContent-Length: 59\r\nConnection: close\r\n\r\n${page("503 Service Unavailable")}`,
    );
    expect(caller.ended).toBe("closed");
    expect(world.proxy.counters).toMatchObject({ connectFailures: 2, ownResponses: 1 });
  });

  it("to a HEAD have no body", () => {
    const world = proxiedNetwork({ mode: HTTP });
    const caller = new Caller(world.client).say("HEAD / HTTP/1.1\r\nHost: a\r\n\r\n");
    world.net.run();
    expect(caller.got.endsWith("Connection: close\r\n\r\n")).toBe(true);
  });

  const bad: [string, string][] = [
    ["nonsense", "SSH-2.0-OpenSSH_9.2\r\n"],
    ["half a head", "HTTP/1.1 200 OK\r\nConte"],
    ["nothing", ""],
    ["a switch of protocols nobody asked for", "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n"],
  ];
  it.each(bad)("502 when the backend says %s", (_what, response) => {
    const world = proxiedNetwork({ mode: HTTP });
    const heard = httpBackend(world.b1, () => response);
    const caller = new Caller(world.client).say(get("/"));
    world.net.run();
    heard[0]?.socket.end();
    world.net.run();
    expect(statuses(caller.got)).toEqual([502]);
    expect(world.pool.find("b1")).toMatchObject({ active: 0, counters: { failures: 1 } });
  });

  it("502 when the backend resets", () => {
    const world = proxiedNetwork({ mode: HTTP });
    backendServer(world.b1, ({ socket }) => socket.destroy());
    const caller = new Caller(world.client).say(get("/"));
    world.net.run();
    expect(statuses(caller.got)).toEqual([502]);
  });

  const retries: [string, string, number, number[], number][] = [
    ["a GET is tried once more", "GET", 2, [200, 200], 2],
    ["a GET is not tried a third time", "GET", 1, [200, 502], 2],
    ["a POST is not tried again", "POST", 2, [200, 502], 1],
  ];
  it.each(retries)("when the kept connection breaks %s", (_what, method, good, expected, tried) => {
    const world = proxiedNetwork({ mode: HTTP });
    world.pool.remove("b2");
    let connections = 0;
    world.b1.tcp.listen({ port: 8080 }, (socket) => {
      connections += 1;
      // The first `good` connections answer one request each.
      let left = connections <= good ? 1 : 0;
      socket.events = {
        onData: () => {
          if (left === 0) return socket.destroy();
          left -= 1;
          socket.write(bytesOf(OK));
        },
      };
    });
    const caller = new Caller(world.client).say(get("/"));
    world.net.run();
    caller.say(`${method} / HTTP/1.1\r\nHost: a\r\n\r\n`);
    world.net.run();
    expect(statuses(caller.got)).toEqual(expected);
    expect(connections).toBe(tried);
  });

  it("none for a client that ends within its request: the backend's connection is cut", () => {
    const world = proxiedNetwork({ mode: HTTP });
    const heard = backendServer(world.b1);
    const caller = new Caller(world.client).say("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nabc");
    world.net.run();
    caller.socket.end();
    world.net.run();
    expect([heard[0]?.closed, caller.ended, caller.got]).toEqual(["reset", "reset", ""]);
    expect(world.proxy.active).toBe(0);
  });

  it("504 when the backend is silent too long, 408 when the client is", () => {
    const timeouts = { response: seconds(20), request: seconds(3), idle: seconds(10) };
    const world = proxiedNetwork({ mode: HTTP, timeouts });
    httpBackend(world.b1, () => undefined);
    const patient = new Caller(world.client).say(get("/"));
    const slow = new Caller(world.client).say("GET / HT");
    const slowBody = new Caller(world.client).say("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nx");
    const silent = new Caller(world.client);
    world.wait(seconds(2));
    slow.say("TP/1.1\r\nHo");
    world.wait(seconds(1.5));
    expect(statuses(slow.got)).toEqual([408]);
    world.wait(seconds(7));
    expect(statuses(slowBody.got)).toEqual([408]);
    expect([silent.got, silent.hasEnd]).toEqual(["", true]);
    expect(patient.got).toBe("");
    world.wait(seconds(10));
    expect(statuses(patient.got)).toEqual([504]);
  });

  const refused: [string, number][] = [
    ["GARBAGE\r\n\r\n", 400],
    ["\x16\x03\x01\x02\x00", 400],
    ["GET / HTTP/1.1\r\n\r\n", 400],
    ["GET / HTTP/3.0\r\n\r\n", 505],
    ["POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", 400],
    ["POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5000\r\n\r\n", 413],
    [`GET /${"x".repeat(9000)} HTTP/1.1\r\n`, 414],
    [`GET / HTTP/1.1\r\nHost: a\r\nX: ${"x".repeat(17000)}\r\n\r\n`, 431],
    ["CONNECT a:443 HTTP/1.1\r\nHost: a\r\n\r\n", 405],
  ];
  it.each(refused)("a request that is refused never reaches a backend: %j gets %i", (request, status) => {
    const world = proxiedNetwork({ mode: HTTP, bodyLimit: 4096 });
    const heard = httpBackend(world.b1, () => OK);
    const caller = new Caller(world.client).say(request);
    world.net.run();
    expect(statuses(caller.got)).toEqual([status]);
    expect([caller.ended, heard.length]).toEqual(["closed", 0]);
  });

  it("after a good request does not take its answer away", () => {
    const world = proxiedNetwork({ mode: HTTP });
    httpBackend(world.b1, () => OK);
    const caller = new Caller(world.client).say(`${get("/")}GARBAGE\r\n\r\n`);
    world.net.run();
    expect(statuses(caller.got)).toEqual([200, 400]);
  });

  it("arrives although the client goes on sending", () => {
    const world = proxiedNetwork({ mode: HTTP, timeouts: { linger: seconds(2) } });
    const heard = backendServer(world.b1, ({ socket, text }) => {
      if (text.includes("\r\n\r\n"))
        socket.write(bytesOf("HTTP/1.1 413 Content Too Large\r\nContent-Length: 0\r\n\r\n"));
    });
    const caller = new Caller(world.client, { endsWithPeer: false });
    caller.say("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\n");
    world.net.run();
    caller.say("x".repeat(50_000));
    world.wait(seconds(1));
    expect(statuses(caller.got)).toEqual([413]);
    expect([caller.hasEnd, heard[0]?.closed !== undefined]).toEqual([true, true]);
    world.wait(seconds(2));
    expect(world.proxy.active).toBe(0);
  });

  it.each([
    ["a slow client", false],
    ["a slow client that pipelined", true],
  ])("and long bodies wait for %s", (_who, pipelined) => {
    const world = proxiedNetwork({ mode: HTTP, smallBuffers: true });
    const body = "y".repeat(600_000);
    const heard = httpBackend(world.b1, () => `HTTP/1.1 200 OK\r\nContent-Length: ${body.length}\r\n\r\n${body}`);
    const caller = new Caller(world.client);
    caller.socket.pause();
    caller.say(pipelined ? get("/1") + get("/2") : get("/1"));
    world.wait(seconds(5));
    expect(heard.length).toBe(1);
    const taken = bytesSent(world.net, "b1");
    expect(taken).toBeGreaterThan(100_000);
    expect(taken).toBeLessThan(400_000);
    caller.socket.resume();
    world.wait(seconds(5));
    expect(caller.got.length).toBeGreaterThan((pipelined ? 2 : 1) * body.length);
  });

  it("comes through to a client that was held back, and its rest is thrown away", () => {
    const world = proxiedNetwork({ mode: HTTP, smallBuffers: true });
    let server: Caller["socket"] | undefined;
    world.b1.tcp.listen({ port: 8080 }, (socket) => {
      server = socket;
      socket.pause();
    });
    const caller = new Caller(world.client).say("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 600000\r\n\r\n");
    caller.socket.write(new Uint8Array(600_000));
    world.wait(seconds(1));
    server?.write(bytesOf("HTTP/1.1 413 Content Too Large\r\nContent-Length: 0\r\n\r\n"));
    world.wait(seconds(2));
    expect(statuses(caller.got)).toEqual([413]);
    expect([caller.ended, world.proxy.active]).toEqual(["closed", 0]);
    expect(world.told.at(-1)).toMatch(/is over: the client ended$/);
  });

  it("is no answer when the response had begun: the connection is cut", () => {
    const world = proxiedNetwork({ mode: HTTP });
    const heard = httpBackend(world.b1, () => "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf");
    const caller = new Caller(world.client).say(get("/"));
    world.net.run();
    heard[0]?.socket.end();
    world.net.run();
    expect([caller.got.endsWith("half"), caller.ended]).toEqual([true, "reset"]);
  });
});

describe("what an HTTP backend learns about the client", () => {
  function headersFor(forwarding: ForwardingHeaders, more = ""): string[] {
    const world = proxiedNetwork({ mode: { kind: "http", forwarding } });
    const heard = httpBackend(world.b1, () => OK);
    new Caller(world.client).say(get("/", more));
    world.net.run();
    return (heard[0]?.text ?? "").split("\r\n").slice(2, -2);
  }

  const spoofed = "X-Forwarded-For: 10.0.0.1\r\n";
  const x = ["X-Forwarded-Proto: http", "X-Forwarded-Port: 80", "X-Forwarded-Host: app.example"];
  const rows: [string, ForwardingHeaders, string, string[]][] = [
    ["nothing", { style: "none" }, "", []],
    ["a spoofed line, untouched", { style: "none" }, spoofed, ["X-Forwarded-For: 10.0.0.1"]],
    ["X-Forwarded-For", { style: "x-forwarded" }, "", [`X-Forwarded-For: ${CLIENT}`, ...x]],
    [
      "a line of its own after a spoofed one, as HAProxy adds it",
      { style: "x-forwarded" },
      spoofed,
      ["X-Forwarded-For: 10.0.0.1", `X-Forwarded-For: ${CLIENT}`, ...x],
    ],
    [
      "its address behind a spoofed one",
      { style: "x-forwarded", existing: "append" },
      `${spoofed}${spoofed}`,
      [`X-Forwarded-For: 10.0.0.1, 10.0.0.1, ${CLIENT}`, ...x],
    ],
    [
      "its address instead of a spoofed one",
      { style: "x-forwarded", existing: "replace" },
      `${spoofed}X-Forwarded-Proto: https\r\n`,
      [`X-Forwarded-For: ${CLIENT}`, ...x],
    ],
    ["Forwarded", { style: "forwarded" }, "", [`Forwarded: for=${CLIENT};host=app.example;proto=http`]],
    [
      "Forwarded behind what came",
      { style: "forwarded", existing: "append" },
      "Forwarded: for=_x\r\n",
      [`Forwarded: for=_x, for=${CLIENT};host=app.example;proto=http`],
    ],
  ];
  it.each(rows)("%s", (_what, forwarding, more, expected) => {
    expect(headersFor(forwarding, more)).toEqual(expected);
  });

  it("is who a PROXY header names, when the proxy takes one", () => {
    const world = proxiedNetwork({
      mode: { kind: "http", forwarding: { style: "x-forwarded" } },
      acceptProxy: "required",
    });
    const heard = httpBackend(world.b1, () => OK);
    new Caller(world.client).say(`PROXY TCP4 192.0.2.7 192.0.2.8 5555 443\r\n${get("/")}`);
    world.net.run();
    expect(heard[0]?.text).toContain("X-Forwarded-For: 192.0.2.7\r\n");
    expect(heard[0]?.text).toContain("X-Forwarded-Port: 443\r\n");
  });

  it("names no host where the request names none", () => {
    const at = {
      client: { address: address("192.0.2.1"), port: 1 },
      server: { address: address("192.0.2.2"), port: 80 },
    };
    expect(withForwardingHeaders([], { style: "forwarded" }, at)).toEqual([["Forwarded", "for=192.0.2.1;proto=http"]]);
    expect(withForwardingHeaders([], { style: "x-forwarded" }, at).map(([name]) => name)).toEqual([
      "X-Forwarded-For",
      "X-Forwarded-Proto",
      "X-Forwarded-Port",
    ]);
  });
});

describe("any requests and responses", () => {
  it("come through whole and in order, however they are cut", () => {
    const body = fc.record({ length: fc.integer({ min: 0, max: 3000 }), chunked: fc.boolean() });
    const exchange = fc.record({ request: body, response: body, close: fc.boolean() });
    const cuts = fc.array(fc.integer({ min: 1, max: 700 }), { minLength: 1, maxLength: 6 });
    fc.assert(
      fc.property(fc.array(exchange, { minLength: 1, maxLength: 4 }), cuts, fc.nat(999), (exchanges, pieces, seed) => {
        const world = proxiedNetwork({ mode: HTTP, seed, method: { kind: "random" } });
        const heard: string[] = [];
        const servers = [world.b1, world.b2];
        for (const host of servers) {
          host.tcp.listen({ port: 8080 }, (socket) => {
            const parser = new HttpRequestParser({ body: 1e6 });
            const collector = new HttpMessageCollector();
            socket.events = {
              onData: (bytes) => {
                for (const event of parser.push(bytes)) {
                  const message = collector.add(event);
                  if (message === undefined) continue;
                  const i = heard.length;
                  heard.push(String.fromCharCode(...message.body));
                  const { response, close } = exchanges[i]!;
                  socket.write(
                    bytesOf(write(`HTTP/1.1 200 OK\r\n${close ? "Connection: close\r\n" : ""}`, response, i + 1)),
                  );
                }
              },
              onEnd: () => socket.end(),
            };
          });
        }
        const caller = new Caller(world.client);
        const text = exchanges.map(({ request }, i) => write("POST / HTTP/1.1\r\nHost: a\r\n", request, i)).join("");
        for (let at = 0, i = 0; at < text.length; i++) {
          const length = pieces[i % pieces.length]!;
          caller.say(text.slice(at, at + length));
          at += length;
          world.wait(ms(i % 3));
        }
        world.wait(seconds(2));
        expect(heard).toEqual(exchanges.map(({ request }, i) => content(request.length, i)));
        const parser = new HttpResponseParser({ body: 1e6 });
        for (const _ of exchanges) parser.expect("POST");
        const collector = new HttpMessageCollector();
        const bodies = parser.push(bytesOf(caller.got)).flatMap((event) => {
          const message = collector.add(event);
          return message === undefined ? [] : [String.fromCharCode(...message.body)];
        });
        expect(bodies).toEqual(exchanges.map(({ response }, i) => content(response.length, i + 1)));
      }),
      { numRuns: 30 },
    );
  });

  function content(length: number, i: number): string {
    return String.fromCharCode(97 + i).repeat(length);
  }

  function write(head: string, body: { length: number; chunked: boolean }, i: number): string {
    const text = content(body.length, i);
    if (!body.chunked) return `${head}Content-Length: ${text.length}\r\n\r\n${text}`;
    const chunk = text.length === 0 ? "" : `${text.length.toString(16)}\r\n${text}\r\n`;
    return `${head}Transfer-Encoding: chunked\r\n\r\n${chunk}0\r\n\r\n`;
  }

  it("and any rubbish from either side throws nothing and leaves no session behind", () => {
    const words = fc.constantFrom(
      "GET / HTTP/1.1\r\n",
      "Host: a\r\n",
      "\r\n",
      "HTTP/1.1 200 OK\r\n",
      "Content-Length: 3\r\n",
      "abc",
      "0\r\n\r\n",
      "Transfer-Encoding: chunked\r\n",
      "5\r\nabcde\r\n",
      "PROXY UNKNOWN\r\n",
      "\x00\xff",
    );
    const steps = fc.array(
      fc.record({ by: fc.constantFrom("client", "backend"), what: fc.oneof(words, fc.constantFrom("END", "RST")) }),
      { maxLength: 25 },
    );
    fc.assert(
      fc.property(steps, fc.constantFrom("never", "optional"), (sequence, acceptProxy) => {
        const world = proxiedNetwork({ mode: HTTP, acceptProxy: acceptProxy as "never" });
        const heard = backendServer(world.b1);
        const caller = new Caller(world.client, { endsWithPeer: false });
        world.net.run();
        for (const { by, what } of sequence) {
          const socket = by === "client" ? caller.socket : heard.at(-1)?.socket;
          if (socket === undefined) continue;
          if (what === "RST") socket.destroy();
          else if (what === "END") socket.end();
          else if (isOpen(socket)) socket.write(bytesOf(what));
          world.net.run();
        }
        world.wait(seconds(120));
        expect(world.proxy.active).toBe(0);
        expect(world.pool.backends.map(({ active }) => active)).toEqual([0, 0]);
      }),
      { numRuns: 60 },
    );

    function isOpen(socket: Caller["socket"]): boolean {
      return socket.state === "established" || socket.state === "close-wait";
    }
  });
});
