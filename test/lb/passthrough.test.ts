import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  type BackendPool,
  type BalancingMethod,
  type Delivery,
  PassthroughBalancer,
  type PassthroughOptions,
  type PassthroughService,
} from "../../src/lb/index.ts";
import {
  address,
  checksum,
  formatIpv4,
  type PacketEvent,
  type Stack,
  type UdpDatagram,
} from "../../src/netstack/index.ts";
import { after, seconds } from "../../src/sim/index.ts";
import { inject } from "../support/hosts.ts";
import {
  type BalancedNetwork,
  balancedNetwork,
  balancer,
  CLIENT,
  poolOf,
  sentHeaders,
  VIP,
} from "./balanced-network.ts";

interface Setup {
  readonly world: BalancedNetwork;
  readonly pool: BackendPool;
  readonly hook: PassthroughBalancer;
  readonly service: PassthroughService;
}

function setup(
  change: Partial<Omit<PassthroughService, "balancer">> & {
    method?: BalancingMethod;
    first?: string;
    port?: number;
  } = {},
  options: Omit<PassthroughOptions, "stack"> = {},
  network: Parameters<typeof balancedNetwork>[0] = {},
): Setup {
  const { method = { kind: "round-robin" }, first, port, ...given } = change;
  const world = balancedNetwork(network);
  const pool = given.pool ?? poolOf(world, port === undefined ? {} : { port });
  const hook = new PassthroughBalancer({ stack: world.lb, ...options });
  const service: PassthroughService = {
    name: "web",
    address: address(VIP),
    protocol: "udp",
    ports: [53],
    delivery: { kind: "route" },
    ...given,
    pool,
    balancer: balancer(world, method, first),
  };
  hook.addService(service);
  world.lb.setHook(hook);
  if (service.delivery.kind !== "dnat") for (const backend of [world.b1, world.b2]) ownVip(backend);
  return { world, pool, hook, service };
}

function ownVip(backend: Stack): void {
  backend.addAddress(backend.loopback, { address: address(VIP), prefixLength: 32 });
}

/** A server that says its name and whom it heard. */
function answerOn(host: Stack, port: number): string[] {
  const heard: string[] = [];
  const socket = host.udp.open({
    port,
    onDatagram: ({ from, fromPort, to, payload }) => {
      heard.push(`${formatIpv4(from)}:${fromPort} > ${formatIpv4(to)} ${payload.length}`);
      socket.send({ to: from, port: fromPort, from: to, payload: new TextEncoder().encode(host.name) });
    },
  });
  return heard;
}

/** Asks the virtual address from `fromPort`, and lists who answered from where. */
function ask(
  world: BalancedNetwork,
  port: number,
): { send: (length?: number, dontFragment?: boolean) => void; got: string[] } {
  const got: string[] = [];
  const onDatagram = ({ from, fromPort, payload }: UdpDatagram): void => {
    got.push(`${new TextDecoder().decode(payload)} from ${formatIpv4(from)}:${fromPort}`);
  };
  const socket = world.client.udp.open({
    port,
    onDatagram,
    onError: ({ type, code }) => got.push(`icmp ${type}/${code}`),
  });
  return {
    got,
    send: (length = 3, dontFragment = true) => {
      socket.send({ to: address(VIP), port: 53, payload: new Uint8Array(length), dontFragment });
      world.net.run();
    },
  };
}

describe("route: packets go on unchanged", () => {
  it("shows the backend the client, and the answer goes past the balancer", () => {
    const { world, hook } = setup({ first: "b2" });
    const heard = answerOn(world.b2, 53);
    const client = ask(world, 40000);
    client.send();
    expect(heard).toEqual([`${CLIENT}:40000 > ${VIP} 3`]);
    expect(client.got).toEqual([`b2 from ${VIP}:53`]);
    expect(
      sentHeaders(world.net, "lb").map(({ source, destination, ttl }) => [
        formatIpv4(source),
        formatIpv4(destination),
        ttl,
      ]),
    ).toEqual([[CLIENT, VIP, 62]]);
    expect(hook.counters).toMatchObject({ forwarded: 1, returned: 0, newFlows: 1 });
  });

  it("keeps a flow on its backend and spreads new ones", () => {
    const { world } = setup({ first: "b1" });
    answerOn(world.b1, 53);
    answerOn(world.b2, 53);
    const [one, other] = [ask(world, 40000), ask(world, 40001)];
    for (let i = 0; i < 3; i++) {
      one.send();
      other.send();
    }
    expect(one.got).toEqual(Array(3).fill(`b1 from ${VIP}:53`));
    expect(other.got).toEqual(Array(3).fill(`b2 from ${VIP}:53`));
  });

  it("works with the address on the balancer's own host, as with direct routing on one LAN", () => {
    const { world } = setup({ first: "b1" });
    ownVip(world.lb);
    answerOn(world.b1, 53);
    const client = ask(world, 40000);
    client.send();
    expect(client.got).toEqual([`b1 from ${VIP}:53`]);
  });

  it("tells which backend and why, for captures and traces", () => {
    const { world } = setup({ first: "b1" });
    const client = ask(world, 40000);
    client.send();
    client.send();
    const told = world.net.seen.filter((event) => event.kind === "balanced") as Extract<
      PacketEvent,
      { kind: "balanced" }
    >[];
    expect(told.map(({ node, service, backend, reason }) => `${node} ${service} ${backend}: ${reason}`)).toEqual([
      "lb web b1: round robin, new flow",
      "lb web b1: the flow's backend",
    ]);
  });

  it("sends an ICMP error about an answer to the backend that sent it", () => {
    const { world } = setup({ first: "b2" });
    const errors: string[] = [];
    world.b2.onIcmpError(({ type, code, quoted }) => errors.push(`${type}/${code} about ${formatIpv4(quoted.source)}`));
    const heard = answerOn(world.b2, 53);
    const socket = world.client.udp.open({ port: 40000, onDatagram: () => {} });
    socket.send({ to: address(VIP), port: 53, payload: new Uint8Array(1) });
    world.net.simulator.runUntil(() => heard.length > 0);
    socket.close();
    world.net.run();
    expect(errors).toEqual([`3/3 about ${VIP}`]);
  });

  it.each(["drop", "reject"] as const)("drops an ICMP error about a packet of no flow: %s", (otherPorts) => {
    const { world } = setup({ first: "b2" }, { otherPorts });
    const server = world.b2.udp.open({
      port: 53,
      onDatagram: ({ from, to }) => server.send({ to: from, port: 7, from: to, payload: new Uint8Array(1) }),
    });
    ask(world, 40000).send();
    expect(world.lb.host.drops.entries()).toEqual([["balancer-no-service", 1]]);
  });
});

describe("other ports of a virtual address", () => {
  it.each([
    ["drop", [], "balancer-no-service"],
    ["reject", ["icmp 3/3"], "balancer-no-service"],
    ["host", ["icmp 3/3"], "no-listener"],
  ] as const)("%s: the client gets %j", (otherPorts, got, reason) => {
    const { world } = setup({ ports: [80, [5000, 5010]] }, { otherPorts });
    ownVip(world.lb);
    const client = ask(world, 40000);
    client.send();
    expect(client.got).toEqual(got);
    expect(world.lb.host.drops.count(reason)).toBe(1);
  });

  it.each([
    [80, "udp", true],
    [5000, "udp", true],
    [5010, "udp", true],
    [5011, "udp", false],
    [79, "udp", false],
  ] as const)("port %i of %s is served: %s", (port, _protocol, served) => {
    const { world, hook } = setup({ ports: [80, [5000, 5010]] });
    const socket = world.client.udp.open({ onDatagram: () => {} });
    socket.send({ to: address(VIP), port, payload: new Uint8Array(1) });
    world.net.run();
    expect(hook.counters.forwarded).toBe(served ? 1 : 0);
    expect(hook.counters.noService).toBe(served ? 0 : 1);
  });

  it("are all served when the service says so, in its own protocol only", () => {
    const { world, hook } = setup({ ports: "all" });
    const socket = world.client.udp.open({ onDatagram: () => {} });
    socket.send({ to: address(VIP), port: 9999, payload: new Uint8Array(1) });
    world.client.tcp.connect({ to: address(VIP), port: 9999 }, {});
    world.net.run();
    expect(hook.counters).toMatchObject({ forwarded: 1, noService: 1 });
  });

  it("does not answer pings, unless the host is to take what no service has", () => {
    for (const otherPorts of ["drop", "host"] as const) {
      const { world } = setup({}, { otherPorts });
      ownVip(world.lb);
      let replies = 0;
      world.client.icmp.onEchoReply(1, () => (replies += 1));
      world.client.icmp.sendEcho({
        source: address(CLIENT),
        destination: address(VIP),
        identifier: 1,
        sequence: 1,
        length: 8,
      });
      world.net.run();
      expect(replies).toBe(otherPorts === "host" ? 1 : 0);
    }
  });

  it("follow a service that takes the place of another one to its own backends", () => {
    const { world, hook, service } = setup({ first: "b1" });
    answerOn(world.b1, 53);
    answerOn(world.b2, 53);
    const client = ask(world, 40000);
    client.send();
    hook.removeService(service);
    const pool = poolOf(world);
    pool.remove("b1");
    hook.addService({ ...service, pool });
    client.send();
    expect(client.got).toEqual([`b1 from ${VIP}:53`, `b2 from ${VIP}:53`]);
    expect([service.pool.find("b1")?.active, pool.find("b2")?.active]).toEqual([0, 1]);
  });

  it("are refused after the service was removed", () => {
    const { world, hook, service } = setup();
    hook.removeService(service);
    const client = ask(world, 40000);
    client.send();
    expect([hook.counters.forwarded, hook.services]).toEqual([0, []]);
  });
});

describe("a pool that changes", () => {
  it.each([
    ["drop", []],
    ["reject", ["icmp 3/3"]],
  ] as const)("without an eligible backend: %s", (noBackend, got) => {
    const { world, pool, hook } = setup({}, { noBackend });
    pool.setHealth("b1", "unhealthy", "test");
    pool.setHealth("b2", "unhealthy", "test");
    const client = ask(world, 40000);
    client.send();
    expect(client.got).toEqual(got);
    expect(hook.counters.noBackend).toBe(1);
    expect(world.lb.host.drops.count("balancer-no-backend")).toBe(1);
  });

  it.each([
    ["keep", "unhealthy", "b1 b1"],
    ["move", "unhealthy", "b1 b2"],
    ["keep", "removed", "b1 b2"],
    ["move", "draining", "b1 b1"],
  ] as const)("with unhealthyFlows %s a flow whose backend is %s goes to %s", (unhealthyFlows, state, expected) => {
    const { world, pool, hook } = setup({ first: "b1" }, { unhealthyFlows });
    answerOn(world.b1, 53);
    answerOn(world.b2, 53);
    const client = ask(world, 40000);
    client.send();
    if (state === "unhealthy") pool.setHealth("b1", "unhealthy", "test");
    else pool.remove("b1", state === "draining" ? seconds(100) : undefined);
    client.send();
    expect(client.got.map((text) => text.slice(0, 2)).join(" ")).toBe(expected);
    expect(hook.counters.moved).toBe(expected === "b1 b2" ? 1 : 0);
  });

  it("keeps flows that packets refresh, from either side", () => {
    for (const kind of ["route", "dnat"] as const) {
      const { world, hook } = setup(
        { first: "b1", delivery: { kind } },
        { flows: { idle: seconds(60) } },
        { answers: kind === "dnat" ? "through-lb" : "direct" },
      );
      const server = world.b1.udp.open({ port: 53, onDatagram: () => {} });
      const client = ask(world, 40000);
      client.send();
      for (let i = 0; i < 3; i++) {
        world.net.simulator.runTo(after(world.net.simulator.now(), seconds(40)));
        if (kind === "route") client.send();
        else server.send({ to: address(CLIENT), port: 40000, payload: new Uint8Array(1) });
        world.net.run();
      }
      expect(hook.counters).toMatchObject({ newFlows: 1, idle: 0 });
      expect(hook.flows.length).toBe(1);
    }
  });

  it("moves no flow that would only come back: all are unhealthy and the pool fails open", () => {
    const world = balancedNetwork();
    const pool = poolOf(world, { whenAllUnhealthy: "all", startsAs: "unhealthy" });
    const hook = new PassthroughBalancer({ stack: world.lb, unhealthyFlows: "move" });
    const rest = { pool, balancer: balancer(world, { kind: "round-robin" }), delivery: { kind: "route" } } as const;
    hook.addService({ name: "web", address: address(VIP), protocol: "udp", ports: "all", ...rest });
    world.lb.setHook(hook);
    const client = ask(world, 40000);
    for (let i = 0; i < 4; i++) client.send();
    expect(hook.counters).toMatchObject({ newFlows: 1, moved: 0, forwarded: 4 });
  });

  it("counts flows as the backend's connections until they are idle, and drains them", () => {
    const { world, pool } = setup({ first: "b1" }, { flows: { idle: seconds(60) } });
    const client = ask(world, 40000);
    client.send();
    const b1 = pool.find("b1");
    expect(b1?.active).toBe(1);
    expect(b1?.counters).toMatchObject({ connections: 1, packets: 1, bytes: 31 });
    pool.remove("b1", seconds(600));
    world.net.simulator.runTo(after(world.net.simulator.now(), seconds(59)));
    expect(b1?.state).toBe("draining");
    world.net.simulator.runTo(after(world.net.simulator.now(), seconds(2)));
    expect([b1?.state, b1?.reason]).toEqual(["removed", "drained: no connection is left"]);
  });
});

describe("TCP flows", () => {
  function echo(host: Stack): void {
    host.tcp.listen({ port: 80 }, (socket) => {
      socket.events = { onData: (bytes) => socket.write(bytes), onEnd: () => socket.end() };
    });
  }

  function talk(world: BalancedNetwork, fromPort: number): string[] {
    const told: string[] = [];
    const socket = world.client.tcp.connect(
      { to: address(VIP), port: 80, fromPort },
      {
        onConnect: () => told.push("connected"),
        onData: (bytes) => {
          told.push(new TextDecoder().decode(bytes));
          if (typeof socket !== "string") socket.end();
        },
        onClose: (reason) => told.push(reason),
      },
    );
    if (typeof socket === "string") throw new Error(socket);
    socket.write(new TextEncoder().encode("hello"));
    world.net.run();
    return told;
  }

  it.each(["route", "dnat"] as const)("%s: are carried whole and counted as ended with the FIN", (kind) => {
    const { world, pool, hook } = setup(
      { protocol: "tcp", ports: [80], delivery: { kind } as Delivery, first: "b1" },
      { flows: { closing: seconds(10) } },
      { answers: kind === "dnat" ? "through-lb" : "direct" },
    );
    echo(world.b1);
    echo(world.b2);
    expect(talk(world, 40000)).toEqual(["connected", "hello", "closed"]);
    const b1 = pool.find("b1");
    expect([b1?.active, b1?.counters.connections]).toEqual([0, 1]);
    expect(hook.flows.map(({ isClosing }) => isClosing)).toEqual([true]);
    world.net.simulator.runTo(after(world.net.simulator.now(), seconds(70)));
    expect([hook.flows.length, b1?.active]).toEqual([0, 0]);
  });

  it("that have ended and are forgotten take no count from those that go on", () => {
    const service = { protocol: "tcp", ports: [80], method: { kind: "hash", key: "source" }, first: "b1" } as const;
    const { world, pool, hook } = setup(service, { flows: { closing: seconds(10) } });
    echo(world.b1);
    talk(world, 40000);
    world.client.tcp.connect({ to: address(VIP), port: 80, fromPort: 40001 }, {});
    world.net.simulator.runTo(after(world.net.simulator.now(), seconds(30)));
    expect([hook.flows.length, pool.find("b1")?.active]).toEqual([1, 1]);
  });

  it("that begin anew on the same backend have not moved", () => {
    const service = { protocol: "tcp", ports: [80], method: { kind: "hash", key: "source" }, first: "b1" } as const;
    const { world, hook } = setup(service);
    echo(world.b1);
    talk(world, 40000);
    world.net.simulator.runTo(after(world.net.simulator.now(), seconds(61)));
    expect(talk(world, 40000)).toEqual(["connected", "hello", "closed"]);
    expect(hook.counters).toMatchObject({ newFlows: 2, moved: 0 });
  });

  it("begin anew with a SYN from the same port after the end", () => {
    const { world, hook } = setup({ protocol: "tcp", ports: [80], first: "b1" });
    echo(world.b1);
    echo(world.b2);
    talk(world, 40000);
    world.net.simulator.runTo(after(world.net.simulator.now(), seconds(61)));
    expect(talk(world, 40000)).toEqual(["connected", "hello", "closed"]);
    expect(hook.counters).toMatchObject({ newFlows: 2, moved: 1 });
  });

  it("are refused by a reset when nobody is there and the balancer rejects", () => {
    const { world, pool } = setup({ protocol: "tcp", ports: [80] }, { noBackend: "reject" });
    pool.remove("b1");
    pool.remove("b2");
    expect(talk(world, 40000)).toEqual(["refused"]);
  });
});

describe("dnat: the destination is rewritten", () => {
  const dnat = { delivery: { kind: "dnat" }, port: 5353, first: "b1" } as const;

  it("shows the backend the client at its own address and port, and the client the virtual one", () => {
    const { world, hook } = setup(dnat, {}, { answers: "through-lb" });
    const heard = answerOn(world.b1, 5353);
    const client = ask(world, 40000);
    client.send();
    expect(heard).toEqual([`${CLIENT}:40000 > 10.240.5.5 3`]);
    expect(client.got).toEqual([`b1 from ${VIP}:53`]);
    expect(hook.counters).toMatchObject({ forwarded: 1, returned: 1 });
  });

  it("tells of each field, with the service and the backend as cause", () => {
    const { world } = setup(dnat, {}, { answers: "through-lb" });
    answerOn(world.b1, 5353);
    ask(world, 40000).send();
    const rewritten = world.net.seen.filter(
      (event) => event.kind === "rewritten" && event.node === "lb" && event.field !== "ttl",
    );
    expect(
      rewritten.map(
        (event) => event.kind === "rewritten" && [event.hook, event.field, event.from, event.to, event.cause],
      ),
    ).toEqual([
      ["prerouting", "destination", address(VIP), address("10.240.5.5"), cause("original")],
      ["prerouting", "destinationPort", 53, 5353, cause("original")],
      ["postrouting", "source", address("10.240.5.5"), address(VIP), cause("reply")],
      ["postrouting", "sourcePort", 5353, 53, cause("reply")],
    ]);
    function cause(direction: string): object {
      return { kind: "balancer", service: "web", backend: "b1", direction };
    }
  });

  it("breaks when the answer goes past the balancer: it comes from an address the client never called", () => {
    const { world } = setup(dnat, {}, { answers: "direct" });
    answerOn(world.b1, 5353);
    const client = ask(world, 40000);
    client.send();
    // UDP sockets that are not connected take it, from the wrong sender.
    expect(client.got).toEqual(["b1 from 10.240.5.5:5353"]);
    const tcp = setup({ ...dnat, protocol: "tcp", ports: [80] }, {}, { answers: "direct" });
    tcp.world.b1.tcp.listen({ port: 5353 }, () => {});
    let connected = false;
    tcp.world.client.tcp.connect({ to: address(VIP), port: 80 }, { onConnect: () => (connected = true) });
    tcp.world.net.simulator.runTo(after(tcp.world.net.simulator.now(), seconds(3)));
    expect(connected).toBe(false);
    expect(tcp.world.net.told("client").filter((what) => what === "dropped no-listener").length).toBeGreaterThan(0);
  });

  it("translates fragments, which it puts together first", () => {
    const { world } = setup(dnat, {}, { answers: "through-lb" });
    const heard = answerOn(world.b1, 5353);
    ask(world, 40000).send(3000, false);
    expect(heard).toEqual([`${CLIENT}:40000 > 10.240.5.5 3000`]);
  });

  it("translates errors from behind it: the client finds its own packet, from the address it called", () => {
    const { world } = setup(dnat, {}, { answers: "through-lb" });
    const errors: string[] = [];
    let quoted: Uint8Array | undefined;
    world.client.onIcmpError(({ type, code, from, bytes, transport, end }) => {
      errors.push(`${type}/${code} from ${formatIpv4(from)}`);
      quoted = bytes.slice(transport - 20, end);
    });
    const client = ask(world, 40000);
    client.send();
    expect(client.got).toEqual(["icmp 3/3"]);
    expect(errors).toEqual([`3/3 from ${VIP}`]);
    const sent = world.net.seen.find(
      (event) => event.kind === "sent" && event.node === "client" && event.bytes[13] === 0,
    );
    const own = sent?.kind === "sent" ? sent.bytes.slice(14) : new Uint8Array(0);
    // All as it was sent, but for what routers change: the TTL and with it the header's checksum.
    expect(quoted?.slice(20)).toEqual(own.slice(20));
    expect(quoted?.slice(12, 20)).toEqual(own.slice(12, 20));
    expect(quoted && checksum(quoted, 0, 20)).toBe(0);
    const fields = world.net.seen.flatMap((event) =>
      event.kind === "rewritten" &&
      event.node === "lb" &&
      event.cause.kind === "balancer" &&
      event.cause.direction === "reply"
        ? [event.field]
        : [],
    );
    expect(fields).toEqual(["source"]);
  });

  it("leaves an error with a bad checksum alone", () => {
    const { world, hook } = setup(dnat, {}, { answers: "through-lb" });
    let error: Uint8Array | undefined;
    world.net.events.read((event) => {
      if (event.kind === "sent" && event.node === "b1" && event.bytes[23] === 1) error = event.bytes.slice();
    });
    ask(world, 40000).send();
    expect(hook.counters.returned).toBe(1);
    const damaged = error ?? new Uint8Array(60);
    damaged[37] = (damaged[37] ?? 0) ^ 1;
    inject(world.net, world.b1.interface("eth0")!.device, damaged);
    world.net.run();
    expect(hook.counters.returned).toBe(1);
    expect(world.client.host.drops.count("bad-checksum")).toBe(1);
  });

  it("translates errors about answers towards the backend", () => {
    const { world } = setup(dnat, {}, { answers: "through-lb" });
    const server = answerOn(world.b1, 5353);
    const errors: string[] = [];
    world.b1.onIcmpError(({ type, code, quoted, bytes, transport }) => {
      const port = ((bytes[transport] ?? 0) << 8) | (bytes[transport + 1] ?? 0);
      errors.push(`${type}/${code} about ${formatIpv4(quoted.source)}:${port}`);
    });
    const socket = world.client.udp.open({ port: 40000, onDatagram: () => {} });
    socket.send({ to: address(VIP), port: 53, payload: new Uint8Array(1) });
    world.net.simulator.runUntil(() => server.length > 0);
    socket.close();
    world.net.run();
    expect(errors).toEqual(["3/3 about 10.240.5.5:5353"]);
  });

  it("drops a flow whose way back is another flow's", () => {
    const { world, hook, service } = setup(
      { ...dnat, ports: [53, 54], method: { kind: "round-robin" } },
      {},
      { answers: "through-lb" },
    );
    service.pool.remove("b2");
    const heard = answerOn(world.b1, 5353);
    const socket = world.client.udp.open({ port: 40000, onDatagram: () => {} });
    for (const port of [53, 54]) socket.send({ to: address(VIP), port, payload: new Uint8Array(1) });
    world.net.run();
    expect(heard.length).toBe(1);
    expect(world.lb.host.drops.count("conntrack-clash")).toBe(1);
    expect(hook.flows.length).toBe(1);
  });
});

describe("fragments that are not put together", () => {
  it("follow their first one", () => {
    const { world, hook } = setup({ first: "b2" });
    const heard = answerOn(world.b2, 53);
    ask(world, 40000).send(3000, false);
    expect(heard).toEqual([`${CLIENT}:40000 > ${VIP} 3000`]);
    expect(hook.counters).toMatchObject({ forwarded: 3, newFlows: 1 });
    expect(world.net.told("b1")).toEqual([]);
  });

  it("go by what they have when the first one was not seen: right for a key without ports", () => {
    for (const key of ["three-tuple", "source"] as const) {
      const { world } = setup({ method: { kind: "hash", key } });
      const heard = [...[answerOn(world.b1, 53), answerOn(world.b2, 53)]];
      reorderFragments(world);
      expect(heard.flat().length).toBe(1);
    }
  });

  it("and in the wrong order miss each other when ports decide", () => {
    const outcomes = Array.from({ length: 8 }, (_, seed) => {
      const { world } = setup({ method: { kind: "hash", key: "five-tuple" } }, {}, { seed });
      const heard = [answerOn(world.b1, 53), answerOn(world.b2, 53)];
      reorderFragments(world);
      return heard.flat().length;
    });
    expect(new Set(outcomes)).toEqual(new Set([0, 1]));
  });

  /** Sends a datagram in two fragments, the second one first. */
  function reorderFragments(world: BalancedNetwork): void {
    // Something for no service, so that ARP is done.
    world.client.udp.open({ onDatagram: () => {} }).send({ to: address(VIP), port: 9, payload: new Uint8Array(1) });
    world.net.run();
    const pieces: Uint8Array[] = [];
    const stop = world.net.events.read((event) => {
      if (event.kind === "sent" && event.node === "internet" && event.interface === "eth1" && event.bytes[13] === 0)
        pieces.push(event.bytes.slice());
    });
    world.lb.interface("eth0")!.up = false;
    ask(world, 40000).send(2000, false);
    stop();
    world.lb.interface("eth0")!.up = true;
    expect(pieces.length).toBe(2);
    const wire = world.internet.interface("eth1")!.device;
    for (const piece of pieces.reverse()) inject(world.net, wire, piece);
    world.net.run();
  }
});

describe("any sequence of flows and changes", () => {
  it("goes to backends of the pool only, and a flow stays while its backend does", () => {
    const step = fc.oneof(
      {
        weight: 6,
        arbitrary: fc.record({ what: fc.constant("send" as const), port: fc.integer({ min: 40000, max: 40005 }) }),
      },
      {
        weight: 1,
        arbitrary: fc.record({
          what: fc.constantFrom("fail" as const, "heal" as const, "remove" as const),
          name: fc.constantFrom("b1", "b2"),
        }),
      },
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 25 }), fc.nat(1000), (steps, seed) => {
        const { world, pool } = setup({ method: { kind: "random" } }, {}, { seed });
        const heard = { b1: answerOn(world.b1, 53), b2: answerOn(world.b2, 53) };
        const clients = new Map<number, ReturnType<typeof ask>>();
        const homes = new Map<number, string>();
        for (const each of steps) {
          if (each.what === "remove") pool.remove(each.name);
          else if (each.what !== "send")
            pool.setHealth(each.name, each.what === "fail" ? "unhealthy" : "healthy", "test");
          else {
            const client = clients.get(each.port) ?? ask(world, each.port);
            clients.set(each.port, client);
            const before = { b1: heard.b1.length, b2: heard.b2.length };
            const home = homes.get(each.port);
            const stays = home !== undefined && pool.find(home) !== undefined;
            const eligible = pool.eligible.map(({ name }) => name);
            client.send();
            const to = heard.b1.length > before.b1 ? "b1" : heard.b2.length > before.b2 ? "b2" : undefined;
            if (stays) expect(to).toBe(home);
            else if (eligible.length === 0) expect(to).toBeUndefined();
            else expect(eligible).toContain(to);
            if (to !== undefined) homes.set(each.port, to);
          }
        }
      }),
      { numRuns: 40 },
    );
  });
});

describe("describe()", () => {
  it("says what is served, who serves it and what happened", () => {
    const { world, hook } = setup({ first: "b2", ports: [53, [5000, 5010]] });
    answerOn(world.b2, 53);
    ask(world, 40000).send();
    expect(hook.describe()).toEqual([
      "web: 203.0.113.140:53,5000-5010/udp, round robin, packets forwarded unchanged (direct server return)",
      "  b1 10.240.5.5 healthy (added), 0 active, 0 in all",
      "  b2 10.240.6.6 healthy (added), 1 active, 1 in all",
      "1 flows now, 1 in all, 0 moved; 1 packets forwarded, 0 translated back; 0 for no service, 0 without a backend",
    ]);
  });
});
