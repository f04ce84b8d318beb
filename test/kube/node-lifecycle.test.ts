import { describe, expect, it } from "vitest";
import {
  backOffSeconds,
  evictionSeconds,
  isNodeReady,
  type Pod,
  scheduleNode,
  type Toleration,
  withNodeReachable,
  withNodeUnreachable,
} from "../../src/kube/index.ts";
import { node } from "./cluster-objects.ts";

function pod(tolerations?: readonly Toleration[]): Pod {
  return {
    apiVersion: "v1",
    kind: "Pod",
    metadata: { name: "web", namespace: "default" },
    spec: { containers: [{ name: "web" }], ...(tolerations && { tolerations }) },
  };
}

describe("an unreachable node", () => {
  const unreachable = withNodeUnreachable(node("node1"));

  it("is Ready: Unknown, and tainted so that nothing is put there and nothing stays", () => {
    expect(unreachable.status?.conditions).toEqual([{ type: "Ready", status: "Unknown" }]);
    expect(unreachable.spec?.taints).toEqual([
      { key: "node.kubernetes.io/unreachable", effect: "NoSchedule" },
      { key: "node.kubernetes.io/unreachable", effect: "NoExecute" },
    ]);
    expect(isNodeReady(unreachable)).toBe(false);
    expect(scheduleNode(pod(), [unreachable, node("node2")], [], { below: () => 0 })).toBe("node2");
  });

  it("becomes what it was when it is heard again", () => {
    expect(withNodeReachable(unreachable)).toEqual(node("node1"));
  });

  it("keeps taints that others have set", () => {
    const taints = [{ key: "dedicated", value: "db", effect: "NoSchedule" }];
    const dedicated = { ...node("node1"), spec: { taints } };
    expect(withNodeReachable(withNodeUnreachable(dedicated)).spec?.taints).toEqual(taints);
  });
});

describe("evictionSeconds()", () => {
  const key = "node.kubernetes.io/unreachable";
  it.each<[string, readonly Toleration[] | undefined, number | undefined]>([
    ["no toleration", undefined, 300],
    ["another one's", [{ key: "dedicated", operator: "Exists" }], 300],
    ["its own time", [{ key, operator: "Exists", effect: "NoExecute", tolerationSeconds: 30 }], 30],
    ["at once", [{ key, operator: "Exists", effect: "NoExecute", tolerationSeconds: 0 }], 0],
    ["for ever, as a DaemonSet's", [{ key, operator: "Exists", effect: "NoExecute" }], undefined],
    ["everything", [{ operator: "Exists" }], undefined],
    ["only to be put there", [{ key, operator: "Exists", effect: "NoSchedule" }], 300],
  ])("%s", (_, tolerations, expected) => {
    expect(evictionSeconds(pod(tolerations), 300)).toBe(expected);
  });
});

describe("backOffSeconds()", () => {
  it("is none at first, then doubles up to five minutes", () => {
    expect([1, 2, 3, 4, 5, 6, 7, 8, 20].map((crashes) => backOffSeconds(crashes, 10))).toEqual([
      0, 10, 20, 40, 80, 160, 300, 300, 300,
    ]);
  });
});
