import type { ControlPlanePins, KubeObject, KubeProxyFlags } from "../kube/index.ts";
import type { ConntrackSysctls, NatSettings, Ruleset } from "../nat/index.ts";
import type { Cidr, InterfaceAddress, Ipv4Address, MacAddress, Sysctls, TcpEndpoint } from "../netstack/index.ts";
import type {
  BalancerSettings,
  CloudBalancerSpec,
  CniKind,
  FrontendSpec,
  Layer2Spec,
  LinkImpairments,
} from "../nodes/index.ts";
import type { Duration } from "../sim/index.ts";
import type { Problem } from "./config-error.ts";
import type { DisplayFilter } from "./display-filter.ts";
import type { Place } from "./yaml-source.ts";

/*
 * A scenario after its file was read and checked: addresses are numbers, rules are rules, manifests are objects, and every name that is
 * used somewhere is known. docs/scenario-format.md describes the file.
 */

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

export interface NetworkSpec {
  readonly name: string;
  readonly mtu: number;
}

export interface MachineSpec {
  readonly name: string;
  readonly kind: "host" | "router";
  readonly aliases: readonly string[];
  readonly interfaces: readonly InterfaceSpec[];
  readonly gateway?: Ipv4Address;
  readonly routes: readonly RouteSpec[];
  readonly servers: readonly ServerSpec[];
  readonly sysctls: Partial<Sysctls>;
  readonly conntrack: Partial<ConntrackSysctls>;
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

export interface TunnelSpec {
  readonly name: string;
  readonly addresses: readonly InterfaceAddress[];
}

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

export interface InterfaceSpec {
  readonly name: string;
  readonly network: string;
  readonly addresses: readonly InterfaceAddress[];
  readonly mac?: MacAddress;
}

export interface RouteSpec {
  readonly to: Cidr;
  readonly via: Ipv4Address;
}

export interface ServerSpec {
  readonly kind: ServerKind;
  readonly port: number;
  /** Where a tcp-proxy carries connections on to. */
  readonly to?: TcpEndpoint;
}

export type ServerKind = "echo" | "stun" | "tcp-proxy";

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
  /** What other programs than kube-proxy load on every node. */
  readonly nodeRules?: Ruleset;
  /** Hairpin mode on the pods' bridge ports. */
  readonly hairpin: boolean;
  readonly proxy: KubeProxyFlags;
  readonly nodes: readonly NodeSpecOfScenario[];
  readonly pins: ControlPlanePins;
  readonly loadBalancer?: CloudBalancerSpec | Layer2Spec;
  readonly objects: readonly KubeObject[];
}

export interface NodeSpecOfScenario {
  readonly name: string;
  readonly aliases: readonly string[];
  readonly address: InterfaceAddress;
  readonly externalAddress?: Ipv4Address;
  readonly podCidr: Cidr;
  readonly labels: Readonly<Record<string, string>>;
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

export type Step = StepBase &
  (
    | {
        readonly kind: "run";
        readonly run: string;
        readonly on: string;
        readonly repeat?: "nodes";
        /** How long one command may take, in virtual time. */
        readonly timeout: Duration;
      }
    | { readonly kind: "kubectl"; readonly kubectl: string; readonly cluster: string }
    | { readonly kind: "apply"; readonly objects: readonly KubeObject[]; readonly cluster: string }
    | { readonly kind: "wait"; readonly duration: Duration }
    | { readonly kind: "links"; readonly links: readonly LinkChange[] }
  );

export interface Expectation {
  /** One for all repetitions, or one for each. */
  readonly exitCode?: number | readonly number[];
  readonly stdout: readonly TextExpectation[];
  readonly stderr: readonly TextExpectation[];
  /** What the echo server says who asked; `none` where no answer is expected. */
  readonly clientAddress?: ClientAddress | readonly ClientAddress[];
  readonly packets: readonly PacketExpectation[];
}

export type ClientAddress = Ipv4Address | "none";

export interface TextExpectation {
  readonly relation: "contains" | "lacks" | "equals" | "matches";
  readonly text: string;
}

export interface PacketExpectation {
  /** A capture point; `*` stands for any characters. */
  readonly at: string;
  readonly filter?: DisplayFilter;
  readonly count: CountExpectation;
}

export interface CountExpectation {
  readonly relation: ">=" | "<=" | "==" | ">" | "<" | "!=";
  readonly count: number;
}
