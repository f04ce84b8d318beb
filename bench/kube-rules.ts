import {
  type EndpointSlice,
  iptablesRules,
  type KubeProxyFlags,
  kubeProxyConfig,
  type Service,
} from "../src/kube/index.ts";
import { formatRuleset, type Ruleset } from "../src/nat/index.ts";
import { address } from "../src/netstack/index.ts";

/** The Service that all packets of a benchmark go to, and what stands behind it. */
export const VIP = "10.0.0.10";
export const BACKEND = "10.2.0.2";
/** One MASQUERADE address has 64,000 ports for each of the backend's, so flows are spread over some. */
export const FIRST_UDP_PORT = 53;
export const UDP_PORTS = 8;
export const TCP_PORT = 80;

/** What kube-proxy writes in iptables mode where there are `services` Services: ours, and others that no packet asks for. */
export function kubeRules(services: number, flags: KubeProxyFlags = { masqueradeAll: true }): Ruleset {
  const node = { name: "router", addresses: [address("10.1.0.1"), address("10.2.0.1")] };
  const { config } = kubeProxyConfig(node, flags);
  const pairs = [measuredService(), ...Array.from({ length: services - 1 }, (_, number) => otherService(number))];
  return iptablesRules({
    services: pairs.map(({ service }) => service),
    endpointSlices: pairs.map(({ slice }) => slice),
    config,
  });
}

/** The same for a real kernel. */
export function kubeRulesText(services: number): string {
  return formatRuleset(kubeRules(services));
}

interface ServicePair {
  readonly service: Service;
  readonly slice: EndpointSlice;
}

function measuredService(): ServicePair {
  const udp = Array.from({ length: UDP_PORTS }, (_, number) => {
    const port = FIRST_UDP_PORT + number;
    return { name: `dns-${port}`, protocol: "UDP", port } as const;
  });
  return pair("measured", VIP, BACKEND, [...udp, { name: "http", protocol: "TCP", port: TCP_PORT }]);
}

function otherService(number: number): ServicePair {
  const low = `${1 + (number >>> 8)}.${number & 255}`;
  return pair(`other-${number}`, `10.3.${low}`, `10.4.${low}`, [{ name: "http", protocol: "TCP", port: 80 }]);
}

function pair(
  name: string,
  clusterIP: string,
  endpoint: string,
  ports: readonly { readonly name: string; readonly protocol: "TCP" | "UDP"; readonly port: number }[],
): ServicePair {
  const metadata = { name, namespace: "default" };
  return {
    service: { apiVersion: "v1", kind: "Service", metadata, spec: { type: "ClusterIP", clusterIP, ports } },
    slice: {
      apiVersion: "discovery.k8s.io/v1",
      kind: "EndpointSlice",
      metadata: { ...metadata, labels: { "kubernetes.io/service-name": name } },
      addressType: "IPv4",
      endpoints: [{ addresses: [endpoint], conditions: { ready: true } }],
      ports,
    },
  };
}
