import { formatIpv4, type Ipv4Address, ipv4, parseIpv4, type TcpEndpoint } from "../netstack/index.ts";
import { detectProxyHeader, emitProxyV1, emitProxyV2, type ProxyHeader } from "../protocols/index.ts";

/** Between whom a connection runs as its client sees it: the sender of it, and the address it called. */
export interface ProxyOrigin {
  readonly client: TcpEndpoint;
  readonly server: TcpEndpoint;
}

/** Whether a listener wants a PROXY header from those who call it. "required" is HAProxy's `accept-proxy`. */
export type AcceptProxy = "never" | "required" | "optional";

/** The PROXY header that tells a backend of `origin`. */
export function emitProxyHeader(version: "v1" | "v2", origin: ProxyOrigin): Uint8Array {
  const { client, server } = origin;
  const ports = { sourcePort: client.port, destinationPort: server.port };
  if (version === "v1") {
    const source = formatIpv4(client.address);
    const destination = formatIpv4(server.address);
    return emitProxyV1({ version: 1, family: "TCP4", source, destination, ...ports });
  }
  const addresses = {
    family: "inet",
    transport: "stream",
    source: client.address,
    destination: server.address,
  } as const;
  return emitProxyV2({ version: 2, command: "proxy", addresses: { ...addresses, ...ports }, tlvs: [] });
}

/** What came before the first bytes of the application. */
export type InboundHeader =
  | { readonly kind: "need-more" }
  | { readonly kind: "ready"; readonly origin: ProxyOrigin; readonly rest: Uint8Array }
  | { readonly kind: "refused"; readonly reason: string };

/** Collects a connection's first bytes until it is clear whether a PROXY header is there and what it says. */
export class InboundHeaderReader {
  readonly #accept: AcceptProxy;
  readonly #connection: ProxyOrigin;
  #bytes: Uint8Array = new Uint8Array(0);

  /** `connection` is what the packets say, and what holds when no header says otherwise. */
  constructor(accept: AcceptProxy, connection: ProxyOrigin) {
    this.#accept = accept;
    this.#connection = connection;
  }

  push(bytes: Uint8Array): InboundHeader {
    this.#bytes = joined(this.#bytes, bytes);
    if (this.#accept === "never") return this.#ready(this.#connection, 0);
    const found = detectProxyHeader(this.#bytes);
    switch (found.kind) {
      case "need-more":
        return found;
      case "invalid":
        return { kind: "refused", reason: `PROXY header: ${found.reason}` };
      case "absent":
        if (this.#accept === "required") return { kind: "refused", reason: "there is no PROXY header" };
        return this.#ready(this.#connection, 0);
      case "header":
        return this.#ready(originOf(found.header) ?? this.#connection, found.length);
    }
  }

  #ready(origin: ProxyOrigin, from: number): InboundHeader {
    return { kind: "ready", origin, rest: this.#bytes.subarray(from) };
  }
}

/** Whom a header names; `undefined` when it names nobody (LOCAL, UNKNOWN) or nobody in IPv4. */
export function originOf(header: ProxyHeader): ProxyOrigin | undefined {
  if (header.version === 1) {
    if (header.family !== "TCP4") return undefined;
    return origin(
      [parseIpv4(header.source), header.sourcePort],
      [parseIpv4(header.destination), header.destinationPort],
    );
  }
  if (header.command === "local" || header.addresses.family !== "inet") return undefined;
  const { source, sourcePort, destination, destinationPort } = header.addresses;
  return origin([ipv4(source), sourcePort], [ipv4(destination), destinationPort]);
}

type Named = readonly [address: Ipv4Address | undefined, port: number];

function origin(client: Named, server: Named): ProxyOrigin | undefined {
  if (client[0] === undefined || server[0] === undefined) return undefined;
  return { client: { address: client[0], port: client[1] }, server: { address: server[0], port: server[1] } };
}

function joined(before: Uint8Array, bytes: Uint8Array): Uint8Array {
  const all = new Uint8Array(before.length + bytes.length);
  all.set(before);
  all.set(bytes, before.length);
  return all;
}
