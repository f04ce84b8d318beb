import {
  formatIpvsRules,
  type IpSet,
  type IpSetEntry,
  type IpvsService,
  ipvsRules,
  type ProxyInput,
} from "../kube/index.ts";
import { type IpSetMember, type Netfilter, VIRTUAL_SCHEDULERS, type VirtualServer } from "../nat/index.ts";
import { type Interface, IpProtocol, type Ipv4Address, mac } from "../netstack/index.ts";
import { seconds } from "../sim/index.ts";
import type { Host } from "./host.ts";

const INTERFACE = "kube-ipvs0";

/**
 * ipvs mode on a node: every cluster address is an address of the dummy interface kube-ipvs0, so that the node takes packets to it for its own; there
 * virtual servers send new connections on to an endpoint, and rules that ask ipsets see to masquerading.
 */
export class IpvsDataPlane {
  readonly #host: Host;
  #dummy: Interface | undefined;

  constructor(host: Host) {
    this.#host = host;
  }

  sync(input: ProxyInput): void {
    const wanted = ipvsRules(input);
    this.#bind(wanted.boundAddresses);
    const netfilter = this.#host.setRules(wanted.rules);
    for (const set of wanted.sets) fill(netfilter, set);
    netfilter.setVirtualServers(wanted.services.flatMap(virtualServer));
    this.#host.formatRules = () => formatIpvsRules(wanted);
  }

  #bind(addresses: readonly Ipv4Address[]): void {
    const { stack } = this.#host;
    this.#dummy ??= stack.addInterface({ name: INTERFACE, device: DUMMY, mac: mac(0), resolves: false });
    const bound = this.#dummy.addresses.map(({ address }) => address);
    for (const address of bound) if (!addresses.includes(address)) stack.addressing.removeAddress(this.#dummy, address);
    for (const address of addresses) {
      if (!bound.includes(address)) stack.addAddress(this.#dummy, { address, prefixLength: 32 });
    }
  }
}

/** drivers/net/dummy.c: what is sent there is gone. */
const DUMMY = {
  mtu: 1500,
  send: (frame: { release(): void }): void => frame.release(),
  onFrame: (): void => {},
};

function fill(netfilter: Netfilter, set: IpSet): void {
  const kept = netfilter.sets.create(set.name, set.type);
  for (const entry of set.entries) kept.add(member(set, entry));
}

function member(set: IpSet, { address, protocol, port, other }: IpSetEntry): IpSetMember {
  return {
    ...(address !== undefined && { address }),
    ...(port !== undefined && { port }),
    ...(protocol !== undefined && { protocol: PROTOCOLS[protocol] }),
    ...(other !== undefined && (set.type === "hash:ip,port,net" ? { secondNet: other } : { second: other.network })),
  };
}

const PROTOCOLS = { TCP: IpProtocol.tcp, UDP: IpProtocol.udp, SCTP: IpProtocol.sctp } as const;

/** Nothing here speaks SCTP. */
function virtualServer({
  protocol,
  address,
  port,
  scheduler,
  persistenceSeconds,
  servers,
}: IpvsService): readonly VirtualServer[] {
  if (protocol === "SCTP") return [];
  const persistence = persistenceSeconds === undefined ? {} : { persistence: seconds(persistenceSeconds) };
  const known = VIRTUAL_SCHEDULERS.find((each) => each === scheduler);
  if (known === undefined)
    throw new RangeError(`Cannot schedule by ${scheduler}: natscope's IPVS knows ${VIRTUAL_SCHEDULERS.join(", ")}`);
  return [{ protocol: protocol === "TCP" ? "tcp" : "udp", address, port, scheduler: known, servers, ...persistence }];
}
