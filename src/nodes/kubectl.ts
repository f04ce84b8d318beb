import {
  ApiError,
  type ApiServer,
  asList,
  createDeployment,
  exposeDeployment,
  findKindByWord,
  formatJson,
  formatJsonPath,
  formatKubectlTable,
  formatYaml,
  type Kind,
  type KubeObject,
  type KubernetesVersion,
  type ObjectKey,
  qualifiedPlural,
  referenceTo,
  resourceKind,
  runPod,
  type ServiceType,
  type Stored,
  selects,
} from "../kube/index.ts";
import { secondsBetween } from "../sim/index.ts";
import { KubectlUsageError, type KubectlWords, readKubectlWords } from "./kubectl-words.ts";

/** What a command gave back. */
export interface KubectlOutcome {
  readonly exitCode: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** What outputs depend on beside the objects: the cluster's version and the time. */
export interface KubectlContext {
  readonly version: KubernetesVersion;
  readonly now: string;
}

/** What the tutorials type of kubectl; each returns what it prints. */
const VERBS: Readonly<Record<string, (api: ApiServer, words: KubectlWords, about: KubectlContext) => string>> = {
  get,
  create,
  expose,
  run,
  patch,
  annotate: (api, words) => mark(api, words, "annotated"),
  label: (api, words) => mark(api, words, "labeled"),
  scale,
  delete: remove,
};

/** Runs a kubectl command line, `kubectl` itself left out, against the API server. Messages and exit codes are kubectl's. */
export function runKubectl(api: ApiServer, argv: readonly string[], about: KubectlContext): KubectlOutcome {
  try {
    const words = readKubectlWords(argv);
    const verb = VERBS[words.verb];
    if (verb === undefined)
      throw new KubectlUsageError(
        `unknown command "${words.verb}" for "kubectl": expected one of ${Object.keys(VERBS).join(", ")}`,
      );
    return { exitCode: 0, stdout: verb(api, words, about), stderr: "" };
  } catch (error) {
    if (!(error instanceof ApiError || error instanceof KubectlUsageError)) throw error;
    return { exitCode: 1, stdout: "", stderr: `${error.message}\n` };
  }
}

function get(api: ApiServer, words: KubectlWords, { version, now }: KubectlContext): string {
  const single = words.names.length > 1 || words.names[0]?.includes("/") === true;
  const objects = single
    ? words.targets().map((key) => api.require(key))
    : selected(api, words).map((key) => api.require(key));
  const output = words.option("output") ?? "";
  if (output === "" || output === "wide") {
    if (objects.length === 0) return `No resources found in ${words.namespace} namespace.\n`;
    const ageSeconds = ({ metadata }: KubeObject): number | undefined =>
      secondsBetween(metadata.creationTimestamp ?? "", now);
    return formatKubectlTable(objects, { version, wide: output === "wide", ageSeconds });
  }
  const [first] = objects;
  const value = single && objects.length === 1 ? first : asList(objects);
  if (output === "yaml") return formatYaml(value);
  if (output === "json") return formatJson(value);
  if (output.startsWith("jsonpath=")) return formatJsonPath(output.slice("jsonpath=".length), value);
  if (output === "name") return objects.map((object) => `${describe(object)}\n`).join("");
  throw new KubectlUsageError(
    `error: unable to match a printer suitable for the output format "${output}", allowed formats are: json,jsonpath,name,wide,yaml`,
  );
}

function create(api: ApiServer, words: KubectlWords): string {
  const [kind, name] = words.names;
  const image = words.option("image");
  if (kind !== "deployment" || name === undefined || image === undefined) {
    throw new KubectlUsageError(
      "error: natscope's kubectl creates Deployments: create deployment NAME --image=IMAGE [--replicas=N]",
    );
  }
  const replicas = words.number("replicas");
  const namespace = words.namespace;
  return `${describe(api.create(createDeployment(name, image, { namespace, ...(replicas !== undefined && { replicas }) })))} created\n`;
}

function expose(api: ApiServer, words: KubectlWords): string {
  const { kind, name } = words.target();
  const deployment = api.require({ kind: "Deployment", name, namespace: words.namespace });
  if (kind !== "Deployment" || deployment.kind !== "Deployment")
    throw new KubectlUsageError(`error: cannot expose a ${kind}`);
  const targetPort = words.option("target-port");
  const service = exposeDeployment(deployment, {
    ...defined("name", words.option("name")),
    ...defined("port", words.number("port")),
    ...defined("targetPort", targetPort !== undefined && /^\d+$/.test(targetPort) ? Number(targetPort) : targetPort),
    ...defined("type", words.option("type") as ServiceType | undefined),
    ...defined("protocol", words.option("protocol") as "TCP" | "UDP" | undefined),
    ...defined("clusterIp", words.option("cluster-ip")),
    ...defined("sessionAffinity", words.option("session-affinity") as "None" | "ClientIP" | undefined),
  });
  return `${describe(api.create(service))} exposed\n`;
}

function run(api: ApiServer, words: KubectlWords): string {
  const [name] = words.names;
  const image = words.option("image");
  if (name === undefined || image === undefined) throw new KubectlUsageError('error: required flag(s) "image" not set');
  return `${describe(api.create(runPod(name, image, { namespace: words.namespace, ...defined("restartPolicy", words.option("restart")) })))} created\n`;
}

function patch(api: ApiServer, words: KubectlWords): string {
  const text = words.option("patch");
  const type = words.option("type") ?? "strategic";
  if (text === undefined)
    throw new KubectlUsageError("error: must specify --patch or --patch-file containing the contents of the patch");
  if (type !== "strategic" && type !== "merge")
    throw new KubectlUsageError(`error: --type must be one of [merge strategic], not "${type}"`);
  const subresource = words.option("subresource");
  if (subresource !== undefined && subresource !== "status")
    throw new KubectlUsageError(`error: invalid subresource value: "${subresource}". Must be one of [status]`);
  const key = words.target();
  const change = parseJson(text);
  const stored = subresource === undefined ? api.patch(key, change, type) : api.patchStatus(key, change, type);
  return `${describe(stored.object)} patched${stored.change === "unchanged" ? " (no change)" : ""}\n`;
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw new KubectlUsageError(`error: unable to parse "${text}": expected JSON like {"spec":{…}}`);
  }
}

/** `annotate` and `label`: `key=value` sets, `key-` removes. */
function mark(api: ApiServer, words: KubectlWords, done: "annotated" | "labeled"): string {
  const { pairs, rest } = words.pairs();
  const key = rest.target();
  if (words.option("overwrite") !== "true") refuseOverwriting(api.require(key), pairs, done);
  const stored: Stored = done === "labeled" ? api.label(key, pairs) : api.annotate(key, pairs);
  return `${describe(stored.object)} ${stored.change === "unchanged" ? `not ${done}` : done}\n`;
}

/** kubectl changes what is there already only when told to. */
function refuseOverwriting(
  object: KubeObject,
  pairs: Readonly<Record<string, string | null>>,
  done: "annotated" | "labeled",
): void {
  const there = (done === "labeled" ? object.metadata.labels : object.metadata.annotations) ?? {};
  const clash = Object.entries(pairs).find(([key, value]) => value !== null && (there[key] ?? value) !== value);
  if (clash === undefined) return;
  const what =
    done === "labeled"
      ? `'${clash[0]}' already has a value (${there[clash[0]]}), and`
      : `found the following declared annotation(s): ${clash[0]}, but`;
  throw new KubectlUsageError(`error: ${what} --overwrite is false`);
}

function scale(api: ApiServer, words: KubectlWords): string {
  const replicas = words.number("replicas");
  if (replicas === undefined) throw new KubectlUsageError('error: required flag(s) "replicas" not set');
  const { kind, name } = words.target();
  if (kind !== "Deployment") throw new KubectlUsageError(`error: cannot scale a ${kind}`);
  return `${describe(api.scale({ name, namespace: words.namespace }, replicas).object)} scaled\n`;
}

function remove(api: ApiServer, words: KubectlWords): string {
  const keys = words.option("selector") === undefined ? words.targets() : selected(api, words);
  const atOnce = words.option("force") === "true" || words.number("grace-period") === 0;
  return keys
    .map((key) => {
      const object = atOnce ? api.remove(key) : api.delete(key);
      return `${qualified(object)} "${object.metadata.name}" deleted\n`;
    })
    .join("");
}

/** The objects of the named kind whose labels are those of `-l`; all of them without. */
function selected(api: ApiServer, words: KubectlWords): readonly ObjectKey[] {
  const kind = findKindByWord(words.names[0] ?? "");
  if (kind === undefined)
    throw new KubectlUsageError(`error: the server doesn't have a resource type "${words.names[0] ?? ""}"`);
  const pairs = (words.option("selector") ?? "").split(",").filter((pair) => pair !== "");
  const labels = Object.fromEntries(pairs.map((pair) => pair.split("=", 2)));
  const everywhere = !kind.namespaced || words.option("all-namespaces") === "true";
  const all: readonly KubeObject[] = api.list(kind.kind as Kind, everywhere ? undefined : words.namespace);
  return all.filter((object) => selects(labels, object.metadata.labels)).map(referenceTo);
}

/** `service/nodeport`, `deployment.apps/source-ip-app`. */
function describe(object: KubeObject): string {
  return `${qualified(object)}/${object.metadata.name}`;
}

function qualified(object: KubeObject): string {
  const kind = resourceKind(object.kind);
  return qualifiedPlural(kind).replace(kind.plural, object.kind.toLowerCase());
}

function defined<K extends string, T>(key: K, value: T | undefined): { [P in K]: T } | Record<never, never> {
  return value === undefined ? {} : ({ [key]: value } as { [P in K]: T });
}
