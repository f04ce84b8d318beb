import type { MatchTest } from "./compiled-rule.ts";
import { addrtype, iprange, mac, set } from "./match-address.ts";
import { connmark, conntrack, state } from "./match-connection.ts";
import { length, mark, physdev, tcpmss, ttl } from "./match-packet.ts";
import { icmp, multiport, sctp, tcp, udp } from "./match-ports.ts";
import { hashlimit, limit, statistic } from "./match-rate.ts";
import { recent } from "./match-recent.ts";
import type { Match } from "./rule.ts";

/** The test that a match stands for; `undefined` for one that is always true. */
export function compileMatch(match: Match): MatchTest | undefined {
  switch (match.kind) {
    case "comment":
      return undefined;
    case "tcp":
      return tcp(match);
    case "udp":
      return udp(match);
    case "sctp":
      return sctp(match);
    case "icmp":
      return icmp(match);
    case "multiport":
      return multiport(match);
    case "mark":
      return mark(match);
    case "connmark":
      return connmark(match);
    case "conntrack":
      return conntrack(match);
    case "state":
      return state(match);
    case "addrtype":
      return addrtype(match);
    case "statistic":
      return statistic(match);
    case "recent":
      return recent(match);
    case "limit":
      return limit(match);
    case "hashlimit":
      return hashlimit(match);
    case "set":
      return set(match);
    case "physdev":
      return physdev(match);
    case "length":
      return length(match);
    case "ttl":
      return ttl(match);
    case "iprange":
      return iprange(match);
    case "mac":
      return mac(match);
    case "tcpmss":
      return tcpmss(match);
  }
}

/** True for a match whose asking changes nothing, so that it may be left out where its rule cannot match anyhow. */
export function isStateless(match: Match): boolean {
  return match.kind !== "statistic" && match.kind !== "recent" && match.kind !== "limit" && match.kind !== "hashlimit";
}
