import type { Namespace, Topology } from "./kernel-transcript.ts";

/* The networks of the kernel lab. Addresses are those of test/kernel-truth/. */

type Interfaces = Namespace["ifs"];

function veth(peer: string, addrs: readonly string[] = [], mtu = 1500): Interfaces[string] {
  return { kind: "veth", peer, mtu, addrs };
}

function port(peer: string): Interfaces[string] {
  return { kind: "veth", peer, mtu: 1500, addrs: [], hairpin: true };
}

const FORWARDING = { "net.ipv4.ip_forward": 1 };
const NODE = { ...FORWARDING, "net.bridge.bridge-nf-call-iptables": 1, "net.ipv4.conf.all.route_localnet": 1 };
const DEFAULT_TTL = { "net.ipv4.ip_default_ttl": 64 };

/** A node with a bridge for its pods. */
function clusterNode(number: 1 | 2 | 3, pods: readonly string[]): Namespace {
  const ports = pods.map((pod) => `veth-${pod}`);
  const others = ([1, 2, 3] as const).filter((other) => other !== number);
  return {
    ifs: {
      eth0: veth(`sw/node${number}`, [`10.240.0.${number + 2}/24`]),
      cbr0: { kind: "bridge", mtu: 1500, addrs: [`10.244.${number}.1/24`], ports },
      ...Object.fromEntries(pods.map((pod) => [`veth-${pod}`, port(`${pod}/eth0`)])),
    },
    routes: ["default via 10.240.0.1", ...others.map((other) => `10.244.${other}.0/24 via 10.240.0.${other + 2}`)],
    sysctl: NODE,
  };
}

/** A node as flannel sets it up: its bridge, and a VXLAN device over which it reaches the other nodes' pods. */
function flannelNode(number: 1 | 2 | 3, pods: readonly string[]): Namespace {
  const node = clusterNode(number, pods);
  const others = ([1, 2, 3] as const).filter((other) => other !== number);
  const mac = (of: number): string => `66:00:0a:f0:00:0${of + 2}`;
  const ends = others.map((other) => ({ mac: mac(other), inner: `10.244.${other}.0`, outer: `10.240.0.${other + 2}` }));
  const local = `10.240.0.${number + 2}`;
  const tunnel = { vni: 1, port: 4789, dev: "eth0", local, mac: mac(number), udpChecksum: true, ends };
  const narrow = Object.entries(node.ifs).map(([name, own]) => [name, name === "eth0" ? own : { ...own, mtu: 1450 }]);
  return {
    ...node,
    ifs: {
      ...Object.fromEntries(narrow),
      "flannel.1": { kind: "vxlan", mtu: 1450, addrs: [`10.244.${number}.0/32`], tunnel },
    },
    routes: [
      "default via 10.240.0.1",
      ...others.map((other) => `10.244.${other}.0/24 via 10.244.${other}.0 dev flannel.1 onlink`),
    ],
  };
}

/** A node as Calico sets it up: no bridge, a route to each pod by its veth pair, whose end answers ARP for 169.254.1.1. */
function calicoNode(number: 1 | 2 | 3, pods: Readonly<Record<string, number>>): Namespace {
  const node = clusterNode(number, Object.keys(pods));
  const ends = Object.keys(pods).map((pod) => [`veth-${pod}`, veth(`${pod}/eth0`)] as const);
  const proxies = ends.flatMap(([end]) => [
    [`net.ipv4.conf.${end}.proxy_arp`, 1],
    [`net.ipv4.neigh.${end}.proxy_delay`, 0],
  ]);
  return {
    ifs: { eth0: veth(`sw/node${number}`, [`10.240.0.${number + 2}/24`]), ...Object.fromEntries(ends) },
    routes: [
      ...Object.entries(pods).map(([name, last]) => `10.244.${number}.${last} dev veth-${name}`),
      ...(node.routes ?? []),
    ],
    sysctl: { ...NODE, ...Object.fromEntries(proxies) },
  };
}

function routedPod(name: string, node: 1 | 2 | 3, last: number): Namespace {
  const eth0 = veth(`node${node}/veth-${name}`, [`10.244.${node}.${last}/32`]);
  return { ifs: { eth0 }, routes: ["169.254.1.1 dev eth0", "default via 169.254.1.1"], sysctl: DEFAULT_TTL };
}

function pod(name: string, node: 1 | 2 | 3, last: number, mtu = 1500): Namespace {
  const eth0 = veth(`node${node}/veth-${name}`, [`10.244.${node}.${last}/24`], mtu);
  return { ifs: { eth0 }, routes: [`default via 10.244.${node}.1`], sysctl: DEFAULT_TTL };
}

/** Three nodes behind a router; a client beyond it. The router leads 203.0.113.140 to node2 and 203.0.113.141 to node1, as a load balancer would. */
export const CLUSTER: Topology = {
  client: {
    ifs: { eth0: veth("wan/c0", ["198.51.100.79/24", "198.51.100.80/24"]) },
    routes: ["default via 198.51.100.1"],
  },
  wan: {
    ifs: { c0: veth("client/eth0", ["198.51.100.1/24"]), n0: veth("sw/wan", ["10.240.0.1/24"]) },
    routes: ["203.0.113.140/32 via 10.240.0.4", "203.0.113.141/32 via 10.240.0.3"],
    sysctl: FORWARDING,
  },
  sw: {
    ifs: {
      wan: veth("wan/n0"),
      node1: veth("node1/eth0"),
      node2: veth("node2/eth0"),
      node3: veth("node3/eth0"),
      br0: { kind: "bridge", mtu: 1500, addrs: [], ports: ["wan", "node1", "node2", "node3"] },
    },
  },
  node1: clusterNode(1, ["ep1", "bb1"]),
  node2: clusterNode(2, ["ep2"]),
  node3: clusterNode(3, ["bb3"]),
  ep1: pod("ep1", 1, 5),
  bb1: pod("bb1", 1, 8),
  ep2: pod("ep2", 2, 5),
  bb3: pod("bb3", 3, 8),
};

/** The same cluster, with flannel. */
export const FLANNEL: Topology = {
  ...CLUSTER,
  node1: flannelNode(1, ["ep1", "bb1"]),
  node2: flannelNode(2, ["ep2"]),
  node3: flannelNode(3, ["bb3"]),
  ep1: pod("ep1", 1, 5, 1450),
  bb1: pod("bb1", 1, 8, 1450),
  ep2: pod("ep2", 2, 5, 1450),
  bb3: pod("bb3", 3, 8, 1450),
};

/** The same cluster, with Calico and without tunnels. */
export const CALICO: Topology = {
  ...CLUSTER,
  node1: calicoNode(1, { ep1: 5, bb1: 8 }),
  node2: calicoNode(2, { ep2: 5 }),
  node3: calicoNode(3, { bb3: 8 }),
  ep1: routedPod("ep1", 1, 5),
  bb1: routedPod("bb1", 1, 8),
  ep2: routedPod("ep2", 2, 5),
  bb3: routedPod("bb3", 3, 8),
};

/** A home behind a NAT router; two routers of the provider with a narrow link between them; two addresses of one server. */
export const HOME: Topology = {
  pc1: { ifs: { eth0: veth("lan/pc1", ["192.168.1.10/24"]) }, routes: ["default via 192.168.1.1"] },
  pc2: { ifs: { eth0: veth("lan/pc2", ["192.168.1.11/24"]) }, routes: ["default via 192.168.1.1"] },
  lan: {
    ifs: {
      pc1: veth("pc1/eth0"),
      pc2: veth("pc2/eth0"),
      home: veth("home/lan0"),
      br0: { kind: "bridge", mtu: 1500, addrs: [], ports: ["pc1", "pc2", "home"] },
    },
  },
  home: {
    ifs: { lan0: veth("lan/home", ["192.168.1.1/24"]), wan0: veth("isp/h0", ["203.0.113.7/24"]) },
    routes: ["default via 203.0.113.1"],
    sysctl: FORWARDING,
  },
  isp: {
    ifs: { h0: veth("home/wan0", ["203.0.113.1/24"]), core0: veth("core/isp0", ["10.99.0.1/24"], 1400) },
    routes: ["default via 10.99.0.2"],
    sysctl: FORWARDING,
  },
  core: {
    ifs: { isp0: veth("isp/core0", ["10.99.0.2/24"], 1400), srv0: veth("srv/eth0", ["198.51.100.1/24"]) },
    routes: ["203.0.113.0/24 via 10.99.0.1"],
    sysctl: FORWARDING,
  },
  srv: {
    ifs: { eth0: veth("core/srv0", ["198.51.100.79/24", "198.51.100.80/24"]) },
    routes: ["default via 198.51.100.1"],
  },
};

/** A PC behind two routers; the server has a second way, around the outer one, by which it answers the PC. */
export const TWO_ROUTERS: Topology = {
  pc: {
    ifs: { eth0: veth("inner/lan0", ["192.168.1.10/24"]) },
    routes: ["default via 192.168.1.1"],
    sysctl: DEFAULT_TTL,
  },
  inner: {
    ifs: {
      lan0: veth("pc/eth0", ["192.168.1.1/24"]),
      up0: veth("outer/dn0", ["100.64.0.2/24"]),
      alt0: veth("srv/eth1", ["100.65.0.1/24"]),
    },
    routes: ["default via 100.64.0.1", "100.65.0.79/32 via 100.64.0.1"],
    sysctl: FORWARDING,
  },
  outer: {
    ifs: { dn0: veth("inner/up0", ["100.64.0.1/24"]), wan0: veth("srv/eth0", ["203.0.113.7/24"], 1400) },
    routes: ["192.168.1.0/24 via 100.64.0.2", "100.65.0.79/32 via 203.0.113.79"],
    sysctl: FORWARDING,
  },
  srv: {
    ifs: { eth0: veth("outer/wan0", ["203.0.113.79/24"]), eth1: veth("inner/alt0", ["100.65.0.79/24"]) },
    routes: ["192.168.1.0/24 via 100.65.0.1", "100.64.0.0/24 via 203.0.113.7"],
    sysctl: DEFAULT_TTL,
  },
};
