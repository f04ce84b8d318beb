/*
 * A table of nftables as a value: what kube-proxy writes in nftables mode, and what `nft list ruleset` prints of it (nft-format.ts).
 */

/** `ip kube-proxy`: chains, sets and maps in the order in which they were made. */
export interface NftTable {
  readonly family: "ip";
  readonly name: string;
  readonly comment: string;
  readonly sets: readonly NftSet[];
  readonly chains: readonly NftChain[];
}

/** A set, or, when its elements have verdicts, a map. */
export interface NftSet {
  readonly kind: "set" | "map";
  readonly name: string;
  /** `ipv4_addr . inet_proto . inet_service : verdict` */
  readonly type: string;
  readonly comment?: string;
  readonly elements: readonly NftElement[];
  /** A set to which rules add the sources of packets, for so many seconds. */
  readonly timeoutSeconds?: number;
}

/** An element of a set or map, with its value in a map. */
export interface NftElement {
  readonly key: NftKey;
  readonly comment?: string;
  /** `drop`, `goto service-…`; absent in a set. */
  readonly verdict?: string;
}

/** Whichever of these a set's type names: an address, a protocol, a port. */
export interface NftKey {
  readonly address?: number;
  readonly protocol?: "tcp" | "udp" | "sctp";
  readonly port?: number;
}

/** A chain of nftables: a base chain when it has a hook. */
export interface NftChain {
  readonly name: string;
  readonly comment?: string;
  /** For chains that hang at a netfilter hook. */
  readonly base?: {
    readonly type: "filter" | "nat";
    readonly hook: "prerouting" | "input" | "forward" | "output" | "postrouting";
    readonly priority: number;
  };
  /** Rules as nft prints them. */
  readonly rules: readonly string[];
}

/** -100: where nat rewrites destinations. */
export const NFT_DNAT_PRIORITY = -100;
/** 100: where nat rewrites sources. */
export const NFT_SNAT_PRIORITY = 100;
