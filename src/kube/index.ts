/*
 * Kubernetes without packets: objects go in, rules come out.
 *
 * The folder holds what of a cluster decides where packets go: the objects (model.ts) and how they are read from YAML (read-objects.ts);
 * an API server that fills in defaults, gives out addresses and ports and refuses what the real one refuses (api-server.ts); controllers
 * that turn Deployments into Pods and Pods into EndpointSlices (deployment-controller.ts, endpoint-slice-controller.ts); what kubectl
 * makes and prints (kubectl-*.ts); and kube-proxy, which turns Services and EndpointSlices into one node's rules.
 *
 * kube-proxy comes in three steps: service-ports.ts and endpoints.ts say what there is, service-plan.ts decides what is to be done, and one
 * file for each mode writes it down: iptables-rules.ts, nft-rules.ts, ipvs-rules.ts, userspace-rules.ts. Nothing here knows time, a network
 * or a packet, and chance is passed in: the caller decides when a controller runs and what becomes of the rules. IPv4 only.
 *
 *     const { objects } = readObjects(parsedYaml);
 *     const { config } = kubeProxyConfig({ name: "node1" }, { clusterCidr: "10.244.0.0/16" });
 *     const rules = iptablesRules({ services: ofKind(objects, "Service"), endpointSlices: ofKind(objects, "EndpointSlice"), config });
 */
export { ApiError, type ApiErrorReason } from "./api-error.ts";
export {
  ApiServer,
  type ApiServerOptions,
  type ObjectChange,
  type PatchKind,
  type Stored,
} from "./api-server.ts";
export type { Chance } from "./band-allocator.ts";
export { chainHash, endpointChainName, type ServiceChainKind, serviceChainName } from "./chain-names.ts";
export { backOffSeconds, isRestarted, restartCount, withContainerState } from "./container-restart.ts";
export { type ControlPlanePins, type LoadBalancerPin, type PodPin, pinFor } from "./control-plane-pins.ts";
export { ControllerManager, type ControllerManagerOptions } from "./controller-manager.ts";
export {
  isOwnedBy,
  type PodChanges,
  type PodNaming,
  reconcileDeployment,
  TEMPLATE_HASH_LABEL,
} from "./deployment-controller.ts";
export { reconcileSlices, type SliceChanges, type SliceInput } from "./endpoint-slice-controller.ts";
export {
  categorizeEndpoints,
  collectEndpoints,
  type Endpoint,
  type EndpointCategories,
  type Locality,
  localityOf,
  SERVICE_NAME_LABEL,
} from "./endpoints.ts";
export {
  type HealthAnswer,
  type HealthCheckPort,
  healthCheckAnswer,
  healthCheckPorts,
  type KubernetesVersion,
  type ProxyHealth,
  parseKubernetesVersion,
  proxyHealthAnswer,
  proxyMetricsAnswer,
} from "./health.ts";
export {
  formatIpSets,
  type IpSet,
  type IpSetEntry,
  type IpSetSubject,
  type IpSetType,
  matchesIpSet,
} from "./ip-sets.ts";
export { iptablesRules } from "./iptables-rules.ts";
export { IPTABLES_STYLE } from "./iptables-style.ts";
export { formatIpvsRules, type IpvsRules, ipvsRules } from "./ipvs-rules.ts";
export { formatIpvsServices, type IpvsServer, type IpvsService } from "./ipvs-services.ts";
export { formatJsonPath, JsonPathError } from "./json-path.ts";
export { createDeployment, type ExposeOptions, exposeDeployment, runDeployment, runPod } from "./kubectl-create.ts";
export { formatAge, formatKubectlTable, type TableOptions } from "./kubectl-tables.ts";
export { asList, formatJson, formatYaml } from "./kubectl-yaml.ts";
export { applyPatch, jsonMergePatch, strategicMergePatch } from "./merge-patch.ts";
export type * from "./model.ts";
export { NFT_EQUIVALENT_STYLE, nftablesEquivalentRules } from "./nft-equivalent-rules.ts";
export { formatNftTable } from "./nft-format.ts";
export { nftablesRules } from "./nft-rules.ts";
export type * from "./nft-table.ts";
export {
  evictionSeconds,
  withNodeReachable,
  withNodeUnreachable,
  withPodUnreachable,
} from "./node-lifecycle.ts";
export { keyOf, type ObjectKey, referenceTo } from "./object-store.ts";
export {
  areContainersReady,
  bindPod,
  isFinished,
  isPodReady,
  isTerminating,
  podAddress,
  selects,
  startPod,
  terminationSeconds,
  withPodCondition,
  withReadiness,
} from "./pod.ts";
export {
  DETECT_LOCAL_MODES,
  type DetectLocalMode,
  type KubeProxyConfig,
  type KubeProxyFlags,
  kubeProxyConfig,
  type LocalDetector,
  type NodePortAddresses,
  PROXY_MODES,
  type ProxyMode,
  type ProxyNode,
  primaryAddress,
} from "./proxy-config.ts";
export type { ProxyInput } from "./proxy-input.ts";
export { ProxyObjects, type ServiceSource } from "./proxy-objects.ts";
export { ofKind, type ReadObjects, readObjects } from "./read-objects.ts";
export { findKindByWord, qualifiedPlural, type ResourceKind, resourceKind } from "./resource-kinds.ts";
export type { RuleStyle } from "./rule-style.ts";
export { Rulebook, rulebookKey } from "./rulebook.ts";
export { isNodeReady, NodeLoads, Scheduler, scheduleNode } from "./scheduler.ts";
export { SelectionIndex } from "./selection-index.ts";
export { healthCheckNodePortOf, type ServicePort, servicePortKey, servicePorts } from "./service-ports.ts";
export { SliceIndex, serviceKeyOf } from "./slice-index.ts";
export { staleConnections } from "./stale-connections.ts";
export { type UserspacePort, type UserspaceRules, userspaceRules } from "./userspace-rules.ts";
export { WorkQueue } from "./work-queue.ts";
