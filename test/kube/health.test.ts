import { describe, expect, test } from "vitest";
import {
  type HealthCheckPort,
  healthCheckAnswer,
  healthCheckPorts,
  type Node,
  parseKubernetesVersion,
  proxyHealthAnswer,
  proxyMetricsAnswer,
} from "../../src/kube/index.ts";
import { node, service, slice } from "./cluster-objects.ts";

const port = (localEndpoints: number): HealthCheckPort => ({
  nodePort: 32122,
  namespace: "default",
  service: "web",
  localEndpoints,
});
const version = (text: string) => parseKubernetesVersion(text) ?? { major: 0, minor: 0 };

describe("parseKubernetesVersion()", () => {
  test.each([
    ["1.5", { major: 1, minor: 5 }],
    ["v1.27.3", { major: 1, minor: 27 }],
    ["v1.30.1-gke.1234", { major: 1, minor: 30 }],
    ["latest", undefined],
    ["1", undefined],
  ])("reads %s", (text, parsed) => {
    expect(parseKubernetesVersion(text)).toEqual(parsed);
  });
});

describe("a health check nodePort", () => {
  test("answers in plain words in Kubernetes 1.5", () => {
    expect(healthCheckAnswer(port(1), true, version("1.5"))).toEqual({
      status: 200,
      headers: [["Content-Type", "text/plain"]],
      body: "1 Service Endpoints found",
    });
    expect(healthCheckAnswer(port(0), true, version("1.5"))).toMatchObject({
      status: 503,
      body: "No Service Endpoints Found",
    });
  });

  test("answers with counts alone before 1.27", () => {
    const { status, body } = healthCheckAnswer(port(2), false, version("1.26"));
    expect(status).toBe(200);
    expect(body).toBe(
      '{\n\t"service": {\n\t\t"namespace": "default",\n\t\t"name": "web"\n\t},\n\t"localEndpoints": 2\n}',
    );
  });

  test("answers with kube-proxy's own health since 1.27", () => {
    expect(healthCheckAnswer(port(1), true, version("1.27")).body).toBe(
      '{\n\t"service": {\n\t\t"namespace": "default",\n\t\t"name": "web"\n\t},\n\t"localEndpoints": 1,\n\t"serviceProxyHealthy": true\n}',
    );
  });

  test.each([
    [1, true, 200],
    [1, false, 503],
    [0, true, 503],
    [0, false, 503],
  ])("with %i endpoints and a kube-proxy that is healthy: %s answers %i", (endpoints, healthy, status) => {
    expect(healthCheckAnswer(port(endpoints), healthy, version("1.30")).status).toBe(status);
  });

  test("tells its weight since 1.28, also when it has none", () => {
    const weight = (text: string) =>
      healthCheckAnswer(port(0), true, version(text)).headers.find(([name]) => name.startsWith("X-Load"));
    expect(weight("1.27")).toBeUndefined();
    expect(weight("1.28")).toEqual(["X-Load-Balancing-Endpoint-Weight", "0"]);
  });
});

describe("healthCheckPorts()", () => {
  const lb = service("web", "10.0.0.1", {
    type: "LoadBalancer",
    externalTrafficPolicy: "Local",
    healthCheckNodePort: 32122,
    ports: ["http=80", "https=443"],
  });

  test("counts ready Pods on the node once, however many ports lead to them", () => {
    const endpoints = [
      "10.180.1.5 node1",
      "10.180.1.6 node1",
      "10.180.1.7 node1 serving-terminating",
      "10.180.2.8 node2",
    ];
    const slices = [slice("web", ["http=8080"], endpoints), slice("web", ["https=8443"], endpoints)];
    expect(healthCheckPorts([lb], slices, "node1")).toEqual([port(2)]);
    expect(healthCheckPorts([lb], slices, "node2")).toEqual([port(1)]);
    expect(healthCheckPorts([lb], slices, "node3")).toEqual([port(0)]);
  });

  test("are there only for load balancers with policy Local", () => {
    expect(healthCheckPorts([{ ...lb, spec: { ...lb.spec, externalTrafficPolicy: "Cluster" } }], [], "node1")).toEqual(
      [],
    );
    expect(healthCheckPorts([{ ...lb, spec: { ...lb.spec, type: "NodePort" } }], [], "node1")).toEqual([]);
  });
});

describe("kube-proxy's own health", () => {
  const times = { lastUpdated: "2026-01-01T00:00:01Z", currentTime: "2026-01-01T00:00:02Z" };
  const ask = (path: string, text: string, healthy = true, of: Node | undefined = node("node1")) =>
    proxyHealthAnswer(path, { healthy, node: of, ...times }, version(text));

  test.each([
    ["/healthz", "1.20", '{"lastUpdated": "2026-01-01T00:00:01Z","currentTime": "2026-01-01T00:00:02Z"}'],
    [
      "/healthz",
      "1.28",
      '{"lastUpdated": "2026-01-01T00:00:01Z","currentTime": "2026-01-01T00:00:02Z", "nodeEligible": true}',
    ],
    ["/livez", "1.28", '{"lastUpdated": "2026-01-01T00:00:01Z","currentTime": "2026-01-01T00:00:02Z"}'],
    [
      "/healthz",
      "1.34",
      '{"lastUpdated":"2026-01-01T00:00:01Z","currentTime":"2026-01-01T00:00:02Z","nodeEligible":true,"healthy":true,"status":{"IPv4":{"lastUpdated":"2026-01-01T00:00:01Z","healthy":true}}}',
    ],
  ])("%s in %s", (path, text, body) => {
    expect(ask(path, text)).toMatchObject({ status: 200, body });
  });

  test("is not well on a node that is about to go, though it lives", () => {
    const leaving = {
      ...node("node1"),
      spec: { taints: [{ key: "ToBeDeletedByClusterAutoscaler", effect: "NoSchedule" }] },
    };
    expect(ask("/healthz", "1.28", true, leaving)).toMatchObject({
      status: 503,
      body: expect.stringContaining('"nodeEligible": false'),
    });
    expect(ask("/livez", "1.28", true, leaving)?.status).toBe(200);
    expect(ask("/healthz", "1.27", true, leaving)?.status).toBe(200);
  });

  test("is not well when kube-proxy is not", () => {
    expect(ask("/healthz", "1.28", false)?.status).toBe(503);
    expect(ask("/livez", "1.28", false)?.status).toBe(503);
  });

  test("is not told on other paths, nor on /livez before there was one", () => {
    expect(ask("/", "1.28")).toBeUndefined();
    expect(ask("/livez", "1.27")).toBeUndefined();
  });

  test("names the mode without a line end", () => {
    expect(proxyMetricsAnswer("/proxyMode", "iptables")).toMatchObject({ status: 200, body: "iptables" });
    expect(proxyMetricsAnswer("/healthz", "ipvs")?.body).toBe("ok");
    expect(proxyMetricsAnswer("/metrics", "ipvs")).toBeUndefined();
  });
});
