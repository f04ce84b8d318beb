import { canonicalName, DnsRcode, type DnsRecord, type DnsServerAnswer, type DnsServerOptions } from "../apps/index.ts";
import type { ApiServer } from "../kube/index.ts";
import type { Ipv4Address } from "../netstack/index.ts";
import { ClusterZone } from "./cluster-zone.ts";
import { inZone, TTL, ZONE } from "./service-records.ts";

/*
 * What the cluster's DNS server knows: the records of Kubernetes' "DNS-Based Service Discovery" specification, version 1.1.0, as CoreDNS gives
 * them with the Corefile that kubeadm writes.
 */

/** An alias of an alias of …: more steps than that are a ring. */
const MOST_ALIASES = 8;

const START_OF_AUTHORITY: DnsRecord = {
  ...inZone(ZONE),
  type: "SOA",
  primary: `ns.dns.${ZONE}`,
  mailbox: `hostmaster.${ZONE}`,
  serial: 1,
  refresh: 7200,
  retry: 1800,
  expire: 86_400,
  minimum: TTL,
};

/**
 * Answers questions about the Services in `api`, and about `outside`, the names of machines that an upstream server would know, to which more may
 * be added. The names of other domains do not exist.
 */
export function clusterDns(
  api: ApiServer,
  outside: ReadonlyMap<string, Ipv4Address>,
): NonNullable<DnsServerOptions["answer"]> {
  // In a cluster where nobody asks for a name there is no zone to keep.
  let zone: ClusterZone | undefined;
  return ({ name, type }) => {
    const wanted = canonicalName(name);
    if (wanted === undefined) return { rcode: DnsRcode.formatError };
    zone ??= new ClusterZone(api, outside);
    zone.catchUp();
    return answer(zone, wanted, type);
  };
}

function answer(zone: ClusterZone, name: string, type: string): DnsServerAnswer {
  const answers: DnsRecord[] = [];
  let asked = name;
  for (let step = 0; step < MOST_ALIASES; step++) {
    const records = zone.recordsOf(asked);
    const alias = records?.find((record) => record.type === "CNAME");
    answers.push(...(records ?? []).filter((record) => record.type === type || record === alias));
    if (alias?.type === "CNAME" && type !== "CNAME") {
      asked = canonicalName(alias.target) ?? asked;
      continue;
    }
    const isOurs = asked.endsWith(`.${ZONE}`) || asked === ZONE || records !== undefined;
    const rcode = records === undefined && step === 0 ? DnsRcode.nameError : DnsRcode.noError;
    const authorities = answers.length === 0 && isOurs ? [START_OF_AUTHORITY] : [];
    return { rcode, answers, authorities, authoritative: name.endsWith(ZONE) };
  }
  return { rcode: DnsRcode.serverFailure };
}
