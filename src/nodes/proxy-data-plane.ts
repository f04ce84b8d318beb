import {
  formatNftTable,
  iptablesRules,
  type KubeProxyConfig,
  nftablesEquivalentRules,
  nftablesRules,
  type ProxyInput,
} from "../kube/index.ts";
import type { Host } from "./host.ts";
import { IpvsDataPlane } from "./ipvs-data-plane.ts";
import { UserspaceDataPlane } from "./userspace-data-plane.ts";

/** What carries kube-proxy's decisions out on its node. */
export interface ProxyDataPlane {
  /** Makes the node do what these objects ask for, in place of what it did before. */
  sync(input: ProxyInput): void;
}

/** The data plane of kube-proxy's mode. */
export function proxyDataPlane(host: Host, { mode }: KubeProxyConfig): ProxyDataPlane {
  switch (mode) {
    case "iptables":
      return { sync: (input) => void host.setRules(iptablesRules(input)) };
    case "nftables":
      return { sync: (input) => syncNftables(host, input) };
    case "ipvs":
      return new IpvsDataPlane(host);
    case "userspace":
      return new UserspaceDataPlane(host);
  }
}

/** Netfilter here runs rules of the iptables kind: packets meet rules that do the same, people are shown nftables' own. */
function syncNftables(host: Host, input: ProxyInput): void {
  host.setRules(nftablesEquivalentRules(input));
  host.formatRules = () => formatNftTable(nftablesRules(input));
}
