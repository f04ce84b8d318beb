import { describe, expect, it } from "vitest";
import {
  ApiServer,
  type Container,
  isPodReady,
  type Pod,
  terminationSeconds,
  withReadiness,
} from "../../src/kube/index.ts";
import { cidr } from "../../src/netstack/index.ts";

describe("terminationSeconds()", () => {
  it.each<[string, Container["lifecycle"], number | undefined, number]>([
    ["no hook", undefined, undefined, 0],
    ["sleep", { preStop: { sleep: { seconds: 5 } } }, undefined, 5],
    ["the command sleep", { preStop: { exec: { command: ["sleep", "20"] } } }, undefined, 20],
    ["sleep in a shell", { preStop: { exec: { command: ["/bin/sh", "-c", "sleep 7"] } } }, undefined, 7],
    ["another command", { preStop: { exec: { command: ["nginx", "-s", "quit"] } } }, undefined, 0],
    ["longer than kubelet waits", { preStop: { sleep: { seconds: 90 } } }, undefined, 30],
    ["longer than the Pod allows", { preStop: { sleep: { seconds: 90 } } }, 60, 60],
  ])("%s", (_, lifecycle, grace, expected) => {
    expect(terminationSeconds(pod(lifecycle, grace))).toBe(expected);
  });
});

describe("ApiServer.patchStatus()", () => {
  const key = { kind: "Pod", name: "web", namespace: "default" } as const;

  it("changes the status alone, conditions by their type", () => {
    const api = new ApiServer({ serviceRange: cidr("10.0.0.0/24"), chance: { below: () => 0 }, pins: {} });
    api.create({ ...pod(), spec: { ...pod().spec, readinessGates: [{ conditionType: "example.com/open" }] } });
    const condition = (status: string): unknown => ({ conditions: [{ type: "example.com/open", status }] });
    api.patchStatus(key, { spec: { hostNetwork: true }, status: condition("False") });
    const { object } = api.patchStatus(key, { status: condition("True") });
    expect(object).toMatchObject({ status: condition("True") });
    expect(object).not.toMatchObject({ spec: { hostNetwork: true } });
    expect(isPodReady(withReadiness(object as Pod, true))).toBe(true);
  });

  it("refuses what is no patch", () => {
    const api = new ApiServer({ serviceRange: cidr("10.0.0.0/24"), chance: { below: () => 0 }, pins: {} });
    api.create(pod());
    expect(() => api.patchStatus(key, 7)).toThrow('expected a patch like {"spec":{…}}, got 7');
  });
});

function pod(lifecycle?: Container["lifecycle"], grace?: number): Pod {
  return {
    apiVersion: "v1",
    kind: "Pod",
    metadata: { name: "web", namespace: "default" },
    spec: {
      containers: [{ name: "web", image: "echoserver", ...(lifecycle && { lifecycle }) }],
      ...(grace !== undefined && { terminationGracePeriodSeconds: grace }),
    },
  };
}
