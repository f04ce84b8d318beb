import type { Rule, Target } from "../nat/index.ts";
import type { Ipv4Address } from "./address.ts";
import {
  addressType,
  append,
  comment,
  jump,
  protocol,
  type RulePart,
  type RuleSheet,
  rule,
  toAddress,
} from "./rule-sheet.ts";
import { IPTABLES_CHAINS, internalPolicyChain, noEndpointVerdict, type ServicePlan } from "./service-plan.ts";

/*
 * The rules that catch a service port's traffic by the address and port it is sent to: in nat they jump to the service's chains, in
 * filter they refuse what has no endpoint to go to.
 */

const NAT_SERVICES = { table: "nat", chain: "KUBE-SERVICES" } as const;
const NAT_NODE_PORTS = { table: "nat", chain: "KUBE-NODEPORTS" } as const;
const FILTER_SERVICES = { table: "filter", chain: "KUBE-SERVICES" } as const;
const FILTER_EXTERNAL = { table: "filter", chain: "KUBE-EXTERNAL-SERVICES" } as const;
const FILTER_NODE_PORTS = { table: "filter", chain: "KUBE-NODEPORTS" } as const;
const FIREWALL = { table: "filter", chain: "KUBE-PROXY-FIREWALL" } as const;

/** All entry rules of one service port, in kube-proxy's order. */
export function writeEntryRules(sheet: RuleSheet, plan: ServicePlan): void {
  writeClusterIp(sheet, plan);
  writeExternalIps(sheet, plan);
  writeLoadBalancerVips(sheet, plan);
  writeNodePort(sheet, plan);
  writeHealthCheckPort(sheet, plan);
}

function writeClusterIp(sheet: RuleSheet, plan: ServicePlan): void {
  const { port } = plan;
  if (plan.hasInternal) {
    const parts = [comment(`${port.name} cluster IP`), ...toServicePort(plan, port.clusterIp)];
    append(sheet, NAT_SERVICES, rule(parts, jump(internalPolicyChain(port, IPTABLES_CHAINS))));
  } else {
    append(sheet, FILTER_SERVICES, refusal(plan, toServicePort(plan, port.clusterIp)));
  }
}

/** Under the policy Local both rules may stand: pods are let through by the first, outsiders reach the second. */
function writeExternalIps(sheet: RuleSheet, plan: ServicePlan): void {
  const { port } = plan;
  for (const ip of port.externalIps) {
    const parts = toServicePort(plan, ip);
    if (plan.endpoints.hasAny)
      append(
        sheet,
        NAT_SERVICES,
        rule([comment(`${port.name} external IP`), ...parts], jump(IPTABLES_CHAINS.external(port))),
      );
    if (!plan.hasExternal) append(sheet, FILTER_EXTERNAL, refusal(plan, parts));
  }
}

function writeLoadBalancerVips(sheet: RuleSheet, plan: ServicePlan): void {
  const { port } = plan;
  const chain = plan.usesFirewallChain ? IPTABLES_CHAINS.firewall(port) : IPTABLES_CHAINS.external(port);
  for (const vip of port.loadBalancerVips) {
    const parts = toServicePort(plan, vip);
    if (plan.endpoints.hasAny)
      append(sheet, NAT_SERVICES, rule([comment(`${port.name} loadbalancer IP`), ...parts], jump(chain)));
    // Whoever the source ranges did not let through still has the VIP as destination here, and nobody else has.
    if (plan.usesFirewallChain) {
      const reason = comment(`${port.name} traffic not accepted by ${chain}`);
      append(sheet, FIREWALL, rule([reason, ...parts], { kind: "drop" }));
    }
    if (!plan.hasExternal) append(sheet, FILTER_EXTERNAL, refusal(plan, parts));
  }
}

/** NodePorts are not subject to source ranges. */
function writeNodePort(sheet: RuleSheet, plan: ServicePlan): void {
  const { port } = plan;
  if (port.nodePort === 0) return;
  const toNodePort = protocol(port.protocol, port.nodePort);
  if (plan.endpoints.hasAny)
    append(sheet, NAT_NODE_PORTS, rule([comment(port.name), toNodePort], jump(IPTABLES_CHAINS.external(port))));
  if (!plan.hasExternal)
    append(sheet, FILTER_EXTERNAL, refusal(plan, [addressType("destination", "LOCAL"), toNodePort]));
}

/** Opened on every node, with endpoints or without: the load balancer wants to hear either answer. */
function writeHealthCheckPort(sheet: RuleSheet, { port }: ServicePlan): void {
  if (port.healthCheckNodePort === 0) return;
  const parts = [comment(`${port.name} health check node port`), protocol("TCP", port.healthCheckNodePort)];
  append(sheet, FILTER_NODE_PORTS, rule(parts, { kind: "accept" }));
}

function toServicePort({ port }: ServicePlan, ip: Ipv4Address): readonly RulePart[] {
  return [protocol(port.protocol, port.port), toAddress(ip)];
}

function refusal(plan: ServicePlan, parts: readonly RulePart[]): Rule {
  const { verdict, reason } = noEndpointVerdict(plan);
  const target: Target = verdict === "drop" ? { kind: "drop" } : { kind: "reject", with: "icmp-port-unreachable" };
  return rule([comment(reason), ...parts], target);
}
