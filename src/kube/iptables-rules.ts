import type { Ruleset } from "../nat/index.ts";
import { collectEndpoints, localityOf } from "./endpoints.ts";
import { writeEntryRules } from "./iptables-entry.ts";
import { type ChainOptions, writeFirewallChain, writeServiceChains } from "./iptables-service-chains.ts";
import { writeCanaries, writeForwarding, writeHooks, writeMasquerading, writeNodePortTail } from "./iptables-static.ts";
import type { ProxyInput } from "./proxy-input.ts";
import { finishSheet, newRuleSheet } from "./rule-sheet.ts";
import { IPTABLES_CHAINS, planService } from "./service-plan.ts";
import { servicePortKey, servicePorts } from "./service-ports.ts";

/** With more endpoints than this, kube-proxy saves the comments in front of each (largeClusterEndpointsThreshold). */
const LARGE_CLUSTER_ENDPOINTS = 1000;

/**
 * The rules that kube-proxy in iptables mode would have written on its node, on an otherwise empty machine: those of
 * Kubernetes 1.34 (pkg/proxy/iptables/proxier.go), without the nfacct counters that most machines lack. Service ports come in
 * alphabetical order, where kube-proxy's own is that of a Go map.
 */
export function iptablesRules({ services, endpointSlices, config }: ProxyInput): Ruleset {
  const sheet = newRuleSheet();
  writeCanaries(sheet, config);
  writeHooks(sheet, config);
  writeMasquerading(sheet, config);
  const ports = servicePorts(services);
  const endpoints = collectEndpoints(endpointSlices, config.nodeName);
  const endpointCount = ports.reduce((sum, port) => sum + (endpoints.get(servicePortKey(port))?.length ?? 0), 0);
  const comments = endpointCount > LARGE_CLUSTER_ENDPOINTS ? "few" : "all";
  const options: ChainOptions = { config, names: IPTABLES_CHAINS, comments };
  const locality = localityOf(config.nodeName, config.node);
  for (const port of ports) {
    const plan = planService(port, endpoints, locality);
    writeEntryRules(sheet, plan);
    writeServiceChains(sheet, plan, options);
    writeFirewallChain(sheet, plan, options);
  }
  writeNodePortTail(sheet, config);
  writeForwarding(sheet, config);
  return finishSheet(sheet);
}
