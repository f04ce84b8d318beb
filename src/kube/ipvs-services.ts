import { formatAddressPort, type Ipv4Address } from "./address.ts";
import type { Endpoint } from "./endpoints.ts";
import type { ServiceProtocol } from "./model.ts";
import { type KubeProxyConfig, selectedNodePortAddresses } from "./proxy-config.ts";
import type { ServicePlan } from "./service-plan.ts";

/*
 * The virtual servers of ipvs mode: one for each address and port that a Service answers on, with the endpoints behind it.
 */

/** A virtual server as `ipvsadm` shows it. */
export interface IpvsService {
  readonly protocol: ServiceProtocol;
  readonly address: Ipv4Address;
  readonly port: number;
  /** As ipvsadm names it: `rr`, `lc`, `sh`, `mh`… */
  readonly scheduler: string;
  /** How long a client stays with its server; `undefined` without session affinity. */
  readonly persistenceSeconds: number | undefined;
  readonly servers: readonly IpvsServer[];
}

/** Reached by translation (NAT), the only way that kube-proxy uses. */
export interface IpvsServer {
  readonly address: Ipv4Address;
  readonly port: number;
  readonly weight: number;
}

const PROTOCOL_NUMBERS: Readonly<Record<ServiceProtocol, number>> = { TCP: 6, UDP: 17, SCTP: 132 };
const SERVICE_OPTION: Readonly<Record<ServiceProtocol, string>> = { TCP: "-t", UDP: "-u", SCTP: "--sctp-service" };

/** The virtual servers of all plans; of two with the same address and port the first counts. */
export function ipvsServices(plans: readonly ServicePlan[], config: KubeProxyConfig): readonly IpvsService[] {
  const services = new Map<string, IpvsService>();
  for (const plan of plans) {
    for (const service of servicesOf(plan, config)) {
      const key = `${service.protocol} ${formatAddressPort(service.address, service.port)}`;
      if (!services.has(key)) services.set(key, service);
    }
  }
  return [...services.values()];
}

/** The node's addresses that have a virtual server for each nodePort; never loopback. */
export function ipvsNodePortAddresses(config: KubeProxyConfig): readonly Ipv4Address[] {
  return selectedNodePortAddresses(config).filter((address) => address >>> 24 !== 127);
}

/** Addresses that kube-ipvs0 carries: every cluster IP, and VIPs that no other interface of the node has. */
export function ipvsBoundAddresses(plans: readonly ServicePlan[], config: KubeProxyConfig): readonly Ipv4Address[] {
  const vips = plans.flatMap(({ port }) => [...port.externalIps, ...port.loadBalancerVips]);
  const foreign = vips.filter((address) => !config.nodeAddresses.includes(address));
  return [...new Set([...plans.map(({ port }) => port.clusterIp), ...foreign])].sort((a, b) => a - b);
}

/** The virtual servers as `ipvsadm-save -n` prints them: sorted by protocol, address and port, and so the servers of each. */
export function formatIpvsServices(services: readonly IpvsService[]): string {
  return services
    .toSorted((a, b) => PROTOCOL_NUMBERS[a.protocol] - PROTOCOL_NUMBERS[b.protocol] || byAddress(a, b))
    .flatMap(formatService)
    .map((line) => `${line}\n`)
    .join("");
}

function servicesOf({ port, endpoints }: ServicePlan, config: KubeProxyConfig): readonly IpvsService[] {
  // Without a local endpoint everybody is sent to the others; who comes from outside gets answers that do not fit
  // (kubernetes/kubernetes#97081).
  const serversFor = (local: boolean) => (local && endpoints.local.length > 0 ? endpoints.local : endpoints.cluster);
  const service = (address: Ipv4Address, number: number, servers: readonly Endpoint[]): IpvsService => ({
    protocol: port.protocol,
    address,
    port: number,
    scheduler: config.ipvsScheduler,
    persistenceSeconds: port.affinitySeconds,
    servers: servers.map((server) => ({ address: server.address, port: server.port, weight: 1 })),
  });
  const external = serversFor(port.externalPolicyLocal);
  const nodeAddresses = port.nodePort === 0 ? [] : ipvsNodePortAddresses(config);
  return [
    service(port.clusterIp, port.port, serversFor(port.internalPolicyLocal)),
    ...[...port.externalIps, ...port.loadBalancerVips].map((address) => service(address, port.port, external)),
    ...nodeAddresses.map((address) => service(address, port.nodePort, external)),
  ];
}

function formatService(service: IpvsService): readonly string[] {
  const where = `${SERVICE_OPTION[service.protocol]} ${formatAddressPort(service.address, service.port)}`;
  const persistence = service.persistenceSeconds === undefined ? "" : ` -p ${service.persistenceSeconds}`;
  // Maglev hashing takes the source port into account as well.
  const flags = service.scheduler === "mh" ? " -b mh-port" : "";
  return [
    `-A ${where} -s ${service.scheduler}${persistence}${flags}`,
    ...service.servers
      .toSorted(byAddress)
      .map((server) => `-a ${where} -r ${formatAddressPort(server.address, server.port)} -m -w ${server.weight}`),
  ];
}

function byAddress(a: IpvsServer | IpvsService, b: IpvsServer | IpvsService): number {
  return a.address - b.address || a.port - b.port;
}
