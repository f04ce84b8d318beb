import type { Ipv4Address } from "../netstack/index.ts";

/*
 * Rules as values. Three files share these types: generation makes them (src/kube), text is read and printed
 * (iptables-parse.ts, iptables-format.ts), evaluation runs them (evaluate.ts).
 *
 * A rule has the fixed part that every iptables rule has (`struct ipt_ip`, include/uapi/linux/netfilter_ipv4/ip_tables.h), then its
 * match modules in the order written, then its target.
 */

/** The tables of iptables. */
export type TableName = "raw" | "mangle" | "nat" | "filter";

/** A built-in chain; each is called from the hook of the same name. */
export type BuiltinChain = "PREROUTING" | "INPUT" | "FORWARD" | "OUTPUT" | "POSTROUTING";

/** A rule: what a packet must be like, and what happens to it then. */
export interface Rule {
  readonly source?: AddressMatch;
  readonly destination?: AddressMatch;
  readonly inInterface?: InterfaceMatch;
  readonly outInterface?: InterfaceMatch;
  readonly protocol?: ProtocolMatch;
  /** `-f`: second and further fragments only. */
  readonly fragment?: { readonly not?: true };
  /** Match modules, in the order in which they are tried and printed. */
  readonly matches: readonly Match[];
  /** `undefined` for a rule that only counts. */
  readonly target?: Target;
}

/** `-s` or `-d`: an address under a mask, which need not be a prefix. */
export interface AddressMatch {
  readonly address: Ipv4Address;
  readonly mask: number;
  readonly not?: true;
}

/** `-i` or `-o`; a trailing `+` stands for any ending. */
export interface InterfaceMatch {
  readonly name: string;
  readonly not?: true;
}

/** The protocol by its number, as IpProtocol has them. */
export interface ProtocolMatch {
  readonly protocol: number;
  readonly not?: true;
}

/** An inclusive range of ports or other numbers; both ends equal for a single one. */
export interface NumberRange {
  readonly from: number;
  readonly to: number;
}

/** Addresses from `first` to `last`, both included. */
export interface AddressRange {
  readonly from: Ipv4Address;
  readonly to: Ipv4Address;
}

/** What `-m conntrack --ctstate` tells apart. */
export type CtState = "INVALID" | "NEW" | "ESTABLISHED" | "RELATED" | "UNTRACKED" | "SNAT" | "DNAT";
/** What `-m conntrack --ctstatus` tells apart. */
export type CtStatus = "NONE" | "EXPECTED" | "SEEN_REPLY" | "ASSURED" | "CONFIRMED";
/** What `-m addrtype` tells apart. */
export type AddressType =
  | "UNSPEC"
  | "UNICAST"
  | "LOCAL"
  | "BROADCAST"
  | "ANYCAST"
  | "MULTICAST"
  | "BLACKHOLE"
  | "UNREACHABLE"
  | "PROHIBIT"
  | "THROW"
  | "NAT"
  | "XRESOLVE";
/** The unit of a rate, as in `5/minute`. */
export type RateUnit = "second" | "minute" | "hour" | "day";

/** `a` where the option is given plainly, `a` with `not` where it stands behind `!`. */
interface Negatable {
  readonly not?: true;
}

/** One port or a range of them. */
export interface PortsMatch extends Negatable {
  readonly range: NumberRange;
}

/** A condition of a rule: one kind for each match extension. */
export type Match =
  | { readonly kind: "comment"; readonly text: string }
  | {
      readonly kind: "tcp";
      readonly sourcePort?: PortsMatch;
      readonly destinationPort?: PortsMatch;
      /** `--tcp-flags MASK SET`, as bits of the flags byte. `--syn` is FIN,SYN,RST,ACK SYN. */
      readonly flags?: { readonly mask: number; readonly set: number } & Negatable;
      readonly option?: { readonly kind: number } & Negatable;
    }
  | { readonly kind: "udp"; readonly sourcePort?: PortsMatch; readonly destinationPort?: PortsMatch }
  | { readonly kind: "sctp"; readonly sourcePort?: PortsMatch; readonly destinationPort?: PortsMatch }
  | {
      readonly kind: "icmp";
      /** 255 stands for any type. */
      readonly type: number;
      readonly code: NumberRange;
      readonly not?: true;
    }
  | {
      readonly kind: "multiport";
      readonly which: "source" | "destination" | "either";
      readonly ports: readonly NumberRange[];
      readonly not?: true;
    }
  | { readonly kind: "mark"; readonly value: number; readonly mask: number; readonly not?: true }
  | { readonly kind: "connmark"; readonly value: number; readonly mask: number; readonly not?: true }
  | {
      readonly kind: "conntrack";
      readonly state?: { readonly states: readonly CtState[] } & Negatable;
      readonly status?: { readonly statuses: readonly CtStatus[] } & Negatable;
      readonly protocol?: ProtocolMatch;
      readonly originalSource?: AddressMatch;
      readonly originalDestination?: AddressMatch;
      readonly replySource?: AddressMatch;
      readonly replyDestination?: AddressMatch;
      readonly originalSourcePort?: PortsMatch;
      readonly originalDestinationPort?: PortsMatch;
      readonly replySourcePort?: PortsMatch;
      readonly replyDestinationPort?: PortsMatch;
      /** Seconds left. */
      readonly expires?: { readonly range: NumberRange } & Negatable;
      readonly direction?: "ORIGINAL" | "REPLY";
    }
  /** The older module that only knows `--state`. */
  | { readonly kind: "state"; readonly states: readonly CtState[]; readonly not?: true }
  | {
      readonly kind: "addrtype";
      readonly source?: { readonly types: readonly AddressType[] } & Negatable;
      readonly destination?: { readonly types: readonly AddressType[] } & Negatable;
      readonly limitInterface?: "in" | "out";
    }
  /** `probability` in units of 2^-31, as the kernel keeps it; a packet matches when a draw below 2^31 is less. */
  | { readonly kind: "statistic"; readonly mode: "random"; readonly probability: number; readonly not?: true }
  | {
      readonly kind: "statistic";
      readonly mode: "nth";
      readonly every: number;
      readonly packet: number;
      readonly not?: true;
    }
  | {
      readonly kind: "recent";
      readonly action: "set" | "rcheck" | "update" | "remove";
      readonly name: string;
      readonly mask: number;
      readonly side: "source" | "destination";
      readonly seconds?: number;
      readonly reap?: true;
      readonly hitcount?: number;
      readonly rttl?: true;
      readonly not?: true;
    }
  | { readonly kind: "limit"; readonly rate: number; readonly unit: RateUnit; readonly burst: number }
  | {
      readonly kind: "hashlimit";
      readonly name: string;
      readonly above: boolean;
      readonly rate: number;
      readonly unit: RateUnit;
      readonly burst: number;
      readonly mode: readonly ("srcip" | "srcport" | "dstip" | "dstport")[];
      /** Prefix lengths. */
      readonly sourceMask?: number;
      readonly destinationMask?: number;
      readonly size?: number;
      readonly maximum?: number;
      readonly expireMs?: number;
      readonly collectMs?: number;
    }
  | { readonly kind: "set"; readonly name: string; readonly flags: readonly ("src" | "dst")[]; readonly not?: true }
  | {
      readonly kind: "physdev";
      readonly in?: InterfaceMatch;
      readonly out?: InterfaceMatch;
      readonly isIn?: Negatable;
      readonly isOut?: Negatable;
      readonly isBridged?: Negatable;
    }
  | { readonly kind: "length"; readonly range: NumberRange; readonly not?: true }
  | { readonly kind: "ttl"; readonly comparison: "eq" | "lt" | "gt"; readonly value: number; readonly not?: true }
  | {
      readonly kind: "iprange";
      readonly source?: { readonly range: AddressRange } & Negatable;
      readonly destination?: { readonly range: AddressRange } & Negatable;
    }
  | { readonly kind: "mac"; readonly source: number; readonly not?: true }
  | { readonly kind: "tcpmss"; readonly range: NumberRange; readonly not?: true };

/** How REJECT answers. */
export type RejectWith =
  | "icmp-net-unreachable"
  | "icmp-host-unreachable"
  | "icmp-port-unreachable"
  | "icmp-proto-unreachable"
  | "icmp-net-prohibited"
  | "icmp-host-prohibited"
  | "icmp-admin-prohibited"
  | "tcp-reset";

/** How SNAT, DNAT, MASQUERADE and REDIRECT choose ports. */
export interface PortOptions {
  readonly random?: true;
  readonly randomFully?: true;
}

/** What a rule does with a packet that matches: one kind for each target. */
export type Target =
  | { readonly kind: "accept" }
  | { readonly kind: "drop" }
  | { readonly kind: "return" }
  | { readonly kind: "jump"; readonly chain: string }
  | { readonly kind: "goto"; readonly chain: string }
  | { readonly kind: "reject"; readonly with: RejectWith }
  | { readonly kind: "log"; readonly level: number; readonly prefix: string; readonly options: number }
  /** new mark = (mark AND NOT mask) XOR value: `--set-xmark value/mask`. */
  | { readonly kind: "mark"; readonly value: number; readonly mask: number }
  | { readonly kind: "connmark"; readonly action: "set"; readonly value: number; readonly mask: number }
  | {
      readonly kind: "connmark";
      readonly action: "save" | "restore";
      readonly connectionMask: number;
      readonly packetMask: number;
    }
  | ({ readonly kind: "snat"; readonly persistent?: true } & NatRange & PortOptions)
  | ({ readonly kind: "dnat"; readonly persistent?: true } & NatRange & PortOptions)
  | ({ readonly kind: "masquerade"; readonly ports?: NumberRange } & PortOptions)
  | ({ readonly kind: "redirect"; readonly ports?: NumberRange } & PortOptions)
  | { readonly kind: "netmap"; readonly address: Ipv4Address; readonly mask: number }
  | { readonly kind: "notrack" }
  | { readonly kind: "ct"; readonly notrack?: true; readonly zone?: number }
  | { readonly kind: "tcpmss"; readonly set: number | "clamp-to-pmtu" }
  | { readonly kind: "ttl"; readonly action: "set" | "inc" | "dec"; readonly value: number }
  | { readonly kind: "trace" };

/** `--to-source` or `--to-destination`: addresses, ports, or both. */
export interface NatRange {
  readonly addresses?: AddressRange;
  readonly ports?: NumberRange;
  /** DNAT `port/base`: the port range is shifted so that `base` maps to its start. */
  readonly portBase?: number;
}

/** A chain: its rules in order and, for a built-in one, what becomes of packets that reach its end. */
export interface Chain {
  readonly name: string;
  readonly policy?: "ACCEPT" | "DROP";
  readonly rules: readonly Rule[];
  /** Another chain with nearly the same rules: what is made ready for that one serves for this one. */
  readonly like?: Chain;
}

/** One table: chains by name, in the order in which they are printed. */
export interface Table {
  readonly name: TableName;
  readonly chains: ReadonlyMap<string, Chain>;
  /** Whether any rule names this list of `-m recent` or table of `-m hashlimit`: where going through all rules would take long. */
  readonly namesList?: (kind: "recent" | "hashlimit", name: string) => boolean;
}

/** All tables of one host. A table that is absent has no chains. */
export type Ruleset = ReadonlyMap<TableName, Table>;
