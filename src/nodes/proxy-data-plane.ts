import {
  formatNftTable,
  IPTABLES_STYLE,
  type KubeProxyConfig,
  NFT_EQUIVALENT_STYLE,
  nftablesRules,
  type ProxyMode,
  type Rulebook,
} from "../kube/index.ts";
import type { Ruleset } from "../nat/index.ts";
import type { Host } from "./host.ts";
import { IpvsDataPlane } from "./ipvs-data-plane.ts";
import type { SharedProxy } from "./shared-proxy.ts";
import { UserspaceDataPlane } from "./userspace-data-plane.ts";

/** What carries kube-proxy's decisions out on its node. */
export interface ProxyDataPlane {
  /** Makes the node do what the objects now ask for, in place of what it did before. */
  sync(): void;
}

/**
 * How many service ports all nodes together may have where each keeps its own: in ipvs mode addresses, sets and virtual servers, some 3 KB a service port and
 * node, in userspace mode listening programs, some 8 KB. Rulebooks are shared and know no such limit.
 */
const MOST_KEPT: Readonly<Record<ProxyMode, number>> = {
  iptables: Number.POSITIVE_INFINITY,
  nftables: Number.POSITIVE_INFINITY,
  ipvs: 1_000_000,
  userspace: 400_000,
};

/** What is wrong with a cluster of this size in this mode; `undefined` when nothing is. */
export function sizeProblem(
  mode: ProxyMode,
  size: { readonly nodes: number; readonly ports: number },
): string | undefined {
  const most = MOST_KEPT[mode];
  if (size.nodes * size.ports <= most) return undefined;
  return `${size.nodes} nodes with ${size.ports} service ports are too many for ${mode} mode, in which each node keeps its own: nodes times ports may be ${most} at most; iptables and nftables mode have no such limit`;
}

/** The data plane of kube-proxy's mode. Where it is rules alone, they are made when the node first needs them. */
export function proxyDataPlane(host: Host, config: KubeProxyConfig, shared: SharedProxy): ProxyDataPlane {
  switch (config.mode) {
    case "iptables":
      return followRulebook(host, config, shared.rulebook(config, IPTABLES_STYLE));
    case "nftables": {
      host.formatRules = () => formatNftTable(nftablesRules(shared.objects.input(config)));
      // Netfilter here runs rules of the iptables kind: packets meet rules that do the same, people are shown nftables' own.
      return followRulebook(host, config, shared.rulebook(config, NFT_EQUIVALENT_STYLE));
    }
    case "ipvs": {
      const ipvs = new IpvsDataPlane(host);
      return { sync: () => ipvs.sync(shared.objects.input(config)) };
    }
    case "userspace": {
      const userspace = new UserspaceDataPlane(host);
      return { sync: () => userspace.sync(shared.objects.input(config)) };
    }
  }
}

/** Where the data plane is rules alone. */
function followRulebook(host: Host, config: KubeProxyConfig, book: Rulebook): ProxyDataPlane {
  const rules = (): Ruleset => book.rulesFor(config);
  return { sync: () => host.setRulesLater(rules) };
}
