import {
  canonicalName,
  DnsClass,
  type DnsData,
  DnsRcode,
  type DnsRecord,
  type DnsServerAnswer,
  type DnsServerOptions,
  reverseName,
} from "../apps/index.ts";
import { type ApiServer, type EndpointSlice, SERVICE_NAME_LABEL, type Service } from "../kube/index.ts";
import { type Ipv4Address, parseIpv4 } from "../netstack/index.ts";

/*
 * What the cluster's DNS server knows: the records of Kubernetes' "DNS-Based Service Discovery" specification, version 1.1.0, as CoreDNS gives
 * them with the Corefile that kubeadm writes.
 */

/** The cluster's domain, kubelet's `--cluster-domain`. */
export const CLUSTER_DOMAIN = "cluster.local";

/** In seconds; kubeadm's Corefile says `ttl 30`. */
const TTL = 30;
/** An alias of an alias of …: more steps than that are a ring. */
const MOST_ALIASES = 8;

const ZONE = `${CLUSTER_DOMAIN}.`;
const SERVICES = `svc.${ZONE}`;
/** `pods insecure`: any address has a name, whether or not a Pod has the address. */
const POD_NAME = new RegExp(`^(\\d+-\\d+-\\d+-\\d+)\\.[a-z0-9-]+\\.pod\\.${ZONE.replaceAll(".", "\\.")}$`);

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
 * Answers questions about the Services in `api`, and about `outside`, the names of machines that an upstream server would know. The names of other
 * domains do not exist.
 */
export function clusterDns(
  api: ApiServer,
  outside: ReadonlyMap<string, Ipv4Address>,
): NonNullable<DnsServerOptions["answer"]> {
  return ({ name, type }) => {
    const wanted = canonicalName(name);
    if (wanted === undefined) return { rcode: DnsRcode.formatError };
    return answer(new Zone(api, outside), wanted, type);
  };
}

function answer(zone: Zone, name: string, type: string): DnsServerAnswer {
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

/** The names as they are at the moment of a question. */
class Zone {
  readonly #records = new Map<string, DnsRecord[]>();

  constructor(api: ApiServer, outside: ReadonlyMap<string, Ipv4Address>) {
    for (const [name, address] of outside) this.#add(`${name}.`, { type: "A", address });
    const slices = api.list("EndpointSlice");
    for (const service of api.list("Service")) {
      const own = slices.filter((slice) => isOf(slice, service));
      this.#addService(service, own);
    }
  }

  /** The records of a name; none at all for one that only stands between others; `undefined` for one that does not exist. */
  recordsOf(name: string): readonly DnsRecord[] | undefined {
    const known = this.#records.get(name);
    if (known !== undefined) return known;
    const pod = POD_NAME.exec(name)?.[1];
    const address = pod === undefined ? undefined : parseIpv4(pod.replaceAll("-", "."));
    if (address !== undefined) return [{ ...inZone(name), type: "A", address }];
    // An empty non-terminal: `default.svc.cluster.local` (RFC 8020).
    return [...this.#records.keys()].some((other) => other.endsWith(`.${name}`)) ? [] : undefined;
  }

  #addService(service: Service, slices: readonly EndpointSlice[]): void {
    const { metadata, spec } = service;
    const name = `${metadata.name}.${metadata.namespace}.${SERVICES}`;
    if (spec.type === "ExternalName") {
      this.#add(name, { type: "CNAME", target: `${(spec.externalName ?? "").replace(/\.$/, "")}.` });
      return;
    }
    const address = parseIpv4(spec.clusterIP ?? "");
    if (address === undefined) return this.#addHeadless(name, slices);
    this.#add(name, { type: "A", address });
    this.#add(reverseName(address), { type: "PTR", target: name });
    for (const port of spec.ports ?? [])
      this.#addPort(name, port.name, port.protocol, { port: port.port, target: name });
  }

  /** A headless Service's name has the addresses of its ready endpoints, and each endpoint has a name of its own. */
  #addHeadless(name: string, slices: readonly EndpointSlice[]): void {
    this.#open(name);
    for (const slice of slices) {
      for (const endpoint of slice.endpoints ?? []) {
        const [text = ""] = endpoint.addresses;
        const address = parseIpv4(text);
        if (address === undefined || endpoint.conditions?.ready === false) continue;
        const target = `${endpoint.hostname ?? text.replaceAll(".", "-")}.${name}`;
        this.#add(name, { type: "A", address });
        this.#add(target, { type: "A", address });
        this.#add(reverseName(address), { type: "PTR", target });
        for (const { name: portName, protocol, port } of slice.ports ?? [])
          if (port !== undefined) this.#addPort(name, portName, protocol, { port, target });
      }
    }
  }

  /** Named ports have SRV records: `_http._tcp.web.default.svc.cluster.local`. */
  #addPort(
    service: string,
    name: string | undefined,
    protocol: string | undefined,
    where: { readonly port: number; readonly target: string },
  ): void {
    if (name === undefined || name === "") return;
    const owner = `_${name}._${(protocol ?? "TCP").toLowerCase()}.${service}`;
    this.#add(owner, { type: "SRV", priority: 0, weight: 100, ...where });
  }

  #add(name: string, data: DnsData): void {
    this.#open(name).push({ ...inZone(name), ...data });
  }

  #open(name: string): DnsRecord[] {
    const key = canonicalName(name) ?? name;
    const records = this.#records.get(key) ?? [];
    this.#records.set(key, records);
    return records;
  }
}

function isOf(slice: EndpointSlice, { metadata }: Service): boolean {
  return (
    slice.metadata.namespace === metadata.namespace && slice.metadata.labels?.[SERVICE_NAME_LABEL] === metadata.name
  );
}

function inZone(name: string): { readonly name: string; readonly class: number; readonly ttl: number } {
  return { name, class: DnsClass.in, ttl: TTL };
}
