import type { IcmpErrorKind } from "./tcp/index.ts";
import { IcmpType, UnreachableCode } from "./wire/icmp.ts";

/** `icmp_err_convert` (net/ipv4/icmp.c): what an error means to a connection; `undefined` for those that mean nothing. */
export function icmpErrorKind(type: number, code: number): IcmpErrorKind | undefined {
  if (type === IcmpType.timeExceeded) return "time-exceeded";
  if (type === IcmpType.parameterProblem) return "parameter-problem";
  if (type !== IcmpType.unreachable) return undefined;
  switch (code) {
    case UnreachableCode.network:
      return "network-unreachable";
    case UnreachableCode.protocol:
      return "protocol-unreachable";
    case UnreachableCode.port:
      return "port-unreachable";
    case UnreachableCode.networkProhibited:
    case UnreachableCode.hostProhibited:
    case UnreachableCode.administrativelyProhibited:
      return "prohibited";
    default:
      return "host-unreachable";
  }
}
