import { IpProtocol, type Ipv4Address, ipv4 } from "../netstack/index.ts";
import { after, type Duration, type Time } from "../sim/index.ts";
import type { PacketWalk } from "./packet-walk.ts";

/** How a virtual server chooses: in turn, or by a hash of the packet's source or destination address. Servers here weigh the same, so that `wrr` is `rr`. */
export const VIRTUAL_SCHEDULERS = ["rr", "wrr", "sh", "dh"] as const;
export type VirtualScheduler = (typeof VIRTUAL_SCHEDULERS)[number];

/** An address and port that stand for several servers: one of IPVS's virtual services, with NAT. */
export interface VirtualServer {
  readonly protocol: "tcp" | "udp";
  readonly address: Ipv4Address;
  readonly port: number;
  /** How long a client stays with its server after its last connection; a new choice for each connection when left out. */
  readonly persistence?: Duration;
  /** `rr` when left out. */
  readonly scheduler?: VirtualScheduler;
  readonly servers: readonly RealServer[];
}

/** A server behind a virtual one. */
export interface RealServer {
  readonly address: Ipv4Address;
  readonly port: number;
}

/** Clients that one virtual server remembers; the oldest makes room. */
const MOST_CLIENTS = 65_536;

interface Running {
  readonly server: VirtualServer;
  /** The real server that was taken last. */
  last: RealServer | undefined;
  readonly clients: Map<Ipv4Address, { readonly real: RealServer; readonly until: Time }>;
}

/** The virtual servers of one host, and whose turn it is: net/netfilter/ipvs/ip_vs_rr.c and ip_vs_sched_persist. */
export class VirtualServers {
  readonly #running = new Map<number, Running>();

  get count(): number {
    return this.#running.size;
  }

  /** Replaces all; those that were there already go on where they are. */
  set(servers: readonly VirtualServer[]): void {
    const before = new Map(this.#running);
    this.#running.clear();
    for (const server of servers) {
      const key = keyOf(server.protocol === "tcp" ? IpProtocol.tcp : IpProtocol.udp, server.address, server.port);
      const known = before.get(key);
      this.#running.set(key, { server, last: known?.last, clients: known?.clients ?? new Map() });
    }
  }

  /** The virtual server that a packet is addressed to. */
  find(walk: PacketWalk): VirtualServer | undefined {
    return this.#find(walk)?.server;
  }

  /** The real server for a new connection; `undefined` when there is none. */
  pick(walk: PacketWalk, now: Time): RealServer | undefined {
    const running = this.#find(walk);
    if (running === undefined) return undefined;
    const { persistence, servers } = running.server;
    if (persistence === undefined) return choose(running, walk);
    const client = ipv4(walk.source);
    const known = running.clients.get(client);
    const isKept = known !== undefined && known.until > now && servers.some((each) => isSame(each, known.real));
    const real = isKept ? known.real : choose(running, walk);
    if (real === undefined) return undefined;
    remember(running, client, { real, until: after(now, persistence) });
    return real;
  }

  #find(walk: PacketWalk): Running | undefined {
    if (!walk.hasPorts) return undefined;
    return this.#running.get(keyOf(walk.protocol, ipv4(walk.destination), walk.destinationPort));
  }
}

function choose(running: Running, walk: PacketWalk): RealServer | undefined {
  switch (running.server.scheduler ?? "rr") {
    case "sh":
      return byHash(running, walk.source);
    case "dh":
      return byHash(running, walk.destination);
    default:
      return nextOf(running);
  }
}

/** Places of the hash table, over which the servers are dealt out in turn (IP_VS_SH_TAB_BITS, IP_VS_DH_TAB_BITS). */
const HASH_BITS = 8;
/** GOLDEN_RATIO_32 (include/linux/hash.h). */
const GOLDEN_RATIO = 0x61c88647;

/** ip_vs_sh.c and ip_vs_dh.c: `hash_32` of the address says which place of the table. */
function byHash({ server: { servers } }: Running, address: number): RealServer | undefined {
  const place = Math.imul(address, GOLDEN_RATIO) >>> (32 - HASH_BITS);
  // The kernel puts a new server in front of those that are there, and deals from the front.
  return servers.at(-1 - (place % servers.length));
}

function nextOf(running: Running): RealServer | undefined {
  const { servers } = running.server;
  const { last } = running;
  const at = last === undefined ? -1 : servers.findIndex((each) => isSame(each, last));
  running.last = servers[(at + 1) % servers.length];
  return running.last;
}

function remember(running: Running, client: Ipv4Address, choice: { real: RealServer; until: Time }): void {
  running.clients.delete(client);
  running.clients.set(client, choice);
  if (running.clients.size <= MOST_CLIENTS) return;
  for (const oldest of running.clients.keys()) {
    running.clients.delete(oldest);
    return;
  }
}

function isSame(a: RealServer, b: RealServer): boolean {
  return a.address === b.address && a.port === b.port;
}

/** Exact: 49 bits and a protocol number. */
function keyOf(protocol: number, address: Ipv4Address, port: number): number {
  return (address * 65_536 + port) * 2 + (protocol === IpProtocol.tcp ? 1 : 0);
}
