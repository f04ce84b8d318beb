import type { BuiltinChain, TableName } from "./rule.ts";

/**
 * The tables in the order in which the nft backend's `iptables-save` prints them (iptables/nft.c, `enum nft_table_type`). The legacy
 * backend prints them in the order in which the kernel happened to load them.
 */
export const TABLE_NAMES: readonly TableName[] = ["mangle", "raw", "filter", "nat"];

/** Each table's built-in chains, in the order in which they are printed. */
export const BUILTIN_CHAINS: Readonly<Record<TableName, readonly BuiltinChain[]>> = {
  raw: ["PREROUTING", "OUTPUT"],
  mangle: ["PREROUTING", "INPUT", "FORWARD", "OUTPUT", "POSTROUTING"],
  nat: ["PREROUTING", "INPUT", "OUTPUT", "POSTROUTING"],
  filter: ["INPUT", "FORWARD", "OUTPUT"],
};
