import { type BalancingMethod, GCE_HEALTH_CHECK } from "../lb/index.ts";
import type { CloudBalancerSpec, Layer2Spec } from "../nodes/index.ts";
import type { BalancerForm, BalancingWord, LoadBalancerForm } from "./file-form.ts";
import type { BalancerOfScenario } from "./model.ts";

/** A cluster's load balancer with everything that the file leaves out. */
export function clusterBalancer(form: LoadBalancerForm): CloudBalancerSpec | Layer2Spec {
  if (form.kind === "layer2") return { ...form, leader: form.leader ?? "endpoint-node" };
  const { kind, host, addresses, healthCheck: check = {} } = form;
  return {
    kind,
    host,
    addresses,
    method: balancingMethod(form.method ?? defaultMethod(kind)),
    delivery: form.delivery ?? "route",
    header: form.header ?? "none",
    headers: form.headers ?? {},
    ...(form.domain !== undefined && { domain: form.domain }),
    ipMode: form.ipMode ?? "VIP",
    whenAllUnhealthy: form.whenAllUnhealthy ?? "none",
    nodeCheck: check.nodes ?? "kube-proxy",
    timing: {
      interval: check.interval ?? GCE_HEALTH_CHECK.interval,
      timeout: check.timeout ?? GCE_HEALTH_CHECK.timeout,
      healthyThreshold: check.healthy ?? GCE_HEALTH_CHECK.healthyThreshold,
      unhealthyThreshold: check.unhealthy ?? GCE_HEALTH_CHECK.unhealthyThreshold,
    },
    ...(check.from !== undefined && { checkFrom: check.from }),
  };
}

/** A machine's own load balancer with everything that the file leaves out. */
export function machineBalancer({ kind, method, frontends }: BalancerForm): BalancerOfScenario {
  return {
    settings: {
      kind,
      method: balancingMethod(method ?? defaultMethod(kind)),
      delivery: "route",
      header: "none",
      whenAllUnhealthy: "none",
    },
    frontends: frontends.map(({ protocol = "tcp", ...rest }) => ({ protocol, ...rest })),
  };
}

function defaultMethod(kind: BalancerForm["kind"]): BalancingWord {
  return kind === "proxy" ? "round-robin" : "five-tuple";
}

/** The balancing method that a word of the file means. */
function balancingMethod(word: BalancingWord): BalancingMethod {
  switch (word) {
    case "five-tuple":
    case "three-tuple":
    case "two-tuple":
    case "source":
      return { kind: "hash", key: word };
    case "maglev":
      return { kind: "maglev", key: "five-tuple" };
    default:
      return { kind: word };
  }
}
