import { address } from "../../src/kube/address.ts";
import type { EndpointSlice, KubeProxyFlags, ProxyNode, Service } from "../../src/kube/index.ts";
import { iptablesRules, kubeProxyConfig } from "../../src/kube/index.ts";
import { formatRuleset } from "../../src/nat/index.ts";

/** What stands in a node's rules, as `iptables-save` prints them. */
export interface RulesInput {
  readonly services: readonly Service[];
  readonly slices: readonly EndpointSlice[];
  readonly flags?: KubeProxyFlags;
  readonly node?: Partial<ProxyNode>;
}

/** All rules of node1 (10.240.0.4), whose cluster's pods are in 10.180.0.0/16. */
export function allRules({ services, slices, flags, node }: RulesInput): string {
  const { config, problems } = kubeProxyConfig(
    { name: "node1", addresses: [address("10.240.0.4")], ...node },
    { clusterCidr: "10.180.0.0/16", ...flags },
  );
  if (problems.length > 0) throw new Error(problems.join("\n"));
  return formatRuleset(iptablesRules({ services, endpointSlices: slices, config }));
}

/** The rules that these Services add to those of an empty cluster, under the names of their tables. */
export function addedRules(input: RulesInput): string {
  const common = new Set(rulesOf(allRules({ ...input, services: [], slices: [] })).map(describe));
  const added = rulesOf(allRules(input)).filter((rule) => !common.has(describe(rule)));
  return ["mangle", "filter", "nat"]
    .map((table) => added.filter((rule) => rule.table === table).map((rule) => `${rule.text}\n`))
    .flatMap((rules, index) => (rules.length === 0 ? [] : [`*${["mangle", "filter", "nat"][index]}\n`, ...rules]))
    .join("")
    .trimEnd();
}

interface TableRule {
  readonly table: string;
  readonly text: string;
}

function rulesOf(text: string): readonly TableRule[] {
  let table = "";
  const rules: TableRule[] = [];
  for (const line of text.split("\n")) {
    if (line.startsWith("*")) table = line.slice(1);
    if (line.startsWith("-A")) rules.push({ table, text: line });
  }
  return rules;
}

function describe(rule: TableRule): string {
  return `${rule.table} ${rule.text}`;
}
