import { formatIpv4, type Ipv4Address, ipv4, parseIpv4, type Stack } from "../netstack/index.ts";
import { DnsClass, type DnsMessage, DnsRcode, reverseName, sameName } from "../protocols/index.ts";
import { seconds } from "../sim/index.ts";
import { askDns, type DnsOutcome } from "./dns-client.ts";
import { askPair, type PairMode } from "./dns-pair.ts";

/** What `/etc/resolv.conf` says, resolv.conf(5). */
export interface ResolverConfig {
  readonly nameservers: readonly Ipv4Address[];
  readonly search: readonly string[];
  /** A name with at least so many dots is tried as it is before the search domains. Kubernetes sets 5. */
  readonly ndots: number;
  readonly timeoutSeconds: number;
  readonly attempts: number;
  /** Asks for AAAA records as well, as glibc does where an interface has an IPv6 address, if only a link-local one; programs here have no use for the answers. */
  readonly asksForIpv6: boolean;
  /** How it asks for both. */
  readonly pairMode: PairMode;
}

/** The libraries' defaults, without a server. */
export const DEFAULT_RESOLVER_CONFIG: ResolverConfig = {
  nameservers: [],
  search: [],
  ndots: 1,
  timeoutSeconds: 5,
  attempts: 2,
  asksForIpv6: false,
  pairMode: "parallel",
};

/** One line of `/etc/hosts`. */
export interface HostsEntry {
  readonly address: Ipv4Address;
  readonly names: readonly string[];
}

/** `try-again` is glibc's "Temporary failure in name resolution": no server gave an answer. */
export type Resolution =
  | {
      readonly kind: "found";
      readonly addresses: readonly Ipv4Address[];
      /** The name that has the addresses, after search domains and aliases. */
      readonly canonicalName: string;
    }
  | { readonly kind: "not-found" | "try-again" };

/** How the programs of a host turn names into addresses. */
export interface Resolver {
  readonly hosts: readonly HostsEntry[];
  readonly config: ResolverConfig;
  /** Calls `done` once, at once when no server has to be asked. The returned function gives up without calling it. */
  resolve(name: string, done: (resolution: Resolution) => void): () => void;
  /** The name of an address, or `undefined`; otherwise as {@link resolve}. */
  nameOf(address: Ipv4Address, done: (name: string | undefined) => void): () => void;
}

/** Most addresses of one name that are kept. */
const MOST_ADDRESSES = 48;

/**
 * A host's resolver as getaddrinfo(3) works with nsswitch `hosts: files dns`: the hosts file, then DNS with search domains.
 * It asks for A records only, as glibc does with AI_ADDRCONFIG on a host without IPv6, unless told, and keeps nothing between calls.
 */
export class StubResolver implements Resolver {
  readonly hosts: readonly HostsEntry[];
  readonly config: ResolverConfig;
  readonly #stack: Stack;

  constructor(
    stack: Stack,
    options: { readonly hosts?: readonly HostsEntry[]; readonly config?: Partial<ResolverConfig> },
  ) {
    this.#stack = stack;
    this.hosts = options.hosts ?? [];
    this.config = { ...DEFAULT_RESOLVER_CONFIG, ...options.config };
  }

  resolve(name: string, done: (resolution: Resolution) => void): () => void {
    const literal = parseIpv4(name);
    const known = literal === undefined ? addressesInHosts(this.hosts, name) : [literal];
    if (known.length > 0) done({ kind: "found", addresses: known, canonicalName: name });
    else if (this.config.nameservers.length === 0) done({ kind: "try-again" });
    else return new Lookup(this.#stack, this.config, done).begin(candidateNames(name, this.config));
    return () => {};
  }

  nameOf(address: Ipv4Address, done: (name: string | undefined) => void): () => void {
    const entry = this.hosts.find((one) => one.address === address);
    const [server] = this.config.nameservers;
    if (entry !== undefined || server === undefined) {
      done(entry?.names[0]);
      return () => {};
    }
    const question = { name: reverseName(address), type: "PTR", class: DnsClass.in };
    const request = { server, question, timeout: seconds(this.config.timeoutSeconds) };
    return askDns(this.#stack, request, (outcome) => {
      const records = outcome.kind === "answer" ? outcome.message.answers : [];
      const pointer = records.find((record) => record.type === "PTR");
      done(pointer?.type === "PTR" ? withoutFinalDot(pointer.target) : undefined);
    });
  }
}

function addressesInHosts(hosts: readonly HostsEntry[], name: string): Ipv4Address[] {
  const wanted = name.replace(/\.$/, "").toLowerCase();
  const entries = hosts.filter((entry) => entry.names.some((alias) => alias.toLowerCase() === wanted));
  return entries.map((entry) => entry.address);
}

/** The names to ask for, in order: res_nsearch(3). */
export function candidateNames(name: string, config: ResolverConfig): readonly string[] {
  if (name.endsWith(".")) return [name];
  const dots = name.split(".").length - 1;
  const searched = config.search.map((domain) => `${name}.${domain.replace(/\.$/, "")}.`);
  const asIs = `${name}.`;
  return dots >= config.ndots ? [asIs, ...searched] : [...searched, asIs];
}

/** One getaddrinfo call: candidate names, and for each the servers in turn, `attempts` times. */
class Lookup {
  readonly #stack: Stack;
  readonly #config: ResolverConfig;
  readonly #done: (resolution: Resolution) => void;
  #cancel: () => void = () => {};
  #names: readonly string[] = [];
  #failures = false;

  constructor(stack: Stack, config: ResolverConfig, done: (resolution: Resolution) => void) {
    this.#stack = stack;
    this.#config = config;
    this.#done = done;
  }

  begin(names: readonly string[]): () => void {
    this.#names = names;
    this.#ask(0, 0);
    return () => this.#cancel();
  }

  #ask(nameIndex: number, tries: number): void {
    const { nameservers, attempts, timeoutSeconds } = this.#config;
    const name = this.#names[nameIndex];
    const server = nameservers[tries % nameservers.length];
    if (name === undefined) return this.#done({ kind: this.#failures ? "try-again" : "not-found" });
    // As in glibc no server's answer at all ends the whole search: the next name would fare no better.
    if (server === undefined || tries >= attempts * nameservers.length) return this.#done({ kind: "try-again" });
    const [timeout, take] = [seconds(timeoutSeconds), (got: DnsOutcome) => this.#take(got, nameIndex, tries)];
    const { asksForIpv6, pairMode: mode } = this.#config;
    this.#cancel = asksForIpv6
      ? askPair(this.#stack, { server, name, timeout, mode }, take)
      : askDns(this.#stack, { server, question: { name, type: "A", class: DnsClass.in }, timeout }, take);
  }

  #take(outcome: DnsOutcome, nameIndex: number, tries: number): void {
    if (outcome.kind !== "answer") return this.#ask(nameIndex, tries + 1);
    const { message } = outcome;
    const { addresses, name } = addressesIn(message);
    if (addresses.length > 0) return this.#done({ kind: "found", addresses, canonicalName: withoutFinalDot(name) });
    if (message.rcode !== DnsRcode.noError && message.rcode !== DnsRcode.nameError) {
      const { nameservers, attempts } = this.#config;
      if (tries + 1 < attempts * nameservers.length) return this.#ask(nameIndex, tries + 1);
      this.#failures = true;
    }
    this.#ask(nameIndex + 1, 0);
  }
}

/** The addresses that a message gives its question's name, following CNAMEs within the answer, and whose they are. */
function addressesIn(message: DnsMessage): { readonly addresses: Ipv4Address[]; readonly name: string } {
  let name = message.questions[0]?.name ?? ".";
  for (let steps = 0; steps < message.answers.length; steps++) {
    const alias = message.answers.find((record) => record.type === "CNAME" && sameName(record.name, name));
    if (alias?.type !== "CNAME") break;
    name = alias.target;
  }
  const addresses = message.answers
    .flatMap((record) => (record.type === "A" && sameName(record.name, name) ? [ipv4(record.address)] : []))
    .slice(0, MOST_ADDRESSES);
  return { addresses, name };
}

/** Names are shown without the dot that ends them. */
export function withoutFinalDot(name: string): string {
  return name.length > 1 && name.endsWith(".") ? name.slice(0, -1) : name;
}

/** What /etc/resolv.conf says of it, in the order in which kubelet writes it. */
export function formatResolverConfig(config: ResolverConfig): string {
  const { search, nameservers, ndots, timeoutSeconds, attempts, pairMode } = config;
  const options = [
    ndots === 1 ? "" : `ndots:${ndots}`,
    timeoutSeconds === 5 ? "" : `timeout:${timeoutSeconds}`,
    attempts === 2 ? "" : `attempts:${attempts}`,
    pairMode === "parallel" ? "" : pairMode,
  ].filter((option) => option !== "");
  const lines = [
    search.length === 0 ? "" : `search ${search.join(" ")}`,
    ...nameservers.map((server) => `nameserver ${formatIpv4(server)}`),
    options.length === 0 ? "" : `options ${options.join(" ")}`,
  ];
  return lines
    .filter((line) => line !== "")
    .map((line) => `${line}\n`)
    .join("");
}
