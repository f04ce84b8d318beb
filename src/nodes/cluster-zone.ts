import { canonicalName, type DnsRecord } from "../apps/index.ts";
import { type ApiServer, type ObjectChange, type Service, SliceIndex, serviceKeyOf } from "../kube/index.ts";
import { type Ipv4Address, parseIpv4 } from "../netstack/index.ts";
import { inZone, type ServiceRecords, serviceRecords, ZONE } from "./service-records.ts";

/** `pods insecure`: any address has a name, whether or not a Pod has the address. */
const POD_NAME = new RegExp(`^(\\d+-\\d+-\\d+-\\d+)\\.[a-z0-9-]+\\.pod\\.${ZONE.replaceAll(".", "\\.")}$`);

/**
 * The names that a cluster's DNS server knows. It watches the API server; {@link catchUp} before a question looks at the Services that have changed
 * since the last one, and a question then costs what its answer is long.
 */
export class ClusterZone {
  readonly #api: ApiServer;
  readonly #outside: ReadonlyMap<string, Ipv4Address>;
  readonly #slices = new SliceIndex();
  /** Services to be looked at, as `namespace/name`. */
  readonly #changed = new Set<string>();
  /** What each Service has in {@link #names}. */
  readonly #records = new Map<string, ServiceRecords>();
  /** Each name's records by the Service they come from: an address of two headless Services has a name of each. */
  readonly #names = new Map<string, Map<string, readonly DnsRecord[]>>();
  /** The names of `outside` as they are asked for; as many of them have been taken in as the map had then. */
  readonly #outsideNames = new Map<string, string[]>();
  #outsideCount = 0;
  /** How many names stand below a name: one that has none of its own exists all the same (RFC 8020). */
  readonly #below = new Map<string, number>();

  constructor(api: ApiServer, outside: ReadonlyMap<string, Ipv4Address>) {
    this.#api = api;
    this.#outside = outside;
    for (const object of api.list("EndpointSlice")) this.#slices.follow({ type: "added", object });
    for (const service of api.list("Service")) this.#changed.add(keyOf(service));
    api.watch((change) => this.#note(change));
  }

  /** Takes in what has changed since it was last called. */
  catchUp(): void {
    for (const key of this.#changed) this.#refresh(key);
    this.#changed.clear();
    if (this.#outsideCount !== this.#outside.size) this.#addOutside();
  }

  /** The records of a name; none at all for one that only stands between others; `undefined` for one that does not exist. */
  recordsOf(name: string): readonly DnsRecord[] | undefined {
    const outside = this.#outsideNames.get(name);
    const inside = this.#names.get(name);
    if (outside !== undefined || inside !== undefined) return [...this.#addressesOf(outside), ...inOrder(inside)];
    const pod = POD_NAME.exec(name)?.[1];
    const address = pod === undefined ? undefined : parseIpv4(pod.replaceAll("-", "."));
    if (address !== undefined) return [{ ...inZone(name), type: "A", address }];
    return this.#below.has(name) ? [] : undefined;
  }

  #note(change: ObjectChange): void {
    const { object, before } = change;
    if (object.kind === "Service") this.#changed.add(keyOf(object));
    if (object.kind !== "EndpointSlice") return;
    this.#slices.follow(change);
    for (const slice of [object, before]) {
      const service = slice && serviceKeyOf(slice);
      if (service !== undefined) this.#changed.add(service);
    }
  }

  #refresh(key: string): void {
    for (const name of this.#records.get(key)?.keys() ?? []) this.#removeName(name, key);
    const [namespace = "", name = ""] = key.split("/");
    const service = this.#api.get("Service", name, namespace);
    if (service === undefined) return void this.#records.delete(key);
    const records = serviceRecords(service, this.#slices.of(key));
    this.#records.set(key, records);
    for (const [name, own] of records) {
      const all = this.#names.get(name);
      if (all !== undefined) all.set(key, own);
      else {
        this.#names.set(name, new Map([[key, own]]));
        this.#countBelow(name, 1);
      }
    }
  }

  #removeName(name: string, service: string): void {
    const all = this.#names.get(name);
    all?.delete(service);
    if (all?.size !== 0) return;
    this.#names.delete(name);
    this.#countBelow(name, -1);
  }

  #addOutside(): void {
    let number = 0;
    for (const name of this.#outside.keys()) {
      number += 1;
      if (number <= this.#outsideCount) continue;
      const asked = canonicalName(`${name}.`) ?? `${name}.`;
      const names = this.#outsideNames.get(asked) ?? [];
      this.#outsideNames.set(asked, names);
      names.push(name);
      this.#countBelow(asked, 1);
    }
    this.#outsideCount = number;
  }

  *#addressesOf(names: readonly string[] = []): Generator<DnsRecord> {
    for (const name of names) {
      const address = this.#outside.get(name);
      if (address !== undefined) yield { ...inZone(`${name}.`), type: "A", address };
    }
  }

  #countBelow(name: string, change: 1 | -1): void {
    for (let dot = name.indexOf("."); dot >= 0 && dot < name.length - 1; dot = name.indexOf(".", dot + 1)) {
      const above = name.slice(dot + 1);
      const count = (this.#below.get(above) ?? 0) + change;
      if (count === 0) this.#below.delete(above);
      else this.#below.set(above, count);
    }
  }
}

/** The Services' records by the Services' namespace and name. */
function inOrder(records: ReadonlyMap<string, readonly DnsRecord[]> | undefined): readonly DnsRecord[] {
  if (records === undefined) return [];
  const sorted = records.size > 1 ? [...records].sort(([a], [b]) => (a < b ? -1 : 1)) : [...records];
  return sorted.flatMap(([, own]) => own);
}

function keyOf({ metadata }: Service): string {
  return `${metadata.namespace}/${metadata.name}`;
}
