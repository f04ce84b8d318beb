import type { PacketSummary } from "../netstack/index.ts";

/** One direction of a connection as a balancer sees it. Ports are 0 where there are none: ICMP, and later fragments. */
export type Flow = PacketSummary;

/**
 * Which parts of a flow decide where it goes. In the words of clouds: "five-tuple" is the default of Google's and Azure's balancers,
 * "three-tuple" (client, VIP, protocol) is CLIENT_IP_PROTO and SourceIPProtocol, "two-tuple" (client, VIP) is CLIENT_IP and SourceIP. "source" is
 * the client's address alone: HAProxy's `balance source`, IPVS's `sh`.
 */
export type HashKey = "five-tuple" | "three-tuple" | "two-tuple" | "source";

/** A 32-bit hash of what `key` takes from the flow; another `salt` gives another, unrelated hash. */
export function hashFlow(flow: Flow, key: HashKey, salt: number): number {
  let hash = mix(salt, flow.source);
  if (key !== "source") hash = mix(hash, flow.destination);
  if (key === "five-tuple" || key === "three-tuple") hash = mix(hash, flow.protocol);
  if (key === "five-tuple") hash = mix(hash, flow.sourcePort * 0x10000 + flow.destinationPort);
  return finish(hash);
}

/** A 32-bit hash of a backend's name. */
export function hashName(name: string, salt: number): number {
  let hash = salt;
  for (let i = 0; i < name.length; i++) hash = mix(hash, name.charCodeAt(i));
  return finish(hash ^ name.length);
}

/** A 32-bit hash of two 32-bit words. */
export function hashWords(a: number, b: number): number {
  return finish(mix(a, b));
}

/** One round of MurmurHash3 (Appleby), as `jhash` stands in the kernel's hash schedulers. */
function mix(hash: number, word: number): number {
  let k = Math.imul(word, 0xcc9e2d51);
  k = Math.imul((k << 15) | (k >>> 17), 0x1b873593);
  const h = hash ^ k;
  return (Math.imul((h << 13) | (h >>> 19), 5) + 0xe6546b64) | 0;
}

/** MurmurHash3's last step: every input bit moves every output bit. */
function finish(hash: number): number {
  let h = hash;
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return (h ^ (h >>> 16)) >>> 0;
}
