import { getU16, netmask } from "../netstack/index.ts";
import { type Duration, nanoseconds, type Time } from "../sim/index.ts";
import type { PacketWalk } from "./packet-walk.ts";
import type { Match } from "./rule.ts";
import { type Bucket, fullBucket, type Rate, rateOf, UNIT_SECONDS } from "./token-bucket.ts";

/** Entries without `--hashlimit-htable-max`: eight for each of the 8192 buckets that a machine with some memory gets. */
const ENTRIES = 65_536;

/** Where a protocol's header has its ports, or what stands for them: the SPI of ESP (50) and AH (51) (`proto_ports_offset`, net/netfilter.h). */
const PORTS_AT: Readonly<Record<number, number>> = { 6: 0, 17: 0, 33: 0, 50: 0, 51: 4, 132: 0, 136: 0 };

type HashlimitMatch = Extract<Match, { kind: "hashlimit" }>;

/** A table of xt_hashlimit: one bucket per address or port, as `--hashlimit-mode` of the rule says that made it (`htable_create`). */
export class HashlimitTable {
  readonly rate: Rate;
  readonly #match: HashlimitMatch;
  readonly #buckets = new Map<string, Bucket>();
  readonly #maximum: number;
  readonly #expire: Duration;

  constructor(match: HashlimitMatch) {
    this.rate = rateOf(match);
    this.#match = match;
    this.#maximum = match.maximum ?? ENTRIES;
    // iptables writes the rate's unit where nothing else is given.
    this.#expire = nanoseconds((match.expireMs ?? UNIT_SECONDS[match.unit] * 1000) * 1e6);
  }

  /** `undefined` when the table is full, or the packet lacks what it is to be told apart by. */
  bucket(walk: PacketWalk, now: Time): Bucket | undefined {
    const key = this.#key(walk);
    if (key === undefined) return undefined;
    const known = this.#buckets.get(key);
    if (known !== undefined && now - known.last < this.#expire) return known;
    this.#buckets.delete(key);
    if (this.#buckets.size >= this.#maximum) this.#removeExpired(now);
    if (this.#buckets.size >= this.#maximum) return undefined;
    const bucket = fullBucket(this.rate, now);
    this.#buckets.set(key, bucket);
    return bucket;
  }

  #removeExpired(now: Time): void {
    for (const [key, bucket] of this.#buckets) {
      if (now - bucket.last >= this.#expire) this.#buckets.delete(key);
    }
  }

  #key(walk: PacketWalk): string | undefined {
    const { mode, sourceMask = 32, destinationMask = 32 } = this.#match;
    const asksPorts = mode.includes("srcport") || mode.includes("dstport");
    const { bytes, transport, end } = walk.packet;
    const offset = PORTS_AT[walk.protocol];
    // Protocols without ports are told apart by the rest; a header cut short is dropped.
    if (asksPorts && offset !== undefined && transport + offset + 4 > end) return undefined;
    return mode
      .map((part) => {
        if (part === "srcip") return walk.source & netmask(sourceMask);
        if (part === "dstip") return walk.destination & netmask(destinationMask);
        if (offset === undefined) return 0;
        return getU16(bytes, transport + offset + (part === "srcport" ? 0 : 2));
      })
      .join(",");
  }
}
