import type { EndpointSlice, Service } from "./model.ts";
import type { KubeProxyConfig } from "./proxy-config.ts";

/** What kube-proxy watches, and how it is set up. */
export interface ProxyInput {
  readonly services: readonly Service[];
  readonly endpointSlices: readonly EndpointSlice[];
  readonly config: KubeProxyConfig;
}
