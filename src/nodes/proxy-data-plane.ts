import {
  formatNftTable,
  IPTABLES_STYLE,
  type KubeProxyConfig,
  NFT_EQUIVALENT_STYLE,
  nftablesRules,
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
