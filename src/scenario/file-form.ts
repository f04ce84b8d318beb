import type { DetectLocalMode, PodPin, ProxyMode } from "../kube/index.ts";
import type { NatSettings, VirtualScheduler } from "../nat/index.ts";
import type { Cidr, InterfaceAddress, Ipv4Address, MacAddress } from "../netstack/index.ts";
import type {
  ClientHeader,
  ClusterTiming,
  CniKind,
  DeliveryKind,
  NodeCheck,
  SysctlValues,
  VxlanSettings,
} from "../nodes/index.ts";
import type { Duration } from "../sim/index.ts";
import type { DisplayFilter } from "./display-filter.ts";
import type { ClientAddress, CountExpectation, ServerSpec, TextExpectation } from "./model.ts";

/*
 * A scenario file as its author nests it, with every single value checked and read. schema.ts makes it, load.ts turns it into a Scenario.
 */

export interface ScenarioFile {
  readonly version: 1;
  readonly name: string;
  readonly title: string;
  readonly description?: string;
  readonly networks: Readonly<Record<string, { readonly mtu?: number }>>;
  readonly hosts?: Readonly<Record<string, MachineForm>>;
  readonly routers?: Readonly<Record<string, RouterForm>>;
  readonly cluster?: ClusterForm;
  readonly clusters?: Readonly<Record<string, ClusterForm>>;
  readonly links?: LinksForm;
  readonly steps: readonly StepForm[];
}

export interface MachineForm {
  readonly interfaces: Readonly<Record<string, InterfaceForm>>;
  readonly gateway?: Ipv4Address;
  readonly routes?: readonly { readonly to: Cidr; readonly via: Ipv4Address }[];
  readonly servers?: readonly ServerSpec[];
  readonly sysctls?: SysctlValues;
  readonly aliases?: readonly string[];
  readonly loopback?: readonly InterfaceAddress[];
  readonly tunnels?: Readonly<Record<string, TunnelForm>>;
  readonly balancer?: BalancerForm;
  readonly iptables?: string | Readonly<Record<string, Readonly<Record<string, readonly string[]>>>>;
}

export interface RouterForm extends MachineForm {
  readonly nat?: NatForm;
  readonly cloudEdge?: boolean;
}

export type TunnelForm = IpipForm | VxlanTunnelForm;

export interface IpipForm {
  readonly kind: "ipip";
  readonly addresses?: readonly InterfaceAddress[];
}

export interface VxlanTunnelForm {
  readonly kind: "vxlan";
  readonly vni: number;
  readonly port?: number;
  readonly local?: Ipv4Address;
  readonly remotes?: readonly Ipv4Address[];
  readonly udpChecksum?: boolean;
  readonly mtu?: number;
  readonly addresses?: readonly InterfaceAddress[];
}

/** A load balancer with fixed frontends and backends. */
export interface BalancerForm {
  readonly kind: "passthrough" | "proxy";
  readonly method?: BalancingWord;
  readonly frontends: readonly FrontendForm[];
}

export interface FrontendForm {
  readonly name: string;
  readonly address: Ipv4Address;
  readonly port: number;
  readonly protocol?: "tcp" | "udp";
  readonly delivery?: DeliveryKind;
  readonly header?: ClientHeader;
  readonly backends: readonly string[];
  readonly first?: string;
}

/** A NAT by RFC 4787; settings that are left out are the RFC's recommendations. */
export interface NatForm extends Partial<NatSettings> {
  readonly inside: string;
  readonly outside: string;
}

export interface InterfaceForm {
  readonly network: string;
  readonly address?: InterfaceAddress;
  readonly addresses?: readonly InterfaceAddress[];
  readonly mac?: MacAddress;
}

export interface ClusterForm {
  readonly version: string;
  readonly network: string;
  readonly gateway?: Ipv4Address;
  readonly podCIDR: Cidr;
  readonly serviceCIDR: Cidr;
  readonly mtu?: number;
  readonly cni?: CniKind;
  readonly bridge?: string;
  readonly vxlan?: Partial<VxlanSettings>;
  readonly nodeRules?: MachineForm["iptables"];
  readonly hairpin?: boolean;
  readonly sysctls?: SysctlValues;
  readonly cpus?: number;
  readonly kernel?: readonly [major: number, minor: number];
  readonly podsAskForIpv6?: boolean;
  readonly proxy?: ProxyForm;
  readonly timing?: TimingForm;
  readonly nodes: readonly NodeForm[];
  readonly pins?: PinsForm;
  readonly loadBalancer?: LoadBalancerForm;
  readonly manifests?: string | readonly (string | ManifestSeriesForm | Readonly<Record<string, unknown>>)[];
}

/** How long failures take to be noticed; kube-proxy's own delay stands with its flags. */
export type TimingForm = Partial<Omit<ClusterTiming, "minSyncPeriod">>;

export interface ProxyForm {
  readonly ipvsScheduler?: VirtualScheduler;
  readonly minSyncPeriod?: Duration;
  readonly mode?: ProxyMode;
  readonly clusterCIDR?: Cidr;
  readonly masqueradeAll?: boolean;
  readonly masqueradeBit?: number;
  readonly nodePortAddresses?: readonly string[];
  readonly localhostNodePorts?: boolean;
  readonly detectLocalMode?: DetectLocalMode;
  readonly podBridgeInterface?: string;
  readonly podInterfaceNamePrefix?: string;
  readonly conntrackCleanup?: boolean;
}

export interface NodeForm {
  readonly name: string;
  readonly alias?: string;
  readonly address: InterfaceAddress;
  readonly externalAddress?: Ipv4Address;
  readonly podCIDR: Cidr;
  readonly labels?: Readonly<Record<string, string>>;
  readonly sysctls?: SysctlValues;
}

/** Nodes that are alike; addresses and ranges are the first one's. */
export interface NodeSeriesForm extends Omit<NodeForm, "name" | "alias"> {
  readonly count: number;
  /** What their names begin with. */
  readonly name?: string;
}

/** Manifests that are alike: `$N` in them is the number of each, from 1. */
export interface ManifestSeriesForm {
  readonly repeat: number;
  readonly manifest: string | Readonly<Record<string, unknown>>;
}

export interface PinsForm {
  readonly pods?: Readonly<Record<string, readonly PodPin[]>>;
  readonly nodePorts?: Readonly<Record<string, number>>;
  readonly clusterIPs?: Readonly<Record<string, Ipv4Address>>;
  readonly healthCheckNodePorts?: Readonly<Record<string, number>>;
  readonly loadBalancers?: Readonly<Record<string, LoadBalancerPinForm>>;
}

export interface LoadBalancerPinForm {
  readonly address?: Ipv4Address;
  readonly hostname?: string;
  readonly first?: string;
}

export type BalancingWord =
  | "five-tuple"
  | "three-tuple"
  | "two-tuple"
  | "source"
  | "maglev"
  | "round-robin"
  | "least-connections"
  | "random";

export type LoadBalancerForm = CloudBalancerForm | Layer2Form;

export interface Layer2Form {
  readonly kind: "layer2";
  readonly addresses: readonly Ipv4Address[];
  readonly leader?: "endpoint-node" | "any-node";
}

export interface CloudBalancerForm {
  readonly kind: "passthrough" | "proxy";
  readonly host: string;
  readonly addresses: readonly Ipv4Address[];
  readonly method?: BalancingWord;
  readonly delivery?: DeliveryKind;
  readonly header?: ClientHeader;
  readonly headers?: Readonly<Record<string, ClientHeader>>;
  readonly domain?: string;
  readonly ipMode?: "VIP" | "Proxy";
  readonly whenAllUnhealthy?: "none" | "all";
  readonly healthCheck?: HealthCheckForm;
}

export interface HealthCheckForm {
  readonly interval?: Duration;
  readonly timeout?: Duration;
  readonly healthy?: number;
  readonly unhealthy?: number;
  readonly nodes?: NodeCheck;
  readonly from?: Ipv4Address;
}

export type LinksForm = Readonly<Record<string, LinkForm>>;

export interface LinkForm extends ImpairmentsForm {
  /** Away from the machine that the interface belongs to. */
  readonly out?: ImpairmentsForm;
  /** Towards it. */
  readonly in?: ImpairmentsForm;
}

export interface ImpairmentsForm {
  readonly delay?: Duration;
  readonly jitter?: Duration;
  readonly loss?: number;
  readonly duplicate?: number;
  readonly reorder?: number;
  readonly reorderDelay?: Duration;
  readonly rate?: number;
  readonly queue?: number;
  readonly up?: boolean;
}

/** What fails: one of the two. */
export interface FailForm {
  readonly node?: string;
  readonly pod?: string;
}

export interface RestoreForm {
  readonly node: string;
}

/** Which kind of step it is shows in which of `run`, `kubectl`, `apply`, `wait`, `links`, `fail` and `restore` is there: exactly one. */
export interface StepForm {
  readonly name?: string;
  readonly show?: string;
  readonly run?: string;
  readonly on?: string;
  readonly repeat?:
    | "nodes"
    | number
    | { readonly times: number; readonly every?: Duration; readonly parallel?: number };
  readonly timeout?: Duration;
  readonly kubectl?: string;
  readonly apply?: string;
  readonly cluster?: string;
  readonly wait?: Duration;
  readonly links?: LinksForm;
  readonly fail?: FailForm;
  readonly restore?: RestoreForm;
  readonly expect?: ExpectForm;
}

export interface ExpectForm {
  readonly exitCode?: number | readonly number[];
  readonly stdout?: readonly TextExpectation[];
  readonly stderr?: readonly TextExpectation[];
  readonly clientAddress?: ClientAddress | readonly ClientAddress[];
  readonly packets?: readonly PacketForm[];
}

export interface PacketForm {
  readonly at: string;
  readonly filter?: DisplayFilter;
  readonly count?: CountExpectation;
}
