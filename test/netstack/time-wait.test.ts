import { describe, expect, it } from "vitest";
import { address, parseTcp, type Stack, type TcpSocket } from "../../src/netstack/index.ts";
import { after, type Duration, type Link, ms, seconds } from "../../src/sim/index.ts";
import { TestNetwork } from "../support/hosts.ts";

const SERVER = address("10.0.0.2");

interface Pair {
  readonly net: TestNetwork;
  readonly client: Stack;
  readonly server: Stack;
  readonly link: Link;
}

/** A client that closes first, and a server that then does. */
function pair(): Pair {
  const net = new TestNetwork();
  const client = net.host("client");
  const server = net.host("server");
  const link = net.wire(client, "10.0.0.1/24", server, "10.0.0.2/24");
  server.tcp.listen({ port: 80 }, (socket) => {
    socket.events = { onEnd: () => socket.end() };
  });
  return { net, client, server, link };
}

/** Opens a connection that is closed as soon as it stands. */
function visit(client: Stack, fromPort?: number): TcpSocket | string {
  const options = { to: SERVER, port: 80, ...(fromPort !== undefined && { fromPort }) };
  const socket = client.tcp.connect(options, { onConnect: () => typeof socket !== "string" && socket.end() });
  return socket;
}

function pass(net: TestNetwork, time: Duration): void {
  net.simulator.runTo(after(net.simulator.now(), time));
}

/** Initial sequence numbers of the client's SYNs. */
function synsOf(net: TestNetwork): number[] {
  return net.seen.flatMap((event) => {
    if (event.kind !== "sent" || event.node !== "client" || event.bytes[23] !== 6) return [];
    const segment = parseTcp(event.bytes, 34, event.bytes.length)!;
    return segment.flags === 2 ? [segment.sequence] : [];
  });
}

describe("A connection in TIME-WAIT", () => {
  it("is no longer a socket, and is forgotten after 60 s", () => {
    const { net, client } = pair();
    const socket = visit(client);
    net.run();
    expect([(socket as TcpSocket).state, client.tcp.list(), client.tcp.timeWaits]).toEqual(["time-wait", [], 1]);
    pass(net, seconds(59));
    expect(client.tcp.timeWaits).toBe(1);
    pass(net, seconds(1));
    expect(client.tcp.timeWaits).toBe(0);
  });

  it("stays a socket while its program has something to read", () => {
    const { net, client, server } = pair();
    server.tcp.listen({ port: 81 }, (socket) => {
      socket.write(new Uint8Array(100));
      socket.end();
    });
    const read: number[] = [];
    const socket = client.tcp.connect(
      { to: SERVER, port: 81 },
      { onConnect: () => (socket as TcpSocket).end(), onData: ({ length }) => read.push(length) },
    ) as TcpSocket;
    socket.pause();
    net.run();
    expect([socket.state, client.tcp.list().length, client.tcp.timeWaits]).toEqual(["time-wait", 1, 0]);
    socket.resume();
    expect([read, client.tcp.list().length, client.tcp.timeWaits]).toEqual([[100], 0, 1]);
  });

  it("acknowledges a FIN that comes again, and waits anew from there, behind those that began later", () => {
    const { net, client, server, link } = pair();
    visit(client, 40_000);
    net.simulator.runUntil(() => server.tcp.list()[0]?.state === "last-ack");
    link.impair("a>b", { loss: 1 });
    net.run();
    expect(server.tcp.list().map(({ state }) => state)).toEqual(["last-ack"]);
    link.impair("a>b", { loss: 0 });
    visit(client, 40_002);
    pass(net, ms(900));
    expect([server.tcp.list(), client.tcp.timeWaits]).toEqual([[], 2]);
    pass(net, seconds(59.2));
    expect(client.tcp.timeWaits).toBe(1);
    pass(net, seconds(1));
    expect(client.tcp.timeWaits).toBe(0);
  });

  it("keeps its port from further connections to the same server, as EADDRNOTAVAIL tells", () => {
    const { net, client } = pair();
    visit(client, 40_000);
    net.run();
    expect(visit(client, 40_000)).toBe("no-free-port");
    pass(net, seconds(60));
    expect(visit(client, 40_000)).not.toBe("no-free-port");
  });

  it("gives its port to a connection of ours after a second with tcp_tw_reuse, which begins beyond the old numbers", () => {
    const { net, client } = pair();
    client.tcp.settings = { ...client.tcp.settings, timeWaitReuse: "on" };
    client.host.sysctls.localPorts = [40_000, 40_000];
    visit(client);
    net.run();
    expect(visit(client)).toBe("no-free-port");
    pass(net, ms(1100));
    const again = visit(client) as TcpSocket;
    net.run();
    const [first = 0, second = 0] = synsOf(net);
    // The old connection's SYN and FIN were two numbers.
    expect((second - first) >>> 0).toBe(2 + 65_537);
    expect([again.state, client.tcp.timeWaits]).toEqual(["time-wait", 1]);
  });

  it("is not kept beyond tcp_max_tw_buckets", () => {
    const { net, client } = pair();
    client.tcp.settings = { ...client.tcp.settings, mostTimeWaits: 2 };
    for (let i = 0; i < 3; i++) visit(client);
    net.run();
    expect([client.tcp.timeWaits, client.tcp.list()]).toEqual([2, []]);
  });
});

describe("Local ports", () => {
  it("are found to the last one, and free again when TIME-WAIT is over", () => {
    const { net, client } = pair();
    client.host.sysctls.localPorts = [40_000, 40_999];
    const used = new Set<number>();
    for (let i = 0; i < 1000; i++) {
      used.add((visit(client) as TcpSocket).local.port);
      net.run();
    }
    expect([used.size, visit(client)]).toEqual([1000, "no-free-port"]);
    pass(net, seconds(60));
    expect(typeof visit(client)).toBe("object");
  });

  it("that are taken towards one server are free towards another port of it", () => {
    const { net, client, server } = pair();
    server.tcp.listen({ port: 81 }, () => {});
    client.host.sysctls.localPorts = [40_000, 40_099];
    for (let i = 0; i < 100; i++) visit(client);
    net.run();
    expect([visit(client), typeof client.tcp.connect({ to: SERVER, port: 81 }, {})]).toEqual([
      "no-free-port",
      "object",
    ]);
  });
});
