import { describe, expect, it } from "vitest";
import { cidr, parseIpv4 } from "../../src/netstack/index.ts";
import { ms } from "../../src/sim/index.ts";
import { load, refusal, SAMPLE, sampleWith } from "./sample-scenario.ts";

describe("loadScenario()", () => {
  it("reads every part of a file", () => {
    const scenario = load(SAMPLE);
    expect(scenario).toMatchObject({ file: "lab.yaml", name: "sample", title: "A sample", description: "", notes: [] });
    expect(scenario.networks).toEqual([
      { name: "outside", mtu: 1500 },
      { name: "inside", mtu: 1460 },
    ]);
    expect(scenario.machines.map(({ name, kind, sysctls }) => ({ name, kind, sysctls }))).toEqual([
      { name: "client", kind: "host", sysctls: {} },
      { name: "server", kind: "host", sysctls: {} },
      { name: "edge", kind: "router", sysctls: { "net.ipv4.ip_forward": "1" } },
    ]);
    expect(scenario.machines[1]).toMatchObject({ servers: [{ kind: "echo", port: 80 }], aliases: ["www"] });
    expect(scenario.links).toEqual([
      {
        host: "client",
        interface: "eth0",
        impairments: { out: { delay: ms(5), loss: 0.01 }, in: { delay: ms(5) } },
      },
    ]);
    expect(scenario.clusters[0]).toMatchObject({
      name: "cluster",
      mtu: 1460,
      podCidr: cidr("10.180.0.0/16"),
      proxy: { clusterCidr: "10.180.0.0/16" },
      pins: { pods: { web: [{ name: "web-1", node: "alpha" }] }, clusterIps: { web: "10.0.0.80" } },
    });
    expect(scenario.clusters[0]?.nodes.map(({ name, aliases }) => ({ name, aliases }))).toEqual([
      { name: "alpha", aliases: ["node1"] },
      { name: "beta", aliases: ["b"] },
    ]);
    expect(scenario.clusters[0]?.objects.map(({ kind }) => kind)).toEqual(["Deployment", "Service"]);
    expect(scenario.steps).toMatchObject([{ number: 1, kind: "run", name: "first", on: "client", timeout: 300e9 }]);
  });

  it("reads a default route in the words of ip route", () => {
    const scenario = load(
      sampleWith("    gateway: 198.51.100.1\n", "    routes: [{ to: default, via: 198.51.100.1 }]\n"),
    );
    expect(scenario.machines[0]?.routes).toEqual([{ to: cidr("0.0.0.0/0"), via: parseIpv4("198.51.100.1") }]);
  });

  it("reads sysctls by their names in Linux", () => {
    const text = sampleWith(
      "    aliases: [www]\n",
      '    sysctls: { net.netfilter.nf_conntrack_tcp_be_liberal: 1, net.netfilter.nf_conntrack_max: 8, net.ipv4.conf.all.rp_filter: 1, net.ipv4.ip_default_ttl: 32, net.ipv4.ip_local_port_range: "40000 40009" }\n    aliases: [www]\n',
    );
    expect(load(text).machines[1]?.sysctls).toEqual({
      "net.netfilter.nf_conntrack_tcp_be_liberal": "1",
      "net.netfilter.nf_conntrack_max": "8",
      "net.ipv4.conf.all.rp_filter": "1",
      "net.ipv4.ip_default_ttl": "32",
      "net.ipv4.ip_local_port_range": "40000\t40009",
    });
  });

  it("gives every node the cluster's sysctls, and goes by the node's own first", () => {
    const text = sampleWith(
      "  nodes:\n",
      "  sysctls: { net.netfilter.nf_conntrack_max: 64, net.bridge.bridge-nf-call-iptables: 0 }\n  nodes:\n",
    ).replace("{ name: beta,", "{ name: beta, sysctls: { net.netfilter.nf_conntrack_max: 8 },");
    expect(load(text).clusters[0]?.nodes.map(({ sysctls }) => sysctls)).toEqual([
      { "net.netfilter.nf_conntrack_max": "64", "net.bridge.bridge-nf-call-iptables": "0" },
      { "net.netfilter.nf_conntrack_max": "8", "net.bridge.bridge-nf-call-iptables": "0" },
    ]);
  });

  it.each([
    ["nf_conntrack_max: 8", 'unknown key "nf_conntrack_max"; did you mean "net.netfilter.nf_conntrack_max"?'],
    ["net.ipv4.ip_fowrard: 1", 'unknown key "net.ipv4.ip_fowrard"; did you mean "net.ipv4.ip_forward"?'],
    ["net.netfilter.nf_conntrack_count: 8", 'unknown key "net.netfilter.nf_conntrack_count"; did you mean'],
    ["net.bridge.bridge-nf-call-iptables: 1", 'unknown key "net.bridge.bridge-nf-call-iptables"; there is '],
    ["net.ipv4.ip_default_ttl: 256", "expected a TTL from 1 to 255, got 256"],
    ["net.ipv4.ip_forward: true", "expected 0 or 1, got true"],
    ["net.ipv4.tcp_congestion_control: bbr", 'expected cubic or reno, got "bbr"'],
    ['net.ipv4.tcp_rmem: "1 2"', 'expected three sizes like "4096 131072 6291456", got "1 2"'],
  ])("refuses the sysctl %s", (sysctl, message) => {
    const text = sampleWith("    aliases: [www]\n", `    sysctls: { ${sysctl} }\n    aliases: [www]\n`);
    expect(() => load(text)).toThrow(message);
  });

  it("reads rules as text and by table and chain alike", () => {
    const short = sampleWith(
      "    cloudEdge: true\n",
      "    iptables: { nat: { POSTROUTING: [-o eth0 -j MASQUERADE] }, filter: { FORWARD: [-j LOGGED], LOGGED: [-j DROP] } }\n",
    );
    const long = sampleWith(
      "    cloudEdge: true\n",
      `    iptables: |
      *nat
      :POSTROUTING ACCEPT [0:0]
      -A POSTROUTING -o eth0 -j MASQUERADE
      COMMIT
      *filter
      :FORWARD ACCEPT [0:0]
      :LOGGED - [0:0]
      -A FORWARD -j LOGGED
      -A LOGGED -j DROP
      COMMIT
`,
    );
    expect(load(short).machines[2]?.rules).toEqual(load(long).machines[2]?.rules);
    expect(load(short).machines[2]?.rules?.get("nat")?.chains.get("POSTROUTING")?.rules).toHaveLength(1);
  });

  it("reads manifests from files beside the scenario and from objects in it", () => {
    const service = "apiVersion: v1\nkind: Service\nmetadata: { name: from-file }\nspec: { ports: [{ port: 1 }] }\n";
    const start = SAMPLE.indexOf("  manifests: |");
    const end = SAMPLE.indexOf("links:");
    const entries = `  manifests:
    - more.yaml
    - { apiVersion: v1, kind: Pod, metadata: { name: p }, spec: { containers: [{ name: c, image: busybox }] } }
`;
    const text = SAMPLE.slice(0, start) + entries + SAMPLE.slice(end);
    const objects = load(text, [], { "more.yaml": service }).clusters[0]?.objects;
    expect(objects?.map(({ kind, metadata }) => `${kind} ${metadata.name}`)).toEqual(["Service from-file", "Pod p"]);
    expect(refusal(text)).toBe("lab.yaml:37:7: more.yaml: no such file or directory");
    expect(refusal(text, [], { "more.yaml": `${service}---\n${service.replace("port: 1", "port: x")}` })).toBe(
      'more.yaml:9:25: Service default/from-file: spec.ports[0].port: expected a number from 1 to 65535, got "x"',
    );
  });

  it("notes what it leaves aside, with its place", () => {
    const text = sampleWith(
      "    ---\n",
      "    ---\n    apiVersion: v1\n    kind: ConfigMap\n    metadata: { name: x }\n    ---\n",
    );
    expect(load(text).notes).toEqual([
      { file: "lab.yaml", line: 46, message: "ConfigMap x: skipped: natscope does not use this kind" },
    ]);
    expect(load(sampleWith("echoserver:1.4", "nginx:1.27")).notes[0]).toMatchObject({ line: 37 });
  });

  it("takes a cluster's only node's own name and the given alias as who runs a step", () => {
    for (const name of ["alpha", "node1", "b", "www", "web-1"]) {
      const [step] = load(sampleWith("    on: client", `    on: ${name}`)).steps;
      expect(step).toMatchObject({ on: name });
    }
  });
});

describe("loadScenario() refuses, with place and remedy,", () => {
  it.each<[what: string, before: string, after: string, ...expected: string[]]>([
    [
      "an unknown key",
      "gateway: 198.51.100.1",
      "gatewy: 198.51.100.1",
      'lab.yaml:11:5: hosts.client: unknown key "gatewy"; did you mean "gateway"?',
    ],
    [
      "a bad address",
      "198.51.100.79/24",
      "198.51.100.279/24",
      'lab.yaml:10:42: hosts.client.interfaces.eth0.address: expected an address with its prefix length like 10.0.0.5/24, got "198.51.100.279/24"',
    ],
    [
      "an address without prefix length",
      "198.51.100.79/24",
      "198.51.100.79",
      'lab.yaml:10:42: hosts.client.interfaces.eth0.address: expected an address with its prefix length like 10.0.0.5/24, got "198.51.100.79"',
    ],
    [
      "a broadcast address",
      "198.51.100.79/24",
      "198.51.100.255/24",
      "lab.yaml:10:42: 198.51.100.255/24 is its subnet's broadcast address; expected one between",
    ],
    [
      "a loopback address",
      "198.51.100.79/24",
      "127.0.0.5/24",
      "lab.yaml:10:42: 127.0.0.5/24 is not an address that a host can have",
      "lab.yaml:11:14: 198.51.100.1 is not a neighbour; expected one in 127.0.0.0/24",
      "lab.yaml:21:42: 198.51.100.1/24 shares no subnet with anyone on network outside; there is 127.0.0.0/24",
    ],
    [
      "an address that is taken",
      "10.240.0.5/24",
      "10.240.0.4/24",
      "lab.yaml:32:40: 10.240.0.4 is taken on network inside by alpha",
    ],
    [
      "an address away from all others",
      "10.240.0.80/24",
      "10.99.0.80/24",
      "lab.yaml:14:41: 10.99.0.80/24 shares no subnet with anyone on network inside; there is 10.240.0.0/24",
      "lab.yaml:15:14: 10.240.0.1 is not a neighbour; expected one in 10.99.0.0/24",
    ],
    [
      "a gateway that is no neighbour",
      "gateway: 198.51.100.1",
      "gateway: 198.51.101.1",
      "lab.yaml:11:14: 198.51.101.1 is not a neighbour; expected one in 198.51.100.0/24",
    ],
    [
      "a gateway that is the host itself",
      "gateway: 198.51.100.1",
      "gateway: 198.51.100.79",
      "lab.yaml:11:14: 198.51.100.79 is its own address; expected a neighbour's",
    ],
    [
      "address and addresses",
      "network: outside, address: 198.51.100.79/24",
      "network: outside, address: 198.51.100.79/24, addresses: []",
      "lab.yaml:10:13: expected either address or addresses, got both",
    ],
    [
      "an unknown network",
      "network: outside, address: 198.51.100.79",
      "network: outsid, address: 198.51.100.79",
      'lab.yaml:10:24: there is no network "outsid"; did you mean "outside"?',
    ],
    [
      "a bad interface name",
      "eth0: { network: outside, address: 198.51.100.79",
      "eth/0: { network: outside, address: 198.51.100.79",
      'lab.yaml:10:7: hosts.client.interfaces: expected an interface name of at most 15 characters, like eth0, got "eth/0"',
    ],
    [
      "a name with a blank",
      "name: sample",
      "name: a sample",
      `lab.yaml:2:7: name: expected a name of at most 63 letters, digits, '-', '_' and '.', got "a sample"`,
    ],
    [
      "a name that is taken",
      "aliases: [www]",
      "aliases: [client]",
      'lab.yaml:17:15: the name "client" is taken by a host',
    ],
    ["a Pod called like a host", "name: web-1", "name: client", 'lab.yaml:25:3: the name of the Pod "client" is taken'],
    [
      "a STUN server with keepAlive",
      "servers: [{ kind: echo, port: 80 }]",
      "servers: [{ kind: stun, port: 80, keepAlive: 15s }]",
      "lab.yaml:16:15: stun has no connections to keepAlive; leave it out",
    ],
    [
      "two servers on one port",
      "servers: [{ kind: echo, port: 80 }]",
      "servers: [{ kind: echo, port: 80 }, { kind: echo, port: 80 }]",
      "lab.yaml:16:41: port 80 is taken by another server",
    ],
    [
      "an unknown kind of server",
      "kind: echo",
      "kind: ftp",
      'lab.yaml:16:23: hosts.server.servers[0].kind: expected one of echo, stun, tcp-proxy, got "ftp"',
    ],
    [
      "a NAT between interfaces that are not there",
      "cloudEdge: true",
      "nat: { inside: eth0, outside: eth9 }",
      'lab.yaml:23:35: the router has no interface "eth9"; it has eth0, eth1',
    ],
    ["a tcp-proxy to nowhere", "kind: echo", "kind: tcp-proxy", "lab.yaml:16:15: a tcp-proxy needs to: ADDRESS:PORT"],
    [
      "an MTU out of range",
      "mtu: 1460",
      "mtu: 20",
      "lab.yaml:6:18: networks.inside.mtu: expected an MTU from 68 to 65535, got 20",
    ],
    [
      "another version",
      "version: 1\n",
      "version: 2\n",
      "lab.yaml:1:10: version: expected 1, this format's version, got 2",
    ],
    [
      "a version without quotes",
      'version: "1.31"',
      "version: 1.30",
      'lab.yaml:25:12: cluster.version: expected a Kubernetes version in quotes, like "1.13" or "1.31.2", got 1.3',
    ],
    [
      "a range with bits behind the prefix",
      "podCIDR: 10.180.0.0/16",
      "podCIDR: 10.180.1.0/16",
      'lab.yaml:28:12: cluster.podCIDR: expected an address range like 10.0.0.0/8, with no bits set behind the prefix, got "10.180.1.0/16"',
    ],
    [
      "a Service range among the pods",
      "serviceCIDR: 10.0.0.0/16",
      "serviceCIDR: 10.180.0.0/20",
      "lab.yaml:29:16: overlaps podCIDR 10.180.0.0/16; expected a range of its own",
      "lab.yaml:35:24: 10.0.0.80 is outside serviceCIDR 10.180.0.0/20",
    ],
    [
      "a node's pods outside the cluster's",
      "podCIDR: 10.180.2.0/24",
      "podCIDR: 10.181.2.0/24",
      "lab.yaml:32:64: expected a part of the cluster's podCIDR 10.180.0.0/16",
    ],
    [
      "nodes that share pods",
      "podCIDR: 10.180.2.0/24",
      "podCIDR: 10.180.0.0/22",
      "lab.yaml:32:64: overlaps the one of alpha",
    ],
    [
      "a pinned pod on no node",
      "node: alpha",
      "node: alpa",
      'lab.yaml:34:40: there is no node "alpa"; did you mean "alpha"?',
    ],
    [
      "an edge with nothing to map",
      ", externalAddress: 203.0.113.4",
      "",
      "lab.yaml:23:16: no node has an externalAddress that could be mapped",
    ],
    [
      "a flag of kube-proxy that lacks another",
      "  nodes:\n",
      "  proxy: { detectLocalMode: BridgeInterface }\n  nodes:\n",
      "lab.yaml:30:10: --pod-bridge-interface: expected a bridge's name, as --detect-local-mode is BridgeInterface",
    ],
    [
      "a manifest that is not as Kubernetes has it",
      "port: 80, targetPort",
      "port: http, targetPort",
      'lab.yaml:51: Service default/web: spec.ports[0].port: expected a number from 1 to 65535, got "http"',
    ],
    [
      "a manifest that is not YAML",
      "    spec:\n      selector: { app: web }",
      "    spec:\n      selector: { app: web",
      "lab.yaml:51: not valid YAML: flow map in block collection must be sufficiently indented and end with a }",
    ],
    [
      "an object that the API server would refuse",
      "port: 80, targetPort: 8080",
      "port: 80, targetPort: 8080, nodePort: 30000",
      "lab.yaml:36:14: The Service \"web\" is invalid: spec.ports[0].nodePort: Forbidden: may not be used when `type` is 'ClusterIP'",
    ],
    [
      "a link with no end",
      "client/eth0",
      "client/eth1",
      'lab.yaml:53:3: there is no interface "client/eth1"; did you mean "client/eth0"?',
    ],
    [
      "a loss of more than all",
      "loss: 1%",
      "loss: 101%",
      'lab.yaml:53:43: links.client/eth0.out.loss: expected a percentage like 0.5% or 20%, got "101%"',
    ],
    [
      "a delay without unit",
      "delay: 5ms",
      "delay: 5",
      "lab.yaml:53:25: links.client/eth0.delay: expected a duration like 250us, 5ms, 1.5s or 2m, at most 24h, got 5",
    ],
    [
      "a rate in other units",
      "delay: 5ms",
      "rate: 5Mbps",
      'lab.yaml:53:24: links.client/eth0.rate: expected a rate like 56kbit, 10mbit or 1gbit, got "5Mbps"',
    ],
    [
      "a step that nobody runs",
      "    on: client\n",
      "",
      'lab.yaml:56:5: "on" is missing: expected who runs the command; there is client, server, www, edge, alpha, node1, beta, b and web-1',
    ],
    [
      "a step run by nobody known",
      "    on: client\n",
      "    on: clint\n",
      'lab.yaml:57:9: there is no host, node or pod "clint"; did you mean "client"?',
    ],
    [
      "a step that does two things",
      "    run: curl -s www\n",
      "    run: curl -s www\n    wait: 1s\n",
      "lab.yaml:55:5: steps[0]: expected exactly one of run, kubectl, apply, wait, links, fail and restore, got run and wait",
    ],
    [
      "a step that does nothing",
      "    run: curl -s www\n    on: client\n",
      "",
      "lab.yaml:55:5: steps[0]: expected exactly one of run, kubectl, apply, wait, links, fail and restore, got none",
    ],
    [
      "a wait that somebody runs",
      "    run: curl -s www\n",
      "    wait: 1s\n",
      'lab.yaml:57:9: steps[0].on: expected no "on" beside "wait"',
    ],
    [
      "a command that no shell reads",
      "run: curl -s www",
      "run: curl $(cat x)",
      "lab.yaml:56:10: column 6 of the command: command substitution $(…) is not supported",
    ],
    [
      "a list that fits no repetition",
      "exitCode: 0",
      "exitCode: [0, 0]",
      "lab.yaml:58:25: has 2 entries, expected one for each of 1 runs",
    ],
    [
      "an exit code out of range",
      "exitCode: 0",
      "exitCode: 256",
      "lab.yaml:58:25: steps[0].expect.exitCode: expected an exit code from 0 to 255, got 256",
    ],
    [
      "a bad filter",
      "exitCode: 0",
      "packets: [{ at: x, filter: tcp.prt == 80 }]",
      'lab.yaml:58:42: steps[0].expect.packets[0].filter: column 1 of the filter: there is no field "tcp.prt" here; did you mean "tcp.port"?',
    ],
    [
      "a bad count",
      "exitCode: 0",
      'packets: [{ at: x, count: "~ 3" }]',
      'lab.yaml:58:41: steps[0].expect.packets[0].count: expected a number, or a comparison like ">= 1", got "~ 3"',
    ],
    [
      "a bad expression",
      "exitCode: 0",
      'stdout: { matches: "(" }',
      'lab.yaml:58:34: steps[0].expect.stdout.matches: expected a regular expression, got "("',
    ],
    [
      "an unknown relation",
      "exitCode: 0",
      'stdout: { contain: "x" }',
      'lab.yaml:58:25: steps[0].expect.stdout: unknown key "contain"; did you mean "contains"?',
    ],
    [
      "a second document",
      "links:\n",
      "---\nlinks:\n",
      "lab.yaml:53:1: a second YAML document begins here; expected one scenario a file",
    ],
  ])("%s", (_, before, after, ...expected) => {
    expect(refusal(sampleWith(before, after)).split("\n")).toEqual(expected);
  });

  it.each([
    ["an empty file", "", "lab.yaml: empty; expected a scenario (natscope init writes one to start from)"],
    ["comments only", "# x\n", "lab.yaml: empty; expected a scenario (natscope init writes one to start from)"],
    [
      "a list",
      "- a\n",
      "lab.yaml:1:1: expected a scenario: a mapping with version, name, title, networks and steps, got a list",
    ],
    [
      "a word",
      "hello\n",
      'lab.yaml:1:1: expected a scenario: a mapping with version, name, title, networks and steps, got "hello"',
    ],
  ])("%s", (_, text, expected) => {
    expect(refusal(text)).toBe(expected);
  });

  it("rules that cannot be read, at their own line in either form", () => {
    const short = sampleWith(
      "    cloudEdge: true\n",
      "    iptables:\n      nat:\n        POSTROUTING:\n          - -o eth0 -j MASQERADE\n",
    );
    expect(refusal(short)).toContain('lab.yaml:26:13: there is no chain or target "MASQERADE"');
    const long = sampleWith(
      "    cloudEdge: true\n",
      "    iptables: |\n      *nat\n      -A POSTROUTING -o eth0 -j MASQERADE\n      COMMIT\n",
    );
    expect(refusal(long)).toContain('lab.yaml:25: there is no chain or target "MASQERADE"');
  });

  it("several things at once, in the file's order", () => {
    const text = sampleWith("mtu: 1460", "mtu: big")
      .replace("delay: 5ms", "delay: soon")
      .replace("kind: echo", "kind: ftp");
    expect(
      refusal(text)
        .split("\n")
        .map((line) => line.split(" ", 2).join(" ")),
    ).toEqual([
      "lab.yaml:6:18: networks.inside.mtu:",
      "lab.yaml:16:23: hosts.server.servers[0].kind:",
      "lab.yaml:53:25: links.client/eth0.delay:",
    ]);
  });

  it("no more than twenty things", () => {
    const keys = Array.from({ length: 50 }, (_, i) => `k${i}: 1\n`).join("");
    const lines = refusal(SAMPLE + keys).split("\n");
    expect(lines).toHaveLength(21);
    expect(lines.at(-1)).toBe("… and 30 more");
  });
});
