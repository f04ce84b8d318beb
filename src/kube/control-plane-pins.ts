import type { Service, ServicePortSpec } from "./model.ts";

/**
 * What a scenario fixes of the things that the control plane would otherwise draw. Services and Deployments are named `name` or
 * `namespace/name`; a port of a Service with several ports is `name:port`, by its name or number.
 */
export interface ControlPlanePins {
  readonly clusterIps?: Readonly<Record<string, string>>;
  readonly nodePorts?: Readonly<Record<string, number>>;
  readonly healthCheckNodePorts?: Readonly<Record<string, number>>;
  readonly loadBalancers?: Readonly<Record<string, LoadBalancerPin>>;
  /** For each Deployment its Pods, in the order in which they are made. */
  readonly pods?: Readonly<Record<string, readonly PodPin[]>>;
}

/** What a cloud's load balancer would draw for a Service. */
export interface LoadBalancerPin {
  readonly address?: string;
  readonly hostname?: string;
  /** The node that gets the first flow. */
  readonly first?: string;
}

/** One Pod's name, address and node, each of them only where it matters. */
export interface PodPin {
  readonly name?: string;
  readonly address?: string;
  readonly node?: string;
}

export function pinnedNodePort(pins: ControlPlanePins, service: Service, port: ServicePortSpec): number | undefined {
  const wanted = pins.nodePorts ?? {};
  for (const name of namesOf(service.metadata)) {
    const found = wanted[`${name}:${port.name}`] ?? wanted[`${name}:${port.port}`];
    if (found !== undefined) return found;
    if (service.spec.ports?.[0]?.port === port.port && wanted[name] !== undefined) return wanted[name];
  }
  return undefined;
}

/** Looks an object up in one part of the pins, by `namespace/name` or, in the namespace `default`, by name. */
export function pinFor<T>(
  part: Readonly<Record<string, T>> | undefined,
  meta: { readonly namespace: string; readonly name: string },
): T | undefined {
  for (const name of namesOf(meta)) {
    const found = part?.[name];
    if (found !== undefined) return found;
  }
  return undefined;
}

function namesOf({ namespace, name }: { readonly namespace: string; readonly name: string }): readonly string[] {
  return namespace === "default" ? [`default/${name}`, name] : [`${namespace}/${name}`];
}
