import { describe, expect, test } from "vitest";
import { createDeployment, exposeDeployment, runDeployment, runPod } from "../../src/kube/index.ts";

describe("the tutorial's commands make", () => {
  const app = createDeployment("source-ip-app", "k8s.gcr.io/echoserver:1.4");

  test("a Deployment from `create deployment`", () => {
    expect(app).toEqual({
      apiVersion: "apps/v1",
      kind: "Deployment",
      metadata: { name: "source-ip-app", namespace: "default", labels: { app: "source-ip-app" } },
      spec: {
        replicas: 1,
        selector: { matchLabels: { app: "source-ip-app" } },
        template: {
          metadata: { labels: { app: "source-ip-app" } },
          spec: { containers: [{ name: "echoserver", image: "k8s.gcr.io/echoserver:1.4" }] },
        },
      },
    });
  });

  test("a Service from `expose deployment`", () => {
    expect(exposeDeployment(app, { name: "nodeport", port: 80, targetPort: 8080, type: "NodePort" })).toEqual({
      apiVersion: "v1",
      kind: "Service",
      metadata: { name: "nodeport", namespace: "default", labels: { app: "source-ip-app" } },
      spec: {
        type: "NodePort",
        ports: [{ port: 80, protocol: "TCP", targetPort: 8080 }],
        selector: { app: "source-ip-app" },
      },
    });
  });

  test("a Deployment from `run` of old, labelled `run`, and a Pod from `run` of today", () => {
    expect(runDeployment("source-ip-app", "gcr.io/google_containers/echoserver:1.4").spec.template.metadata).toEqual({
      labels: { run: "source-ip-app" },
    });
    expect(runPod("busybox", "busybox", { restartPolicy: "Never" })).toMatchObject({
      kind: "Pod",
      metadata: { name: "busybox", labels: { run: "busybox" } },
      spec: { containers: [{ name: "busybox", image: "busybox" }], restartPolicy: "Never" },
    });
  });
});

describe("exposeDeployment()", () => {
  const containers = (ports: readonly { containerPort: number; protocol?: "UDP" }[]) => {
    const app = createDeployment("dns", "dns:1");
    const template = { ...app.spec.template, spec: { containers: [{ name: "dns", ports }] } };
    return { ...app, spec: { ...app.spec, template } };
  };

  test("takes ports from the containers when none is given, and numbers several", () => {
    expect(
      exposeDeployment(containers([{ containerPort: 53, protocol: "UDP" }, { containerPort: 9153 }])).spec.ports,
    ).toEqual([
      { name: "port-1", port: 53, protocol: "UDP", targetPort: 53 },
      { name: "port-2", port: 9153, protocol: "TCP", targetPort: 9153 },
    ]);
  });

  test("refuses when there is no port to expose", () => {
    expect(() => exposeDeployment(createDeployment("a", "b"))).toThrow(
      "error: couldn't find port via --port flag or introspection",
    );
  });
});
