import { IpProtocol } from "../netstack/index.ts";
import { isStateless } from "./match.ts";
import type { PacketWalk } from "./packet-walk.ts";
import type { Rule } from "./rule.ts";

/** Shorter runs are tried rule by rule. */
const WORTHWHILE = 8;
const NONE: readonly number[] = [];
/** Protocols whose rules are indexed, numbered for the key. */
const PROTOCOLS: Readonly<Record<number, number>> = { [IpProtocol.tcp]: 0, [IpProtocol.udp]: 1, [IpProtocol.sctp]: 2 };
const SHORTEST_HEADER: Readonly<Record<number, number>> = {
  [IpProtocol.tcp]: 20,
  [IpProtocol.udp]: 8,
  [IpProtocol.sctp]: 12,
};

/**
 * A run of rules that each ask for one protocol and one destination port, and perhaps one destination address: what kube-proxy writes, one per
 * Service port. For a packet it tells which of them can match at all, in their order, so that ten thousand Services cost no more than ten.
 */
export class RuleIndex {
  readonly from: number;
  readonly to: number;
  readonly #byAddress = new Map<number, number[]>();
  readonly #byPort = new Map<number, number[]>();

  /** For the rules from number `from` up to but not including `to` of a chain. */
  constructor(rules: readonly Rule[], from: number, to: number) {
    this.from = from;
    this.to = to;
    for (let number = from; number < to; number++) {
      const rule = rules[number] as Rule;
      const key = keyOf(rule) as number;
      const { destination } = rule;
      if (destination === undefined) enter(this.#byPort, key, number);
      else enter(this.#byAddress, addressKey(destination.address, key), number);
    }
  }

  /** May the index be asked? Not where a rule would find the header cut short, and drop the packet. */
  serves(walk: PacketWalk): boolean {
    const shortest = SHORTEST_HEADER[walk.protocol];
    return shortest === undefined || walk.isLaterFragment || walk.transportLength >= shortest;
  }

  /** Numbers of the rules that the packet may match, rising. */
  candidates(walk: PacketWalk): readonly number[] {
    const protocol = PROTOCOLS[walk.protocol];
    if (protocol === undefined || walk.isLaterFragment) return NONE;
    const key = protocol * 0x10000 + walk.destinationPort;
    const byPort = this.#byPort.get(key) ?? NONE;
    const byAddress = this.#byAddress.get(addressKey(walk.destination, key)) ?? NONE;
    if (byPort.length === 0) return byAddress;
    if (byAddress.length === 0) return byPort;
    return [...byPort, ...byAddress].sort((a, b) => a - b);
  }
}

/** The runs of a chain that are worth an index. */
export function indexRules(rules: readonly Rule[]): RuleIndex[] {
  const found: RuleIndex[] = [];
  let from = 0;
  for (let number = 0; number <= rules.length; number++) {
    const rule = rules[number];
    if (rule !== undefined && keyOf(rule) !== undefined) continue;
    if (number - from >= WORTHWHILE) found.push(new RuleIndex(rules, from, number));
    from = number + 1;
  }
  return found;
}

/** Protocol and port that a rule asks for; `undefined` for one that must be tried on every packet. */
function keyOf(rule: Rule): number | undefined {
  const { protocol, destination } = rule;
  if (protocol === undefined || protocol.not || rule.fragment !== undefined) return undefined;
  if (destination !== undefined && (destination.not || (destination.mask | 0) !== -1)) return undefined;
  const number = PROTOCOLS[protocol.protocol];
  if (number === undefined) return undefined;
  for (const match of rule.matches) {
    if (match.kind === "tcp" || match.kind === "udp" || match.kind === "sctp") {
      const port = match.destinationPort;
      if (port === undefined || port.not || port.range.from !== port.range.to) return undefined;
      return number * 0x10000 + port.range.from;
    }
    // What counts or draws must be asked, even when the port does not fit in the end.
    if (!isStateless(match)) return undefined;
  }
  return undefined;
}

function addressKey(address: number, key: number): number {
  return (address >>> 0) * 0x40000 + key;
}

function enter(map: Map<number, number[]>, key: number, number: number): void {
  const known = map.get(key);
  if (known === undefined) map.set(key, [number]);
  else known.push(number);
}
