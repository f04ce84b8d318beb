import { describe, test } from "vitest";
import { nftablesEquivalentRules } from "../../src/kube/index.ts";
import { ANYWHERE, BOTH, expectFlow, type Group, LOCAL, NONE, rowsOf, THERE } from "./flow-table.ts";

/** Where nftables mode does as iptables mode does, and where it does not. */
const GROUPS: readonly Group[] = [
  {
    title: "policies Cluster: as in iptables mode",
    parts: ANYWHERE,
    endpoints: BOTH,
    rows: `
      pod > cluster-ip | here there | -
      endpoint > cluster-ip | here there | here
      node > cluster-ip | here there | here there
      outside > cluster-ip | here there | here there
      pod > node-port | here there | here there
      node > node-port | here there | here there
      outside > node-port | here there | here there
      outside > vip | here there | here there
      pod > vip | here there | here there
      outside > external-ip | here there | here there
      node > external-ip | here there | here there
    `,
  },
  {
    title: "policies Cluster: unlike iptables mode",
    parts: ANYWHERE,
    endpoints: BOTH,
    rows: `
      pod > cluster-ip:81 | reject | -
      node > cluster-ip:81 | reject | -
      localhost > localhost:node-port | untouched | -
      outside > bridge:node-port | untouched | -
    `,
  },
  {
    title: "nodePorts on all addresses",
    parts: ANYWHERE,
    endpoints: BOTH,
    flags: { nodePortAddresses: ["0.0.0.0/0"] },
    rows: `
      outside > bridge:node-port | here there | here there
      localhost > localhost:node-port | untouched | -
    `,
  },
  {
    title: "nodePorts on some addresses",
    parts: ANYWHERE,
    endpoints: NONE,
    flags: { nodePortAddresses: ["10.240.0.0/16", "127.0.0.0/8"] },
    rows: `
      outside > node-port | reject | -
      outside > bridge:node-port | untouched | -
      localhost > localhost:node-port | untouched | -
    `,
  },
  {
    title: "no endpoints",
    parts: ANYWHERE,
    endpoints: NONE,
    rows: `
      pod > cluster-ip | reject | -
      outside > node-port | reject | -
      node > node-port | reject | -
      outside > vip | reject | -
      node > vip | reject | -
      node > external-ip | reject | -
    `,
  },
  {
    title: "external policy Local: as in iptables mode",
    parts: LOCAL,
    endpoints: BOTH,
    rows: `
      outside > node-port | here | -
      outside > vip | here | -
      pod > node-port | here there | -
      pod-elsewhere > vip | here there | -
      endpoint > vip | here there | here
      node > node-port | here there | here there
      node > vip | here there | here there
    `,
  },
  {
    title: "external policy Local, the only endpoint elsewhere",
    parts: LOCAL,
    endpoints: THERE,
    rows: `
      outside > node-port | drop | -
      outside > vip | drop | -
      pod > node-port | there | -
      pod > vip | there | -
      node > node-port | there | there
      node > vip | drop | -
    `,
  },
  {
    title: "internal policy Local",
    parts: { ...ANYWHERE, internalTrafficPolicy: "Local" },
    endpoints: BOTH,
    rows: `
      pod > cluster-ip | here | -
      outside > node-port | here there | here there
    `,
  },
  {
    title: "internal policy Local, the only endpoint elsewhere",
    parts: { internalTrafficPolicy: "Local" },
    endpoints: THERE,
    rows: `
      pod > cluster-ip | drop | -
      node > cluster-ip | drop | -
    `,
  },
  {
    title: "source ranges, which are asked before anything else",
    parts: { ...ANYWHERE, loadBalancerSourceRanges: ["203.0.113.0/28"] },
    endpoints: NONE,
    rows: `
      outside > vip | drop | -
      outside > node-port | reject | -
    `,
  },
  {
    title: "source ranges that cover the client and the node",
    parts: { ...ANYWHERE, loadBalancerSourceRanges: ["198.51.100.0/24", "10.240.0.0/16"] },
    endpoints: BOTH,
    ownsVips: true,
    rows: `
      outside > vip | here there | here there
      node > vip | here there | here there
      node-as-vip > vip | here there | here there
      pod > vip | drop | -
    `,
  },
  {
    title: "a Service range that is known",
    parts: { clusterIP: "10.0.0.99" },
    endpoints: BOTH,
    flags: { serviceCidrs: ["10.0.0.0/16"] },
    rows: `
      pod > cluster-ip | drop | -
      node > cluster-ip | drop | -
    `,
  },
  {
    title: "a Service range that is not known",
    parts: { clusterIP: "10.0.0.99" },
    endpoints: BOTH,
    rows: `
      pod > cluster-ip | untouched | -
    `,
  },
  {
    title: "masqueradeAll",
    parts: ANYWHERE,
    endpoints: BOTH,
    flags: { masqueradeAll: true },
    rows: `
      pod > cluster-ip | here there | here there
    `,
  },
];

describe("nftables mode on node1", () => {
  test.each(rowsOf(GROUPS))("%s", (_name, group, row) => {
    expectFlow(nftablesEquivalentRules, group, row);
  });
});
