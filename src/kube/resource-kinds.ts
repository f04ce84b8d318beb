import type { Kind, KubeObject } from "./model.ts";
import { DEPLOYMENT, ENDPOINT_SLICE, NAMESPACE, NODE, POD, SERVICE, SERVICE_CIDR } from "./model-shapes.ts";
import type { Shape } from "./shape.ts";

/** What the API server knows about a kind. */
export interface ResourceKind {
  readonly kind: Kind;
  /** API group; empty for the core group. */
  readonly group: string;
  readonly plural: string;
  /** Names that kubectl accepts beside the plural. */
  readonly shortNames: readonly string[];
  readonly namespaced: boolean;
  readonly shape: Shape<KubeObject>;
}

const KINDS: readonly ResourceKind[] = [
  resource("Service", "", "services", ["service", "svc"], SERVICE),
  resource("EndpointSlice", "discovery.k8s.io", "endpointslices", ["endpointslice"], ENDPOINT_SLICE),
  resource("Pod", "", "pods", ["pod", "po"], POD),
  resource("Deployment", "apps", "deployments", ["deployment", "deploy"], DEPLOYMENT),
  { ...resource("Node", "", "nodes", ["node", "no"], NODE), namespaced: false },
  { ...resource("Namespace", "", "namespaces", ["namespace", "ns"], NAMESPACE), namespaced: false },
  { ...resource("ServiceCIDR", "networking.k8s.io", "servicecidrs", ["servicecidr"], SERVICE_CIDR), namespaced: false },
];

const BY_KIND: ReadonlyMap<Kind, ResourceKind> = new Map(KINDS.map((entry) => [entry.kind, entry]));

/** The kind that an object's `apiVersion` and `kind` name; `undefined` for kinds that natscope leaves alone. */
export function findKind(apiVersion: string, kind: string): ResourceKind | undefined {
  const group = apiVersion.includes("/") ? apiVersion.slice(0, apiVersion.indexOf("/")) : "";
  // Deployments were born in the group extensions; manifests of the tutorial's time still say so.
  const today = group === "extensions" ? "apps" : group;
  return KINDS.find((entry) => entry.kind === kind && entry.group === today);
}

/** The kind that a kubectl command line means by `svc`, `services`, `deployment.apps`… */
export function findKindByWord(word: string): ResourceKind | undefined {
  const lower = word.toLowerCase();
  return KINDS.find(
    (entry) =>
      entry.plural === lower || entry.shortNames.includes(lower) || lower === `${entry.shortNames[0]}.${entry.group}`,
  );
}

export function resourceKind(kind: Kind): ResourceKind {
  const found = BY_KIND.get(kind);
  if (found === undefined) throw new RangeError(`Cannot find kind ${kind}: it has no entry in the table of kinds`);
  return found;
}

/** `services`, or `deployments.apps` outside the core group: how errors name a resource. */
export function qualifiedPlural(kind: ResourceKind): string {
  return kind.group === "" ? kind.plural : `${kind.plural}.${kind.group}`;
}

function resource<T extends KubeObject>(
  kind: T["kind"],
  group: string,
  plural: string,
  shortNames: readonly string[],
  shape: Shape<T>,
): ResourceKind {
  return { kind, group, plural, shortNames, namespaced: true, shape };
}
