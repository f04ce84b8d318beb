import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { SAMPLE } from "../scenario/sample-scenario.ts";
import { inDirectory, natscope } from "./command-line.ts";

describe("natscope scenarios", () => {
  it("lists every built-in scenario with its title, by chapter", async () => {
    const { code, out } = await natscope(["scenarios"]);
    expect(code).toBe(0);
    // The column is as wide as the longest name.
    expect(out.replace(/ {2,}/g, "  ")).toContain(`Services of type NodePort
  nodeport  A NodePort Service answers on every node, and replaces the client's address on the way
  nodeport-local  With externalTrafficPolicy Local the client's address stays, and nodes without an endpoint stay silent
`);
  });

  it("gives the same as JSON", async () => {
    const chapters = JSON.parse((await natscope(["scenarios", "--json"])).out);
    expect(chapters[0]).toMatchObject({
      title: "Services of type ClusterIP",
      scenarios: expect.arrayContaining([{ name: "clusterip", title: expect.any(String) }]),
    });
  });
});

describe("natscope validate", () => {
  it("says what is in a file that is in order", async () => {
    expect(await natscope(["validate", "nodeport"])).toMatchObject({
      code: 0,
      out: "nodeport: nodeport is in order: 2 networks, 1 host, 1 router, 3 nodes, 1 step\n",
      err: "",
    });
  });

  it("lists what is wrong", async () => {
    await inDirectory(async (directory) => {
      const file = join(directory, "lab.yaml");
      writeFileSync(file, SAMPLE.replace("mtu: 1460", "mtu: big").replace("on: client", "onn: client"));
      expect(await natscope(["validate", file])).toMatchObject({
        code: 2,
        out: "",
        err: `${file}:6:18: networks.inside.mtu: expected an MTU from 68 to 65535, got "big"
${file}:57:5: steps[0]: unknown key "onn"; did you mean "on"?
`,
      });
    });
  });

  it("notes what natscope leaves aside", async () => {
    await inDirectory(async (directory) => {
      const file = join(directory, "lab.yaml");
      writeFileSync(file, SAMPLE.replace("kind: Service", "kind: Gateway"));
      const { code, err } = await natscope(["validate", file]);
      expect({ code, err }).toEqual({
        code: 0,
        err: `note: ${file}:46: Gateway web: skipped: natscope does not use this kind\n`,
      });
    });
  });
});

describe("natscope init", () => {
  it("writes a scenario that runs as it is, and never over another file", async () => {
    await inDirectory(async (directory) => {
      const file = join(directory, "lab.yaml");
      expect((await natscope(["init", file])).out).toBe(`${file}: written; run it with: natscope run ${file}\n`);
      const { code, out } = await natscope(["run", file]);
      expect(code).toBe(0);
      expect(out).toContain("client_address=203.0.113.7\n");
      writeFileSync(file, "mine");
      expect(await natscope(["init", file])).toMatchObject({
        code: 2,
        err: `${file}: there already; choose another name, or --force to overwrite it\n`,
      });
      expect(readFileSync(file, "utf8")).toBe("mine");
      expect((await natscope(["init", file, "--force"])).code).toBe(0);
    });
  });
});

describe("natscope rules", () => {
  it("prints a node's rules as iptables-save does", async () => {
    const { code, out } = await natscope(["rules", "nodeport", "--node", "node2", "--table", "nat"]);
    expect(code).toBe(0);
    expect(out.split("\n")[0]).toBe("*nat");
    expect(out).toContain(
      '-A KUBE-NODEPORTS -p tcp -m comment --comment "default/nodeport" -m tcp --dport 31000 -j KUBE-EXT-IFSGUVPJVX5CWNQP\n',
    );
    expect(out.endsWith("COMMIT\n")).toBe(true);
  });

  it("shows them as they are after a step, by number or name", async () => {
    const local = async (...at: string[]): Promise<boolean> =>
      (await natscope(["rules", "nodeport-local", "--node", "node2", ...at])).out.includes("has no local endpoints");
    expect(await local("--at", "0")).toBe(false);
    expect(await local("--at", "keep the client's address")).toBe(true);
    expect(await local()).toBe(true);
  });

  it("gives them as JSON", async () => {
    const { out } = await natscope(["rules", "nodeport", "--node", "edge", "--json"]);
    expect(JSON.parse(out).nat.PREROUTING).toEqual({
      policy: "ACCEPT",
      rules: [
        '-d 203.0.113.4/32 -m comment --comment "external address of kubernetes-node-6jst" -j DNAT --to-destination 10.240.0.4',
        '-d 203.0.113.5/32 -m comment --comment "external address of kubernetes-node-cx31" -j DNAT --to-destination 10.240.0.5',
        '-d 203.0.113.3/32 -m comment --comment "external address of kubernetes-node-jj1t" -j DNAT --to-destination 10.240.0.3',
      ],
    });
  });

  it.each([
    [
      ["--node", "nod2"],
      "--node nod2: there is no such node; there is client, edge, kubernetes-node-6jst, kubernetes-node-cx31, kubernetes-node-jj1t and source-ip-app-826191075-qehz4\n",
    ],
    [
      ["--node", "node2", "--at", "9"],
      "--at 9: there is no such step; expected a number from 0 to 1, or one of ask every node\n",
    ],
    [["--node", "node2", "--table", "raw"], "--table raw: kubernetes-node-cx31 has no such table\n"],
    [[], "error: required option '--node <name>' not specified\n(natscope --help lists the commands)\n"],
  ])("refuses %j", async (args, err) => {
    expect(await natscope(["rules", "nodeport", ...args])).toMatchObject({ code: 2, out: "", err });
  });
});

describe("natscope conntrack", () => {
  it("prints a node's connections as conntrack -L -o extended does", async () => {
    const { code, out } = await natscope(["conntrack", "nodeport", "--node", "node2"]);
    expect(code).toBe(0);
    expect(out).toMatch(
      /^ipv4 {5}2 tcp {6}6 \d+ TIME_WAIT src=198\.51\.100\.79 dst=10\.240\.0\.5 sport=(\d+) dport=31000 src=10\.180\.1\.136 dst=10\.240\.0\.5 sport=8080 dport=\d+ \[ASSURED\] mark=0 use=1\n$/,
    );
    expect((await natscope(["conntrack", "nodeport", "--node", "node2", "--at", "0"])).out).toBe("");
    expect((await natscope(["conntrack", "nodeport", "--node", "client"])).out).toBe("");
  });

  it("prints what changed during the run as conntrack -E -o timestamp,extended does, and counters as conntrack -S", async () => {
    const { code, out } = await natscope(["conntrack", "nodeport", "--node", "node2", "--events"]);
    expect(code).toBe(0);
    const lines = out.trimEnd().split("\n");
    expect(lines[0]).toMatch(
      /^\[1767225600\.\d{6}\]\t {4}\[NEW\] ipv4 {5}2 tcp {6}6 120 SYN_SENT src=198\.51\.100\.79 dst=10\.240\.0\.5 sport=\d+ dport=31000 \[UNREPLIED\] src=10\.180\.1\.136 dst=10\.240\.0\.5 sport=8080 dport=\d+$/,
    );
    expect(lines).toHaveLength(6);
    expect(lines.slice(1).every((line) => /\t \[UPDATE\] ipv4 {5}2 tcp /.test(line))).toBe(true);
    const [first] = JSON.parse((await natscope(["conntrack", "nodeport", "--node", "node2", "-E", "--json"])).out);
    expect(first).toMatchObject({ change: "NEW", text: expect.stringMatching(/^tcp {6}6 120 SYN_SENT /) });
    expect((await natscope(["conntrack", "nodeport", "--node", "node2", "-S"])).out).toBe(
      "cpu=0   \tfound=0 invalid=0 insert=0 insert_failed=0 drop=0 early_drop=0 error=0 search_restart=0 clash_resolve=0 chaintoolong=0 \n",
    );
  });

  it("gives them as JSON", async () => {
    const [entry, ...others] = JSON.parse((await natscope(["conntrack", "nodeport", "--node", "node2", "--json"])).out);
    expect(others).toEqual([]);
    expect(entry).toMatchObject({
      protocol: 6,
      state: "TIME_WAIT",
      original: { source: "198.51.100.79", destination: "10.240.0.5", destinationPort: 31000 },
      reply: { source: "10.180.1.136", sourcePort: 8080, destination: "10.240.0.5" },
      seenReply: true,
      assured: true,
      mark: 0,
    });
  });
});

describe("natscope kube-proxy", () => {
  const OBJECTS = `apiVersion: v1
kind: List
items:
  - apiVersion: v1
    kind: Service
    metadata: { name: web, namespace: default }
    spec:
      type: NodePort
      clusterIP: 10.0.0.10
      ports: [{ name: http, port: 80, targetPort: 8080, nodePort: 31000, protocol: TCP }]
  - apiVersion: discovery.k8s.io/v1
    kind: EndpointSlice
    metadata: { name: web-x, namespace: default, labels: { kubernetes.io/service-name: web } }
    addressType: IPv4
    endpoints: [{ addresses: [10.180.1.5], nodeName: n1, conditions: { ready: true } }]
    ports: [{ name: http, port: 8080, protocol: TCP }]
  - apiVersion: discovery.k8s.io/v1
    kind: EndpointSlice
    metadata: { name: web-6, namespace: default, labels: { kubernetes.io/service-name: web } }
    addressType: IPv6
    endpoints: []
`;
  const given = { readInput: () => new TextEncoder().encode(OBJECTS) };

  it("prints iptables rules for objects on standard input, and notes what it skips", async () => {
    const { code, out, err } = await natscope(
      ["kube-proxy", "-", "--node", "n1", "--cluster-cidr", "10.180.0.0/16"],
      given,
    );
    expect(code).toBe(0);
    expect(out).toContain(
      '-A KUBE-SEP-7JXZIFWGW27VEE6I -p tcp -m comment --comment "default/web:http" -m tcp -j DNAT --to-destination 10.180.1.5:8080\n',
    );
    expect(out).toContain("! -s 10.180.0.0/16 -d 10.0.0.10/32");
    expect(err).toBe(
      "note: standard input: EndpointSlice default/web-6: skipped: its addresses are IPv6, and these rules are for IPv4\n",
    );
  });

  it("reads several files, JSON too, the later object of a name before the earlier", async () => {
    await inDirectory(async (directory) => {
      const [yaml, json] = [join(directory, "a.yaml"), join(directory, "b.json")];
      writeFileSync(yaml, OBJECTS);
      const service = {
        apiVersion: "v1",
        kind: "Service",
        metadata: { name: "web" },
        spec: { clusterIP: "10.0.0.11", ports: [{ name: "http", port: 81 }] },
      };
      writeFileSync(json, JSON.stringify({ apiVersion: "v1", kind: "List", items: [service] }));
      const { out, err } = await natscope(["kube-proxy", yaml, json, "--node", "n1"]);
      expect(out).toContain("-d 10.0.0.11/32");
      expect(out).not.toContain("10.0.0.10/32");
      expect(err).toContain("note: objects: Service default/web: given more than once: the last one counts\n");
    });
  });

  it("reads what kubectl prints several times over, one document after another", async () => {
    const service = (name: string, clusterIP: string): string =>
      `${JSON.stringify({ apiVersion: "v1", kind: "Service", metadata: { name }, spec: { clusterIP, ports: [{ port: 80 }] } }, null, 4)}\n`;
    const text = service("one", "10.0.0.21") + service("two", "10.0.0.22");
    const { code, out } = await natscope(["kube-proxy", "-", "--node", "n1"], {
      readInput: () => new TextEncoder().encode(text),
    });
    expect(code).toBe(0);
    expect(out).toContain("-d 10.0.0.21/32");
    expect(out).toContain("-d 10.0.0.22/32");
  });

  it("refuses an empty input, as of a kubectl that failed", async () => {
    const { code, out, err } = await natscope(["kube-proxy", "-", "--node", "n1"]);
    expect({ code, out }).toEqual({ code: 2, out: "" });
    expect(err).toBe(
      "standard input: empty; expected objects, as kubectl get services,endpointslices,nodes -A -o json prints them\n",
    );
  });

  it("notes a node's name that no Node has", async () => {
    const nodes = ["a", "b"].map((name) => `apiVersion: v1\nkind: Node\nmetadata: { name: ${name} }\n`).join("---\n");
    const run = (name: string): Promise<{ code: number; err: string }> =>
      natscope(["kube-proxy", "-", "--node", name], { readInput: () => new TextEncoder().encode(nodes) });
    expect((await run("a")).err).toBe("");
    expect(await run("c")).toMatchObject({
      code: 0,
      err: "note: --node c: there is no Node of this name, so that nothing is known of it; there is a, b\n",
    });
  });

  it("drops in nftables mode what goes to unallocated addresses of the ServiceCIDRs", async () => {
    const range =
      'apiVersion: networking.k8s.io/v1\nkind: ServiceCIDR\nmetadata: { name: kubernetes }\nspec: { cidrs: ["10.0.0.0/16", "fd00::/108"] }\n';
    const { out, err } = await natscope(["kube-proxy", "-", "--node", "n1", "--mode", "nftables"], {
      readInput: () => new TextEncoder().encode(range),
    });
    expect(out).toContain('\t\tip daddr 10.0.0.0/16 drop comment "Drop traffic to unallocated ClusterIPs"\n');
    expect(err).toBe("");
  });

  it("refuses schedulers that IPVS does not have", async () => {
    const { err } = await natscope(["kube-proxy", "-", "--node", "n1", "--mode", "ipvs", "--ipvs-scheduler", "best"], {
      readInput: () => new TextEncoder().encode("apiVersion: v1\nkind: List\nitems: []\n"),
    });
    expect(err).toBe(
      'kube-proxy: --ipvs-scheduler: expected one of rr, wrr, lc, wlc, lblc, lblcr, sh, mh, dh, sed, nq, fo, ovf, twos, got "best"\n',
    );
  });

  it("takes kube-proxy's boolean flags with and without a value", async () => {
    const rules = async (...flags: string[]): Promise<string> =>
      (await natscope(["kube-proxy", "-", "--node", "n1", "--cluster-cidr", "10.180.0.0/16", ...flags], given)).out;
    const plain = await rules();
    expect(await rules("--masquerade-all=false")).toBe(plain);
    expect(await rules("--iptables-localhost-nodeports=true")).toBe(plain);
    expect(await rules("--masquerade-all")).not.toContain("! -s 10.180.0.0/16");
    expect(await rules("--masquerade-all=true")).toBe(await rules("--masquerade-all"));
    expect(await rules("--iptables-localhost-nodeports=false")).toContain("! -d 127.0.0.0/8");
    expect(await rules("--iptables-masquerade-bit", "15")).toContain("--set-xmark 0x8000/0x8000");
  });

  it("prints ipvsadm-save, ipset save and iptables-save text with --mode ipvs", async () => {
    const { out } = await natscope(
      ["kube-proxy", "-", "--node", "n1", "--node-ip", "10.240.0.4", "--mode", "ipvs"],
      given,
    );
    expect(
      out.startsWith("# ipvsadm-save -n\n-A -t 10.0.0.10:80 -s rr\n-a -t 10.0.0.10:80 -r 10.180.1.5:8080 -m -w 1\n"),
    ).toBe(true);
    expect(out).toContain("-A -t 10.240.0.4:31000 -s rr\n");
    expect(out).toContain("\n# ipset save\ncreate ");
    expect(out).toContain("\n# iptables-save\n*");
  });

  it("prints nft list ruleset text with --mode nftables", async () => {
    const { out } = await natscope(["kube-proxy", "-", "--node", "n1", "--mode", "nftables"], given);
    expect(out.startsWith('table ip kube-proxy {\n\tcomment "rules for kube-proxy"\n')).toBe(true);
  });

  it.each([
    [["-"], "error: required option '--node <name>' not specified\n(natscope --help lists the commands)\n"],
    [
      ["-", "--node", "n", "--cluster-cidr", "x"],
      'kube-proxy: --cluster-cidr: expected a range like 10.244.0.0/16, got "x"\n',
    ],
    [["-", "--node", "n", "--node-ip", "x"], "--node-ip x: expected an IPv4 address like 10.240.0.4\n"],
    [["nowhere.yaml", "--node", "n"], "nowhere.yaml: no such file or directory\n"],
  ])("refuses %j", async (args, err) => {
    const outcome = await natscope(["kube-proxy", ...args], given);
    expect(outcome).toMatchObject({ code: 2, out: "" });
    expect(outcome.err.endsWith(err)).toBe(true);
  });
});

describe("natscope", () => {
  it("prints its version and its help", async () => {
    expect(await natscope(["--version"])).toMatchObject({ code: 0, out: "0.1.0\n" });
    const { code, out } = await natscope(["--help"]);
    expect(code).toBe(0);
    expect(out).toContain("Commands:\n  scenarios");
  });

  it("refuses an unknown command with what was meant", async () => {
    expect(await natscope(["scenario"])).toMatchObject({
      code: 2,
      out: "",
      err: "error: unknown command 'scenario'\n(Did you mean scenarios?)\n(natscope --help lists the commands)\n",
    });
  });

  it("tells a fault of its own from a mistake, without a stack trace", async () => {
    const out = (): void => {
      throw new TypeError("x is not a function");
    };
    expect(await natscope(["scenarios"], { out })).toMatchObject({
      code: 2,
      err: "natscope has a fault: x is not a function\nPlease report it, with what NATSCOPE_DEBUG=1 prints.\n",
    });
  });
});
