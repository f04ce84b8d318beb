import { describe, expect, test } from "vitest";
import {
  bindPod,
  createDeployment,
  type Deployment,
  type EndpointSlice,
  isPodReady,
  type Node,
  type Pod,
  reconcileDeployment,
  reconcileSlices,
  type Service,
  scheduleNode,
  startPod,
  withPodCondition,
  withReadiness,
} from "../../src/kube/index.ts";
import { Random } from "../../src/sim/index.ts";
import { node, service, slice } from "./cluster-objects.ts";

const chance = new Random(7);
const NODES = ["node1", "node2", "node3"].map((name) => node(name));
const nodeOf = (name: string): Node | undefined => NODES.find(({ metadata }) => metadata.name === name);

describe("reconcileDeployment()", () => {
  test("makes the Pods that are missing, with the template's labels and generated names", () => {
    const { create, delete: gone } = reconcileDeployment(deployment(2), [], { chance });
    expect(gone).toEqual([]);
    expect(create).toHaveLength(2);
    for (const pod of create) {
      expect(pod.metadata.name).toMatch(/^web-[bcdfghjklmnpqrstvwxz2456789]{8,10}-[bcdfghjklmnpqrstvwxz2456789]{5}$/);
      expect(pod.metadata.labels).toEqual({ app: "web", "pod-template-hash": expect.any(String) });
      expect(pod.metadata.ownerReferences).toEqual([{ kind: "Deployment", name: "web", controller: true }]);
    }
    expect(new Set(create.map((pod) => pod.metadata.name)).size).toBe(2);
  });

  test("takes pinned names first, and each only once", () => {
    const pins = [{ name: "source-ip-app-826191075-qehz4" }];
    const { create } = reconcileDeployment(deployment(2), [], { chance, pins });
    expect(create[0]?.metadata.name).toBe("source-ip-app-826191075-qehz4");
    expect(create[1]?.metadata.name).toMatch(/^web-/);
  });

  test("does nothing when all is as it should be", () => {
    expect(reconcileDeployment(deployment(2), running(2), { chance })).toEqual({ create: [], delete: [] });
  });

  test("replaces a Pod that is terminating", () => {
    const [first, second] = running(2);
    const leaving = { ...first, metadata: { ...first?.metadata, deletionTimestamp: "2026-01-01T00:00:00Z" } } as Pod;
    expect(reconcileDeployment(deployment(2), [leaving, second as Pod], { chance }).create).toHaveLength(1);
  });

  test("gives up Pods that are not ready first, then those that share a node, then the youngest", () => {
    const [a, b, c, d] = running(4, ["node1", "node2", "node2", "node3"]) as [Pod, Pod, Pod, Pod];
    const pods = [a, b, c, withReadiness(d, false)];
    const removed = (replicas: number) =>
      reconcileDeployment(deployment(replicas), pods, { chance }).delete.map((pod) =>
        pods.findIndex((p) => p.metadata.name === pod.metadata.name),
      );
    expect(removed(3)).toEqual([3]);
    expect(removed(2)).toEqual([3, 2]);
    expect(removed(0)).toEqual([3, 2, 1, 0]);
  });

  test("rolls a new template out without going below what must serve", () => {
    const next: Deployment = {
      ...deployment(4),
      spec: {
        ...deployment(4).spec,
        template: { metadata: { labels: { app: "web" } }, spec: { containers: [{ name: "web", image: "web:2" }] } },
      },
    };
    let pods: readonly Pod[] = running(4);
    let rounds = 0;
    for (; rounds < 20; rounds++) {
      const { create, delete: gone } = reconcileDeployment(next, pods, { chance });
      if (create.length === 0 && gone.length === 0) break;
      const left = pods.filter((pod) => !gone.includes(pod));
      expect(left.filter(isPodReady).length).toBeGreaterThanOrEqual(3);
      expect(left.length + create.length).toBeLessThanOrEqual(5);
      pods = [...left, ...create.map((pod) => run(pod, "node1"))];
    }
    expect(pods.map((pod) => pod.spec.containers[0]?.image)).toEqual(["web:2", "web:2", "web:2", "web:2"]);
    expect(rounds).toBeLessThan(20);
  });

  test("leaves other Deployments' Pods alone", () => {
    const others = running(3).map((pod) => ({
      ...pod,
      metadata: { ...pod.metadata, ownerReferences: [{ kind: "Deployment", name: "other" }] },
    }));
    expect(reconcileDeployment(deployment(1), others, { chance }).delete).toEqual([]);
  });
});

describe("scheduleNode()", () => {
  const pod = reconcileDeployment(deployment(1), [], { chance }).create[0] as Pod;

  test("spreads a Deployment's Pods over the nodes", () => {
    let pods: readonly Pod[] = [];
    for (const fresh of reconcileDeployment(deployment(6), [], { chance }).create) {
      pods = [...pods, bindPod(fresh, scheduleNode(fresh, NODES, pods, chance) ?? "none")];
    }
    const counts = NODES.map(({ metadata }) => pods.filter((bound) => bound.spec.nodeName === metadata.name).length);
    expect(counts).toEqual([2, 2, 2]);
  });

  test.each<[string, readonly Node[], Partial<Pod["spec"]>, string | undefined]>([
    ["not to a node that is not ready", [unready(node("node1")), node("node2")], {}, "node2"],
    ["not to a cordoned node", [{ ...node("node1"), spec: { unschedulable: true } }, node("node2")], {}, "node2"],
    ["not to a tainted node", [tainted("node1", "NoSchedule"), node("node2")], {}, "node2"],
    [
      "to a tainted node that is tolerated",
      [tainted("node1", "NoSchedule")],
      { tolerations: [{ operator: "Exists" }] },
      "node1",
    ],
    ["to a node that is only disliked", [tainted("node1", "PreferNoSchedule")], {}, "node1"],
    ["to the node its selector names", NODES, { nodeSelector: { "kubernetes.io/hostname": "node3" } }, "node3"],
    [
      "to a node with the labels",
      [node("node1"), node("node2", { labels: { disk: "ssd" } })],
      { nodeSelector: { disk: "ssd" } },
      "node2",
    ],
    ["nowhere when nothing fits", NODES, { nodeSelector: { disk: "ssd" } }, undefined],
  ])("sends a Pod %s", (_name, nodes, spec, chosen) => {
    expect(scheduleNode({ ...pod, spec: { ...pod.spec, ...spec } }, nodes, [], chance)).toBe(chosen);
  });
});

describe("a Pod's readiness", () => {
  const pod = run(reconcileDeployment(deployment(1), [], { chance }).create[0] as Pod, "node1");

  test("waits for its readiness gates", () => {
    const gated = { ...pod, spec: { ...pod.spec, readinessGates: [{ conditionType: "lb/ready" }] } };
    expect(isPodReady(withReadiness(gated, true))).toBe(false);
    expect(isPodReady(withPodCondition(withReadiness(gated, true), "lb/ready", true))).toBe(true);
    expect(isPodReady(withPodCondition(withReadiness(gated, false), "lb/ready", true))).toBe(false);
  });
});

describe("reconcileSlices()", () => {
  const web: Service = service("web", "10.0.0.1", { selector: { app: "web" }, ports: ["80"] });

  test("says where the Pods are and how they do", () => {
    const [ready, unready, leaving] = running(3, ["node1", "node2", "node3"]) as [Pod, Pod, Pod];
    const terminating = { ...leaving, metadata: { ...leaving.metadata, deletionTimestamp: "2026-01-01T00:00:00Z" } };
    const [made] = put(web, [ready, withReadiness(unready, false), terminating]);
    expect(made?.metadata).toEqual({
      name: expect.stringMatching(/^web-.{5}$/),
      namespace: "default",
      labels: {
        "kubernetes.io/service-name": "web",
        "endpointslice.kubernetes.io/managed-by": "endpointslice-controller.k8s.io",
      },
      ownerReferences: [{ kind: "Service", name: "web", controller: true }],
    });
    expect(made?.ports).toEqual([{ name: "", protocol: "TCP", port: 80 }]);
    expect(made?.endpoints?.map((endpoint) => [endpoint.addresses[0], endpoint.nodeName, endpoint.conditions])).toEqual(
      [
        ["10.180.0.1", "node1", { ready: true, serving: true, terminating: false }],
        ["10.180.0.2", "node2", { ready: false, serving: false, terminating: false }],
        ["10.180.0.3", "node3", { ready: false, serving: true, terminating: true }],
      ],
    );
  });

  test("calls every Pod ready for a Service that publishes those that are not", () => {
    const eager = { ...web, spec: { ...web.spec, publishNotReadyAddresses: true } };
    const [made] = put(
      eager,
      running(1).map((pod) => withReadiness(pod, false)),
    );
    expect(made?.endpoints?.[0]?.conditions).toEqual({ ready: true, serving: false, terminating: false });
  });

  test("leaves out Pods without an address, finished ones, and other namespaces'", () => {
    const [a, b, c] = running(3) as [Pod, Pod, Pod];
    const pods = [
      { ...a, status: { phase: "Pending" } },
      { ...b, status: { ...b.status, phase: "Succeeded" } },
      { ...c, metadata: { ...c.metadata, namespace: "other" } },
    ];
    expect(put(web, pods)[0]?.endpoints).toEqual([]);
  });

  test("looks a named target port up in each Pod, and splits slices where it differs", () => {
    const named = { ...web, spec: { ...web.spec, ports: [{ port: 80, targetPort: "http" }] } };
    const [a, b, c] = running(3) as [Pod, Pod, Pod];
    const ported = (pod: Pod, containerPort: number) => ({
      ...pod,
      spec: { ...pod.spec, containers: [{ name: "web", ports: [{ name: "http", containerPort }] }] },
    });
    const slices = put(named, [ported(a, 8080), ported(b, 9090), c]);
    expect(slices.map((made) => [made.ports, made.endpoints?.map((endpoint) => endpoint.addresses[0])])).toEqual([
      [[{ name: "", protocol: "TCP", port: 8080 }], ["10.180.0.1"]],
      [[{ name: "", protocol: "TCP", port: 9090 }], ["10.180.0.2"]],
      [[], ["10.180.0.3"]],
    ]);
  });

  test("holds at most a hundred endpoints in a slice", () => {
    expect(put(web, running(250)).map((made) => made.endpoints?.length)).toEqual([100, 100, 50]);
  });

  test("keeps a slice's name when its endpoints change, and writes nothing when they do not", () => {
    const first = put(web, running(1));
    const again = reconcileSlices({ service: web, pods: running(1), nodeOf, slices: first }, chance);
    expect(again).toEqual({ put: [], delete: [] });
    const more = reconcileSlices({ service: web, pods: running(2), nodeOf, slices: first }, chance);
    expect(more.put.map((made) => made.metadata.name)).toEqual(first.map((made) => made.metadata.name));
  });

  test("deletes slices that are too many", () => {
    const slices = put(web, running(101));
    const { put: kept, delete: gone } = reconcileSlices({ service: web, pods: running(1), nodeOf, slices }, chance);
    expect([kept.length, gone.length]).toEqual([1, 1]);
  });

  test("leaves the slices of a Service without a selector to those who made them", () => {
    const manual = slice("web", ["80"], ["192.0.2.9"]);
    const { selector: _, ...spec } = web.spec;
    expect(reconcileSlices({ service: { ...web, spec }, pods: running(2), nodeOf, slices: [manual] }, chance)).toEqual({
      put: [],
      delete: [],
    });
  });

  test("marks a headless Service's slices, which kube-proxy then passes over", () => {
    const headless = { ...web, spec: { ...web.spec, clusterIP: "None" } };
    expect(put(headless, running(1))[0]?.metadata.labels).toMatchObject({ "service.kubernetes.io/headless": "" });
  });

  test("hints at the endpoint's own zone or node when traffic is to stay there", () => {
    const zoned = node("node1", { labels: { "topology.kubernetes.io/zone": "a" } });
    const hints = (trafficDistribution: string) =>
      reconcileSlices(
        {
          service: { ...web, spec: { ...web.spec, trafficDistribution } },
          pods: running(1),
          nodeOf: () => zoned,
          slices: [],
        },
        chance,
      ).put[0]?.endpoints?.[0]?.hints;
    expect(hints("PreferClose")).toEqual({ forZones: [{ name: "a" }] });
    expect(hints("PreferSameNode")).toEqual({ forZones: [{ name: "a" }], forNodes: [{ name: "node1" }] });
  });

  function put(of: Service, pods: readonly Pod[]): readonly EndpointSlice[] {
    return reconcileSlices({ service: of, pods, nodeOf, slices: [] }, chance).put;
  }
});

function deployment(replicas: number): Deployment {
  return createDeployment("web", "web:1", { replicas });
}

/** Ready Pods of the Deployment, with the addresses 10.180.0.1 and up. */
function running(count: number, nodes: readonly string[] = ["node1"]): readonly Pod[] {
  const { create } = reconcileDeployment(deployment(count), [], { chance: new Random(3) });
  return create.map((pod, index) =>
    run(pod, nodes[index % nodes.length] ?? "node1", `10.180.${(index + 1) >> 8}.${(index + 1) & 255}`),
  );
}

function run(pod: Pod, nodeName: string, podAddress = "10.180.1.9"): Pod {
  return withReadiness(startPod(bindPod(pod, nodeName), podAddress, "10.240.0.4"), true);
}

function unready(of: Node): Node {
  return { ...of, status: { conditions: [{ type: "Ready", status: "False" }] } };
}

function tainted(name: string, effect: string): Node {
  return { ...node(name), spec: { taints: [{ key: "dedicated", value: "gpu", effect }] } };
}
