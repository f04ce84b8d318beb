import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { address } from "../../src/kube/address.ts";
import {
  formatIpSets,
  formatIpvsServices,
  formatNftTable,
  ipvsRules,
  type KubeProxyFlags,
  kubeProxyConfig,
  matchesIpSet,
  nftablesRules,
  type ProxyInput,
  type Service,
  userspaceRules,
} from "../../src/kube/index.ts";
import { formatRuleset } from "../../src/nat/index.ts";
import { service, slice } from "./cluster-objects.ts";

/*
 * The golden texts went through the real tools once: `nft -f` and `nft list ruleset`, `ipset restore` and `iptables-restore` gave back
 * what stands in the files (but for ipset's hash seeds).
 */

const SERVICES = [
  service("web", "10.0.0.20", {
    type: "LoadBalancer",
    ports: ["http=80:31000"],
    externalTrafficPolicy: "Local",
    sessionAffinity: "ClientIP",
    loadBalancerIps: ["203.0.113.140"],
    loadBalancerSourceRanges: ["198.51.100.0/24", "10.240.0.0/16"],
    healthCheckNodePort: 32122,
  }),
  service("dns", "10.0.0.10", { ports: ["53/UDP"] }),
  service("none", "10.0.0.30", { type: "NodePort", ports: ["80:31001"] }),
];
const SLICES = [
  slice("web", ["http=8080"], ["10.180.1.136 node1", "10.180.2.7 node2"]),
  slice("dns", ["5353/UDP"], ["10.180.2.8 node2"]),
];

describe("the whole text of", () => {
  const input = inputFor(SERVICES, { serviceCidrs: ["10.0.0.0/16"] });
  const ipvs = ipvsRules(input);

  test.each([
    ["nftables.txt", formatNftTable(nftablesRules(input))],
    ["ipvs-iptables.txt", formatRuleset(ipvs.rules)],
    ["ipvs-ipset.txt", formatIpSets(ipvs.sets)],
    ["ipvs-ipvsadm.txt", formatIpvsServices(ipvs.services)],
    ["userspace-iptables.txt", formatRuleset(userspaceRules(input, { below: () => 5 }).rules)],
  ])("%s", (file, text) => {
    expect(text).toBe(readFileSync(new URL(`golden/${file}`, import.meta.url), "utf8"));
  });
});

describe("ipvs mode", () => {
  const servers = (parts: Partial<Service["spec"]>, endpoints: readonly string[]) => {
    const web = service("web", "10.0.0.20", { ...parts, type: "NodePort", ports: ["80:31000"] });
    const { services } = ipvsRules(inputFor([web], {}, [slice("web", ["8080"], endpoints)]));
    const last = (list: readonly { readonly address: number }[]) =>
      list.map((server) => server.address & 255).join(" ");
    return [...new Set(services.map((entry) => `${entry.port}: ${last(entry.servers)}`))];
  };

  test("sends everybody to all endpoints under the policies Cluster", () => {
    expect(servers({}, ["10.1.0.1 node1", "10.1.0.2 node2"])).toEqual(["80: 1 2", "31000: 1 2"]);
  });

  test("keeps nodePorts local under the external policy Local, and the cluster IP under the internal one", () => {
    const both = ["10.1.0.1 node1", "10.1.0.2 node2"];
    expect(servers({ externalTrafficPolicy: "Local" }, both)).toEqual(["80: 1 2", "31000: 1"]);
    expect(servers({ internalTrafficPolicy: "Local" }, both)).toEqual(["80: 1", "31000: 1 2"]);
  });

  test("falls back to endpoints elsewhere where iptables mode would drop", () => {
    expect(servers({ externalTrafficPolicy: "Local" }, ["10.1.0.2 node2"])).toEqual(["80: 2", "31000: 2"]);
  });

  test("has virtual servers without anything behind them when there are no endpoints", () => {
    expect(servers({}, [])).toEqual(["80: ", "31000: "]);
  });

  test("gives a virtual server to each of the node's addresses, and never to loopback", () => {
    const web = service("web", "10.0.0.20", { type: "NodePort", ports: ["80:31000"] });
    const input = inputFor([web], { nodePortAddresses: ["0.0.0.0/0"] });
    const text = formatIpvsServices(ipvsRules(input).services);
    expect(text.match(/-A -t \S+:31000/g)).toEqual(["-A -t 10.180.1.1:31000", "-A -t 10.240.0.4:31000"]);
  });

  test("carries cluster IPs and VIPs on kube-ipvs0, but no VIP that the node has on another interface", () => {
    const web = service("web", "10.0.0.20", {
      externalIPs: ["192.0.2.1", "10.180.1.1"],
      loadBalancerIps: ["203.0.113.140"],
    });
    expect(ipvsRules(inputFor([web])).boundAddresses).toEqual(["10.0.0.20", "192.0.2.1", "203.0.113.140"].map(address));
  });

  test("names scheduler, persistence and the flag of Maglev hashing as ipvsadm does", () => {
    const web = service("web", "10.0.0.20", { ports: ["80/SCTP"], sessionAffinity: "ClientIP" });
    expect(formatIpvsServices(ipvsRules(inputFor([web], { ipvsScheduler: "mh" })).services)).toBe(
      "-A --sctp-service 10.0.0.20:80 -s mh -p 10800 -b mh-port\n",
    );
  });

  test("shuts everybody out by a source range of all addresses, which no set can hold", () => {
    const web = service("web", "10.0.0.20", {
      type: "LoadBalancer",
      loadBalancerIps: ["203.0.113.140"],
      loadBalancerSourceRanges: ["0.0.0.0/0"],
    });
    const { sets, rules } = ipvsRules(inputFor([web]));
    expect(formatIpSets(sets)).not.toContain("0.0.0.0/0");
    expect(formatRuleset(rules)).toContain("--match-set KUBE-LOAD-BALANCER-SOURCE-CIDR dst,dst,src -j RETURN");
  });

  test.each<[string, KubeProxyFlags, string]>([
    ["pods told by their range", {}, "! -s 10.180.0.0/16 -m comment --comment"],
    ["masqueradeAll", { masqueradeAll: true }, "-m comment --comment"],
    ["a bridge", { detectLocalMode: "BridgeInterface", podBridgeInterface: "cbr0" }, "! -i cbr0 -m comment --comment"],
  ])("masquerades what goes to cluster IPs with %s", (_name, flags, start) => {
    const text = formatRuleset(ipvsRules(inputFor(SERVICES, flags)).rules);
    expect(text).toContain(
      `-A KUBE-SERVICES ${start} "Kubernetes service cluster ip + port for masquerade purpose" -m set --match-set KUBE-CLUSTER-IP dst,dst -j KUBE-MARK-MASQ`,
    );
  });

  test("masquerades only packets from a VIP where pods cannot be told", () => {
    const text = formatRuleset(ipvsRules(inputFor(SERVICES, { clusterCidr: "" })).rules);
    expect(text).toContain("--match-set KUBE-CLUSTER-IP src,dst -j KUBE-MARK-MASQ");
  });

  test("keeps the node from VIPs whose source ranges leave it out", () => {
    const web = service("web", "10.0.0.20", {
      type: "LoadBalancer",
      loadBalancerIps: ["203.0.113.140"],
      loadBalancerSourceRanges: ["198.51.100.0/24"],
    });
    expect(formatRuleset(ipvsRules(inputFor([web])).rules)).toContain(
      "-A KUBE-IPVS-OUT-FILTER -s 203.0.113.140/32 -d 203.0.113.140/32 -p tcp -m tcp --dport 80 -j DROP",
    );
  });
});

describe("matchesIpSet()", () => {
  const packet = {
    protocol: "TCP",
    source: address("10.180.1.5"),
    destination: address("10.0.0.20"),
    sourcePort: 40000,
    destinationPort: 80,
  } as const;
  const range = { network: address("10.180.0.0"), prefixLength: 16 };
  const entry = { address: packet.destination, protocol: "TCP", port: 80 } as const;

  test.each([
    ["address and port", { type: "hash:ip,port", entries: [entry] }, ["dst", "dst"], true],
    ["another protocol", { type: "hash:ip,port", entries: [{ ...entry, protocol: "UDP" }] }, ["dst", "dst"], false],
    ["the source's port", { type: "hash:ip,port", entries: [entry] }, ["dst", "src"], false],
    ["the source's address", { type: "hash:ip", entries: [{ address: packet.source }] }, ["src"], true],
    ["a port alone", { type: "bitmap:port", entries: [{ port: 80 }] }, ["dst"], true],
    ["another port", { type: "bitmap:port", entries: [{ port: 81 }] }, ["dst"], false],
    [
      "a range with the source",
      { type: "hash:ip,port,net", entries: [{ ...entry, other: range }] },
      ["dst", "dst", "src"],
      true,
    ],
    [
      "a range without it",
      { type: "hash:ip,port,net", entries: [{ ...entry, other: { ...range, network: address("10.9.0.0") } }] },
      ["dst", "dst", "src"],
      false,
    ],
    ["an empty set", { type: "hash:ip", entries: [] }, ["dst"], false],
  ] as const)("compares %s", (_name, set, flags, matches) => {
    expect(matchesIpSet({ name: "S", ...set }, flags, packet)).toBe(matches);
  });
});

describe("userspace mode", () => {
  test("keeps the ports it has and opens others for new Services", () => {
    const [web, dns] = SERVICES as [Service, Service];
    const first = userspaceRules(inputFor([web]), { below: () => 0 });
    expect(first.ports.map((port) => port.proxyPort)).toEqual([32768]);
    const kept = new Map([["default/web:http/TCP", 32768]]);
    const second = userspaceRules(inputFor([web, dns]), { below: () => 0 }, kept);
    expect(second.ports.map((port) => [port.port.name, port.proxyPort])).toEqual([
      ["default/dns", 32769],
      ["default/web:http", 32768],
    ]);
  });

  test("takes connections to ready endpoints anywhere, whatever the policy", () => {
    const endpoints = ["10.1.0.1 node1 not-ready", "10.1.0.2 node2", "10.1.0.3 node3 serving-terminating"];
    const { ports } = userspaceRules(inputFor(SERVICES, {}, [slice("web", ["http=8080"], endpoints)]), {
      below: () => 0,
    });
    expect(ports.find((port) => port.port.service === "web")?.endpoints.map((endpoint) => endpoint.text)).toEqual([
      "10.1.0.2:8080",
    ]);
  });
});

function inputFor(services: readonly Service[], flags: KubeProxyFlags = {}, slices = SLICES): ProxyInput {
  const addresses = ["10.240.0.4", "10.180.1.1"].map(address);
  const { config, problems } = kubeProxyConfig(
    { name: "node1", addresses: flags.serviceCidrs === undefined ? addresses : addresses.slice(0, 1) },
    { clusterCidr: "10.180.0.0/16", ...flags },
  );
  expect(problems).toEqual([]);
  return { services, endpointSlices: slices, config };
}
