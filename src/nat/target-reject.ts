import { IcmpType, IpProtocol, UnreachableCode } from "../netstack/index.ts";
import { Verdict } from "./packet-walk.ts";
import type { RejectWith, Target } from "./rule.ts";
import type { TargetAction } from "./target.ts";

const CODES: Readonly<Record<Exclude<RejectWith, "tcp-reset">, number>> = {
  "icmp-net-unreachable": UnreachableCode.network,
  "icmp-host-unreachable": UnreachableCode.host,
  "icmp-port-unreachable": UnreachableCode.port,
  "icmp-proto-unreachable": UnreachableCode.protocol,
  "icmp-net-prohibited": UnreachableCode.networkProhibited,
  "icmp-host-prohibited": UnreachableCode.hostProhibited,
  "icmp-admin-prohibited": UnreachableCode.administrativelyProhibited,
};

/** Answers and drops: net/ipv4/netfilter/ipt_REJECT.c. What a later fragment was part of cannot be said, so it is dropped silently. */
export function reject(target: Extract<Target, { kind: "reject" }>): TargetAction {
  return (walk) => {
    const { packet } = walk;
    const { host } = walk.environment;
    if (walk.isLaterFragment) return Verdict.reject;
    if (target.with !== "tcp-reset") host.sendIcmpError(packet, IcmpType.unreachable, CODES[target.with]);
    else if (walk.protocol === IpProtocol.tcp) host.sendTcpReset(packet);
    return Verdict.reject;
  };
}
