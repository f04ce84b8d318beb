import { describe, expect, it } from "vitest";
import { isNodeReady, isPodReady } from "../../src/kube/index.ts";
import { type ClusterTiming, DEFAULT_TIMING } from "../../src/nodes/index.ts";
import { SyncSchedule } from "../../src/nodes/sync-schedule.ts";
import { after, type Duration, ms, Simulator, seconds } from "../../src/sim/index.ts";
import { ask, type BalancedCluster, balancedCluster, kubectl } from "./balanced-cluster.ts";

function wait({ network }: BalancedCluster, duration: Duration): void {
  network.simulator.runTo(after(network.simulator.now(), duration));
}

function serving(timing: Partial<ClusterTiming> = {}): BalancedCluster & { readonly url: string } {
  const world = balancedCluster(undefined, {
    timing,
    pins: { pods: { web: [{ name: "web-1", node: "alpha" }] } },
  });
  kubectl(world.cluster, "expose deployment web --port=80 --target-port=8080 --type=NodePort --name=one");
  const port = world.cluster.api.get("Service", "one")?.spec.ports?.[0]?.nodePort;
  return { ...world, url: `10.240.0.5:${port}` };
}

function node({ cluster }: BalancedCluster, name: string): boolean {
  return isNodeReady(cluster.api.get("Node", name)!);
}

/** Pods of the Deployment: where they are, and how. */
function pods({ cluster }: BalancedCluster): string[] {
  return cluster.api.list("Pod").map((pod) => {
    const end = pod.metadata.deletionTimestamp === undefined ? "" : " terminating";
    return `${pod.spec.nodeName} ${isPodReady(pod) ? "ready" : "unready"}${end}`;
  });
}

describe("a node that fails", () => {
  it("is noticed at the first look after the grace period", () => {
    const world = serving();
    // The lease was renewed at 0 s and seen at 0 s; it is late after 50 s, which the look at 55 s sees.
    wait(world, seconds(3));
    world.cluster.failNode("alpha");
    wait(world, seconds(51.9));
    expect(node(world, "alpha")).toBe(true);
    expect(pods(world)).toEqual(["alpha ready"]);
    wait(world, seconds(0.2));
    expect(node(world, "alpha")).toBe(false);
    expect(pods(world)).toEqual(["alpha unready"]);
  });

  it("is called for until it is noticed; then connections are refused, and after eviction another Pod serves", () => {
    const world = serving();
    expect(ask(world.network, world.client, world.url)).toBe("10.240.0.5");
    world.cluster.failNode("alpha");
    expect(ask(world.network, world.client, world.url)).toBe("exit 28");
    wait(world, seconds(60));
    expect(ask(world.network, world.client, world.url)).toBe("exit 7");
    wait(world, seconds(300));
    expect(pods(world).sort()).toEqual(["alpha unready terminating", "beta ready"]);
    expect(ask(world.network, world.client, world.url)).toBe("10.180.2.1");
    world.cluster.restoreNode("alpha");
    wait(world, seconds(15));
    expect(node(world, "alpha")).toBe(true);
    expect(pods(world)).toEqual(["beta ready"]);
  });

  it("goes on as if nothing had been when it is back in time", () => {
    const world = serving();
    world.cluster.failNode("alpha");
    wait(world, seconds(30));
    world.cluster.restoreNode("alpha");
    wait(world, seconds(600));
    expect(node(world, "alpha")).toBe(true);
    expect(pods(world)).toEqual(["alpha ready"]);
    expect(ask(world.network, world.client, world.url)).toBe("10.240.0.5");
  });

  it("keeps its Pods, ready again, when it is back before they are evicted", () => {
    const world = serving();
    world.cluster.failNode("alpha");
    wait(world, seconds(100));
    world.cluster.restoreNode("alpha");
    wait(world, seconds(600));
    expect(pods(world)).toEqual(["alpha ready"]);
  });

  it("is noticed by the times that it is told", () => {
    const world = serving({ nodeMonitorGracePeriod: seconds(8), unreachableToleration: seconds(20) });
    world.cluster.failNode("alpha");
    wait(world, seconds(11));
    expect(node(world, "alpha")).toBe(false);
    wait(world, seconds(20));
    expect(pods(world).sort()).toEqual(["alpha unready terminating", "beta ready"]);
  });

  it("does not hear of changes, and does what they say once it is back", () => {
    const world = serving();
    world.cluster.failNode("beta");
    kubectl(world.cluster, "delete service one");
    expect(world.cluster.node("beta")?.host.netfilter).toBeDefined();
    world.cluster.restoreNode("beta");
    wait(world, seconds(1));
    expect(ask(world.network, world.client, world.url)).toBe("exit 7");
  });

  it("has to be a node of the cluster", () => {
    expect(() => serving().cluster.failNode("gamma")).toThrow(
      "Cannot fail or restore node gamma: the cluster has none",
    );
  });
});

describe("a Pod whose programs end", () => {
  const restarts = ({ cluster }: BalancedCluster): number | undefined =>
    cluster.api.list("Pod")[0]?.status?.containerStatuses?.[0]?.restartCount;

  it("is unready from kubelet's next look on, and runs again after the time that a start takes", () => {
    const world = serving();
    const name = world.cluster.api.list("Pod")[0]?.metadata.name ?? "";
    wait(world, ms(300));
    world.cluster.crashPod(name);
    expect(ask(world.network, world.client, world.url)).toBe("exit 7");
    expect(pods(world)).toEqual(["alpha ready"]);
    wait(world, ms(800));
    expect(pods(world)).toEqual(["alpha unready"]);
    wait(world, seconds(1));
    expect(pods(world)).toEqual(["alpha ready"]);
    expect(restarts(world)).toBe(1);
    expect(ask(world.network, world.client, world.url)).toBe("10.240.0.5");
  });

  it("cannot end them again before they run again", () => {
    const world = serving();
    const name = world.cluster.api.list("Pod")[0]?.metadata.name ?? "";
    world.cluster.crashPod(name);
    world.cluster.crashPod(name);
    wait(world, seconds(1.5));
    world.cluster.crashPod(name);
    wait(world, seconds(60));
    expect(pods(world)).toEqual(["alpha ready"]);
    expect(restarts(world)).toBe(1);
  });

  it("waits for longer each time, and from the start after ten minutes without a crash", () => {
    const world = serving();
    const name = world.cluster.api.list("Pod")[0]?.metadata.name ?? "";
    const down = (): number => {
      // Between two of kubelet's looks, so that it is noticed after half a second.
      const second = seconds(1);
      wait(world, (second + second / 2 - (world.network.simulator.now() % second)) as Duration);
      world.cluster.crashPod(name);
      wait(world, seconds(1));
      let waited = 0;
      for (; !isPodReady(world.cluster.api.list("Pod")[0]!); waited += 1) wait(world, seconds(1));
      return waited;
    };
    // One second of each is the container's start.
    expect([down(), down(), down(), down()]).toEqual([1, 11, 21, 41]);
    wait(world, seconds(700));
    expect(down()).toBe(1);
  });

  it("is looked for among those that run", () => {
    expect(() => serving().cluster.crashPod("nobody")).toThrow("Cannot fail pod default/nobody: it does not run");
  });
});

describe("kube-proxy's sync delay", () => {
  it("lets nodes do what they were last told to until it is over", () => {
    const world = serving({ minSyncPeriod: seconds(5) });
    kubectl(world.cluster, "scale deployment web --replicas=0");
    expect(world.cluster.isSettled).toBe(false);
    // Rules that nobody had looked at yet are those of before the change all the same.
    expect(ask(world.network, world.client, world.url)).toBe("exit 28");
    wait(world, seconds(5));
    expect(world.cluster.isSettled).toBe(true);
    expect(ask(world.network, world.client, world.url)).toBe("exit 7");
  });

  it("is none unless it is asked for", () => {
    expect(DEFAULT_TIMING.minSyncPeriod).toBe(0);
    const world = serving();
    kubectl(world.cluster, "scale deployment web --replicas=0");
    expect(world.cluster.isSettled).toBe(true);
  });
});

describe("SyncSchedule", () => {
  it("runs at once when it last ran long enough ago, else once when that is so", () => {
    const simulator = new Simulator({ seed: 1 });
    const ran: number[] = [];
    const schedule = new SyncSchedule(simulator, seconds(1), () => ran.push(simulator.now() / seconds(1)));
    const at = (time: number, times = 1): void => {
      simulator.runTo(after(0 as ReturnType<Simulator["now"]>, seconds(time)));
      for (let i = 0; i < times; i++) schedule.request();
    };
    at(0);
    at(0.5);
    at(0.7, 3);
    at(4);
    at(4.2);
    simulator.runTo(after(simulator.now(), seconds(10)));
    expect(ran).toEqual([0, 0.5, 1.5, 4, 5]);
  });
});
