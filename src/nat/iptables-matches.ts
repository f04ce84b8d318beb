import { connmark, conntrack, state } from "./iptables-connection-matches.ts";
import type { MatchModule, OfKind } from "./iptables-modules.ts";
import { addrtype, comment, iprange, length, mac, mark, physdev, set, ttl } from "./iptables-packet-matches.ts";
import { icmp, multiport, sctp, tcp, tcpmss, udp } from "./iptables-protocol-matches.ts";
import { hashlimit, limit, recent, statistic } from "./iptables-rate-matches.ts";
import type { Match } from "./rule.ts";

/** Every match module's text, by its name, which is the value's kind. */
export const MATCH_MODULES: { readonly [K in Match["kind"]]: MatchModule<OfKind<Match, K>> } = {
  comment,
  tcp,
  udp,
  sctp,
  icmp,
  multiport,
  mark,
  connmark,
  conntrack,
  state,
  addrtype,
  statistic,
  recent,
  limit,
  hashlimit,
  set,
  physdev,
  length,
  ttl,
  iprange,
  mac,
  tcpmss,
};

/** The match module with this name, `undefined` when there is none here. */
export function matchModule(name: string): MatchModule | undefined {
  return Object.hasOwn(MATCH_MODULES, name) ? (MATCH_MODULES[name as Match["kind"]] as MatchModule) : undefined;
}

/** `-m` and what follows, behind a blank. */
export function formatMatch(match: Match): string {
  return ` -m ${match.kind}${(MATCH_MODULES[match.kind] as MatchModule).format(match)}`;
}
