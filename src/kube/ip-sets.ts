import { type Cidr, contains, formatCidr, formatIpv4, type Ipv4Address } from "./address.ts";
import type { ServiceProtocol } from "./model.ts";

/*
 * ipsets: the lists of addresses and ports that ipvs mode's rules ask. A set is a value here; `ipset restore` takes its text.
 */

export type IpSetType = "hash:ip" | "hash:ip,port" | "hash:ip,port,ip" | "hash:ip,port,net" | "bitmap:port";

export interface IpSet {
  readonly name: string;
  readonly type: IpSetType;
  readonly entries: readonly IpSetEntry[];
}

/** The parts that the set's type names, in its order. */
export interface IpSetEntry {
  readonly address?: Ipv4Address;
  readonly protocol?: ServiceProtocol;
  readonly port?: number;
  /** The second address or range. */
  readonly other?: Cidr;
}

/** What of a packet a `--match-set` rule compares. */
export interface IpSetSubject {
  readonly protocol: ServiceProtocol;
  readonly source: Ipv4Address;
  readonly destination: Ipv4Address;
  readonly sourcePort: number;
  readonly destinationPort: number;
}

/** The sets as `ipset save` prints them, without the hash seeds that differ from run to run; entries sorted, which a hash is not. */
export function formatIpSets(sets: readonly IpSet[]): string {
  return sets.map(formatIpSet).join("");
}

/** Whether `--match-set NAME flags` is true of a packet: one flag for each part of the set's type. */
export function matchesIpSet(set: IpSet, flags: readonly ("src" | "dst")[], packet: IpSetSubject): boolean {
  const [first, second, third] = flags;
  const address = first === "src" ? packet.source : packet.destination;
  const port = (set.type === "bitmap:port" ? first : second) === "src" ? packet.sourcePort : packet.destinationPort;
  const other = third === "src" ? packet.source : packet.destination;
  return set.entries.some(
    (entry) =>
      (entry.address === undefined || entry.address === address) &&
      (entry.port === undefined || entry.port === port) &&
      (entry.protocol === undefined || entry.protocol === packet.protocol) &&
      (entry.other === undefined || contains(entry.other, other)),
  );
}

function formatIpSet(set: IpSet): string {
  const options = set.type === "bitmap:port" ? "range 0-65535" : "family inet hashsize 1024 maxelem 65536";
  const entries = [...new Set(set.entries.map(formatEntry))].sort();
  return [`create ${set.name} ${set.type} ${options}`, ...entries.map((entry) => `add ${set.name} ${entry}`)]
    .map((line) => `${line}\n`)
    .join("");
}

function formatEntry({ address, protocol, port, other }: IpSetEntry): string {
  const protocolPort =
    port === undefined ? undefined : `${protocol === undefined ? "" : `${protocol.toLowerCase()}:`}${port}`;
  const parts = [
    address === undefined ? undefined : formatIpv4(address),
    protocolPort,
    other === undefined ? undefined : formatOther(other),
  ];
  return parts.filter((part) => part !== undefined).join(",");
}

function formatOther(range: Cidr): string {
  return range.prefixLength === 32 ? formatIpv4(range.network) : formatCidr(range);
}
