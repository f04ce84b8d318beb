import { writeEntryRules } from "./iptables-entry.ts";
import { writeFirewallChain, writeServiceChains } from "./iptables-service-chains.ts";
import { writeCanaries, writeForwarding, writeHooks, writeMasquerading, writeNodePortTail } from "./iptables-static.ts";
import { selectedNodePortAddresses } from "./proxy-config.ts";
import type { RuleStyle } from "./rule-style.ts";
import { IPTABLES_CHAINS, type ServicePlan } from "./service-plan.ts";

/** How kube-proxy writes in iptables mode. */
export const IPTABLES_STYLE: RuleStyle = {
  writer: {
    chains: IPTABLES_CHAINS,
    writeEntries: writeEntryRules,
    ownTables: ["nat"],
    writeOwn: (sheet, plan, options) => {
      writeServiceChains(sheet, plan, options);
      writeFirewallChain(sheet, plan, options);
    },
    namesIn: (table, plan) => (table === "nat" ? namesOf(plan) : []),
  },
  writeHead: (sheet, config) => {
    writeCanaries(sheet, config);
    writeHooks(sheet, config);
    writeMasquerading(sheet, config);
  },
  writeTail: (sheet, config) => {
    writeNodePortTail(sheet, config);
    writeForwarding(sheet, config);
  },
  nodeKey: (config) => (config.nodePortAddresses.kind === "all" ? "" : selectedNodePortAddresses(config).join()),
  largeCluster: 1000,
};

function namesOf({
  port,
  usesClusterChain,
  usesLocalChain,
  usesExternalChain,
  usesFirewallChain,
}: ServicePlan): string[] {
  return [
    ...(usesClusterChain ? [IPTABLES_CHAINS.cluster(port)] : []),
    ...(usesLocalChain ? [IPTABLES_CHAINS.local(port)] : []),
    ...(usesExternalChain ? [IPTABLES_CHAINS.external(port)] : []),
    ...(usesFirewallChain ? [IPTABLES_CHAINS.firewall(port)] : []),
  ];
}
