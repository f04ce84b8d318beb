import { describe, expect, it } from "vitest";
import { IpipTunnel, PassthroughBalancer } from "../../src/lb/index.ts";
import { address, formatIpv4, type PacketEvent, type Stack, UDP_HEADER_LENGTH } from "../../src/netstack/index.ts";
import { route, TestNetwork } from "../support/hosts.ts";
import {
  type BalancedNetwork,
  balancedNetwork,
  balancer,
  CLIENT,
  poolOf,
  sentHeaders,
  VIP,
} from "./balanced-network.ts";

interface Tunnelled extends BalancedNetwork {
  readonly tunnel: IpipTunnel;
  readonly ends: IpipTunnel[];
}

/** The balancer wraps packets for b1 and b2, who unwrap them and have the virtual address themselves. */
function tunnelled(options: { mtu?: number; tunnelMtu?: number; protocol?: "udp" | "tcp" } = {}): Tunnelled {
  const { mtu = 1500, tunnelMtu, protocol = "udp" } = options;
  const world = balancedNetwork({ mtu });
  const tunnel = new IpipTunnel({ stack: world.lb, ...(tunnelMtu !== undefined && { mtu: tunnelMtu }) });
  const ends = [world.b1, world.b2].map((stack) => {
    stack.addAddress(stack.loopback, { address: address(VIP), prefixLength: 32 });
    return new IpipTunnel({ stack });
  });
  const hook = new PassthroughBalancer({ stack: world.lb });
  hook.addService({
    name: "web",
    address: address(VIP),
    protocol,
    ports: "all",
    pool: poolOf(world),
    balancer: balancer(world, { kind: "round-robin" }, "b1"),
    delivery: { kind: "ipip", tunnel },
  });
  world.lb.setHook(hook);
  return { ...world, tunnel, ends };
}

function echo(host: Stack): string[] {
  const heard: string[] = [];
  const socket = host.udp.open({
    port: 53,
    onDatagram: ({ from, fromPort, to, ttl, payload }) => {
      heard.push(`${formatIpv4(from)}:${fromPort} > ${formatIpv4(to)} ttl ${ttl} ${payload.length}`);
      socket.send({ to: from, port: fromPort, from: to, payload: payload.slice() });
    },
  });
  return heard;
}

function ask(world: Tunnelled, lengths: readonly number[], dontFragment = true): string[] {
  const got: string[] = [];
  const socket = world.client.udp.open({
    port: 40000,
    onDatagram: ({ from, fromPort, payload }) => got.push(`${formatIpv4(from)}:${fromPort} ${payload.length}`),
    onError: ({ type, code, rest, from }) => got.push(`icmp ${type}/${code} mtu ${rest} from ${formatIpv4(from)}`),
  });
  for (const length of lengths) {
    socket.send({ to: address(VIP), port: 53, payload: new Uint8Array(length), dontFragment });
    world.net.run();
  }
  return got;
}

describe("balancing with IPIP", () => {
  it("brings the packet unchanged to a backend, which answers the client itself", () => {
    const world = tunnelled();
    const heard = echo(world.b1);
    expect(ask(world, [10])).toEqual([`${VIP}:53 10`]);
    // Two routers have counted the TTL of the packet inside; the way through the tunnel has counted none.
    expect(heard).toEqual([`${CLIENT}:40000 > ${VIP} ttl 62 10`]);
    expect(world.tunnel.counters).toEqual({ encapsulated: 1, decapsulated: 0, tooBig: 0, foreign: 0 });
    expect(world.ends[0]?.counters).toEqual({ encapsulated: 0, decapsulated: 1, tooBig: 0, foreign: 0 });
  });

  it("puts an outer header in front with the balancer's address, its own TTL and the inner DF", () => {
    const world = tunnelled();
    const socket = world.client.udp.open({ port: 40000, onDatagram: () => {} });
    for (const dontFragment of [true, false]) {
      socket.send({ to: address(VIP), port: 53, payload: new Uint8Array(10), dontFragment });
    }
    world.net.run();
    const outer = sentHeaders(world.net, "lb", "eth1").filter(({ protocol }) => protocol === 4);
    expect(
      outer.map(({ source, destination, ttl, dontFragment, totalLength, headerLength }) => [
        formatIpv4(source),
        formatIpv4(destination),
        ttl,
        dontFragment,
        totalLength - headerLength,
      ]),
    ).toEqual([
      ["10.240.5.1", "10.240.5.5", 64, true, 20 + UDP_HEADER_LENGTH + 10],
      ["10.240.5.1", "10.240.5.5", 64, false, 20 + UDP_HEADER_LENGTH + 10],
    ]);
  });

  it("takes over the type of service", () => {
    const world = tunnelled();
    const ends = { source: address(CLIENT), destination: address(VIP) };
    const packet = world.client.ip.create({ protocol: 17, dontFragment: true, typeOfService: 0x28, ...ends }, 8);
    packet.bytes.set([0x9c, 0x40, 0, 53, 0, 8, 0, 0], packet.transport);
    world.client.ip.send(packet);
    world.net.run();
    const outer = sentHeaders(world.net, "lb", "eth1").find(({ protocol }) => protocol === 4);
    expect(outer?.typeOfService).toBe(0x28);
  });

  it("keeps the lineage and tells of both ends, on an interface of its own", () => {
    const world = tunnelled();
    echo(world.b1);
    ask(world, [10]);
    const first = world.net.seen.find(
      (event) => event.kind === "sent" && event.node === "client" && event.bytes[13] === 0,
    );
    const story = world.net.seen
      .filter((event) => event.lineage === first?.lineage && (event.node === "lb" || event.node === "b1"))
      .filter((event): event is Exclude<PacketEvent, { kind: "rewritten" }> => event.kind !== "rewritten")
      .map((event) => `${event.node} ${event.kind} ${"interface" in event ? event.interface : ""}`.trim());
    expect(story).toEqual([
      "lb arrived eth0",
      "lb balanced",
      "lb routed",
      "lb sent tunl0",
      "lb encapsulated",
      "lb routed",
      "lb queued eth1",
      "lb sent eth1",
      "b1 arrived eth0",
      "b1 decapsulated",
      "b1 arrived tunl0",
      "b1 delivered",
    ]);
  });

  it("takes its time at each step, so that no two records of a packet have one timestamp", () => {
    const world = tunnelled();
    echo(world.b1);
    ask(world, [10, 11]);
    const second = world.net.seen.filter(
      (event) => event.kind === "sent" && event.node === "client" && event.bytes[13] === 0,
    )[1];
    const times = world.net.seen
      .filter((event) => event.lineage === second?.lineage && event.kind === "sent")
      .map(({ time }) => time);
    expect(times.length).toBe(4);
    expect(new Set(times).size).toBe(4);
  });

  it("carries whole TCP connections", () => {
    const world = tunnelled({ protocol: "tcp" });
    world.b1.tcp.listen({ port: 80 }, (socket) => {
      socket.events = { onData: (bytes) => socket.write(bytes), onEnd: () => socket.end() };
    });
    let got = 0;
    let closed = "";
    const socket = world.client.tcp.connect(
      { to: address(VIP), port: 80 },
      {
        onConnect: () => typeof socket !== "string" && socket.write(new Uint8Array(100_000)),
        onData: ({ length }) => {
          got += length;
          if (got === 100_000 && typeof socket !== "string") socket.end();
        },
        onClose: (reason) => {
          closed = reason;
        },
      },
    );
    world.net.run();
    expect([got, closed]).toEqual([100_000, "closed"]);
    // Segments of 1460 bytes do not fit; the client learns 1480 and goes on with less.
    expect(world.client.pathMtu(address(VIP))).toBe(1480);
  });
});

describe("the tunnel's MTU", () => {
  it("is told to a sender whose packet with DF is too long", () => {
    const world = tunnelled();
    echo(world.b1);
    expect(ask(world, [1452, 1453])).toEqual([`${VIP}:53 1452`, "icmp 3/4 mtu 1480 from 192.0.2.2"]);
    expect(world.lb.host.drops.entries()).toEqual([["fragmentation-needed", 1]]);
  });

  it("cuts packets without DF before they are wrapped", () => {
    const world = tunnelled();
    const heard = echo(world.b1);
    ask(world, [1470], false);
    expect(heard).toEqual([`${CLIENT}:40000 > ${VIP} ttl 62 1470`]);
    expect(world.tunnel.counters.encapsulated).toBe(2);
    const outer = sentHeaders(world.net, "lb", "eth1").filter(({ protocol }) => protocol === 4);
    expect(outer.map(({ totalLength, dontFragment }) => [totalLength, dontFragment])).toEqual([
      [1496, false],
      [62, false],
    ]);
  });

  /** client — lb — narrow router — backend: the path is narrower than the tunnel's first link. */
  function narrow(): { world: Tunnelled; heard: string[] } {
    const net = new TestNetwork();
    const client = net.host("client");
    const lb = net.host("lb", { forwarding: true });
    const narrowRouter = net.host("narrow", { forwarding: true });
    const b1 = net.host("b1");
    net.wire(client, `${CLIENT}/24`, lb, "198.51.100.1/24");
    net.wire(lb, "10.1.0.1/24", narrowRouter, "10.1.0.2/24");
    net.wire(narrowRouter, "10.240.5.1/24", b1, "10.240.5.5/24", { mtu: 1400 });
    route(client, "default", "198.51.100.1");
    route(lb, "10.240.5.0/24", "10.1.0.2");
    route(b1, "default", "10.240.5.1");
    route(narrowRouter, "default", "10.1.0.1");
    const world = { net, client, lb, internet: narrowRouter, b1, b2: b1 };
    b1.addAddress(b1.loopback, { address: address(VIP), prefixLength: 32 });
    const tunnel = new IpipTunnel({ stack: lb });
    const ends = [new IpipTunnel({ stack: b1 })];
    const pool = poolOf(world);
    pool.remove("b2");
    const hook = new PassthroughBalancer({ stack: lb });
    const rest = {
      pool,
      balancer: balancer(world, { kind: "round-robin" }),
      delivery: { kind: "ipip", tunnel },
    } as const;
    hook.addService({ name: "web", address: address(VIP), protocol: "udp", ports: "all", ...rest });
    lb.setHook(hook);
    return { world: { ...world, tunnel, ends }, heard: echo(b1) };
  }

  it("follows what routers on the path say: the packet after the lost one is answered with the room inside", () => {
    const { world, heard } = narrow();
    const got = ask(world, [1400, 1400, 1352]);
    expect(world.lb.pathMtu(address("10.240.5.5"))).toBe(1400);
    expect(got).toEqual(["icmp 3/4 mtu 1380 from 198.51.100.1", `${VIP}:53 1352`]);
    expect(world.tunnel.counters.tooBig).toBe(1);
    expect(heard.length).toBe(1);
  });
});

describe("the tunnel's end", () => {
  function end(remotes?: string[]): {
    net: TestNetwork;
    b: Stack;
    tunnel: IpipTunnel;
    send: (inner: number[]) => void;
  } {
    const net = new TestNetwork();
    const a = net.host("a");
    const b = net.host("b");
    net.wire(a, "10.0.0.1/24", b, "10.0.0.2/24");
    const tunnel = new IpipTunnel({ stack: b, ...(remotes && { remotes: remotes.map(address) }) });
    const header = { protocol: 4, source: address("10.0.0.1"), destination: address("10.0.0.2"), dontFragment: true };
    const send = (inner: number[]): void => {
      const packet = a.ip.create(header, inner.length);
      packet.bytes.set(inner, packet.transport);
      a.ip.send(packet);
      net.run();
    };
    return { net, b, tunnel, send };
  }

  it.each([
    ["nothing inside", [], "ip-truncated"],
    ["half a header", [0x45, 0, 0, 20], "ip-truncated"],
    ["IPv6", [0x60, ...new Array<number>(39).fill(0)], "ip-bad-version"],
    ["a bad checksum", [0x45, 0, 0, 20, 0, 0, 0, 0, 64, 17, 1, 2, 10, 0, 0, 1, 10, 0, 0, 2], "ip-bad-checksum"],
  ])("drops %s", (_what, inner, reason) => {
    const { b, send, tunnel } = end();
    send(inner);
    expect(b.host.drops.entries()).toEqual([[reason, 1]]);
    expect(tunnel.counters.decapsulated).toBe(0);
  });

  it("takes packets only from those it was told of", () => {
    const { b, send, tunnel } = end(["10.0.0.9"]);
    send([0x45, 0, 0, 20]);
    expect(tunnel.counters.foreign).toBe(1);
    expect(b.host.drops.total).toBe(1);
  });

  it("leads a packet routed into it to the next hop of its route", () => {
    const net = new TestNetwork();
    const a = net.host("a");
    const b = net.host("b");
    net.wire(a, "10.0.0.1/24", b, "10.0.0.2/24");
    const out = new IpipTunnel({
      stack: a,
      name: "ipip0",
      local: address("10.0.0.1"),
      addresses: [inside("192.168.0.1")],
    });
    new IpipTunnel({ stack: b, addresses: [inside("192.168.0.2")] });
    a.addressing.routes.add({
      destination: { network: address("192.168.0.2"), prefixLength: 32 },
      out: out.interface,
      via: address("10.0.0.2"),
    });
    b.udp.open({ port: 9, onDatagram: ({ from }) => heard.push(formatIpv4(from)) });
    const heard: string[] = [];
    a.udp.open({ onDatagram: () => {} }).send({ to: address("192.168.0.2"), port: 9, payload: new Uint8Array(1) });
    net.run();
    expect(heard).toEqual(["192.168.0.1"]);
    expect(out.interface.name).toBe("ipip0");

    function inside(text: string): { address: ReturnType<typeof address>; prefixLength: number } {
      return { address: address(text), prefixLength: 32 };
    }
  });

  it("survives any bytes inside", () => {
    const { b, send, net } = end();
    const random = net.simulator.random.fork("rubbish");
    for (let i = 0; i < 200; i++) send(Array.from({ length: random.below(80) }, () => random.below(256)));
    expect(b.host.drops.total).toBe(200);
  });
});
