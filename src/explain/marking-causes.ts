import type { RuleReference } from "../netstack/index.ts";
import { asSentence, fits, type NamedService, namedService, type Reason, type RulePattern } from "./cause.ts";
import { commentOf } from "./rule-text.ts";

/*
 * Why kube-proxy marks a packet for MASQUERADE: a row for each kind of rule that jumps to KUBE-MARK-MASQ. The same rules, when they do not match, say
 * why a client keeps its address.
 */

interface MarkingCause {
  readonly id: string;
  readonly rule: RulePattern;
  readonly reason: (service: NamedService, rule: RuleReference) => Reason;
  /** Why it did not match, for a sender whose address stayed; a row without one says nothing. */
  readonly spared?: (service: NamedService, rule: RuleReference) => Reason;
}

const MARKING_CAUSES: readonly MarkingCause[] = [
  {
    id: "external-policy-cluster",
    rule: { chain: /^(?:KUBE-EXT-|external-)/, comment: /^masquerade traffic for / },
    reason: (service) => ({
      because: `${service.said} has externalTrafficPolicy: Cluster, so a packet from outside may go to an endpoint on any node. The answer has to come back through this node to be translated back, so the endpoint must see this node as the sender.`,
      unless: [
        `${service.said} had externalTrafficPolicy: Local. Then nodes send only to endpoints of their own and keep the client's address; nodes without one drop the packet. Try: kubectl patch svc ${service.kubectl} -p '{"spec":{"externalTrafficPolicy":"Local"}}'`,
      ],
    }),
  },
  {
    id: "external-from-node",
    rule: { chain: /^(?:KUBE-EXT-|external-)/, comment: /^masquerade LOCAL traffic for / },
    reason: (service) => ({
      because: `The node itself asked for ${service.said} from outside. Under externalTrafficPolicy: Local it is treated as if it had gone out and come back in: it may use endpoints of any node.`,
      unless: ["the packet came from another machine"],
    }),
  },
  {
    id: "hairpin",
    rule: { chain: /^(?:KUBE-SEP-|endpoint-)/ },
    reason: (service) => ({
      because: `The Pod asked ${service.said} and was chosen as the endpoint itself. With its own address as the sender it would answer itself directly, and the answer would not be translated back.`,
      unless: ["another endpoint had been chosen"],
    }),
  },
  {
    id: "cluster-address",
    rule: { chain: /^(?:KUBE-SV[CL]-|service-|local-)/ },
    reason: (service, rule) => clusterIpReason(service, rule),
    spared: (service, rule) => sparedPod(service, rule),
  },
  {
    id: "ipvs-cluster-address",
    rule: { chain: /^KUBE-SERVICES$/, text: /--match-set KUBE-CLUSTER-IP / },
    reason: (service, rule) => clusterIpReason(service, rule),
    spared: (service, rule) => sparedPod(service, rule),
  },
  {
    id: "ipvs-from-outside",
    rule: { text: /--match-set KUBE-/ },
    reason: (service, rule) => policyClusterReason(service, rule),
  },
  {
    id: "ipvs-from-outside",
    rule: { chain: /^KUBE-LOAD-BALANCER$/ },
    reason: (service, rule) => policyClusterReason(service, rule),
  },
];

function clusterIpReason(service: NamedService, rule: RuleReference): Reason {
  if (!/! -[si] /.test(rule.text))
    return {
      because: `kube-proxy runs with --masquerade-all: it masquerades everything that goes to the cluster address of ${service.said}.`,
      unless: ["kube-proxy ran without --masquerade-all"],
    };
  return {
    because: `No Pod sent it${range(rule)}, and it goes to the cluster address of ${service.said}. The endpoint may be on another node; the answer has to come back through this one.`,
    unless: ["a Pod of the cluster had sent it (its address in kube-proxy's --cluster-cidr)"],
  };
}

/** Why a Pod that asked a cluster address was left alone. */
function sparedPod(service: NamedService, rule: RuleReference): Reason {
  return {
    because: `kube-proxy masquerades what goes to the cluster address of ${service.said} only if no Pod sent it${range(rule)}. The sender is a Pod, and its answer finds the way back: the endpoint sends it to the Pod's node, which translates it back.`,
    unless: [
      "kube-proxy ran with --masquerade-all",
      "the sender were no Pod of the cluster (its address outside kube-proxy's --cluster-cidr)",
    ],
  };
}

/** In ipvs mode, sets of addresses and ports stand for the Services, so that the rule does not tell which one it is. */
function policyClusterReason(service: NamedService, { text }: RuleReference): Reason {
  const set = /--match-set (\S+)/.exec(text)?.[1] ?? "KUBE-LOAD-BALANCER";
  return {
    because: `It came for ${service.said} from outside (ipset ${set}), and the Service's externalTrafficPolicy is Cluster: the endpoint may be on any node, and the answer has to come back through this one to be translated back.`,
    unless: [
      `the Service had externalTrafficPolicy: Local. Try: kubectl patch svc ${service.kubectl} -p '{"spec":{"externalTrafficPolicy":"Local"}}'`,
    ],
  };
}

/** What the rule takes for the Pods' addresses. */
function range({ text }: RuleReference): string {
  const [, kind, value] = /! -([si]) (\S+)/.exec(text) ?? [];
  if (kind === undefined) return "";
  return kind === "s" ? ` (Pods are those in ${value})` : ` (Pods come in by ${value})`;
}

/** Why a rule that jumps to the marking chain did so. */
export function markingReason(rule: RuleReference, service: string | undefined): Reason & { readonly id: string } {
  const cause = MARKING_CAUSES.find((row) => fits(row.rule, rule));
  if (cause !== undefined) return { id: cause.id, ...asSentence(cause.reason(namedService(service), rule)) };
  const note = commentOf(rule);
  return {
    id: "marked",
    because: `A rule of chain ${rule.chain} marked it${note === "" ? "" : ` ("${note}")`}.`,
    unless: ["that rule had not matched"],
  };
}

/** Why a rule that jumps to the marking chain left a packet alone; `undefined` when that tells nothing. */
export function sparedReason(rule: RuleReference, service: string | undefined): Reason | undefined {
  return MARKING_CAUSES.find((row) => fits(row.rule, rule))?.spared?.(namedService(service), rule);
}
