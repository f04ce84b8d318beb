import { canonicalName, DnsClass, type DnsData, type DnsRecord, reverseName } from "../apps/index.ts";
import type { EndpointSlice, Service } from "../kube/index.ts";
import { parseIpv4 } from "../netstack/index.ts";

/** The cluster's domain, kubelet's `--cluster-domain`. */
export const CLUSTER_DOMAIN = "cluster.local";
/** The cluster's domain as a name in DNS. */
export const ZONE: string = `${CLUSTER_DOMAIN}.`;
/** In seconds; kubeadm's Corefile says `ttl 30`. */
export const TTL = 30;

/** The names of one Service, each with its records; one that only has names below it has none. */
export type ServiceRecords = ReadonlyMap<string, readonly DnsRecord[]>;

/** The records that Kubernetes' "DNS-Based Service Discovery" asks for a Service with these slices, by name. */
export function serviceRecords({ metadata, spec }: Service, slices: readonly EndpointSlice[]): ServiceRecords {
  const records = new RecordSet();
  const name = `${metadata.name}.${metadata.namespace}.svc.${ZONE}`;
  const address = parseIpv4(spec.clusterIP ?? "");
  if (spec.type === "ExternalName")
    records.add(name, { type: "CNAME", target: `${(spec.externalName ?? "").replace(/\.$/, "")}.` });
  else if (address === undefined) addHeadless(records, name, slices);
  else {
    records.add(name, { type: "A", address });
    records.add(reverseName(address), { type: "PTR", target: name });
    for (const port of spec.ports ?? []) addPort(records, name, port, { port: port.port, target: name });
  }
  return records.byName;
}

/** A record of a name in the cluster's class, with the zone's time to live. */
export function inZone(name: string): { readonly name: string; readonly class: number; readonly ttl: number } {
  return { name, class: DnsClass.in, ttl: TTL };
}

/** A headless Service's name has the addresses of its ready endpoints, and each endpoint has a name of its own. */
function addHeadless(records: RecordSet, name: string, slices: readonly EndpointSlice[]): void {
  records.open(name);
  for (const slice of slices) {
    for (const endpoint of slice.endpoints ?? []) {
      const [text = ""] = endpoint.addresses;
      const address = parseIpv4(text);
      if (address === undefined || endpoint.conditions?.ready === false) continue;
      const target = `${endpoint.hostname ?? text.replaceAll(".", "-")}.${name}`;
      records.add(name, { type: "A", address });
      records.add(target, { type: "A", address });
      records.add(reverseName(address), { type: "PTR", target });
      for (const port of slice.ports ?? [])
        if (port.port !== undefined) addPort(records, name, port, { port: port.port, target });
    }
  }
}

/** Named ports have SRV records: `_http._tcp.web.default.svc.cluster.local`. */
function addPort(
  records: RecordSet,
  service: string,
  { name, protocol = "TCP" }: { readonly name?: string; readonly protocol?: string },
  where: { readonly port: number; readonly target: string },
): void {
  if (name === undefined || name === "") return;
  records.add(`_${name}._${protocol.toLowerCase()}.${service}`, { type: "SRV", priority: 0, weight: 100, ...where });
}

class RecordSet {
  readonly byName = new Map<string, DnsRecord[]>();

  add(name: string, data: DnsData): void {
    this.open(name).push({ ...inZone(name), ...data });
  }

  open(name: string): DnsRecord[] {
    const key = canonicalName(name) ?? name;
    const records = this.byName.get(key) ?? [];
    this.byName.set(key, records);
    return records;
  }
}
