import {
  ArpOperation,
  DropCounters,
  type DropReason,
  ETHERNET_HEADER_LENGTH,
  EtherType,
  EventStream,
  ethernetType,
  HostContext,
  type InterfaceAddress,
  type Ipv4Address,
  type MacAddress,
  mac,
  parseArp,
  type Sysctls,
} from "../netstack/index.ts";
import { Capture, type CaptureOptions, DEFAULT_START_DATE } from "../pcap/index.ts";
import {
  type Device,
  type Frame,
  type Impairments,
  Link,
  Simulator,
  type Time,
  timestampAt,
  us,
} from "../sim/index.ts";
import { AwaitedDevice } from "./awaited-device.ts";
import { Host } from "./host.ts";
import { HostDirectory } from "./host-directory.ts";
import { Recorder } from "./recorder.ts";
import { Switch } from "./switch.ts";

/** A capture that was begun while the network ran. */
export interface Recording {
  readonly capture: Capture;
  /** Records no more in it; finishing it is left to the caller. */
  readonly end: () => void;
}

/** What a network is made with. */
export interface NetworkOptions {
  readonly seed: number;
  /** What time 0 is, in nanoseconds since 1970. */
  readonly startDate?: bigint;
  /** Where frames are recorded; nothing is when left out. */
  readonly capture?: Omit<CaptureOptions, "now" | "startDate">;
  /** Whether {@link Network.record} may be asked for later, without a `capture` too. */
  readonly tapped?: boolean;
}

/** What a link does, per direction; "out" is away from the host that is attached. */
export interface LinkImpairments {
  readonly out?: Partial<Impairments>;
  readonly in?: Partial<Impairments>;
}

/** The interface with which a host is plugged in. */
export interface AttachOptions {
  readonly name: string;
  readonly addresses?: readonly InterfaceAddress[];
  readonly mac?: MacAddress;
  readonly impairments?: LinkImpairments;
}

/** A veth pair: its interface inside a pod or container, and the name of its end outside. */
export interface VethOptions extends AttachOptions {
  readonly mtu: number;
  readonly hostEnd: string;
}

/** A pod that is built when it is needed. */
export interface AwaitedPod {
  readonly name: string;
  readonly address: Ipv4Address;
  readonly veth: VethOptions;
  /** Does what is left to do once the pod and its interface are there. */
  readonly ready: (pod: Host) => void;
}

/** A cable in one room. Impairments of a scenario come on top of it. */
const CABLE = { delay: us(50) } as const;
/** A veth pair: the frame changes namespaces, not places. */
const VETH = { delay: us(2) } as const;

/** The emulated network: time, chance, the event stream and the boxes, by name. */
export class Network {
  readonly simulator: Simulator;
  readonly events: EventStream = new EventStream();
  readonly capture: Capture | undefined;
  readonly hosts: HostDirectory = new HostDirectory();
  readonly switches: Map<string, Switch> = new Map();
  readonly links: Map<string, Link> = new Map();
  /** Names that every host knows: hosts, nodes and their aliases. */
  readonly names: Map<string, Ipv4Address> = new Map();
  readonly #startDate: bigint;
  readonly #startDateMs: number;
  readonly #recorder: Recorder | undefined;
  /** Of links, and of hosts that are gone. */
  readonly #goneDrops = new DropCounters();
  #macs = 0;
  #cable: Partial<Impairments> = CABLE;
  /** The last {@link timestamp}: many objects are made at once. */
  #stamp: { readonly time: Time; readonly text: string } | undefined;

  constructor(options: NetworkOptions) {
    this.simulator = new Simulator({ seed: options.seed });
    this.#startDate = options.startDate ?? DEFAULT_START_DATE;
    this.#startDateMs = Number(this.#startDate / 1_000_000n);
    if (options.capture !== undefined || options.tapped === true) {
      this.#recorder = new Recorder(this.events, this.simulator.frames);
    }
    if (options.capture !== undefined) this.capture = this.record(options.capture).capture;
  }

  /** The names of the places where frames can be recorded. */
  get points(): readonly string[] {
    return this.#recorder?.points ?? [];
  }

  /** Records in one more capture from now on, until its `end` is called. @throws RangeError when the network has no taps. */
  record(options: Omit<CaptureOptions, "now" | "startDate">): Recording {
    if (this.#recorder === undefined) throw new RangeError("Cannot record: the network was built without taps");
    const capture = new Capture({ ...options, startDate: this.#startDate, now: () => this.simulator.now() });
    return { capture, end: this.#recorder.add(capture) };
  }

  /** Adds a machine with no interface but `lo`. @throws RangeError when the name is taken. */
  addHost(name: string, sysctls: Partial<Sysctls> = {}): Host {
    this.#claim(name);
    return this.#makeHost(name, sysctls);
  }

  #makeHost(name: string, sysctls: Partial<Sysctls> = {}): Host {
    const { simulator, events } = this;
    const random = simulator.random.fork(`host:${name}`);
    const base = { name, clock: simulator, queue: simulator, frames: simulator.frames, random, events, sysctls };
    const startDate = this.#startDateMs;
    const host = new Host({ ...base, recorder: this.#recorder, startDate, names: this.names });
    this.hosts.set(name, host);
    return host;
  }

  /** Adds an Ethernet segment. @throws RangeError when the name is taken. */
  addSwitch(name: string, mtu = 1500): Switch {
    this.#claim(name);
    const { simulator, events } = this;
    const random = simulator.random.fork(`switch:${name}`);
    const context = new HostContext({ name, clock: simulator, frames: simulator.frames, random, events });
    const added = new Switch(context, this.#nextMac(), mtu);
    this.switches.set(name, added);
    return added;
  }

  /** Plugs a host into a segment with a new interface. */
  attach(host: Host, segment: Switch, options: AttachOptions): void {
    const end = `${host.name}/${options.name}`;
    const link = this.#link(`${end}-${segment.name}`, segment.mtu, {
      aToB: { ...this.#cable, ...options.impairments?.out },
      bToA: { ...this.#cable, ...options.impairments?.in },
    });
    segment.addPort(end, link.b);
    host.addInterface({ ...options, device: link.a, mac: options.mac ?? this.#macFor(options.addresses?.[0]) });
  }

  /**
   * Has cables of which the scenario says nothing take as long as a veth pair, from now on: where real time passes, what the emulation itself takes stands for
   * their 50 µs, and whoever waits for one answer after the other would wait for both.
   */
  shortenCables(): void {
    this.#cable = VETH;
    for (const link of this.links.values()) {
      for (const direction of ["a>b", "b>a"] as const) {
        if (link.delay(direction) === CABLE.delay) link.impair(direction, VETH);
      }
    }
  }

  /** Pulls a host's interface off its segment, both ways, or plugs it in again. False when it is on none. */
  setConnected(host: string, interfaceName: string, up: boolean): boolean {
    const link = this.linkAt(host, interfaceName);
    link?.impair("a>b", { up });
    link?.impair("b>a", { up });
    return link !== undefined;
  }

  /** The segment that a host's interface is plugged into; `undefined` where it is on none, such as a pod's. */
  segmentAt(host: string, interfaceName: string): Switch | undefined {
    const end = `${host}/${interfaceName}-`;
    for (const name of this.links.keys()) if (name.startsWith(end)) return this.switches.get(name.slice(end.length));
    return undefined;
  }

  /** The cable or veth pair that a host's interface is on, with this end as its `a`; `undefined` where it is on none, such as a tunnel's. */
  linkAt(host: string, interfaceName: string): Link | undefined {
    // Links are named after both their ends.
    const end = `${host}/${interfaceName}-`;
    for (const [name, link] of this.links) if (name.startsWith(end)) return link;
    return undefined;
  }

  /** Joins a pod's or container's `eth0` to its host by a veth pair; the host's end comes back, to be put under a bridge or routed. */
  addVeth(inside: Host, options: VethOptions): Device {
    const name = `${inside.name}/${options.name}-${options.hostEnd}`;
    const link = this.#link(name, options.mtu, { aToB: VETH, bToA: VETH });
    inside.addInterface({ ...options, device: link.a, mac: options.mac ?? podMac(options.addresses?.[0]?.address) });
    return link.b;
  }

  /**
   * Takes a name, a capture point and the host's end of a veth pair for a pod that is built when a frame is sent to it or somebody asks for it. Until then it
   * would only have waited.
   */
  awaitPod({ name, address, veth, ready }: AwaitedPod): Device {
    this.#claim(name);
    this.#recorder?.declareInterface(name, { mac: podMac(address), ...veth });
    // A request for somebody else's hardware address changes nothing in a host that knows nobody; but who records or watches sees it arrive.
    const ignores = (frame: Frame): boolean =>
      this.#recorder === undefined && !this.events.active && asksForOther(frame, address);
    const device = new AwaitedDevice(veth.mtu, () => void this.hosts.get(name), ignores);
    const build = (): Host => {
      const pod = this.#makeHost(name);
      device.join(this.addVeth(pod, veth));
      ready(pod);
      return pod;
    };
    this.hosts.await(name, { address, build });
    return device;
  }

  /** What clocks in the network show now, as RFC 3339 in whole seconds. */
  timestamp(): string {
    const now = this.simulator.now();
    if (this.#stamp?.time !== now) this.#stamp = { time: now, text: timestampAt(this.#startDateMs, now) };
    return this.#stamp.text;
  }

  /** Gives an address a name in captures; for machines' own addresses that is done already. */
  nameAddress(address: Ipv4Address, name: string): void {
    this.#recorder?.addName(address, name);
  }

  /** Forgets a machine that was taken off the network; its name is free again. */
  removeHost(name: string): void {
    const host = this.hosts.builtHost(name);
    for (const [reason, count] of host?.stack.host.drops.entries() ?? []) this.#goneDrops.add(reason, count);
    this.hosts.delete(name);
  }

  /** Drops of every box and link, by reason. */
  drops(): [DropReason, number][] {
    const counts = new Map<DropReason, number>(this.#goneDrops.entries());
    for (const host of this.hosts.built()) {
      for (const [reason, count] of host.stack.host.drops.entries())
        counts.set(reason, (counts.get(reason) ?? 0) + count);
    }
    return [...counts].sort(([a], [b]) => (a < b ? -1 : 1));
  }

  #link(name: string, mtu: number, impairments: { aToB: Partial<Impairments>; bToA: Partial<Impairments> }): Link {
    const { simulator } = this;
    const random = simulator.random.fork(`link:${name}`);
    const link = new Link({ queue: simulator, frames: simulator.frames, random, mtu, ...impairments });
    link.onDrop((frame, reason) => {
      this.#goneDrops.add(reason);
      if (!this.events.active) return;
      this.events.emit({ time: frame.at, node: `link ${name}`, lineage: frame.lineage, kind: "dropped", reason });
    });
    this.links.set(name, link);
    return link;
  }

  #claim(name: string): void {
    if (this.hosts.has(name) || this.switches.has(name)) throw new RangeError(`Cannot add ${name}: the name is taken`);
  }

  /** As on GCE: 42:01 and the address. An interface without one gets the next of a series. */
  #macFor(own: InterfaceAddress | undefined): MacAddress {
    return own === undefined ? this.#nextMac() : mac(0x4201 * 2 ** 32 + own.address);
  }

  #nextMac(): MacAddress {
    this.#macs += 1;
    return mac(0x0200_0000_0000 + this.#macs);
  }
}

/** As the bridge CNI plugin gives them: 0a:58 and the address. */
export function podMac(address: Ipv4Address | undefined): MacAddress {
  return mac(0x0a58 * 2 ** 32 + (address ?? 0));
}

function asksForOther({ bytes, start, end }: Frame, own: Ipv4Address): boolean {
  if (end - start < ETHERNET_HEADER_LENGTH || ethernetType(bytes, start) !== EtherType.arp) return false;
  const arp = parseArp(bytes, start + ETHERNET_HEADER_LENGTH, end);
  return arp?.operation === ArpOperation.request && arp.targetIp !== own;
}
