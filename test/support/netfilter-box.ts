import { formatConntrackEntry, Netfilter, type NetfilterOptions, parseIptablesSave } from "../../src/nat/index.ts";
import {
  type AddressKind,
  EventStream,
  type Hook,
  type HookHost,
  type HookVerdict,
  Interface,
  type InterfaceAddress,
  type Ipv4Address,
  mac,
  type Packet,
  type PacketEvent,
  parseInterfaceAddress,
} from "../../src/netstack/index.ts";
import { after, type Device, type Frame, Random, Simulator, seconds } from "../../src/sim/index.ts";
import { describePacket } from "./packets.ts";

/** What became of a packet that was sent through the box. */
export interface Passed {
  readonly verdict: HookVerdict;
  /** The hook that ended it, if one did. */
  readonly endedIn: Hook | undefined;
  readonly packet: Packet;
}

export interface BoxOptions extends Omit<NetfilterOptions, "host"> {
  readonly seed?: number;
  /** Interfaces by name with their addresses: `{ eth0: ["10.0.0.1/24"] }`. */
  readonly interfaces?: Readonly<Record<string, readonly string[]>>;
  /** An event reader is there. */
  readonly listens?: boolean;
  readonly everyRule?: boolean;
}

/** A netfilter in a host that is nothing but a name and some interfaces: the test carries packets from hook to hook. */
export class NetfilterBox implements HookHost {
  readonly name = "box";
  readonly clock: Simulator;
  readonly random: Random;
  readonly frames: Simulator["frames"];
  readonly events: EventStream = new EventStream();
  readonly seen: PacketEvent[] = [];
  /** ICMP errors and resets asked for: `icmp 3/3 about tcp …`. */
  readonly answers: string[] = [];
  readonly netfilter: Netfilter;
  readonly #interfaces = new Map<string, Interface>();
  mtu = 1500;

  constructor(rules: string, options: BoxOptions = {}) {
    this.clock = new Simulator({ seed: options.seed ?? 1 });
    this.random = new Random(options.seed ?? 1);
    this.frames = this.clock.frames;
    const interfaces = options.interfaces ?? { eth0: ["10.0.0.254/24"], eth1: ["203.0.113.7/24"] };
    for (const [name, addresses] of Object.entries(interfaces)) {
      const parsed = addresses.map((text) => parseInterfaceAddress(text) as InterfaceAddress);
      this.#interfaces.set(name, new Interface({ name, device: NO_DEVICE, mac: mac(1), addresses: parsed }));
    }
    if (options.listens || options.everyRule)
      this.events.read((event) => this.seen.push(event), { everyRule: options.everyRule ?? false });
    this.netfilter = new Netfilter({ ...options, host: this });
    this.load(rules);
  }

  load(rules: string): void {
    this.netfilter.setRules(parseIptablesSave(rules).ruleset);
  }

  interface(name: string): Interface {
    return this.#interfaces.get(name) as Interface;
  }

  addressKind(address: Ipv4Address, on?: Interface): AddressKind {
    if (address >>> 24 === 127) return "local";
    const own = on === undefined ? [...this.#interfaces.values()] : [on];
    if (own.some(({ addresses }) => addresses.some((each) => each.address === address))) return "local";
    return address >>> 28 === 14 ? "multicast" : "unicast";
  }

  sourceAddressFor(out: Interface): Ipv4Address | undefined {
    return out.addresses[0]?.address;
  }

  pathMtu(): number {
    return this.mtu;
  }

  sendIcmpError(packet: Packet, type: number, code: number): void {
    this.answers.push(`icmp ${type}/${code} about ${describePacket(packet)}`);
  }

  sendTcpReset(packet: Packet): void {
    this.answers.push(`reset for ${describePacket(packet)}`);
  }

  /** The packet comes in by one interface and is forwarded by the other. */
  forward(packet: Packet, way: `${string}>${string}` = "eth0>eth1"): Passed {
    const [from = "", to = ""] = way.split(">");
    packet.in = this.interface(from);
    const arrived = this.#pass(packet, ["prerouting"]);
    if (arrived.verdict !== "accept") return arrived;
    packet.out = this.interface(to);
    packet.ttl -= 1;
    return this.#pass(packet, ["forward", "postrouting"]);
  }

  /** The packet comes in and is for the host itself. */
  receive(packet: Packet, from = "eth0"): Passed {
    packet.in = this.interface(from);
    return this.#pass(packet, ["prerouting", "input"]);
  }

  /** The host itself sends the packet. */
  send(packet: Packet, to = "eth1"): Passed {
    packet.out = this.interface(to);
    return this.#pass(packet, ["output", "postrouting"]);
  }

  /** Lets time pass; dead entries go. */
  wait(duration: number): void {
    this.clock.runTo(after(this.clock.now(), seconds(duration)));
  }

  /** `conntrack -L -o extended`, without the columns that never change. */
  connections(): string[] {
    return this.netfilter.list().map((entry) =>
      formatConntrackEntry(entry)
        .replace(/^ipv4 {5}2 /, "")
        .replace(/ mark=0 use=1$/, ""),
    );
  }

  #pass(packet: Packet, hooks: readonly Hook[]): Passed {
    for (const hook of hooks) {
      const verdict = this.netfilter.run(hook, packet);
      if (verdict !== "accept") return { verdict, endedIn: hook, packet };
    }
    return { verdict: "accept", endedIn: undefined, packet };
  }
}

const NO_DEVICE: Device = {
  mtu: 1500,
  send(frame: Frame): void {
    frame.release();
  },
  onFrame(): void {},
};
