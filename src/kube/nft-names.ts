import { formatIpv4 } from "./address.ts";
import { chainHash } from "./chain-names.ts";
import type { Endpoint } from "./endpoints.ts";
import { protocolName } from "./service-plan.ts";
import type { ServicePort } from "./service-ports.ts";

/*
 * Names of chains and sets in nftables mode. nftables allows 256 characters, so they say what they are for; the hash in front tells
 * apart at a glance what differs only at the end. Slashes appear in no name of Kubernetes', so they can separate the parts.
 */

/** 256 less the longest prefix that kube-proxy allows itself. */
const LONGEST = 240;

export type NftNameKind = "service" | "local" | "external" | "firewall";

/** `service-ULMVA6XW-ns1/svc1/tcp/p80`: the chains of a service port. */
export function nftServiceName(kind: NftNameKind, port: ServicePort): string {
  return `${kind}-${hashed(servicePath(port))}`;
}

/** `endpoint-5OJB2KTY-ns1/svc1/tcp/p80__10.180.0.1/80`: an endpoint's chain, and the set of clients that it keeps. */
export function nftEndpointName(kind: "endpoint" | "affinity", port: ServicePort, endpoint: Endpoint): string {
  return `${kind}-${hashed(`${servicePath(port)}__${formatIpv4(endpoint.address)}/${endpoint.port}`)}`;
}

function servicePath(port: ServicePort): string {
  return `${port.namespace}/${port.service}/${protocolName(port)}/${port.portName}`;
}

function hashed(path: string): string {
  const name = `${chainHash(path).slice(0, 8)}-${path}`;
  return name.length > LONGEST ? `${name.slice(0, LONGEST - 3)}...` : name;
}
