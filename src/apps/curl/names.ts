import { type Ipv4Address, LOOPBACK_ADDRESS, parseIpv4 } from "../../netstack/index.ts";
import type { Resolver } from "../resolver.ts";
import type { CurlUrl } from "./url.ts";

/** How curl gets at addresses: `--resolve`, what it has asked before, and the host's resolver. */
export class CurlNames {
  readonly #resolver: Resolver;
  readonly #info: (line: string) => void;
  /** By `host:port`, as curl's own cache is. */
  readonly #cache = new Map<string, readonly Ipv4Address[]>();

  constructor(resolver: Resolver, resolves: readonly string[], info: (line: string) => void) {
    this.#resolver = resolver;
    this.#info = info;
    for (const entry of resolves) this.#add(entry);
  }

  /** Calls `found` once, with no addresses when there are none. The returned function gives up. */
  resolve(url: CurlUrl, found: (addresses: readonly Ipv4Address[]) => void): () => void {
    const key = `${url.host.toLowerCase()}:${url.port}`;
    const cached = this.#cache.get(key) ?? this.#cache.get(`*:${url.port}`);
    if (cached !== undefined) {
      this.#info(`Hostname ${url.host} was found in DNS cache`);
      found(cached);
      return () => {};
    }
    return this.#ask(url.host, (addresses) => {
      if (addresses.length > 0) this.#cache.set(key, addresses);
      found(addresses);
    });
  }

  /** curl answers for localhost itself (RFC 6761 §6.3). */
  #ask(host: string, found: (addresses: readonly Ipv4Address[]) => void): () => void {
    if (/(^|\.)localhost\.?$/i.test(host)) {
      found([LOOPBACK_ADDRESS]);
      return () => {};
    }
    return this.#resolver.resolve(host, (resolution) => found(resolution.kind === "found" ? resolution.addresses : []));
  }

  /** An entry of `--resolve`: `host:port:address[,address]`. */
  #add(entry: string): void {
    const match = /^\+?([^:]+):(\d{1,5}):(.+)$/.exec(entry);
    const addresses = (match?.[3] ?? "").split(",").map((text) => parseIpv4(text));
    const known = addresses.filter((address) => address !== undefined);
    if (match === null || known.length !== addresses.length) {
      this.#info(`Couldn't parse CURLOPT_RESOLVE entry '${entry}'`);
      return;
    }
    this.#cache.set(`${match[1]?.toLowerCase()}:${match[2]}`, known);
    this.#info(`Added ${match[1]}:${match[2]}:${match[3]} to DNS cache`);
  }
}
