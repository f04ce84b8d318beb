import type { ControlPlanePins, KubeObject, KubeProxyFlags } from "../kube/index.ts";
import type { NatSettings, Ruleset } from "../nat/index.ts";
import type { Cidr, InterfaceAddress, Ipv4Address, MacAddress, TcpEndpoint } from "../netstack/index.ts";
import type {
  BalancerSettings,
  CloudBalancerSpec,
  ClusterTiming,
  CniKind,
  FrontendSpec,
  Layer2Spec,
  LinkImpairments,
  SysctlValues,
  VxlanSettings,
} from "../nodes/index.ts";
import type { Duration } from "../sim/index.ts";
import type { Problem } from "./config-error.ts";
import type { DisplayFilter } from "./display-filter.ts";
import type { Place } from "./yaml-source.ts";

/*
 * A scenario after its file was read and checked: addresses are numbers, rules are rules, manifests are objects, and every name that is
 * used somewhere is known. docs/scenario-format.md describes the file.
 */

/** A scenario file, read and checked. */
export interface Scenario {
  /** The file's name as the user gave it; for messages. */
  readonly file: string;
  readonly name: string;
  /** One line for a list of scenarios. */
  readonly title: string;
  readonly description: string;
  readonly networks: readonly NetworkSpec[];
  /** Hosts first, then routers, each in the file's order. */
  readonly machines: readonly MachineSpec[];
  readonly clusters: readonly ScenarioCluster[];
  readonly links: readonly LinkChange[];
  readonly steps: readonly Step[];
  /** What was left aside when the file was read, each with its place: for the user to know. */
  readonly notes: readonly Problem[];
}

/** An Ethernet segment; `mtu` in bytes. */
export interface NetworkSpec {
  readonly name: string;
  readonly mtu: number;
}

/** A host or router. */
export interface MachineSpec {
  readonly name: string;
  readonly kind: "host" | "router";
  readonly aliases: readonly string[];
  readonly interfaces: readonly InterfaceSpec[];
  readonly gateway?: Ipv4Address;
  readonly routes: readonly RouteSpec[];
  readonly servers: readonly ServerSpec[];
  /** Kernel parameters by name, as text. */
  readonly sysctls: SysctlValues;
  readonly rules?: Ruleset;
  /** A NAT in place of rules. */
  readonly nat?: NatSpec;
  /** Maps the clusters' external addresses to their nodes' internal ones, 1:1. */
  readonly cloudEdge: boolean;
  /** Further addresses of `lo`. */
  readonly loopback: readonly InterfaceAddress[];
  readonly tunnels: readonly TunnelSpec[];
  readonly balancer?: BalancerOfScenario;
}

/** A tunnel, by `kind`. */
export type TunnelSpec = {
  readonly name: string;
  readonly addresses: readonly InterfaceAddress[];
} & ({ readonly kind: "ipip" } | ({ readonly kind: "vxlan" } & VxlanTunnelSpec));

/** A VXLAN tunnel. */
export interface VxlanTunnelSpec {
  readonly vni: number;
  readonly port?: number;
  readonly local?: Ipv4Address;
  readonly remotes: readonly Ipv4Address[];
  readonly udpChecksum?: boolean;
  readonly mtu?: number;
}

/** A load balancer on a machine: how it works, and its frontends. */
export interface BalancerOfScenario {
  readonly settings: BalancerSettings;
  readonly frontends: readonly (FrontendSpec & { readonly backends: readonly string[] })[];
}

/** A NAT between two interfaces; inside hosts share the outside one's address. */
export interface NatSpec extends NatSettings {
  readonly inside: string;
  readonly outside: string;
  readonly external: Ipv4Address;
}

/** An interface of a machine: the network it is on, and its addresses. */
export interface InterfaceSpec {
  readonly name: string;
  readonly network: string;
  readonly addresses: readonly InterfaceAddress[];
  readonly mac?: MacAddress;
}

/** A route through a neighbour. */
export interface RouteSpec {
  readonly to: Cidr;
  readonly via: Ipv4Address;
}

/** A server on a machine. */
export interface ServerSpec {
  readonly kind: ServerKind;
  readonly port: number;
  /** Where a tcp-proxy carries connections on to. */
  readonly to?: TcpEndpoint;
  /** How long a client says nothing until it is probed, and between probes; none when left out. */
  readonly keepAlive?: Duration;
}

/** The servers that a machine can run. */
export type ServerKind = "echo" | "stun" | "tcp-proxy";

/** A Kubernetes cluster of a scenario. */
export interface ScenarioCluster {
  readonly name: string;
  readonly version: string;
  readonly network: string;
  readonly gateway?: Ipv4Address;
  readonly podCidr: Cidr;
  readonly serviceCidr: Cidr;
  readonly mtu: number;
  readonly cni: CniKind;
  /** The pod bridge's name. */
  readonly bridge?: string;
  readonly vxlan?: Partial<VxlanSettings>;
  /** CPUs of each node, and its Linux. */
  readonly cpus?: number;
  readonly kernel?: readonly [major: number, minor: number];
  /** Programs in pods ask DNS for AAAA records as well. */
  readonly podsAskForIpv6: boolean;
  /** Hairpin mode on the pods' bridge ports. */
  readonly hairpin: boolean;
  readonly proxy: KubeProxyFlags;
  readonly timing: Partial<ClusterTiming>;
  readonly nodes: readonly NodeSpecOfScenario[];
  readonly pins: ControlPlanePins;
  readonly loadBalancer?: CloudBalancerSpec | Layer2Spec;
  readonly objects: readonly KubeObject[];
}

/** A Kubernetes node. */
export interface NodeSpecOfScenario {
  readonly name: string;
  readonly aliases: readonly string[];
  readonly address: InterfaceAddress;
  readonly externalAddress?: Ipv4Address;
  readonly podCidr: Cidr;
  /** What other programs than kube-proxy load there. */
  readonly rules?: Ruleset;
  readonly labels: Readonly<Record<string, string>>;
  readonly sysctls: SysctlValues;
}

/** What a link does, by the interface at its end: `client/eth0`. */
export interface LinkChange {
  readonly host: string;
  readonly interface: string;
  readonly impairments: LinkImpairments;
}

/** What all steps have. */
interface StepBase {
  /** Counted from 1. */
  readonly number: number;
  readonly name?: string;
  readonly place: Place;
  /** What is printed for the reader instead of the command itself. */
  readonly show?: string;
  readonly expect: Expectation;
}

/** A step, by `kind`. */
export type Step = StepBase &
  (
    | {
        readonly kind: "run";
        readonly run: string;
        readonly on: string;
        readonly repeat?: "nodes" | Repetition;
        /** How long one command may take, in virtual time. */
        readonly timeout: Duration;
      }
    | { readonly kind: "kubectl"; readonly kubectl: string; readonly cluster: string }
    | { readonly kind: "apply"; readonly objects: readonly KubeObject[]; readonly cluster: string }
    | { readonly kind: "wait"; readonly duration: Duration }
    | { readonly kind: "fail"; readonly what: "node" | "pod"; readonly target: string; readonly cluster: string }
    | { readonly kind: "restore"; readonly target: string; readonly cluster: string }
    | { readonly kind: "links"; readonly links: readonly LinkChange[] }
  );

/** A command that is run many times. */
export interface Repetition {
  readonly times: number;
  /** From one beginning to the next, where there are not `parallel` runs under way. */
  readonly every: Duration;
  /** So many at once. */
  readonly parallel: number;
}

/** What a step is expected to show. */
export interface Expectation {
  /** One for all repetitions, or one for each. */
  readonly exitCode?: number | readonly number[];
  readonly stdout: readonly TextExpectation[];
  readonly stderr: readonly TextExpectation[];
  /** What the echo server says who asked; `none` where no answer is expected. */
  readonly clientAddress?: ClientAddress | readonly ClientAddress[];
  readonly packets: readonly PacketExpectation[];
}

/** Whose address the server is to have seen. */
export type ClientAddress = Ipv4Address | "none";

/** Words that are expected in an output, or not to be in it. */
export interface TextExpectation {
  readonly relation: "contains" | "lacks" | "equals" | "matches";
  readonly text: string;
}

/** Packets that are expected to be seen, or not to be. */
export interface PacketExpectation {
  /** A capture point; `*` stands for any characters. */
  readonly at: string;
  readonly filter?: DisplayFilter;
  readonly count: CountExpectation;
}

/** How many are expected: exactly, at least or at most. */
export interface CountExpectation {
  readonly relation: ">=" | "<=" | "==" | ">" | "<" | "!=";
  readonly count: number;
}
