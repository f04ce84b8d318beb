import type { Match, Rule } from "../nat/index.ts";
import { cidr } from "./address.ts";
import { type KubeProxyConfig, selectedNodePortAddresses } from "./proxy-config.ts";
import {
  addressType,
  append,
  comment,
  jump,
  match,
  notFromRange,
  notToRange,
  openChain,
  type Place,
  type RulePart,
  type RuleSheet,
  rule,
  toAddress,
  toRange,
} from "./rule-sheet.ts";

/*
 * The part of kube-proxy's rules that no Service changes: jumps from the built-in chains, masquerading by mark, forwarding of what
 * was marked, and the marker chains by which kube-proxy and kubelet notice that somebody flushed the tables.
 */

const LOOPBACK_RANGE = cidr("127.0.0.0/8");

const PORTALS = "kubernetes service portals";
const EXTERNAL_PORTALS = "kubernetes externally-visible service portals";

/** Only packets that open a connection: established ones outlive their endpoints. */
const NEW: Match = { kind: "conntrack", state: { states: ["NEW"] } };

interface Hook {
  readonly place: Place;
  readonly rule: Rule;
}

/**
 * Jumps from the built-in chains, top first. kube-proxy puts each one in front of those before it, so this is its own list
 * upside down, which is what a node shows where nothing else writes rules.
 */
const HOOKS: readonly Hook[] = [
  hook("filter", "INPUT", [match(NEW), comment("kubernetes load balancer firewall")], "KUBE-PROXY-FIREWALL"),
  hook("filter", "INPUT", [comment("kubernetes health check service ports")], "KUBE-NODEPORTS"),
  hook("filter", "INPUT", [match(NEW), comment(EXTERNAL_PORTALS)], "KUBE-EXTERNAL-SERVICES"),
  hook("filter", "FORWARD", [match(NEW), comment("kubernetes load balancer firewall")], "KUBE-PROXY-FIREWALL"),
  hook("filter", "FORWARD", [comment("kubernetes forwarding rules")], "KUBE-FORWARD"),
  hook("filter", "FORWARD", [match(NEW), comment(PORTALS)], "KUBE-SERVICES"),
  hook("filter", "FORWARD", [match(NEW), comment(EXTERNAL_PORTALS)], "KUBE-EXTERNAL-SERVICES"),
  hook("filter", "OUTPUT", [match(NEW), comment("kubernetes load balancer firewall")], "KUBE-PROXY-FIREWALL"),
  hook("filter", "OUTPUT", [match(NEW), comment(PORTALS)], "KUBE-SERVICES"),
  hook("nat", "PREROUTING", [comment(PORTALS)], "KUBE-SERVICES"),
  hook("nat", "OUTPUT", [comment(PORTALS)], "KUBE-SERVICES"),
  hook("nat", "POSTROUTING", [comment("kubernetes postrouting rules")], "KUBE-POSTROUTING"),
];

/** Against packets from outside to 127.0.0.1, which `route_localnet` would let in (kubernetes/kubernetes#90259). */
const BLOCK_LOCALNET: Rule = rule(
  [
    comment("block incoming localnet connections"),
    toRange(LOOPBACK_RANGE),
    notFromRange(LOOPBACK_RANGE),
    match({ kind: "conntrack", state: { states: ["RELATED", "ESTABLISHED", "DNAT"], not: true } }),
  ],
  { kind: "drop" },
);

/** Jumps from the built-in chains, and the chains they lead to. */
export function writeHooks(sheet: RuleSheet, config: KubeProxyConfig): void {
  // A rule that kubelet has made already is left where it is: the others are put in front of it.
  if (config.localhostNodePorts && !config.kubeletChains) writeFirewallHooks(sheet);
  openChain(sheet, "nat", "KUBE-NODEPORTS");
  for (const { place, rule } of HOOKS) {
    append(sheet, place, rule);
    if (rule.target?.kind === "jump") openChain(sheet, place.table, rule.target.chain);
  }
  if (config.kubeletChains) writeFirewallHooks(sheet);
  if (config.localhostNodePorts || config.kubeletChains)
    append(sheet, { table: "filter", chain: "KUBE-FIREWALL" }, BLOCK_LOCALNET);
}

/** KUBE-MARK-MASQ and KUBE-POSTROUTING: whoever is to be masqueraded is marked on the way in and masqueraded on the way out. */
export function writeMasquerading(sheet: RuleSheet, config: KubeProxyConfig): void {
  const mark = config.masqueradeMark;
  append(
    sheet,
    { table: "nat", chain: "KUBE-POSTROUTING" },
    rule([match({ kind: "mark", value: mark, mask: mark, not: true })], { kind: "return" }),
    // Cleared, or a packet that comes through once more, in a tunnel say, would be masqueraded twice.
    rule([], { kind: "mark", value: mark, mask: 0 }),
    rule([comment("kubernetes service traffic requiring SNAT")], { kind: "masquerade", randomFully: true }),
  );
  append(sheet, { table: "nat", chain: "KUBE-MARK-MASQ" }, rule([], { kind: "mark", value: mark, mask: mark }));
}

/** KUBE-FORWARD: lets through what was marked, and what follows it, where the policy of FORWARD is DROP. */
export function writeForwarding(sheet: RuleSheet, config: KubeProxyConfig): void {
  const place = { table: "filter", chain: "KUBE-FORWARD" } as const;
  const mark = config.masqueradeMark;
  // INVALID packets of a connection are not translated back and would leave with the pod's address (kubernetes/kubernetes#74839).
  if (!config.tcpBeLiberal)
    append(sheet, place, rule([match({ kind: "conntrack", state: { states: ["INVALID"] } })], { kind: "drop" }));
  append(
    sheet,
    place,
    rule([comment("kubernetes forwarding rules"), match({ kind: "mark", value: mark, mask: mark })], {
      kind: "accept",
    }),
    rule(
      [
        comment("kubernetes forwarding conntrack rule"),
        match({ kind: "conntrack", state: { states: ["RELATED", "ESTABLISHED"] } }),
      ],
      { kind: "accept" },
    ),
  );
}

/** The last rules of nat KUBE-SERVICES: what goes to the node itself may be for a nodePort. */
export function writeNodePortTail(sheet: RuleSheet, config: KubeProxyConfig): void {
  const place = { table: "nat", chain: "KUBE-SERVICES" } as const;
  const note = comment("kubernetes service nodeports; NOTE: this must be the last rule in this chain");
  const target = jump("KUBE-NODEPORTS");
  if (config.nodePortAddresses.kind === "all") {
    const exceptLoopback: RulePart = config.localhostNodePorts ? {} : notToRange(LOOPBACK_RANGE);
    append(sheet, place, rule([note, addressType("destination", "LOCAL"), exceptLoopback], target));
    return;
  }
  // Their order is open in kube-proxy (a Go map); ours ascends.
  for (const address of selectedNodePortAddresses(config)) {
    if (address >>> 24 === 127 && !config.localhostNodePorts) continue;
    append(sheet, place, rule([note, toAddress(address)], target));
  }
}

/** Empty chains; when one is gone, somebody flushed the tables, and all rules are written again. */
export function writeCanaries(sheet: RuleSheet, config: KubeProxyConfig): void {
  for (const table of ["mangle", "nat", "filter"] as const) {
    openChain(sheet, table, "KUBE-PROXY-CANARY");
    if (config.kubeletChains) openChain(sheet, table, "KUBE-KUBELET-CANARY");
  }
  // Tells containers which of the two iptables back ends the host uses (kubelet, since 1.24).
  if (config.kubeletChains) openChain(sheet, "mangle", "KUBE-IPTABLES-HINT");
}

function writeFirewallHooks(sheet: RuleSheet): void {
  for (const chain of ["INPUT", "OUTPUT"]) append(sheet, { table: "filter", chain }, rule([], jump("KUBE-FIREWALL")));
  openChain(sheet, "filter", "KUBE-FIREWALL");
}

function hook(table: "filter" | "nat", chain: string, parts: readonly RulePart[], target: string): Hook {
  return { place: { table, chain }, rule: rule(parts, jump(target)) };
}
