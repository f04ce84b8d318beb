import { describe, expect, it } from "vitest";
import { GCE_HEALTH_CHECK, HealthChecker, type HealthCheckerOptions, type HealthProbe } from "../../src/lb/index.ts";
import { address, type Stack, type TcpSocket } from "../../src/netstack/index.ts";
import { after, ms, seconds, toSeconds } from "../../src/sim/index.ts";
import { type BalancedNetwork, balancedNetwork, poolOf, sentHeaders } from "./balanced-network.ts";

const HEALTHZ: HealthProbe = { kind: "http", port: 32122, path: "/healthz" };

/** An HTTP server that answers every request with what `answer` gives at the time, and keeps what it was asked. */
function serve(host: Stack, port: number, answer: (socket: TcpSocket) => string | undefined): string[] {
  const requests: string[] = [];
  host.tcp.listen({ port }, (socket) => {
    socket.events = {
      onData: (bytes) => {
        requests.push(new TextDecoder().decode(bytes));
        const text = answer(socket);
        if (text === undefined) return;
        socket.write(new TextEncoder().encode(text));
        socket.end();
      },
    };
  });
  return requests;
}

function unplug(host: Stack): void {
  host.interface("eth0")!.up = false;
}

const OK = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
const UNAVAILABLE = "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 26\r\n\r\nNo Service Endpoints Found";

function check(
  world: BalancedNetwork,
  change: Partial<HealthCheckerOptions> = {},
): { checker: HealthChecker; pool: HealthCheckerOptions["pool"]; told: string[]; run: (s: number) => void } {
  const pool = change.pool ?? poolOf(world);
  const told: string[] = [];
  const { simulator } = world.net;
  pool.observe(({ backend, to, reason }) =>
    told.push(`${toSeconds(simulator.now()).toFixed(1)} ${backend.name} ${to}: ${reason}`),
  );
  const checker = new HealthChecker({ stack: world.lb, probe: HEALTHZ, timing: GCE_HEALTH_CHECK, ...change, pool });
  checker.start();
  return { checker, pool, told, run: (s) => simulator.runTo(after(simulator.now(), seconds(s))) };
}

describe("HTTP health checks", () => {
  it("take a node without endpoints out after five failures, 8 seconds after the first one", () => {
    const world = balancedNetwork();
    const requests = serve(world.b1, 32122, () => OK);
    serve(world.b2, 32122, () => UNAVAILABLE);
    const { told, run, pool } = check(world);
    run(10);
    expect(told).toEqual(["8.0 b2 unhealthy: HTTP 503, 5 in a row"]);
    expect(pool.eligible.map(({ name }) => name)).toEqual(["b1"]);
    expect(requests.length).toBe(5);
    expect(requests[0]).toBe("GET /healthz HTTP/1.1\r\nHost: 10.240.5.5\r\nConnection: close\r\n\r\n");
  });

  it("bring it back with the first good answer, and begin to count anew with each change", () => {
    const world = balancedNetwork();
    let answer = UNAVAILABLE;
    serve(world.b1, 32122, () => answer);
    serve(world.b2, 32122, () => OK);
    const { told, run, checker } = check(world);
    run(7.5);
    answer = OK;
    run(2);
    answer = UNAVAILABLE;
    run(6);
    expect(told).toEqual([]);
    expect(checker.status("b1")).toMatchObject({ checks: 8, failures: 7, inARow: 3 });
    run(4);
    answer = OK;
    run(2);
    expect(told).toEqual(["18.0 b1 unhealthy: HTTP 503, 5 in a row", "20.0 b1 healthy: HTTP 200"]);
  });

  const rows: [string, (host: Stack) => void, string][] = [
    ["nobody listens", () => {}, "connection refused"],
    [
      "the server closes without a word",
      (host) => serve(host, 32122, (socket) => void socket.end()),
      "no HTTP: no-response",
    ],
    ["the server resets", (host) => serve(host, 32122, (socket) => void socket.destroy()), "connection reset"],
    ["the server is silent", (host) => serve(host, 32122, () => undefined), "no answer within 1000 ms"],
    ["the server speaks no HTTP", (host) => serve(host, 32122, () => "SSH-2.0-OpenSSH\r\n"), "no HTTP: bad-start-line"],
    ["the node is gone", unplug, "no connection within 1000 ms"],
    ["the answer is 302", (host) => serve(host, 32122, () => "HTTP/1.1 302 Found\r\n\r\n"), "HTTP 302"],
  ];
  it.each(rows)("say why when %s", (_when, prepare, reason) => {
    const world = balancedNetwork();
    prepare(world.b1);
    const { checker, run } = check(world);
    run(1.5);
    expect(checker.status("b1")?.last).toMatchObject({ healthy: false, reason });
    expect(checker.status("b1")).toMatchObject({ checks: 1, failures: 1 });
  });

  it("accept what they are told to accept, at the path and host they are given", () => {
    const world = balancedNetwork();
    const requests = serve(world.b1, 32122, () => "HTTP/1.1 302 Found\r\n\r\n");
    const probe = { ...HEALTHZ, path: "/ready?x=1", host: "app.example", expected: [200, [300, 399]] } as const;
    const { checker, run } = check(world, { probe });
    run(1);
    expect(checker.status("b1")?.last).toMatchObject({ healthy: true, reason: "HTTP 302" });
    expect(requests).toEqual(["GET /ready?x=1 HTTP/1.1\r\nHost: app.example\r\nConnection: close\r\n\r\n"]);
  });

  it.each([
    ["v1", "PROXY UNKNOWN\r\n"],
    ["v2", "\r\n\r\n\0\r\nQUIT\n \0\0\0"],
  ] as const)("begin with a PROXY %s header that names nobody, where servers want one", (sendProxy, header) => {
    const world = balancedNetwork();
    let text = "";
    world.b1.tcp.listen({ port: 32122 }, (socket) => {
      socket.events = { onData: (bytes) => (text += new TextDecoder().decode(bytes)) };
    });
    const { run } = check(world, { probe: { ...HEALTHZ, sendProxy } });
    run(0.5);
    expect(text).toBe(`${header}GET /healthz HTTP/1.1\r\nHost: 10.240.5.5\r\nConnection: close\r\n\r\n`);
  });
});

describe("TCP health checks", () => {
  it("are content with a handshake at the backend's port", () => {
    const world = balancedNetwork();
    world.b1.tcp.listen({ port: 8080 }, () => {});
    const { checker, run } = check(world, { pool: poolOf(world, { port: 8080 }), probe: { kind: "tcp" } });
    run(1);
    expect(checker.status("b1")?.last).toMatchObject({ healthy: true, reason: "connected" });
    expect(checker.status("b2")?.last).toMatchObject({ healthy: false, reason: "connection refused" });
  });

  it("let go of the connection when they know", () => {
    const world = balancedNetwork();
    let ended = 0;
    world.b1.tcp.listen({ port: 80 }, (socket) => {
      socket.events = { onEnd: () => (ended += 1) };
    });
    const { run } = check(world, { probe: { kind: "tcp", port: 80 } });
    run(3);
    expect(ended).toBe(2);
  });

  it("fail when there is no port to ask at", () => {
    const world = balancedNetwork();
    const { checker, run } = check(world, { probe: { kind: "tcp" } });
    run(1);
    expect(checker.status("b1")?.last).toMatchObject({ healthy: false, reason: "no port to ask at" });
  });
});

describe("HealthChecker", () => {
  it("follows backends that come and go", () => {
    const world = balancedNetwork();
    const { checker, pool, run } = check(world, { probe: { kind: "tcp", port: 80 } });
    run(1);
    pool.remove("b1");
    expect(checker.status("b1")).toBeUndefined();
    const late = pool.add({ name: "late", address: address("10.240.5.5") });
    run(1);
    expect(checker.status("late")?.checks).toBe(1);
    pool.opened(late);
    pool.remove("late", seconds(60));
    expect(checker.status("late")).toBeUndefined();
    pool.add({ name: "late", address: address("10.240.5.5") });
    expect(checker.status("late")?.checks).toBe(0);
  });

  it("asks no more after stop()", () => {
    const world = balancedNetwork();
    const { checker, run, pool } = check(world);
    run(0.9);
    checker.stop();
    const before = sentHeaders(world.net, "lb").length;
    run(10);
    expect(sentHeaders(world.net, "lb").length).toBe(before);
    pool.remove("b1");
    expect(checker.status("b1")).toBeUndefined();
  });

  it("begins after its phase and keeps the interval whatever the answers take", () => {
    const world = balancedNetwork();
    const times: number[] = [];
    const timing = { interval: seconds(2), timeout: ms(500), healthyThreshold: 1, unhealthyThreshold: 3 };
    serve(world.b1, 32122, () => {
      times.push(Math.floor(world.net.simulator.now() / 1e6));
      return undefined;
    });
    const { run } = check(world, { timing, phase: ms(300) });
    run(5);
    expect(times).toEqual([300, 2300, 4300]);
  });

  it.each([
    [{ timeout: seconds(3) }, "the timeout must be positive and at most the interval"],
    [{ timeout: seconds(0) }, "the timeout must be positive and at most the interval"],
    [{ healthyThreshold: 0 }, "thresholds are at least 1"],
    [{ unhealthyThreshold: Number.NaN }, "thresholds are at least 1"],
  ])("refuses %j", (change, message) => {
    const world = balancedNetwork();
    expect(() => check(world, { timing: { ...GCE_HEALTH_CHECK, ...change } })).toThrow(message);
  });

  it("describes what it asks and what it heard", () => {
    const world = balancedNetwork();
    serve(world.b1, 32122, () => OK);
    const { checker, run } = check(world);
    run(3);
    expect(checker.describe()).toEqual([
      "GET :32122/healthz every 2 s, 1 s to answer, unhealthy after 5, healthy after 1",
      "  b1 healthy: last HTTP 200, 2 in a row; 0 of 2 failed",
      "  b2 healthy: last connection refused, 2 in a row; 2 of 2 failed",
    ]);
  });
});
