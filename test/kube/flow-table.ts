import { expect } from "vitest";
import { address } from "../../src/kube/address.ts";
import { type KubeProxyFlags, kubeProxyConfig, type ProxyInput } from "../../src/kube/index.ts";
import type { Ruleset } from "../../src/nat/index.ts";
import { type TracedPacket, traceRules } from "../support/rule-tracer.ts";
import { type ServiceParts, service, slice } from "./cluster-objects.ts";

/*
 * A notation for who gets which endpoints, and who is masqueraded: connections traced through the rules of node1. A row is
 * `client > destination`, then the endpoints it may reach or its fate, then those of them that see the node instead of the client.
 * `here` is an endpoint on node1, `there` one on node2.
 */

const NODE = "10.240.0.4";
export const VIP = "203.0.113.140";

const CLIENTS: Readonly<Record<string, string>> = {
  pod: "10.180.1.9",
  "pod-elsewhere": "10.180.3.9",
  endpoint: "10.180.1.5",
  node: NODE,
  bridge: "10.180.1.1",
  localhost: "127.0.0.1",
  outside: "198.51.100.79",
  "node-as-vip": VIP,
};

const DESTINATIONS: Readonly<Record<string, readonly [string, number]>> = {
  "cluster-ip": ["10.0.0.10", 80],
  "cluster-ip:81": ["10.0.0.10", 81],
  "node-port": [NODE, 31000],
  "bridge:node-port": ["10.180.1.1", 31000],
  "localhost:node-port": ["127.0.0.1", 31000],
  "other-node:node-port": ["10.240.0.5", 31000],
  "external-ip": ["192.0.2.10", 80],
  "external-ip:node-port": ["192.0.2.10", 31000],
  vip: [VIP, 80],
  "vip:node-port": [VIP, 31000],
  "health-check": [NODE, 32122],
};

const ENDPOINTS: Readonly<Record<string, string>> = { here: "10.180.1.5:8080", there: "10.180.2.6:8080" };

export const BOTH: readonly string[] = ["10.180.1.5 node1", "10.180.2.6 node2"];
export const HERE: readonly string[] = ["10.180.1.5 node1"];
export const THERE: readonly string[] = ["10.180.2.6 node2"];
export const NONE: readonly string[] = [];

/** Reachable in every way that there is. */
export const ANYWHERE: ServiceParts = {
  type: "LoadBalancer",
  ports: ["80:31000"],
  externalIPs: ["192.0.2.10"],
  loadBalancerIps: [VIP],
  healthCheckNodePort: 32122,
};
export const LOCAL: ServiceParts = { ...ANYWHERE, externalTrafficPolicy: "Local" };

/** Rows about one Service. */
export interface Group {
  readonly title: string;
  readonly parts: ServiceParts;
  readonly endpoints: readonly string[];
  readonly flags?: KubeProxyFlags;
  /** The VIP and external IPs are addresses of the node, as some load balancers arrange it. */
  readonly ownsVips?: true;
  readonly protocol?: "udp";
  readonly rows: string;
}

/** Each row of each group, with a name for its test. */
export function rowsOf(groups: readonly Group[]): readonly (readonly [name: string, group: Group, row: string])[] {
  return groups.flatMap((group) =>
    group.rows
      .split("\n")
      .map((line) => line.trim())
      .filter((line) => line !== "")
      .map((row) => [`${group.title}: ${row}`, group, row] as const),
  );
}

/** Traces a row through the rules that `write` makes, and compares. A failure prints the rules that matched. */
export function expectFlow(write: (input: ProxyInput) => Ruleset, group: Group, row: string): void {
  const [flow = "", wanted = "", masqueraded = ""] = row.split("|").map((part) => part.trim());
  const packet = packetOf(group, flow);
  const traced = traceFlow(write, group, packet);
  const fate = { untouched: "accept", drop: "drop", reject: "reject" }[wanted];
  expect(
    { verdict: traced.verdict, destinations: traced.destinations, masqueraded: traced.masqueraded },
    traced.matched.join("\n"),
  ).toEqual({
    verdict: fate ?? "accept",
    destinations: fate === undefined ? names(wanted) : [`${packet.destination}:${packet.port}`],
    masqueraded: names(masqueraded),
  });
}

function traceFlow(
  write: (input: ProxyInput) => Ruleset,
  group: Group,
  packet: TracedPacket,
): ReturnType<typeof traceRules> {
  const flags = { clusterCidr: "10.180.0.0/16", ...group.flags };
  const { config, problems } = kubeProxyConfig({ name: "node1", addresses: [NODE, "10.180.1.1"].map(address) }, flags);
  expect(problems).toEqual([]);
  const services = [service("web", "10.0.0.10", group.parts)];
  const rules = write({ services, endpointSlices: [slice("web", ["8080"], group.endpoints)], config });
  const addresses = [NODE, "10.180.1.1", ...(group.ownsVips ? [VIP, "192.0.2.10"] : [])];
  const interfaces = { "10.180.1.9": "cbr0", "10.180.1.5": "cbr0" };
  return traceRules(rules, { addresses, interfaces }, packet);
}

function packetOf(group: Group, flow: string): TracedPacket {
  const [client = "", to = ""] = flow.split(">").map((part) => part.trim());
  const source = CLIENTS[client];
  const [destination, port] = DESTINATIONS[to] ?? [];
  if (source === undefined || destination === undefined || port === undefined)
    throw new Error(`Unreadable flow: ${flow}`);
  return { source, destination, port, protocol: group.protocol ?? "tcp" };
}

function names(words: string): readonly string[] {
  if (words === "-") return [];
  const found = words.split(" ").map((word) => ENDPOINTS[word] ?? `unknown ${word}`);
  return found.sort();
}
