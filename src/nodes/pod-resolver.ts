import type { ResolverConfig } from "../apps/index.ts";
import type { Pod } from "../kube/index.ts";
import { type Ipv4Address, parseIpv4 } from "../netstack/index.ts";
import { CLUSTER_DOMAIN } from "./service-records.ts";

/** kubelet's `options ndots:5`. */
const KUBELET_OPTIONS = [{ name: "ndots", value: "5" }];

/** A pod's resolv.conf as kubelet writes it: the Service kube-dns, a search list that begins with the pod's namespace, and what its `dnsConfig` adds. */
export function podResolver({ metadata, spec }: Pod, dns: Ipv4Address, asksForIpv6: boolean): Partial<ResolverConfig> {
  const { nameservers = [], searches = [], options = [] } = spec.dnsConfig ?? {};
  const further = nameservers.map(parseIpv4).filter((address) => address !== undefined);
  const domains = [`${metadata.namespace}.svc.${CLUSTER_DOMAIN}`, `svc.${CLUSTER_DOMAIN}`, CLUSTER_DOMAIN, ...searches];
  const base = { nameservers: [dns, ...further], search: domains, asksForIpv6 };
  return [...KUBELET_OPTIONS, ...options].reduce(addOption, base);
}

/** Options that resolvers here do not know are left aside, as the libraries do. */
function addOption(
  config: Partial<ResolverConfig>,
  { name, value = "" }: { readonly name: string; readonly value?: string },
): Partial<ResolverConfig> {
  const number = /^\d{1,3}$/.test(value) ? Number(value) : undefined;
  switch (name) {
    case "single-request":
    case "single-request-reopen":
    case "use-vc":
      return { ...config, pairMode: name };
    case "ndots":
      return number === undefined ? config : { ...config, ndots: number };
    case "timeout":
      return number === undefined ? config : { ...config, timeoutSeconds: Math.max(1, number) };
    case "attempts":
      return number === undefined ? config : { ...config, attempts: Math.max(1, number) };
    default:
      return config;
  }
}
