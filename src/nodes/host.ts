import { type Program, type ProgramHost, type Resolver, type ResolverConfig, StubResolver } from "../apps/index.ts";
import {
  type ConntrackEntry,
  type ConntrackSysctls,
  DEFAULT_CONNTRACK_SYSCTLS,
  NatGateway,
  type NatGatewayOptions,
  Netfilter,
  type Ruleset,
} from "../nat/index.ts";
import {
  type Cidr,
  formatIpv4,
  type Interface,
  type InterfaceAddress,
  type Ipv4Address,
  LOOPBACK_ADDRESS,
  type MacAddress,
  Stack,
  type StackOptions,
} from "../netstack/index.ts";
import type { Device } from "../sim/index.ts";
import { Bridge, type BridgePort } from "./bridge.ts";
import { BridgeNetfilter } from "./bridge-netfilter.ts";
import { hostCommands } from "./host-commands.ts";
import type { Recorder } from "./recorder.ts";
import { joinRulesets } from "./rulesets.ts";
import { VXLAN_OVERHEAD, VxlanDevice, type VxlanOptions, vxlanMac } from "./vxlan-device.ts";

export interface HostOptions extends StackOptions {
  readonly recorder?: Recorder | undefined;
  /** What time 0 is, in milliseconds since 1970: for dates that programs print. */
  readonly startDate: number;
  /** Names that every host knows, as from /etc/hosts. */
  readonly names: ReadonlyMap<string, Ipv4Address>;
}

/** An interface of a host: the device it is on, and its addresses. */
export interface HostInterfaceOptions {
  readonly name: string;
  readonly device: Device;
  readonly mac: MacAddress;
  readonly addresses?: readonly InterfaceAddress[];
}

export interface HostVxlanOptions extends Omit<VxlanOptions, "stack" | "mtu"> {
  readonly name: string;
  readonly addresses?: readonly InterfaceAddress[];
  /** Made of the host's address when left out. */
  readonly mac?: MacAddress;
  /** 50 less than that of the way to the first other end when left out. */
  readonly mtu?: number;
}

const ETHERNET_MTU = 1500;

/** A bridge inside a host. */
export interface HostBridgeOptions {
  readonly name: string;
  readonly mac: MacAddress;
  readonly mtu: number;
  readonly addresses: readonly InterfaceAddress[];
  /** net.bridge.bridge-nf-call-iptables: the host's IP hooks see what stays on the bridge. */
  readonly callsIptables: boolean;
}

/** A machine in the network: a stack, its netfilter, its interfaces with their capture points, and its names for others. */
export class Host implements ProgramHost {
  readonly name: string;
  readonly stack: Stack;
  readonly startDate: number;
  /** Variables of the shell that runs commands here. */
  readonly environment: Map<string, string> = new Map();
  /** Numbers that `ip addr` shows where they are not the order of the interfaces. */
  readonly interfaceIndexes: Map<string, number> = new Map();
  /** Names by the network's own list, or by DNS where {@link resolverConfig} names a server. */
  readonly resolver: Resolver;
  /** Made when the host first gets rules: without, no hook stands on its packet path, as on a Linux without the modules. */
  #netfilter: Netfilter | undefined;
  #ownRules: Ruleset = new Map();
  /** Makes the rules that {@link setRulesLater} was told of, until they are needed. */
  #awaitedRules: (() => Ruleset) | undefined;
  #componentRules: Ruleset = new Map();
  #natGateway: NatGateway | undefined;
  #conntrack: Partial<ConntrackSysctls> = {};
  /** Linux's version. It changes nothing but how connection tracking settles clashes; set it before the host gets rules. */
  kernel: readonly [major: number, minor: number] = [6, 18];
  readonly #recorder: Recorder | undefined;
  /** What /etc/resolv.conf says on this host. */
  resolverConfig: Partial<ResolverConfig> = {};
  /** What tools print of this host's rules where they are not iptables' alone: `nft`, or `ipvsadm` and `ipset` beside it. */
  formatRules: (() => string) | undefined;
  readonly #bridges = new Map<string, Bridge>();
  readonly #bridgeFilters = new Map<Bridge, BridgeNetfilter>();
  /** `conntrack` and the like: programs that look into this host's kernel. */
  readonly commands: ReadonlyMap<string, Program> = hostCommands(this);

  constructor(options: HostOptions) {
    this.name = options.name;
    this.stack = new Stack(options);
    this.startDate = options.startDate;
    const names = options.names;
    // Who has a DNS server leaves the list to it: the list stands for a DNS that nobody wants to look at.
    const isAskingDns = (): boolean => (this.resolverConfig.nameservers ?? []).length > 0;
    const current = (): StubResolver =>
      new StubResolver(this.stack, { hosts: this.resolver.hosts, config: this.resolverConfig });
    this.resolver = {
      get hosts() {
        return isAskingDns() ? [] : [...names].map(([name, address]) => ({ address, names: [name] }));
      },
      get config() {
        return current().config;
      },
      resolve: (name, done) => current().resolve(name, done),
      nameOf: (address, done) => current().nameOf(address, done),
    };
    this.#recorder = options.recorder;
  }

  /** The NAT that stands on this host's packet path in place of netfilter. */
  get natGateway(): NatGateway | undefined {
    return this.#natGateway;
  }

  /** Puts a NAT with chosen behaviours on the packet path. @throws RangeError when the host has rules. */
  setNatGateway(options: Omit<NatGatewayOptions, "host">): void {
    if (this.#netfilter !== undefined) throw new RangeError(`Cannot give ${this.name} a NAT: it has rules`);
    this.#natGateway = new NatGateway({ ...options, host: this.stack });
    this.stack.setHook(this.#natGateway);
  }

  get netfilter(): Netfilter | undefined {
    return this.#awaitedRules === undefined ? this.#netfilter : this.setRules(this.#awaitedRules());
  }

  /** Ends connections that netfilter tracks; rules that are awaited need not be made for that. */
  endConnections(unwanted: (entry: ConntrackEntry) => boolean): void {
    if (this.#netfilter !== undefined && this.#netfilter.connections > 0) this.#netfilter.deleteWhere(unwanted);
  }

  /** Kernel parameters of connection tracking, as they are now. */
  get conntrack(): Readonly<ConntrackSysctls> {
    return { ...DEFAULT_CONNTRACK_SYSCTLS, ...this.#conntrack };
  }

  /** Kernel parameters of connection tracking, from now on and for a netfilter that is yet to be made. */
  setConntrack(parameters: Partial<ConntrackSysctls>): void {
    this.#conntrack = { ...this.#conntrack, ...parameters };
    this.#netfilter?.setSysctls(this.#conntrack);
  }

  /** Loads rules in place of the ones that are there. Connections that are known keep their translation. */
  setRules(rules: Ruleset): Netfilter {
    const [major, minor] = this.kernel;
    const settlesTranslated = major > 4 || minor >= 19;
    this.#netfilter ??= new Netfilter({ host: this.stack, sysctls: this.#conntrack, settlesTranslated });
    this.#awaitedRules = undefined;
    this.#ownRules = rules;
    this.#netfilter.setRules(joinRulesets(rules, this.#componentRules));
    this.stack.setHook(this.#netfilter);
    return this.#netfilter;
  }

  /** Rules of other programs on the host, such as a container engine or a network plugin: they stand behind those of {@link setRules} and stay. */
  setComponentRules(rules: Ruleset): void {
    this.#componentRules = rules;
    const own = this.#ownRules;
    if (this.#awaitedRules === undefined) this.setRulesLater(() => own);
  }

  /** Like {@link setRules} for rules that are only made when a packet comes to the hooks, or somebody looks at {@link netfilter}. */
  setRulesLater(make: () => Ruleset): void {
    if (this.#awaitedRules === make) return;
    this.#awaitedRules = make;
    const load = (): Netfilter => this.setRules(make());
    this.stack.setHook({
      get wantsDatagrams() {
        return load().wantsDatagrams;
      },
      get wantsSegments() {
        return load().wantsSegments;
      },
      run: (hook, packet) => load().run(hook, packet),
      attach: (answer, packet) => load().attach(answer, packet),
    });
  }

  /** The host's primary address: the first one of its first interface that is not loopback. */
  get address(): Ipv4Address | undefined {
    return this.stack.addressing.interfaces.find((each) => each !== this.stack.loopback && each.addresses.length > 0)
      ?.addresses[0]?.address;
  }

  /** Adds an interface, with a capture point of its name. */
  addInterface(options: HostInterfaceOptions): Interface {
    const { name, mac } = options;
    const ipv4 = options.addresses?.[0];
    const device = this.#tap(options.device, { name: `${this.name}/${name}`, mac, ...(ipv4 && { ipv4 }) });
    const added = this.stack.addInterface({ ...options, device });
    if (ipv4 !== undefined) this.#recorder?.addName(ipv4.address, this.name);
    return added;
  }

  /** Adds a route through a neighbour. @throws RangeError when the neighbour is on none of the host's networks. */
  addRoute(destination: Cidr, via: Ipv4Address): void {
    const out = this.stack.addressing.hop(via)?.out;
    if (out === undefined)
      throw new RangeError(`Cannot add a route on ${this.name}: ${formatIpv4(via)} is no neighbour`);
    this.stack.addressing.routes.add({ destination, out, via });
  }

  /** Adds a VXLAN device, as `ip link add NAME type vxlan` does. @throws RangeError when the port is taken. */
  addVxlan(options: HostVxlanOptions): VxlanDevice {
    const { name, addresses = [], mac, remotes = [] } = options;
    const out = remotes[0] === undefined ? undefined : this.stack.addressing.hop(remotes[0])?.out;
    const mtu = options.mtu ?? (out?.mtu ?? ETHERNET_MTU) - VXLAN_OVERHEAD;
    const device = new VxlanDevice({ learns: true, ...options, stack: this.stack, mtu });
    this.addInterface({ name, device, addresses, mac: mac ?? vxlanMac(this.address ?? LOOPBACK_ADDRESS) });
    return device;
  }

  /** Adds a bridge with an interface of its own in this host, such as `cbr0`. */
  addBridge(options: HostBridgeOptions): Bridge {
    const bridge = new Bridge({ host: this.stack.host, mac: options.mac, mtu: options.mtu });
    const own = this.addInterface({ ...options, device: bridge });
    const filter = new BridgeNetfilter(this.stack, own);
    if (options.callsIptables) bridge.filter = filter;
    this.#bridges.set(options.name, bridge);
    this.#bridgeFilters.set(bridge, filter);
    return bridge;
  }

  /** net.bridge.bridge-nf-call-iptables: the host's IP hooks see what stays on its bridges. */
  get bridgeCallsIptables(): boolean {
    return [...this.#bridgeFilters.keys()].some((bridge) => bridge.filter !== undefined);
  }

  set bridgeCallsIptables(calls: boolean) {
    for (const [bridge, filter] of this.#bridgeFilters) bridge.filter = calls ? filter : undefined;
  }

  /** Puts a device under a bridge, as `ip link set NAME master BRIDGE` does. */
  addBridgePort(
    bridge: Bridge,
    port: { readonly name: string; readonly device: Device; readonly hairpin: boolean },
  ): BridgePort {
    const device = this.#tap(port.device, { name: `${this.name}/${port.name}` });
    return bridge.addPort({ ...port, device });
  }

  /** The bridge of this name. */
  bridge(name: string): Bridge | undefined {
    return this.#bridges.get(name);
  }

  #tap(device: Device, description: { name: string; mac?: MacAddress; ipv4?: InterfaceAddress }): Device {
    return this.#recorder === undefined ? device : this.#recorder.tap(device, this.name, description);
  }
}
