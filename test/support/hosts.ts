import {
  cidr,
  EVERYWHERE,
  EventStream,
  type Interface,
  mac,
  type PacketEvent,
  parseInterfaceAddress,
  parseIpv4,
  Stack,
  type Sysctls,
} from "../../src/netstack/index.ts";
import { type Frame, type Impairments, Link, Simulator } from "../../src/sim/index.ts";

/** A small network of bare stacks: hosts joined by wires, everything that happens written down. */
export class TestNetwork {
  readonly simulator: Simulator;
  readonly events: EventStream = new EventStream();
  readonly seen: PacketEvent[] = [];
  readonly #hosts = new Map<string, Stack>();
  #macs = 0;

  constructor(seed = 1) {
    this.simulator = new Simulator({ seed });
    // The bytes are a view of a frame that goes on; what is kept must be a copy.
    this.events.read((event) => this.seen.push("bytes" in event ? { ...event, bytes: event.bytes.slice() } : event));
  }

  host(name: string, sysctls: Partial<Sysctls> = {}): Stack {
    const { simulator, events } = this;
    const random = simulator.random.fork(name);
    const stack = new Stack({
      name,
      clock: simulator,
      queue: simulator,
      frames: simulator.frames,
      random,
      events,
      sysctls,
    });
    this.#hosts.set(name, stack);
    return stack;
  }

  /** Joins two hosts: `wire(a, "10.0.0.1/24", b, "10.0.0.2/24")`. Interfaces are eth0, eth1, … on each. */
  wire(a: Stack, own: string, b: Stack, other: string, options: { mtu?: number } & Partial<Impairments> = {}): Link {
    const { simulator } = this;
    const { mtu, ...impairments } = options;
    const random = simulator.random.fork(`${a.name}-${b.name}`);
    const link = new Link({
      queue: simulator,
      frames: simulator.frames,
      random,
      ...(mtu !== undefined && { mtu }),
      aToB: impairments,
      bToA: impairments,
    });
    this.#plug(a, link.a, own);
    this.#plug(b, link.b, other);
    return link;
  }

  run(): void {
    this.simulator.runUntilQuiet();
  }

  /** What one host did, as words: `dropped ttl-expired`, `sent eth0`, … */
  told(name: string): string[] {
    return this.seen.filter((event) => event.node === name).map(describe);
  }

  #plug(stack: Stack, device: Link["a"], own: string): Interface {
    const number = stack.addressing.interfaces.length - 1;
    this.#macs += 1;
    const address = parseInterfaceAddress(own)!;
    return stack.addInterface({
      name: `eth${number}`,
      device,
      mac: mac(0x0200_0000_0000 + this.#macs),
      addresses: [address],
    });
  }
}

/** Adds a route: `route(a, "default", "10.0.0.1")`. */
export function route(stack: Stack, to: string, via: string): void {
  const gateway = parseIpv4(via)!;
  const out = stack.addressing.hop(gateway)!.out;
  stack.addressing.routes.add({ destination: to === "default" ? EVERYWHERE : cidr(to), out, via: gateway });
}

/** `a (10.0.1.1) — r (10.0.1.254, 10.0.2.254) — b (10.0.2.2)`, r forwarding. */
export function line(options: { mtuBehind?: number; seed?: number } = {}): {
  net: TestNetwork;
  a: Stack;
  r: Stack;
  b: Stack;
} {
  const net = new TestNetwork(options.seed);
  const a = net.host("a");
  const r = net.host("r", { forwarding: true });
  const b = net.host("b");
  net.wire(a, "10.0.1.1/24", r, "10.0.1.254/24");
  net.wire(r, "10.0.2.254/24", b, "10.0.2.2/24", options.mtuBehind === undefined ? {} : { mtu: options.mtuBehind });
  route(a, "default", "10.0.1.254");
  route(b, "default", "10.0.2.254");
  return { net, a, r, b };
}

/** Sends raw bytes to a host as if they had come over its first wire. */
export function inject(net: TestNetwork, through: Link["a"], bytes: Uint8Array): Frame {
  const frame = net.simulator.frames.create(bytes.length);
  frame.at = net.simulator.now();
  frame.bytes.set(bytes, frame.start);
  through.send(frame);
  return frame;
}

function describe(event: PacketEvent): string {
  switch (event.kind) {
    case "dropped":
      return `dropped ${event.reason}`;
    case "sent":
    case "arrived":
    case "queued":
      return `${event.kind} ${event.interface}`;
    case "delivered":
      return `delivered ${event.to}`;
    default:
      return event.kind;
  }
}
