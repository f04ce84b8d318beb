import { describe, expect, test } from "vitest";
import { address } from "../../src/kube/address.ts";
import { type KubeProxyFlags, kubeProxyConfig, primaryAddress } from "../../src/kube/index.ts";
import { node } from "./cluster-objects.ts";

describe("kubeProxyConfig()", () => {
  test("has kube-proxy's defaults", () => {
    expect(kubeProxyConfig({ name: "node1" })).toEqual({
      problems: [],
      config: {
        mode: "iptables",
        nodeName: "node1",
        node: undefined,
        nodeAddresses: [],
        detector: undefined,
        masqueradeAll: false,
        masqueradeMark: 0x4000,
        nodePortAddresses: { kind: "all" },
        nodePortAddressesGiven: false,
        localhostNodePorts: true,
        tcpBeLiberal: false,
        kubeletChains: false,
        ipvsScheduler: "rr",
        ipvsAccessFilter: true,
        conntrackCleanup: true,
        serviceCidrs: [],
      },
    });
  });

  test("takes a node's addresses from its object, the internal one first, unless others are given", () => {
    const object = {
      ...node("node1"),
      status: {
        addresses: [
          { type: "ExternalIP", address: "203.0.113.4" },
          { type: "Hostname", address: "node1" },
          { type: "InternalIP", address: "10.240.0.4" },
        ],
      },
    };
    expect(kubeProxyConfig({ name: "node1", object }).config.nodeAddresses).toEqual(
      ["10.240.0.4", "203.0.113.4"].map(address),
    );
    const given = kubeProxyConfig({ name: "node1", object, addresses: [address("192.0.2.1")] }).config;
    expect(primaryAddress(given)).toBe(address("192.0.2.1"));
  });

  test("takes 127.0.0.1 for a node of which nothing is known", () => {
    expect(primaryAddress(kubeProxyConfig({ name: "node1" }).config)).toBe(address("127.0.0.1"));
  });

  test.each<[string, KubeProxyFlags, unknown]>([
    [
      "a cluster range",
      { clusterCidr: "10.244.0.0/16" },
      { kind: "source", range: { network: address("10.244.0.0"), prefixLength: 16 } },
    ],
    [
      "the IPv4 one of two cluster ranges",
      { clusterCidr: "fd00::/48,10.244.0.0/16" },
      { kind: "source", range: { network: address("10.244.0.0"), prefixLength: 16 } },
    ],
    ["nothing from a cluster range of the other family", { clusterCidr: "fd00::/48" }, undefined],
    [
      "the node's own range",
      { detectLocalMode: "NodeCIDR" },
      { kind: "source", range: { network: address("10.244.1.0"), prefixLength: 24 } },
    ],
    [
      "a bridge",
      { detectLocalMode: "BridgeInterface", podBridgeInterface: "cni0" },
      { kind: "interface", name: "cni0" },
    ],
    [
      "a prefix of names",
      { detectLocalMode: "InterfaceNamePrefix", podInterfaceNamePrefix: "veth" },
      { kind: "interface", name: "veth+" },
    ],
  ])("tells pods by %s", (_name, flags, detector) => {
    const object = node("node1", { podCidr: "10.244.1.0/24" });
    expect(kubeProxyConfig({ name: "node1", object }, flags)).toMatchObject({ problems: [], config: { detector } });
  });

  test.each<[KubeProxyFlags, string]>([
    [{ clusterCidr: "10.244.0.0" }, '--cluster-cidr: expected a range like 10.244.0.0/16, got "10.244.0.0"'],
    [{ clusterCidr: "ten/8" }, '--cluster-cidr: expected a range like 10.244.0.0/16, got "ten/8"'],
    [{ nodePortAddresses: ["10.0.0.1"] }, '--nodeport-addresses: expected a range like 10.0.0.0/8, got "10.0.0.1"'],
    [
      { nodePortAddresses: ["primary", "10.0.0.0/8"] },
      '--nodeport-addresses: expected either "primary" or ranges, got both',
    ],
    [{ masqueradeBit: 32 }, "--iptables-masquerade-bit: expected a number from 0 to 31, got 32"],
    [
      { detectLocalMode: "BridgeInterface" },
      "--pod-bridge-interface: expected a bridge's name, as --detect-local-mode is BridgeInterface",
    ],
    [
      { detectLocalMode: "InterfaceNamePrefix" },
      "--pod-interface-name-prefix: expected a prefix, as --detect-local-mode is InterfaceNamePrefix",
    ],
    [{ serviceCidrs: ["x"] }, 'ServiceCIDR: expected a range like 10.96.0.0/12, got "x"'],
  ])("%j: %s", (flags, problem) => {
    expect(kubeProxyConfig({ name: "node1" }, flags).problems).toEqual([problem]);
  });
});
