import { sha256 } from "@noble/hashes/sha2.js";
import { utf8ToBytes } from "@noble/hashes/utils.js";
import { base32nopad } from "@scure/base";

/*
 * Names of the chains that kube-proxy makes for each service port and endpoint. iptables allows 28 characters in a chain's name, too
 * few for a namespace and a name, so the name is hashed: a prefix of at most 9 characters, then 16 of the hash.
 */

/** Prefix by what the chain is for. */
export type ServiceChainKind = "SVC" | "SVL" | "EXT" | "FW";

/** `KUBE-SVC-…` and its kin; all four kinds share one hash. `servicePort` is `ns/name:port`, `protocol` is lower case. */
export function serviceChainName(kind: ServiceChainKind, servicePort: string, protocol: string): string {
  return `KUBE-${kind}-${chainHash(servicePort + protocol)}`;
}

/** `KUBE-SEP-…`: one endpoint (`10.0.0.1:80`) of one service port. */
export function endpointChainName(servicePort: string, protocol: string, endpoint: string): string {
  return `KUBE-SEP-${chainHash(servicePort + protocol + endpoint)}`;
}

/** The first 16 characters of the base32 of the SHA-256: 80 bits. */
export function chainHash(text: string): string {
  return base32nopad.encode(sha256(utf8ToBytes(text)).subarray(0, 10));
}
