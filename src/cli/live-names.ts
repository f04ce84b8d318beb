import type { DnsServerAnswer } from "../apps/index.ts";
import { formatIpv4, type Ipv4Address, parseIpv4 } from "../netstack/index.ts";
import { DnsClass, type DnsQuestion, DnsRcode, reverseName, sameName } from "../protocols/index.ts";
import { outsideAddress } from "../scenario/index.ts";
import type { LiveNetwork } from "./live-network.ts";
import { ingressAddresses } from "./live-place.ts";

/** One address and its names, the most telling first. */
export interface LiveName {
  readonly address: Ipv4Address;
  readonly names: readonly string[];
}

const CLUSTER_DOMAIN = "svc.cluster.local";
/** Seconds that an answer may be kept: the network is changed by hand. */
const TTL = 5;

/** Machines, nodes by the address that outsiders use, Services by their balancer's address or else their cluster's, and pods. */
export function liveNames({ lab, scenario }: LiveNetwork): LiveName[] {
  const names: { address: string | undefined; names: readonly string[] }[] = [];
  for (const cluster of lab.clusters.values()) {
    for (const node of cluster.nodes.values()) {
      names.push({ address: outsideAddress(node), names: [node.name, ...node.spec.aliases] });
    }
    for (const { metadata, spec, status } of cluster.api.list("Service")) {
      const { name, namespace = "default" } = metadata;
      const address = ingressAddresses(status)[0] ?? spec.clusterIP;
      const longer = [`${name}.${namespace}`, `${name}.${namespace}.svc`, `${name}.${namespace}.${CLUSTER_DOMAIN}`];
      names.push({ address, names: [name, ...longer] });
    }
    for (const { metadata, status } of cluster.api.list("Pod")) {
      names.push({ address: status?.podIP, names: [metadata.name] });
    }
  }
  for (const { name, aliases } of scenario.machines) {
    const address = lab.find(name)?.address;
    names.push({ address: address && formatIpv4(address), names: [name, ...aliases] });
  }
  return names.flatMap(({ address, names: each }) => {
    const parsed = address === undefined ? undefined : parseIpv4(address);
    return parsed === undefined ? [] : [{ address: parsed, names: each }];
  });
}

/** The names as /etc/hosts has them, hosts(5). */
export function formatHostsFile(names: readonly LiveName[]): string {
  const lines = names.map(({ address, names: each }) => `${formatIpv4(address)}\t${each.join(" ")}\n`);
  return ["127.0.0.1\tlocalhost\n", ...lines].join("");
}

/** What a DNS server says that knows these names and no others. */
export function answerFrom(names: readonly LiveName[]): (question: DnsQuestion) => DnsServerAnswer {
  return ({ name, type }) => {
    const base = { name, class: DnsClass.in, ttl: TTL };
    if (type === "PTR") {
      const found = names.find(({ address }) => sameName(reverseName(address), name));
      const target = found?.names[0];
      return target === undefined
        ? { rcode: DnsRcode.nameError }
        : { answers: [{ ...base, type: "PTR", target: `${target}.` }] };
    }
    const known = names.filter(({ names: each }) => each.some((candidate) => sameName(candidate, name)));
    if (known.length === 0) return { rcode: DnsRcode.nameError };
    return { answers: type === "A" ? known.map(({ address }) => ({ ...base, type: "A", address })) : [] };
  };
}
