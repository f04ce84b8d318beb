import type { Ruleset } from "../nat/index.ts";
import { formatCidr, formatIpv4 } from "../netstack/index.ts";
import type { ClusterForm, NodeForm } from "./file-form.ts";
import type { ProblemList } from "./locator.ts";
import { readRules } from "./read-rules.ts";
import type { Path } from "./yaml-source.ts";

type Rules = NonNullable<ClusterForm["nodeRules"]>;

const NONE = {};

/**
 * A cluster's `nodeRules` as each node loads them: `$NODE_ADDRESS` and `$POD_CIDR` stand for the node's own. Rules that name neither are read once, and are the same
 * Ruleset on all nodes.
 */
export function readNodeRules(
  { nodeRules, nodes }: ClusterForm,
  path: Path,
  problems: ProblemList,
): (node: NodeForm) => { readonly rules?: Ruleset } {
  const [first] = nodes;
  if (nodeRules === undefined || first === undefined) return () => NONE;
  const own = readRules(forNode(nodeRules, first), path, problems);
  // What is wrong on one node is wrong on all.
  if (own === undefined) return () => NONE;
  if (!/\$(NODE_ADDRESS|POD_CIDR)/.test(JSON.stringify(nodeRules))) return () => ({ rules: own });
  return (node) => {
    const rules = readRules(forNode(nodeRules, node), path, problems);
    return rules === undefined ? NONE : { rules };
  };
}

function forNode(rules: Rules, node: NodeForm): Rules {
  const fill = (text: string): string =>
    text
      .replaceAll("$NODE_ADDRESS", formatIpv4(node.address.address))
      .replaceAll("$POD_CIDR", formatCidr(node.podCIDR));
  if (typeof rules === "string") return fill(rules);
  const chains = Object.entries(rules).map(([table, own]) => {
    const filled = Object.entries(own).map(([chain, lines]) => [chain, lines.map(fill)] as const);
    return [table, Object.fromEntries(filled)] as const;
  });
  return Object.fromEntries(chains);
}
