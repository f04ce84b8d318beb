import { describe, expect, it } from "vitest";
import {
  address,
  type CloseReason,
  formatIpv4,
  type PacketEvent,
  parseTcp,
  readIpv4Header,
  type Stack,
  type TcpSettings,
  type TcpSocket,
} from "../../src/netstack/index.ts";
import { after, type Duration, ms, seconds, us } from "../../src/sim/index.ts";
import { line, route, TestNetwork } from "../support/hosts.ts";

const SERVER = address("10.0.2.2");

/** Connects, failing the test when the stack cannot even begin. */
function connect(from: Stack, port: number, events: Parameters<Stack["tcp"]["connect"]>[1]): TcpSocket {
  const socket = from.tcp.connect({ to: SERVER, port }, events);
  if (typeof socket === "string") throw new Error(socket);
  return socket;
}

function echo(b: Stack): void {
  b.tcp.listen({ port: 7 }, (socket) => {
    socket.events = { onData: (bytes) => socket.write(bytes), onEnd: () => socket.end() };
  });
}

function segmentsOf(net: TestNetwork, name: string): { flags: number; id: number; length: number; df: boolean }[] {
  return net.seen
    .filter((event): event is Extract<PacketEvent, { kind: "sent" }> => event.kind === "sent" && event.node === name)
    .filter(({ bytes }) => bytes[13] === 0 && bytes[23] === 6)
    .map(({ bytes }) => {
      const ip = readIpv4Header(bytes, 14);
      return {
        flags: parseTcp(bytes, 34, bytes.length)!.flags,
        id: ip.identification,
        length: ip.totalLength,
        df: ip.dontFragment,
      };
    });
}

describe("TCP sockets", () => {
  it("carry bytes both ways through a router and close in order", () => {
    const { net, a, b } = line();
    echo(b);
    const got: string[] = [];
    const ends: (CloseReason | "end")[] = [];
    const socket = connect(a, 7, {
      onConnect: () => {
        socket.write(new TextEncoder().encode("hello"));
        socket.end();
      },
      onData: (bytes) => got.push(new TextDecoder().decode(bytes)),
      onEnd: () => ends.push("end"),
      onClose: (reason) => ends.push(reason),
    });
    net.run();
    expect([got, ends]).toEqual([["hello"], ["end", "closed"]]);
    expect(socket.state).toBe("time-wait");
    expect(b.tcp.list()).toEqual([]);
    net.simulator.runTo(after(net.simulator.now(), seconds(61)));
    expect(a.tcp.list()).toEqual([]);
  });

  it("look like Linux's on the wire: DF, a SYN of 60 bytes, a SYN-ACK with identification 0, counting identifications after", () => {
    const { net, a, b } = line();
    echo(b);
    const socket = connect(a, 7, { onConnect: () => socket.write(Uint8Array.of(1)) });
    net.run();
    const client = segmentsOf(net, "a");
    const server = segmentsOf(net, "b");
    expect([...client, ...server].every(({ df }) => df)).toBe(true);
    expect(client[0]).toMatchObject({ flags: 0x02, length: 60 });
    expect(server[0]).toMatchObject({ flags: 0x12, length: 60, id: 0 });
    const ids = client.map(({ id }) => id);
    expect(ids.map((id) => (id - ids[0]! + 0x10000) % 0x10000)).toEqual(ids.map((_, i) => i));
  });

  it("are refused by a RST, without data or options", () => {
    const { net, a } = line();
    const ends: CloseReason[] = [];
    connect(a, 81, { onClose: (reason) => ends.push(reason) });
    net.run();
    expect(ends).toEqual(["refused"]);
    expect(segmentsOf(net, "b")).toEqual([{ flags: 0x14, id: 0, length: 40, df: true }]);
  });

  it("repeat a SYN that nobody answers at 1, 2, 3, 4, 5, 7, 11 s", () => {
    const net = new TestNetwork();
    const a = net.host("a");
    const b = net.host("b");
    net.wire(a, "10.0.2.1/24", b, "10.0.2.2/24");
    b.setHook({ wantsDatagrams: false, run: (hook) => (hook === "input" ? "rule-drop" : "accept") });
    connect(a, 80, {});
    net.simulator.runTo(after(net.simulator.now(), seconds(12)));
    const times = net.seen
      .filter((event) => event.kind === "sent" && event.node === "a" && event.bytes[23] === 6)
      .map(({ time }) => Math.round(time / ms(10)) / 100);
    expect(times).toEqual([0, 1, 2, 3, 4, 5, 7, 11]);
  });

  it("end at once when a router says that the host cannot be reached", () => {
    const { net, a, r } = line();
    const ends: CloseReason[] = [];
    r.addressing.routes.removeWhere(({ out }) => out.name === "eth1");
    connect(a, 80, { onClose: (reason) => ends.push(reason) });
    net.run();
    expect(ends).toEqual(["network-unreachable"]);
  });

  it("send shorter segments when a router says that they are too long", () => {
    const net = new TestNetwork();
    const [a, near, far, b] = [
      net.host("a"),
      net.host("near", { forwarding: true }),
      net.host("far", { forwarding: true }),
      net.host("b"),
    ];
    net.wire(a, "10.0.1.1/24", near, "10.0.1.254/24");
    net.wire(near, "10.0.3.1/24", far, "10.0.3.2/24", { mtu: 1300 });
    net.wire(far, "10.0.2.254/24", b, "10.0.2.2/24");
    route(a, "default", "10.0.1.254");
    route(near, "default", "10.0.3.2");
    route(far, "default", "10.0.3.1");
    route(b, "default", "10.0.2.254");
    let received = 0;
    b.tcp.listen({ port: 9 }, (socket) => {
      socket.events = { onData: (bytes) => (received += bytes.length) };
    });
    const socket = connect(a, 9, { onConnect: () => socket.write(new Uint8Array(20_000)) });
    net.run();
    expect(received).toBe(20_000);
    expect(near.host.drops.count("fragmentation-needed")).toBeGreaterThan(0);
    expect(Math.max(...segmentsOf(net, "near").map(({ length }) => length))).toBe(1300);
  });

  it("stop a sender whose receiver does not read, and go on when it does", () => {
    const { net, a, b } = line();
    let held: TcpSocket | undefined;
    let received = 0;
    b.tcp.listen({ port: 9 }, (socket) => {
      held = socket;
      socket.pause();
      socket.events = { onData: (bytes) => (received += bytes.length) };
    });
    let drained = false;
    const socket = connect(a, 9, {
      onConnect: () => expect(socket.write(new Uint8Array(1_000_000))).toBe(false),
      onDrain: () => (drained = true),
    });
    net.run();
    net.simulator.runTo(after(net.simulator.now(), seconds(30)));
    expect([received, drained]).toEqual([0, false]);
    held!.resume();
    net.simulator.runTo(after(net.simulator.now(), seconds(130)));
    expect([received, drained]).toEqual([1_000_000, true]);
  });

  it("deliver every byte in order over a link that loses, repeats and reorders", () => {
    const net = new TestNetwork(5);
    const a = net.host("a");
    const b = net.host("b");
    const bad = { loss: 0.03, duplicate: 0.02, reorder: 0.05, reorderDelay: ms(3), delay: ms(5) };
    net.wire(a, "10.0.2.1/24", b, "10.0.2.2/24", bad);
    const chunks: Uint8Array[] = [];
    b.tcp.listen({ port: 9 }, (socket) => {
      socket.events = { onData: (bytes) => chunks.push(bytes.slice()), onEnd: () => socket.end() };
    });
    const data = Uint8Array.from({ length: 300_000 }, (_, i) => (i * 7 + (i >> 8)) & 255);
    let closed: CloseReason | undefined;
    const socket = connect(a, 9, {
      onConnect: () => {
        socket.write(data);
        socket.end();
      },
      onClose: (reason) => (closed = reason),
    });
    net.simulator.runTo(after(net.simulator.now(), seconds(120)));
    const got = new Uint8Array(chunks.reduce((sum, { length }) => sum + length, 0));
    let at = 0;
    for (const chunk of chunks) {
      got.set(chunk, at);
      at += chunk.length;
    }
    expect(closed).toBe("closed");
    expect(got.length).toBe(data.length);
    expect(got.every((byte, i) => byte === data[i])).toBe(true);
  });

  it("begin again at once from a port whose last connection is in TIME-WAIT at the server", () => {
    const { net, a, b } = line();
    const accepted: TcpSocket[] = [];
    b.tcp.listen({ port: 80 }, (socket) => {
      accepted.push(socket);
      socket.end();
    });
    const begin = (): TcpSocket => {
      const socket = a.tcp.connect({ to: SERVER, port: 80, fromPort: 40_000 }, {});
      if (typeof socket === "string") throw new Error(socket);
      socket.events = { onEnd: () => socket.end() };
      return socket;
    };
    begin();
    net.run();
    expect([accepted[0]?.state, a.tcp.list()]).toEqual(["time-wait", []]);
    begin();
    net.simulator.runTo(after(net.simulator.now(), ms(100)));
    expect(accepted).toHaveLength(2);
  });

  it("refuse a second listener on a port, and a closed one refuses connections", () => {
    const { net, a, b } = line();
    const server = b.tcp.listen({ port: 80 }, () => {});
    expect(() => b.tcp.listen({ port: 80 }, () => {})).toThrow("Cannot listen on TCP port 80 of b: it is in use");
    server.close();
    const ends: CloseReason[] = [];
    connect(a, 80, { onClose: (reason) => ends.push(reason) });
    net.run();
    expect(ends).toEqual(["refused"]);
  });

  it("reach the host itself through lo", () => {
    const { net, b } = line();
    echo(b);
    const got: number[] = [];
    const socket = b.tcp.connect({ to: SERVER, port: 7 }, { onData: (bytes) => got.push(...bytes) });
    if (typeof socket === "string") throw new Error(socket);
    socket.write(Uint8Array.of(1, 2, 3));
    net.run();
    expect([got, formatIpv4(socket.local.address)]).toEqual([[1, 2, 3], "10.0.2.2"]);
    expect(net.simulator.now()).toBeLessThan(ms(1) + us(0));
  });
});

/** A closed connection of each kind that outlives its program, so many of them; the states on both sides. */
function closeMany(count: number, settings: Partial<TcpSettings>, serverCloses: boolean): string[][] {
  const { net, a, b } = line();
  a.tcp.settings = { ...a.tcp.settings, ...settings };
  b.tcp.listen({ port: 7 }, (socket) => {
    socket.events = { onEnd: () => (serverCloses ? socket.close() : undefined) };
  });
  const sockets = Array.from({ length: count }, () => connect(a, 7, {}));
  net.run();
  for (const socket of sockets) socket.close();
  // Until delayed ACKs have been sent too.
  net.simulator.runTo(after(net.simulator.now(), ms(200)));
  return [a, b].map(({ tcp }) => [...tcp.list().map(({ state }) => state), ...Array(tcp.timeWaits).fill("time-wait")]);
}

describe("connections that outlive their programs", () => {
  it("wait for the other side's FIN, and in TIME-WAIT", () => {
    expect(closeMany(2, {}, false)).toEqual([
      ["fin-wait-2", "fin-wait-2"],
      ["close-wait", "close-wait"],
    ]);
    expect(closeMany(2, {}, true)).toEqual([["time-wait", "time-wait"], []]);
  });

  it("are forgotten beyond tcp_max_tw_buckets", () => {
    expect(closeMany(3, { mostTimeWaits: 1 }, true)).toEqual([["time-wait"], []]);
  });

  it("are reset beyond tcp_max_orphans", () => {
    expect(closeMany(3, { mostOrphans: 1 }, true)).toEqual([["time-wait"], []]);
  });
});

describe("a port in TIME-WAIT", () => {
  /** Two connections, one after the other, from a host with a single port; the second's state at the end. */
  function twice(timeWaitReuse: TcpSettings["timeWaitReuse"], pause: Duration, fromPort?: number): string {
    const { net, a, b } = line();
    a.host.sysctls.localPorts = [40_000, 40_000];
    a.tcp.settings = { ...a.tcp.settings, timeWaitReuse };
    b.tcp.listen({ port: 7 }, (socket) => {
      socket.events = { onEnd: () => socket.close() };
    });
    const first = connect(a, 7, { onConnect: () => first.close() });
    net.run();
    net.simulator.runTo(after(net.simulator.now(), pause));
    const to = { to: SERVER, port: 7, ...(fromPort !== undefined && { fromPort }) };
    const second = a.tcp.connect(to, {});
    net.run();
    return typeof second === "string" ? second : second.state;
  }

  it.each([
    ["is taken again a second later where tcp_tw_reuse allows it", "on", seconds(2), undefined, "established"],
    ["is not before a second has passed", "on", ms(500), undefined, "no-free-port"],
    ["is not by a program that asks for this port", "on", seconds(2), 40_000, "no-free-port"],
    ["is not beyond the loopback interface by default", "loopback", seconds(2), undefined, "no-free-port"],
    ["is not with tcp_tw_reuse=0", "off", seconds(2), undefined, "no-free-port"],
  ] as const)("%s", (_, reuse, pause, fromPort, outcome) => {
    expect(twice(reuse, pause, fromPort)).toBe(outcome);
  });
});

describe("keep-alive", () => {
  it("ends a server's connection whose client has vanished, where the server asked for it", () => {
    const { net, a, b } = line();
    b.tcp.listen({ port: 7, keepAlive: { idle: seconds(15), interval: seconds(15) } }, () => {});
    connect(a, 7, {});
    net.run();
    for (const each of a.addressing.interfaces) each.up = false;
    net.simulator.runTo(after(net.simulator.now(), seconds(151)));
    expect(b.tcp.list()).toEqual([]);
  });
});
