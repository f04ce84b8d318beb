import { describe, expect, it, vi } from "vitest";
import { parseIptablesSave } from "../../src/nat/index.ts";
import { address, EVERYWHERE, interfaceAddress, mac, type TcpSocket } from "../../src/netstack/index.ts";
import { type Host, Network } from "../../src/nodes/index.ts";
import { readCapture } from "../../src/pcap/index.ts";
import { after, type Impairments, ms, us } from "../../src/sim/index.ts";
import { pattern } from "../tun/kernel-packets.ts";

/*
 * TCP segments travel as one (Frame.segments) where nobody looks. Whatever is looked at must be what it would be if they never did: each case is run with every place
 * recorded, so that each segment goes by itself, and with one place or none.
 */

interface Case {
  /** Of the router, besides the translation. */
  readonly rules?: readonly string[];
  readonly table?: "filter" | "mangle" | "raw";
  readonly mtu?: number;
  /** Of the wire between router and server. */
  readonly impairments?: Partial<Impairments>;
  /** Whether trains get anywhere at all. */
  readonly isCut?: boolean;
}

const BYTES = 400_000;
const TRANSLATION = [
  "*nat",
  "-A PREROUTING -d 10.0.0.10/32 -p tcp -m tcp --dport 80 -j DNAT --to-destination 10.2.0.2:8080",
  "-A POSTROUTING -d 10.2.0.2/32 -j MASQUERADE",
  "COMMIT",
];

const CASES: Readonly<Record<string, Case>> = {
  "through a router that translates": {},
  "to a way with a smaller MTU": { mtu: 1400 },
  "over a wire of 20 Mbit/s with a short queue": { impairments: { rate: 20e6, queue: 20 }, isCut: true },
  "over a wire that loses, doubles and reorders": {
    impairments: { loss: 0.01, duplicate: 0.01, reorder: 0.02, reorderDelay: ms(3), jitter: us(90), delay: ms(5) },
    isCut: true,
  },
  "past a rule that drops every fiftieth packet": {
    table: "mangle",
    rules: ["-A FORWARD -p tcp -m statistic --mode nth --every 50 --packet 49 -j DROP"],
    isCut: true,
  },
  "past a limit on packets": {
    table: "filter",
    rules: ["-A FORWARD -p tcp -m limit --limit 2000/sec --limit-burst 50 -j ACCEPT", "-A FORWARD -j DROP"],
    isCut: true,
  },
  "past a rule for long packets": {
    table: "filter",
    rules: ["-A FORWARD -m length --length 2000:65535 -j DROP"],
    isCut: true,
  },
  "past a rule for the end of what was written": {
    table: "raw",
    rules: ["-A PREROUTING -p tcp -m tcp --tcp-flags PSH PSH -m mark --mark 0x1/0x1 -j DROP"],
    isCut: true,
  },
  "past rules that ask for addresses and connections": {
    table: "filter",
    rules: ["-A FORWARD -m conntrack --ctstate INVALID -j DROP", "-A FORWARD -d 10.2.0.0/16 -j ACCEPT"],
  },
};

describe.each(Object.entries(CASES))("a transfer both ways %s", (_, given) => {
  const points = ["client/eth0", "router/eth0", "router/eth1", "server/eth0"];
  const all = transfer(given, points);

  it("is whole", () => {
    expect(all.received).toEqual({ client: BYTES, server: BYTES, wrong: 0 });
  });

  it.each(points)("is the same at %s when nobody looks elsewhere", (point) => {
    const alone = transfer(given, [point]);
    expect(alone.packets.get(point)).toEqual(all.packets.get(point));
    expect(alone.received).toEqual(all.received);
    expect(alone.drops).toEqual(all.drops);
  });

  it("takes fewer events when nobody looks anywhere, where segments may travel as one", () => {
    const unseen = transfer(given, []);
    expect(unseen.received).toEqual(all.received);
    expect(unseen.drops).toEqual(all.drops);
    expect(unseen.ended).toBe(all.ended);
    if (given.isCut) expect(unseen.events).toBeGreaterThan(all.events * 0.7);
    else expect(unseen.events).toBeLessThan(all.events * 0.6);
  });
});

interface Transfer {
  readonly received: { client: number; server: number; wrong: number };
  readonly packets: Map<string, string[]>;
  readonly drops: readonly unknown[];
  readonly events: number;
  /** Virtual time at which the last byte had come. */
  readonly ended: number;
}

/** Client and server write to each other in pieces of many sizes. */
function transfer(given: Case, only: readonly string[]): Transfer {
  const files = new Map<string, Uint8Array[]>();
  const sinkFor = (point: string): ((chunk: Uint8Array) => void) => {
    const chunks: Uint8Array[] = [];
    files.set(point, chunks);
    return (chunk) => void chunks.push(chunk.slice());
  };
  const network = new Network({
    seed: 7,
    tapped: true,
    ...(only.length > 0 && { capture: { target: { format: "pcap", sinkFor } as const, only } }),
  });
  const { client, server } = build(network, given);
  const received = { client: 0, server: 0, wrong: 0 };
  const expected = pattern(BYTES);
  const count = (who: "client" | "server", bytes: Uint8Array): void => {
    if (bytes.some((byte, index) => byte !== expected[received[who] + index])) received.wrong += 1;
    received[who] += bytes.length;
  };
  server.stack.tcp.listen({ port: 8080 }, (socket) => {
    const fill = writer(socket, expected);
    socket.events = { onDrain: fill, onData: (bytes) => count("server", bytes) };
    fill();
  });
  const socket = client.stack.tcp.connect({ to: address("10.0.0.10"), port: 80 }, {}) as TcpSocket;
  const fill = writer(socket, expected);
  socket.events = { onConnect: fill, onDrain: fill, onData: (bytes) => count("client", bytes) };
  network.simulator.runUntil(() => received.client === BYTES && received.server === BYTES);
  const ended = network.simulator.now();
  network.simulator.runUntilQuiet();
  network.capture?.finish();
  const packets = new Map(Array.from(files, ([point, chunks]) => [point, packetsOf(Buffer.concat(chunks))]));
  return { received, packets, drops: network.drops(), events: network.simulator.events, ended };
}

/** Writes all of `bytes` in pieces of many sizes, and ends; to be called again whenever there is room. */
function writer(socket: TcpSocket, bytes: Uint8Array): () => void {
  let written = 0;
  return () => {
    while (written < bytes.length) {
      const size = Math.min(1 + ((written * 7919) % 60_000), bytes.length - written);
      const goesOn = socket.write(bytes.subarray(written, written + size));
      written += size;
      if (!goesOn) return;
    }
    socket.end();
  };
}

function build(network: Network, given: Case): { client: Host; server: Host } {
  const client = network.addHost("client");
  const router = network.addHost("router", { forwarding: true });
  const server = network.addHost("server");
  const own = interfaceAddress("10.1.0.2/24");
  const device = network.addVeth(client, { name: "eth0", addresses: [own], mtu: 1500, hostEnd: "router/eth0" });
  router.addInterface({
    name: "eth0",
    device,
    mac: mac(0x020000000101),
    addresses: [interfaceAddress("10.1.0.1/24")],
  });
  const far = network.addSwitch("far", given.mtu ?? 1500);
  const impairments = { out: given.impairments ?? {}, in: given.impairments ?? {} };
  network.attach(router, far, { name: "eth1", addresses: [interfaceAddress("10.2.0.1/24")], impairments });
  network.attach(server, far, { name: "eth0", addresses: [interfaceAddress("10.2.0.2/24")] });
  client.addRoute(EVERYWHERE, address("10.1.0.1"));
  server.addRoute(EVERYWHERE, address("10.2.0.1"));
  const filter = given.table === undefined ? [] : [`*${given.table}`, ...(given.rules ?? []), "COMMIT"];
  router.setRules(parseIptablesSave([...TRANSLATION, ...filter, ""].join("\n")).ruleset);
  return { client, server };
}

function packetsOf(file: Uint8Array): string[] {
  return readCapture(file).packets.map(({ time, bytes }) => `${time} ${Buffer.from(bytes).toString("hex")}`);
}

it("shows a train that was on its way when a recording began as the segments it stands for", () => {
  const network = new Network({ seed: 7, tapped: true });
  const { client, server } = build(network, {});
  server.stack.tcp.listen({ port: 8080 }, () => {});
  const socket = client.stack.tcp.connect({ to: address("10.0.0.10"), port: 80 }, {}) as TcpSocket;
  const fill = writer(socket, pattern(BYTES));
  socket.events = { onConnect: fill, onDrain: fill };
  const { simulator } = network;
  const created = vi.spyOn(simulator.frames, "createTrain");
  simulator.runUntil(() => created.mock.calls.length > 2);
  const chunks: Uint8Array[] = [];
  const sinkFor = (): ((chunk: Uint8Array) => void) => (chunk) => void chunks.push(chunk.slice());
  const recording = network.record({ target: { format: "pcap", sinkFor }, only: ["router/eth0"] });
  simulator.runTo(after(simulator.now(), ms(1)));
  recording.end();
  recording.capture.finish();
  const lengths = readCapture(Buffer.concat(chunks)).packets.map(({ bytes }) => bytes.length);
  expect(lengths.length).toBeGreaterThan(4);
  expect(Math.max(...lengths)).toBe(1514);
});
