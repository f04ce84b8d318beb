import { ApiError } from "./api-error.ts";
import type { Deployment, Pod, Service, ServicePortSpec, ServiceProtocol, ServiceType } from "./model.ts";

/*
 * The objects that kubectl makes from a command line, as pure functions: what it would send to the API server.
 */

export interface ExposeOptions {
  /** The Deployment's own name when absent. */
  readonly name?: string;
  /** Taken from the containers when absent. */
  readonly port?: number;
  readonly targetPort?: number | string;
  readonly protocol?: ServiceProtocol;
  readonly type?: ServiceType;
  readonly clusterIp?: string;
  readonly externalIps?: readonly string[];
  readonly sessionAffinity?: "None" | "ClientIP";
}

/** `kubectl expose deployment X --port=80 --target-port=8080 --type=NodePort`. @throws ApiError when there is no port to expose. */
export function exposeDeployment(deployment: Deployment, options: ExposeOptions = {}): Service {
  const labels = deployment.metadata.labels;
  const { type, clusterIp, externalIps, sessionAffinity } = options;
  return {
    apiVersion: "v1",
    kind: "Service",
    metadata: {
      name: options.name ?? deployment.metadata.name,
      namespace: deployment.metadata.namespace,
      ...(labels === undefined ? {} : { labels }),
    },
    spec: {
      ports: exposedPorts(deployment, options),
      selector: deployment.spec.selector?.matchLabels ?? deployment.spec.template.metadata?.labels ?? {},
      ...(type === undefined ? {} : { type }),
      ...(clusterIp === undefined ? {} : { clusterIP: clusterIp }),
      ...(externalIps === undefined ? {} : { externalIPs: externalIps }),
      ...(sessionAffinity === undefined ? {} : { sessionAffinity }),
    },
  };
}

/** `kubectl create deployment X --image=IMAGE`. */
export function createDeployment(
  name: string,
  image: string,
  options: { readonly namespace?: string; readonly replicas?: number; readonly port?: number } = {},
): Deployment {
  const labels = { app: name };
  const ports = options.port === undefined ? {} : { ports: [{ containerPort: options.port }] };
  return {
    apiVersion: "apps/v1",
    kind: "Deployment",
    metadata: { name, namespace: options.namespace ?? "default", labels },
    spec: {
      replicas: options.replicas ?? 1,
      selector: { matchLabels: labels },
      template: { metadata: { labels }, spec: { containers: [{ name: containerName(image), image, ...ports }] } },
    },
  };
}

/** `kubectl run X --image=IMAGE`, as today: a bare Pod. */
export function runPod(
  name: string,
  image: string,
  options: { readonly namespace?: string; readonly restartPolicy?: string } = {},
): Pod {
  const restart = options.restartPolicy === undefined ? {} : { restartPolicy: options.restartPolicy };
  return {
    apiVersion: "v1",
    kind: "Pod",
    metadata: { name, namespace: options.namespace ?? "default", labels: { run: name } },
    spec: { containers: [{ name, image }], ...restart },
  };
}

/** `kubectl run X --image=IMAGE`, as until 1.17: a Deployment whose Pods have the label `run`. */
export function runDeployment(name: string, image: string, options: { readonly namespace?: string } = {}): Deployment {
  const labels = { run: name };
  return {
    apiVersion: "apps/v1",
    kind: "Deployment",
    metadata: { name, namespace: options.namespace ?? "default", labels },
    spec: {
      replicas: 1,
      selector: { matchLabels: labels },
      template: { metadata: { labels }, spec: { containers: [{ name, image }] } },
    },
  };
}

function exposedPorts(deployment: Deployment, options: ExposeOptions): readonly ServicePortSpec[] {
  const containers = deployment.spec.template.spec.containers;
  const declared = containers.flatMap((container) => container.ports ?? []);
  const chosen =
    options.port === undefined
      ? declared.map((port) => ({ port: port.containerPort, protocol: port.protocol ?? "TCP" }))
      : [{ port: options.port, protocol: options.protocol ?? "TCP" }];
  if (chosen.length === 0)
    throw new ApiError("BadRequest", "error: couldn't find port via --port flag or introspection");
  return chosen.map(({ port, protocol }, index) => ({
    // Several ports need names; kubectl counts.
    ...(chosen.length > 1 ? { name: `port-${index + 1}` } : {}),
    port,
    protocol: options.protocol ?? protocol,
    targetPort: options.targetPort ?? port,
  }));
}

/** `k8s.gcr.io/echoserver:1.4` gives `echoserver`. */
function containerName(image: string): string {
  const last = image.slice(image.lastIndexOf("/") + 1);
  return last.replace(/[:@].*$/, "").replaceAll(/[^a-z0-9-]/g, "-");
}
