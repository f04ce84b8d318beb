import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { InboundHeaderReader, originOf } from "../../src/lb/index.ts";
import { address, formatIpv4, ipv4, type TcpSocket } from "../../src/netstack/index.ts";
import { detectProxyHeader, emitProxyV1, emitProxyV2 } from "../../src/protocols/index.ts";
import { ms, seconds, us } from "../../src/sim/index.ts";
import { bytesSent, CLIENT, VIP } from "./balanced-network.ts";
import { backendServer, bytesOf, Caller, proxiedNetwork } from "./proxied-network.ts";

describe("a TCP proxy", () => {
  it("ends the client's connection and opens its own: the backend sees the proxy's address", () => {
    const world = proxiedNetwork({ first: "b2" });
    const heard = backendServer(world.b2, ({ socket, text }) => socket.write(bytesOf(text.toUpperCase())));
    const caller = new Caller(world.client).say("hello");
    world.net.run();
    expect(caller.got).toBe("HELLO");
    expect(heard.map(({ socket }) => formatIpv4(socket.remote.address))).toEqual(["10.240.6.1"]);
    expect(formatIpv4(caller.socket.remote.address)).toBe(VIP);
    const port = caller.socket.local.port;
    const own = heard[0]?.socket.remote.port;
    expect(world.told).toEqual([
      `${CLIENT}:${port} connected to ${VIP}:80`,
      `a new connection 10.240.6.1:${own} > 10.240.6.6:8080 (b2) carries ${CLIENT}:${port}`,
    ]);
  });

  it("passes each side's end on as an end, the other direction staying open", () => {
    const world = proxiedNetwork();
    const heard = backendServer(world.b1);
    const caller = new Caller(world.client, { endsWithPeer: false });
    world.net.run();
    caller.say("question");
    caller.socket.end();
    world.net.run();
    expect(heard[0]).toMatchObject({ text: "question", ended: true });
    expect([caller.hasEnd, caller.ended]).toEqual([true, "closed"]);
    expect(world.proxy.active).toBe(0);
    expect(world.told.at(-1)).toMatch(/is over: both sides ended$/);
  });

  it("carries an answer that comes after the client's end", () => {
    const world = proxiedNetwork();
    world.b1.tcp.listen({ port: 8080 }, (socket) => {
      socket.events = {
        onEnd: () => {
          socket.write(bytesOf("late answer"));
          socket.end();
        },
      };
    });
    const caller = new Caller(world.client);
    world.net.run();
    caller.socket.end();
    world.net.run();
    expect([caller.got, caller.ended]).toEqual(["late answer", "closed"]);
  });

  it.each(["client", "backend"])("passes a reset of the %s on as a reset", (side) => {
    const world = proxiedNetwork();
    const heard = backendServer(world.b1);
    const caller = new Caller(world.client).say("x");
    world.net.run();
    if (side === "client") caller.socket.destroy();
    else heard[0]?.socket.destroy();
    world.net.run();
    expect(side === "client" ? heard[0]?.closed : caller.ended).toBe("reset");
    expect(world.told.at(-1)).toMatch(new RegExp(`is over: ${side}: connection reset$`));
    expect([world.proxy.active, world.pool.find("b1")?.active]).toEqual([0, 0]);
  });

  it("lets a server speak first", () => {
    const world = proxiedNetwork();
    world.b1.tcp.listen({ port: 8080 }, (socket) => socket.write(bytesOf("220 ready")));
    const caller = new Caller(world.client);
    world.net.run();
    expect(caller.got).toBe("220 ready");
  });

  it("tries another backend when one does not take the connection, and counts both", () => {
    const world = proxiedNetwork();
    const heard = backendServer(world.b2);
    new Caller(world.client).say("x");
    world.net.run();
    expect(heard.map(({ text }) => text)).toEqual(["x"]);
    expect(world.pool.find("b1")?.counters).toMatchObject({ failures: 1, connections: 0 });
    expect(world.pool.find("b2")).toMatchObject({ active: 1 });
    expect(world.proxy.counters).toMatchObject({ sessions: 1, connectFailures: 1, refused: 0 });
    expect(world.told[1]).toMatch(/^b1 did not take a connection for .*: connection refused$/);
  });

  it("tries another one after the connect timeout, too", () => {
    const world = proxiedNetwork({ timeouts: { connect: ms(700) } });
    world.b1.interface("eth0")!.up = false;
    const heard = backendServer(world.b2);
    new Caller(world.client).say("x");
    world.wait(ms(690));
    expect(heard.length).toBe(0);
    world.wait(ms(100));
    expect(heard.map(({ text }) => text)).toEqual(["x"]);
    expect(world.told[1]).toMatch(/: connection timed-out$/);
  });

  it.each([
    ["with something said before", "x"],
    ["without a word", ""],
  ])("keeps the client's end %s for the backend that is found later", (_what, text) => {
    const world = proxiedNetwork({ timeouts: { connect: ms(700) } });
    world.b1.interface("eth0")!.up = false;
    const heard = backendServer(world.b2);
    const caller = new Caller(world.client);
    world.wait(ms(10));
    caller.say(text).socket.end();
    world.wait(ms(1000));
    expect(heard[0]).toMatchObject({ text, ended: true });
    expect(caller.ended).toBe("closed");
  });

  it.each(["tcp", "http"] as const)("of %s looks for no other backend when the client has gone", (kind) => {
    const world = proxiedNetwork({ mode: { kind }, timeouts: { connect: ms(700) } });
    world.b1.interface("eth0")!.up = false;
    const heard = backendServer(world.b2);
    const caller = new Caller(world.client).say("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    world.wait(ms(100));
    caller.socket.destroy();
    world.wait(seconds(3));
    expect([heard.length, world.proxy.active]).toEqual([0, 0]);
    expect(world.told.at(-1)).toMatch(/is over: client: connection reset$/);
  });

  it("may be stopped from within an event", () => {
    const world = proxiedNetwork({
      onEvent: ({ kind }) => kind === "connect-failed" && world.proxy.stop(),
    });
    const heard = backendServer(world.b2);
    const caller = new Caller(world.client);
    world.net.run();
    expect([heard.length, caller.ended, world.proxy.active]).toEqual([0, "reset", 0]);
  });

  it("sends what came on at once, however little it is", () => {
    const world = proxiedNetwork();
    const heard = backendServer(world.b1);
    const caller = new Caller(world.client);
    caller.socket.connection.noDelay = true;
    world.net.run();
    for (let i = 1; i <= 60; i++) {
      // Two pieces in a row: the second one must not wait for the ACK of the first.
      caller.say("a");
      world.wait(us(5));
      caller.say("b");
      world.wait(us(200));
      expect(heard[0]?.text.length).toBe(2 * i);
    }
  });

  it("closes the client's connection when there is nobody", () => {
    const world = proxiedNetwork();
    world.pool.setHealth("b1", "unhealthy", "test");
    world.pool.setHealth("b2", "unhealthy", "test");
    const caller = new Caller(world.client);
    world.net.run();
    expect([caller.hasEnd, caller.ended]).toEqual([true, "closed"]);
    expect(world.told[1]).toMatch(/was refused: no backend is eligible$/);
    expect(world.proxy.counters.refused).toBe(1);
  });

  it("tries no more backends than it was told to", () => {
    const world = proxiedNetwork({ retries: 0 });
    backendServer(world.b2);
    const caller = new Caller(world.client);
    world.net.run();
    expect(caller.hasEnd).toBe(true);
    expect(world.told[2]).toMatch(/was refused: connection refused$/);
  });

  it("resets what is more than its most sessions", () => {
    const world = proxiedNetwork({ maxConnections: 2 });
    backendServer(world.b1);
    backendServer(world.b2);
    const callers = [1, 2, 3].map(() => new Caller(world.client).say("x"));
    world.net.run();
    expect(callers.map(({ ended }) => ended)).toEqual([undefined, undefined, "reset"]);
    expect([world.proxy.active, world.proxy.counters.refused]).toEqual([2, 1]);
  });

  it("cuts sessions in which nothing is sent, and those of a backend that was taken out", () => {
    const world = proxiedNetwork({ timeouts: { idle: seconds(30) } });
    const heard = backendServer(world.b1);
    backendServer(world.b2);
    const [one, other] = [new Caller(world.client).say("x"), new Caller(world.client).say("x")];
    world.wait(seconds(20));
    one.say("y");
    world.wait(seconds(11));
    expect([one.ended, other.ended]).toEqual([undefined, "reset"]);
    world.pool.remove("b1", seconds(5));
    world.wait(seconds(4));
    expect(one.ended).toBeUndefined();
    world.wait(seconds(2));
    expect([one.ended, heard[0]?.closed]).toEqual(["reset", "reset"]);
    expect(world.told.at(-1)).toMatch(/is over: backend b1 was removed$/);
  });

  it("stops listening and cuts everything when told to stop", () => {
    const world = proxiedNetwork();
    backendServer(world.b1);
    const before = new Caller(world.client).say("x");
    world.net.run();
    world.proxy.stop();
    const later = new Caller(world.client);
    world.net.run();
    expect([before.ended, later.ended]).toEqual(["reset", "refused"]);
  });

  it.each(["tcp", "http"] as const)(
    "of %s holds back the faster side: it stores no more than its sockets' buffers",
    (kind) => {
      const world = proxiedNetwork({ mode: { kind }, bodyLimit: 2_000_000, smallBuffers: true });
      let got = 0;
      let server: TcpSocket | undefined;
      world.b1.tcp.listen({ port: 8080 }, (socket) => {
        server = socket;
        socket.pause();
        socket.events = { onData: ({ length }) => (got += length) };
      });
      const caller = new Caller(world.client).say("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\n");
      caller.socket.write(new Uint8Array(1_000_000));
      world.wait(seconds(5));
      const taken = bytesSent(world.net, "client");
      expect(taken).toBeGreaterThan(100_000);
      // The backend's and the proxy's receive windows, one read, one send buffer.
      expect(taken).toBeLessThan(400_000);
      server?.resume();
      world.wait(seconds(20));
      expect(got).toBeGreaterThan(1_000_000);
    },
  );

  it("delivers exactly the bytes, however they are cut and whoever ends first", () => {
    const piece = fc.record({
      by: fc.constantFrom("client", "backend"),
      length: fc.integer({ min: 1, max: 5000 }),
      waitMs: fc.integer({ min: 0, max: 3 }),
      pause: fc.boolean(),
    });
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 14 }), fc.boolean(), fc.nat(9999), (pieces, clientFirst, seed) => {
        const world = proxiedNetwork({ seed });
        const heard = backendServer(world.b1);
        const caller = new Caller(world.client);
        world.net.run();
        const server = heard[0]!;
        const expected = { client: "", backend: "" };
        pieces.forEach(({ by, length, waitMs, pause }, i) => {
          const text = String.fromCharCode(65 + (i % 26)).repeat(length);
          expected[by === "client" ? "client" : "backend"] += text;
          const [from, to] = by === "client" ? [caller.socket, server.socket] : [server.socket, caller.socket];
          if (pause) to.pause();
          from.write(bytesOf(text));
          world.wait(ms(waitMs));
          to.resume();
        });
        (clientFirst ? caller.socket : server.socket).end();
        world.wait(seconds(5));
        expect(server.text).toBe(expected.client);
        expect(caller.got).toBe(expected.backend);
        expect([caller.ended, server.closed, world.proxy.active]).toEqual(["closed", "closed", 0]);
      }),
      { numRuns: 25 },
    );
  });
});

describe("PROXY headers to backends", () => {
  it("v1 says who called whom, in one line before everything else", () => {
    const world = proxiedNetwork({ sendProxy: "v1" });
    const heard = backendServer(world.b1);
    const caller = new Caller(world.client).say("hello");
    world.net.run();
    expect(heard[0]?.text).toBe(`PROXY TCP4 ${CLIENT} ${VIP} ${caller.socket.local.port} 80\r\nhello`);
  });

  it.each(["tcp", "http"] as const)(
    "of %s leave with the first data in one segment, or alone when there is none",
    (kind) => {
      const world = proxiedNetwork({ mode: { kind }, sendProxy: "v2" });
      const pieces: number[] = [];
      world.b1.tcp.listen({ port: 8080 }, (socket) => {
        socket.events = { onData: ({ length }) => pieces.push(length) };
      });
      const caller = new Caller(world.client);
      const request = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
      if (kind === "tcp") world.net.run();
      caller.say(request);
      world.net.run();
      expect(pieces).toEqual(kind === "tcp" ? [28, request.length] : [28 + request.length]);
    },
  );

  it("v2 says the same in binary", () => {
    const world = proxiedNetwork({ sendProxy: "v2" });
    const heard = backendServer(world.b1);
    const caller = new Caller(world.client).say("hello");
    world.net.run();
    const found = detectProxyHeader(bytesOf(heard[0]?.text ?? ""));
    expect(found).toMatchObject({ kind: "header", length: 28 });
    expect(found.kind === "header" && found.header).toEqual({
      version: 2,
      command: "proxy",
      addresses: {
        family: "inet",
        transport: "stream",
        source: address(CLIENT),
        destination: address(VIP),
        sourcePort: caller.socket.local.port,
        destinationPort: 80,
      },
      tlvs: [],
    });
    expect(heard[0]?.text.slice(28)).toBe("hello");
  });

  it("come from proxy to proxy: the second one tells its backend of the first client", () => {
    const world = proxiedNetwork({ sendProxy: "v2", acceptProxy: "required" });
    const heard = backendServer(world.b1);
    new Caller(world.client).say("PROXY TCP4 192.0.2.7 192.0.2.8 5555 443\r\nhello");
    world.net.run();
    const found = detectProxyHeader(bytesOf(heard[0]?.text ?? ""));
    expect(found.kind === "header" && originOf(found.header)).toEqual({
      client: { address: address("192.0.2.7"), port: 5555 },
      server: { address: address("192.0.2.8"), port: 443 },
    });
    expect(heard[0]?.text.slice(28)).toBe("hello");
  });
});

describe("PROXY headers from clients", () => {
  it.each([
    ["required", "hello", "there is no PROXY header"],
    ["required", "PROXY TCP4 nonsense\r\n", "PROXY header: source is not a TCP4 address"],
    ["optional", "PROXY TCP4 nonsense\r\n", "PROXY header: source is not a TCP4 address"],
  ] as const)("%s: a connection that begins with %j is closed: %s", (acceptProxy, text, reason) => {
    const world = proxiedNetwork({ acceptProxy });
    const heard = backendServer(world.b1);
    const caller = new Caller(world.client).say(text);
    world.net.run();
    expect(heard.length).toBe(0);
    expect(caller.hasEnd || caller.ended === "reset").toBe(true);
    expect(world.told[1]).toContain(`was refused: ${reason}`);
  });

  it("optional: a connection without one is carried as it is", () => {
    const world = proxiedNetwork({ acceptProxy: "optional", sendProxy: "v1" });
    const heard = backendServer(world.b1);
    new Caller(world.client).say("hello");
    world.net.run();
    expect(heard[0]?.text).toMatch(new RegExp(`^PROXY TCP4 ${CLIENT} ${VIP} \\d+ 80\r\nhello$`));
  });

  it("never: the header is the application's, and goes on as data", () => {
    const world = proxiedNetwork({ acceptProxy: "never" });
    const heard = backendServer(world.b1);
    new Caller(world.client).say("PROXY UNKNOWN\r\n");
    world.net.run();
    expect(heard[0]?.text).toBe("PROXY UNKNOWN\r\n");
  });

  it("that never come are waited for as long as for a request", () => {
    const world = proxiedNetwork({ acceptProxy: "required", timeouts: { request: seconds(3) } });
    const caller = new Caller(world.client).say("PROXY ");
    world.wait(seconds(2.9));
    expect(caller.ended).toBeUndefined();
    world.wait(seconds(0.2));
    expect(caller.ended).toBe("reset");
  });

  it("and an end before the header is complete end the session", () => {
    const world = proxiedNetwork({ acceptProxy: "required" });
    const caller = new Caller(world.client).say("PROXY TCP4");
    world.net.run();
    caller.socket.end();
    world.net.run();
    expect([caller.ended, world.proxy.active]).toEqual(["closed", 0]);
  });
});

describe("InboundHeaderReader", () => {
  const connection = {
    client: { address: address("198.51.100.1"), port: 1 },
    server: { address: address("198.51.100.2"), port: 2 },
  };
  const inner = {
    client: { address: address("192.0.2.1"), port: 3 },
    server: { address: address("192.0.2.2"), port: 4 },
  };
  const ports = { sourcePort: 3, destinationPort: 4 };
  const headers: [string, Uint8Array, typeof inner][] = [
    ["v1", emitProxyV1({ version: 1, family: "TCP4", source: "192.0.2.1", destination: "192.0.2.2", ...ports }), inner],
    ["v1 UNKNOWN", emitProxyV1({ version: 1, family: "UNKNOWN" }), connection],
    [
      "v1 in IPv6",
      emitProxyV1({ version: 1, family: "TCP6", source: "::1", destination: "::2", ...ports }),
      connection,
    ],
    ["v2 LOCAL", emitProxyV2({ version: 2, command: "local" }), connection],
    [
      "v2",
      emitProxyV2({
        version: 2,
        command: "proxy",
        addresses: {
          family: "inet",
          transport: "stream",
          source: ipv4(0xc0000201),
          destination: ipv4(0xc0000202),
          ...ports,
        },
        tlvs: [{ type: 4, value: new Uint8Array(5) }],
      }),
      inner,
    ],
  ];

  it.each(headers)("takes %s off, however it is cut", (_name, header, origin) => {
    for (let cut = 0; cut <= header.length; cut++) {
      const reader = new InboundHeaderReader("required", connection);
      const parts = [header.subarray(0, cut), header.subarray(cut), bytesOf("data")].filter(({ length }) => length > 0);
      const results = parts.map((part) => reader.push(part));
      const ready = results.find(({ kind }) => kind !== "need-more");
      expect(ready).toMatchObject({ kind: "ready", origin });
    }
    const whole = new InboundHeaderReader("optional", connection).push(Uint8Array.of(...header, 104, 105));
    expect(whole.kind === "ready" && [...whole.rest]).toEqual([104, 105]);
  });
});

describe("describe()", () => {
  it("says what the proxy is and did", () => {
    const world = proxiedNetwork({ sendProxy: "v2", acceptProxy: "optional" });
    backendServer(world.b2);
    new Caller(world.client).say("hello");
    world.net.run();
    expect(world.proxy.describe()).toEqual([
      "elb: 203.0.113.140:80, round robin, ends the client's connection and opens its own (tcp, PROXY v2 to backends, PROXY header optional from clients)",
      "  b1 10.240.5.5:8080 healthy (added), 0 active, 0 in all, 1 failed",
      "  b2 10.240.6.6:8080 healthy (added), 1 active, 1 in all",
      "1 sessions now, 1 in all, 0 refused; 0 requests, 0 answered by the proxy; 1 failed connections to backends",
    ]);
  });
});
