import { describe, expect, it } from "vitest";
import { address } from "../../src/netstack/index.ts";
import { seconds } from "../../src/sim/index.ts";
import { load, refusal, sampleWith } from "./sample-scenario.ts";

/** The sample with a router `lb` and this in its cluster. */
function withLoadBalancer(text: string): string {
  const cluster = sampleWith("  pins:\n", `  loadBalancer: ${text}\n  pins:\n`);
  return withRouter(cluster, "");
}

function withRouter(sample: string, more: string): string {
  const router = `  lb:\n    interfaces: { eth0: { network: inside, addresses: [10.240.0.9/24, 203.0.113.141/32] } }\n${more}`;
  return sample.replace("cluster:\n", `${router}cluster:\n`);
}

const PASSTHROUGH = "{ kind: passthrough, host: lb, addresses: [203.0.113.140] }";

describe("cluster.loadBalancer", () => {
  it("gets what the file leaves out", () => {
    expect(load(withLoadBalancer(PASSTHROUGH)).clusters[0]?.loadBalancer).toEqual({
      kind: "passthrough",
      host: "lb",
      addresses: [address("203.0.113.140")],
      method: { kind: "hash", key: "five-tuple" },
      delivery: "route",
      header: "none",
      headers: {},
      ipMode: "VIP",
      whenAllUnhealthy: "none",
      nodeCheck: "kube-proxy",
      timing: { interval: seconds(2), timeout: seconds(1), healthyThreshold: 1, unhealthyThreshold: 5 },
    });
    expect(load(withLoadBalancer("{ kind: layer2, addresses: [] }")).clusters[0]?.loadBalancer).toEqual({
      kind: "layer2",
      addresses: [],
      leader: "endpoint-node",
    });
  });

  it.each([
    ["{ kind: passthrough, host: ld, addresses: [] }", 'there is no host or router "ld"; did you mean "lb"?'],
    ["{ kind: passthrough, host: client, addresses: [] }", "client forwards no packets; expected one of the routers"],
    ["{ kind: passthrough, host: edge, addresses: [] }", "edge has rules or a balancer of its own"],
    ["{ kind: passthrough, host: lb, addresses: [], header: forwarded }", "expected kind proxy with it"],
    ["{ kind: proxy, host: lb, addresses: [203.0.113.140] }", "203.0.113.140 is no address of lb"],
    ["{ kind: proxy, host: lb, addresses: [], delivery: dnat }", "expected kind passthrough with it"],
    ["{ kind: proxy, host: lb, addresses: [], healthCheck: { timeout: 3s } }", "at most the interval"],
    ["{ kind: proxy, host: lb, addresses: [], healthCheck: { from: 10.0.0.1 } }", "10.0.0.1 is no address of lb"],
    ["{ kind: proxi, host: lb, addresses: [] }", 'passthrough, proxy or layer2, addresses: […], … }, got "proxi"'],
    ["{ kind: layer2, addresses: [], host: lb }", 'unknown key "host"'],
    ["{ kind: proxy, host: lb, addresses: [], domain: a_b }", "a DNS name like lb.example.com"],
  ])("refuses %s", (text, message) => {
    expect(refusal(withLoadBalancer(text))).toContain(message);
  });

  it.each([
    ["{ first: gamma }", 'there is no node "gamma"'],
    ["{ address: 203.0.113.1 }", "expected one of the loadBalancer's addresses"],
    ["{ hostname: a.example.com }", "expected a domain in the loadBalancer"],
  ])("refuses the pin %s", (pin, message) => {
    const text = withLoadBalancer(PASSTHROUGH).replace("  pins:\n", `  pins:\n    loadBalancers: { web: ${pin} }\n`);
    expect(refusal(text)).toContain(message);
  });

  it("refuses a machine that serves already", () => {
    const text = withLoadBalancer("{ kind: proxy, host: server, addresses: [10.240.0.80] }");
    expect(refusal(text)).toContain("server serves already; expected a machine for the proxy alone");
  });

  it("refuses pins for a balancer that is not there", () => {
    const text = sampleWith("  pins:\n", "  pins:\n    loadBalancers: { web: { first: alpha } }\n");
    expect(refusal(text)).toContain("the cluster has no loadBalancer");
  });
});

describe("a machine's balancer", () => {
  const frontend = (more: string): string =>
    `{ name: web, address: 203.0.113.141, port: 80, backends: [server], ${more} }`;
  const balancer = (kind: string, more = ""): string =>
    withRouter(sampleWith("", ""), `    balancer: { kind: ${kind}, frontends: [${frontend(more)}] }\n`);

  it("is read", () => {
    const machine = load(balancer("passthrough", "delivery: dnat")).machines.find(({ name }) => name === "lb");
    expect(machine?.balancer).toEqual({
      settings: {
        kind: "passthrough",
        method: { kind: "hash", key: "five-tuple" },
        delivery: "route",
        header: "none",
        whenAllUnhealthy: "none",
      },
      frontends: [
        {
          name: "web",
          address: address("203.0.113.141"),
          port: 80,
          protocol: "tcp",
          delivery: "dnat",
          backends: ["server"],
        },
      ],
    });
  });

  it.each([
    ["passthrough", "header: proxy-v1", "packets are forwarded as they are"],
    ["proxy", "delivery: ipip", "a proxy opens connections of its own"],
    ["proxy", "protocol: udp", "a proxy carries TCP"],
    ["proxy", "first: client", "expected one of the backends"],
  ])("of kind %s refuses %s", (kind, more, message) => {
    expect(refusal(balancer(kind, more))).toContain(message);
  });

  it("refuses backends that are not there, and a host that forwards nothing", () => {
    expect(refusal(balancer("proxy").replace("[server]", "[serve]"))).toContain(
      'there is no host or router "serve"; did you mean "server"?',
    );
    const onHost = sampleWith("    servers:", "    balancer: { kind: passthrough, frontends: [] }\n    servers:");
    expect(refusal(onHost)).toContain("a host forwards no packets; expected a router");
  });
});
