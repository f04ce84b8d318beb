import {
  type EndpointSlice,
  iptablesRules,
  type KubeProxyFlags,
  kubeProxyConfig,
  type Service,
} from "../../src/kube/index.ts";
import { formatRuleset } from "../../src/nat/index.ts";
import { address } from "../../src/netstack/index.ts";
import { service, slice } from "../kube/cluster-objects.ts";
import type { LabScenario, Servers } from "./kernel-lab-scenario.ts";

/* What the clusters of the kernel lab have in common: kube-proxy's rules for a Service or two, and who asks for it. */

export const SERVERS: Servers = { ep1: 8080, ep2: 8080 };
export const CURL: string = "curl -q -s -S -A probe --noproxy '*' --connect-timeout 0.5 -m 5";
export const VIP: string = "10.0.170.92";
export const NODE_PORT: number = 31380;
export const EP1: string = "10.244.1.5 node1";
export const EP2: string = "10.244.2.5 node2";

export interface Objects {
  readonly services: readonly Service[];
  readonly slices: readonly EndpointSlice[];
  readonly flags?: KubeProxyFlags;
}

/** Every node's rules for these objects. */
export function nodeRules({ services, slices, flags }: Objects): Record<string, string> {
  const nodes = [1, 2, 3].map((number) => {
    const addresses = [address(`10.240.0.${number + 2}`), address(`10.244.${number}.1`)];
    const { config } = kubeProxyConfig(
      { name: `node${number}`, addresses },
      { clusterCidr: "10.244.0.0/16", ...flags },
    );
    return [`node${number}`, formatRuleset(iptablesRules({ services, endpointSlices: slices, config }))] as const;
  });
  return Object.fromEntries(nodes);
}

export type Parts = Parameters<typeof service>[2];

/** A Service at port 80 whose endpoints listen at 8080. */
export function web(
  parts: Parts = {},
  endpoints: readonly string[] = [EP1],
  flags: KubeProxyFlags = {},
): Record<string, string> {
  const services = [service("web", VIP, parts)];
  return nodeRules({ services, slices: [slice("web", ["8080"], endpoints)], flags });
}

export const NODEPORT: Parts = { type: "NodePort", ports: [`80:${NODE_PORT}`] };
export const LOCAL: Parts = { ...NODEPORT, externalTrafficPolicy: "Local" };
export const BALANCED: Parts = {
  ...NODEPORT,
  type: "LoadBalancer",
  loadBalancerIps: ["203.0.113.140", "203.0.113.141"],
};

export function curl(on: string, to: string, options = ""): LabScenario["steps"][number] {
  return { on, run: `${CURL} ${options} http://${to}/`.replace("  ", " ") };
}

export const PORTS: readonly number[] = [80, NODE_PORT];
