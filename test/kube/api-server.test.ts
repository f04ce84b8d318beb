import { describe, expect, test } from "vitest";
import { cidr } from "../../src/kube/address.ts";
import { ApiError, ApiServer, type ApiServerOptions, type Service, type ServiceSpec } from "../../src/kube/index.ts";
import { Random } from "../../src/sim/index.ts";

describe("a Service that is created", () => {
  test("gets the API server's defaults", () => {
    expect(create({ ports: [{ port: 80 }] }).spec).toEqual({
      type: "ClusterIP",
      sessionAffinity: "None",
      internalTrafficPolicy: "Cluster",
      ports: [{ port: 80, protocol: "TCP", targetPort: 80 }],
      clusterIP: expect.stringMatching(/^10\.0\./),
      clusterIPs: [expect.stringMatching(/^10\.0\./)],
      ipFamilies: ["IPv4"],
      ipFamilyPolicy: "SingleStack",
    });
  });

  test.each<[string, Partial<ServiceSpec>, Partial<ServiceSpec>]>([
    ["NodePort: a policy", { type: "NodePort" }, { externalTrafficPolicy: "Cluster" }],
    [
      "LoadBalancer: a policy and nodePorts",
      { type: "LoadBalancer" },
      { externalTrafficPolicy: "Cluster", allocateLoadBalancerNodePorts: true },
    ],
    ["external IPs: a policy", { externalIPs: ["192.0.2.1"] }, { externalTrafficPolicy: "Cluster" }],
    [
      "affinity: three hours",
      { sessionAffinity: "ClientIP" },
      { sessionAffinityConfig: { clientIP: { timeoutSeconds: 10800 } } },
    ],
  ])("gets, for %s", (_name, given, added) => {
    expect(create({ ports: [{ port: 80 }], ...given }).spec).toMatchObject(added);
  });

  test("gets no address when it is headless or an alias", () => {
    expect(create({ clusterIP: "None" }).spec).toMatchObject({ clusterIP: "None", clusterIPs: ["None"] });
    expect(create({ type: "ExternalName", externalName: "db.example" }).spec).toEqual({
      type: "ExternalName",
      externalName: "db.example",
      sessionAffinity: "None",
    });
  });

  test("gets an address above the band that is for people, until that is full", () => {
    const server = newServer({ serviceRange: cidr("10.0.0.0/27") });
    const addresses = Array.from({ length: 30 }, (_, i) =>
      lastNumber(create({ ports: [{ port: 80 }] }, server, `s${i}`)),
    );
    expect(addresses.slice(0, 14).toSorted((a, b) => a - b)).toEqual([
      17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30,
    ]);
    expect(addresses.slice(14).toSorted((a, b) => a - b)).toEqual([
      1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16,
    ]);
    expect(() => create({ ports: [{ port: 80 }] }, server, "one-more")).toThrow("range is full");
  });

  test("gets a nodePort above the band that is for people", () => {
    const server = newServer();
    for (let i = 0; i < 200; i++) {
      const port = create({ type: "NodePort", ports: [{ port: 80 }] }, server, `s${i}`).spec.ports?.[0]?.nodePort ?? 0;
      expect(port).toBeGreaterThanOrEqual(30086);
      expect(port).toBeLessThanOrEqual(32767);
    }
  });

  test("has one nodePort for TCP and UDP ports of the same number", () => {
    const ports = [
      { name: "dns", port: 53, protocol: "UDP" as const },
      { name: "dns-tcp", port: 53 },
      { name: "metrics", port: 9153 },
    ];
    const [udp, tcp, metrics] = nodePorts(create({ type: "NodePort", ports }));
    expect(udp).toBe(tcp);
    expect(metrics).not.toBe(tcp);
  });

  test("shares the nodePort that the other protocol's port asks for", () => {
    const ports = [
      { name: "dns", port: 53, protocol: "UDP" as const },
      { name: "dns-tcp", port: 53, nodePort: 30053 },
    ];
    expect(nodePorts(create({ type: "NodePort", ports }))).toEqual([30053, 30053]);
  });

  test("keeps the address and ports it asks for", () => {
    const service = create({ type: "NodePort", clusterIP: "10.0.0.9", ports: [{ port: 80, nodePort: 30001 }] });
    expect(service.spec).toMatchObject({ clusterIP: "10.0.0.9", ports: [{ nodePort: 30001 }] });
  });

  test("has no nodePorts as a load balancer that wants none, except those it names", () => {
    const ports = [
      { name: "a", port: 80 },
      { name: "b", port: 81, nodePort: 30081 },
    ];
    expect(nodePorts(create({ type: "LoadBalancer", allocateLoadBalancerNodePorts: false, ports }))).toEqual([
      undefined,
      30081,
    ]);
  });

  test("gets what is pinned to it instead of what would be drawn", () => {
    const pins = {
      clusterIps: { web: "10.0.170.92" },
      nodePorts: { "default/web": 31000, "web:https": 31443 },
      healthCheckNodePorts: { web: 32122 },
    };
    const ports = [
      { name: "http", port: 80 },
      { name: "https", port: 443 },
    ];
    const web = create({ type: "LoadBalancer", externalTrafficPolicy: "Local", ports }, newServer({ pins }));
    expect(web.spec).toMatchObject({ clusterIP: "10.0.170.92", healthCheckNodePort: 32122 });
    expect(nodePorts(web)).toEqual([31000, 31443]);
  });

  test("draws differently from another seed and alike from the same", () => {
    const draw = (seed: number) =>
      create({ ports: [{ port: 80 }] }, newServer({ chance: new Random(seed) })).spec.clusterIP;
    expect(draw(1)).toBe(draw(1));
    expect(draw(1)).not.toBe(draw(2));
  });

  test("loses the status that its manifest brings from another cluster", () => {
    const server = newServer();
    server.create({
      ...manifest({ ports: [{ port: 80 }] }),
      status: { loadBalancer: { ingress: [{ ip: "192.0.2.1" }] } },
    });
    expect(server.get("Service", "web")?.status).toBeUndefined();
  });
});

describe("the API server refuses", () => {
  const REFUSED: readonly (readonly [string, unknown, string])[] = [
    ["no ports", {}, 'The Service "web" is invalid: spec.ports: Required value'],
    [
      "ports without names",
      { ports: [{ port: 80 }, { port: 81 }] },
      'The Service "web" is invalid: \n* spec.ports[0].name: Required value\n* spec.ports[1].name: Required value',
    ],
    [
      "equal names",
      {
        ports: [
          { name: "a", port: 80 },
          { name: "a", port: 81 },
        ],
      },
      'The Service "web" is invalid: spec.ports[1].name: Duplicate value: "a"',
    ],
    [
      "a port out of range",
      { ports: [{ port: 70000 }] },
      'The Service "web" is invalid: spec.ports[0].port: Invalid value: 70000: must be between 1 and 65535, inclusive',
    ],
    ["no port number", { ports: [{ name: "a" }] }, 'The Service "web" is invalid: spec.ports[0].port: Required value'],
    [
      "an unknown type",
      { type: "Nodeport" },
      'The Service "web" is invalid: spec.type: Unsupported value: "Nodeport": supported values: "ClusterIP", "NodePort", "LoadBalancer", "ExternalName"',
    ],
    [
      "a nodePort outside the range",
      { type: "NodePort", ports: [{ port: 80, nodePort: 80 }] },
      'The Service "web" is invalid: spec.ports[0].nodePort: Invalid value: 80: provided port is not in the valid range. The range of valid ports is 30000-32767',
    ],
    [
      "a nodePort on a ClusterIP",
      { ports: [{ port: 80, nodePort: 30080 }] },
      "The Service \"web\" is invalid: spec.ports[0].nodePort: Forbidden: may not be used when `type` is 'ClusterIP'",
    ],
    [
      "a policy where nobody comes from outside",
      { ports: [{ port: 80 }], externalTrafficPolicy: "Local" },
      'The Service "web" is invalid: spec.externalTrafficPolicy: Invalid value: "Local": may only be set for externally-accessible services',
    ],
    [
      "a health check port that nothing asks",
      { type: "LoadBalancer", ports: [{ port: 80 }], healthCheckNodePort: 31000 },
      "The Service \"web\" is invalid: spec.healthCheckNodePort: Invalid value: 31000: may only be set when `type` is 'LoadBalancer' and `externalTrafficPolicy` is 'Local'",
    ],
    [
      "an address out of range",
      { ports: [{ port: 80 }], clusterIP: "192.168.1.1" },
      'The Service "web" is invalid: spec.clusterIPs: Invalid value: []string{"192.168.1.1"}: failed to allocate IP 192.168.1.1: the provided IP (192.168.1.1) is not in the valid range. The range of valid IPs is 10.0.0.0/16',
    ],
    [
      "an address that is none",
      { ports: [{ port: 80 }], clusterIP: "10.0.0.300" },
      'The Service "web" is invalid: spec.clusterIPs[0]: Invalid value: "10.0.0.300": must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)',
    ],
    [
      "a loopback external IP",
      { ports: [{ port: 80 }], externalIPs: ["127.0.0.1"] },
      'The Service "web" is invalid: spec.externalIPs[0]: Invalid value: "127.0.0.1": may not be in the loopback range (127.0.0.0/8, ::1/128)',
    ],
    [
      "source ranges on a NodePort",
      { type: "NodePort", ports: [{ port: 80 }], loadBalancerSourceRanges: ["10.0.0.0/8"] },
      "The Service \"web\" is invalid: spec.LoadBalancerSourceRanges: Forbidden: may only be used when `type` is 'LoadBalancer'",
    ],
    [
      "a headless NodePort",
      { type: "NodePort", clusterIP: "None", ports: [{ port: 80 }] },
      'The Service "web" is invalid: spec.clusterIPs[0]: Invalid value: "None": may not be set to \'None\' for NodePort services',
    ],
    [
      "an alias of nothing",
      { type: "ExternalName" },
      'The Service "web" is invalid: spec.externalName: Required value',
    ],
  ];
  test.each(REFUSED)("%s", (_name, spec, message) => {
    expect(() => newServer().create(manifest(spec as ServiceSpec))).toThrow(new ApiError("Invalid", message));
  });

  test("a name that cannot be one", () => {
    const upper = { ...manifest({ ports: [{ port: 80 }] }), metadata: { name: "Web" } };
    expect(() => newServer().create(upper)).toThrow(
      'The Service "Web" is invalid: metadata.name: Invalid value: "Web": a DNS-1035 label must consist of',
    );
  });

  test("what exists already", () => {
    const server = newServer();
    create({ ports: [{ port: 80 }] }, server);
    expect(() => create({ ports: [{ port: 80 }] }, server)).toThrow(
      'Error from server (AlreadyExists): services "web" already exists',
    );
  });

  test("what does not exist", () => {
    const server = newServer();
    expect(() => server.delete({ kind: "Service", name: "x" })).toThrow(
      'Error from server (NotFound): services "x" not found',
    );
    expect(() => server.scale({ name: "x" }, 3)).toThrow(
      'Error from server (NotFound): deployments.apps "x" not found',
    );
  });

  test("a nodePort and an address that another Service has, and takes nothing by trying", () => {
    const server = newServer();
    const first = create({ type: "NodePort", clusterIP: "10.0.0.7", ports: [{ port: 80, nodePort: 30080 }] }, server);
    expect(nodePorts(first)).toEqual([30080]);
    const ports = [
      { name: "a", port: 80, nodePort: 30081 },
      { name: "b", port: 81, nodePort: 30080 },
    ];
    expect(() => create({ type: "NodePort", ports }, server, "b")).toThrow(
      'The Service "b" is invalid: spec.ports[1].nodePort: Invalid value: 30080: provided port is already allocated',
    );
    expect(() => create({ clusterIP: "10.0.0.7", ports: [{ port: 80 }] }, server, "c")).toThrow(
      'The Service "c" is invalid: spec.clusterIPs: Invalid value: []string{"10.0.0.7"}: failed to allocate IP 10.0.0.7: provided IP is already allocated',
    );
    expect(nodePorts(create({ type: "NodePort", ports: [{ port: 80, nodePort: 30081 }] }, server, "d"))).toEqual([
      30081,
    ]);
  });
});

describe("a Service that changes", () => {
  test("gets a health check port with the tutorial's patch, and loses it again", () => {
    const server = newServer({ pins: { healthCheckNodePorts: { web: 32122 } } });
    create({ type: "LoadBalancer", ports: [{ port: 80 }] }, server);
    expect(patch(server, { spec: { externalTrafficPolicy: "Local" } }).spec.healthCheckNodePort).toBe(32122);
    expect(patch(server, { spec: { externalTrafficPolicy: "Cluster" } }).spec.healthCheckNodePort).toBeUndefined();
    const other = create({ type: "NodePort", ports: [{ port: 80, nodePort: 32122 }] }, server, "other");
    expect(nodePorts(other)).toEqual([32122]);
  });

  test("keeps its address and nodePort when a manifest without them is applied", () => {
    const server = newServer();
    const given = manifest({ type: "NodePort", ports: [{ port: 80, targetPort: 8080 }] });
    server.apply(given);
    const before = server.get("Service", "web")?.spec;
    const { change } = server.apply(manifest({ type: "NodePort", ports: [{ port: 80, targetPort: 9090 }] }));
    expect(change).toBe("configured");
    expect(server.get("Service", "web")?.spec).toEqual({
      ...before,
      ports: [{ ...before?.ports?.[0], targetPort: 9090 }],
    });
    expect(server.apply(manifest({ type: "NodePort", ports: [{ port: 80, targetPort: 9090 }] })).change).toBe(
      "unchanged",
    );
  });

  test("gives its nodePorts back when it stops being a NodePort", () => {
    const server = newServer();
    create({ type: "NodePort", ports: [{ port: 80, nodePort: 30080 }] }, server);
    const spec = patch(server, { spec: { type: "ClusterIP" } }).spec;
    expect(spec.ports).toEqual([{ port: 80, protocol: "TCP", targetPort: 80 }]);
    expect(spec.externalTrafficPolicy).toBeUndefined();
    expect(nodePorts(create({ type: "NodePort", ports: [{ port: 80, nodePort: 30080 }] }, server, "other"))).toEqual([
      30080,
    ]);
  });

  test("gives its address back as well when it becomes an alias", () => {
    const server = newServer();
    create({ clusterIP: "10.0.0.7", ports: [{ port: 80 }] }, server);
    const spec = patch(server, { spec: { type: "ExternalName", externalName: "db.example" } }).spec;
    expect(spec.clusterIP).toBeUndefined();
    expect(create({ clusterIP: "10.0.0.7", ports: [{ port: 80 }] }, server, "other").spec.clusterIP).toBe("10.0.0.7");
  });

  test("gets nodePorts when it becomes a NodePort", () => {
    const server = newServer({ pins: { nodePorts: { web: 31000 } } });
    create({ ports: [{ port: 80 }] }, server);
    expect(nodePorts(patch(server, { spec: { type: "NodePort" } }))).toEqual([31000]);
  });

  test("may not change its address", () => {
    const server = newServer();
    create({ clusterIP: "10.0.0.7", ports: [{ port: 80 }] }, server);
    expect(() => patch(server, { spec: { clusterIP: "10.0.0.8" } })).toThrow(
      'The Service "web" is invalid: spec.clusterIPs[0]: Invalid value: []string{"10.0.0.8"}: may not change once set',
    );
  });

  test("frees everything when it is deleted", () => {
    const server = newServer();
    const spec: ServiceSpec = { type: "NodePort", clusterIP: "10.0.0.7", ports: [{ port: 80, nodePort: 30080 }] };
    create(spec, server);
    server.delete({ kind: "Service", name: "web" });
    expect(create(spec, server).spec).toMatchObject({ clusterIP: "10.0.0.7" });
  });

  test("follows the annotation of Kubernetes 1.5, there and back", () => {
    const server = newServer({ pins: { healthCheckNodePorts: { web: 32122 } } });
    create({ type: "LoadBalancer", ports: [{ port: 80 }] }, server);
    const key = { kind: "Service", name: "web" } as const;
    server.annotate(key, { "service.beta.kubernetes.io/external-traffic": "OnlyLocal" });
    const local = server.get("Service", "web");
    expect(local?.spec).toMatchObject({ externalTrafficPolicy: "Local", healthCheckNodePort: 32122 });
    expect(local?.metadata.annotations?.["service.beta.kubernetes.io/healthcheck-nodeport"]).toBe("32122");
    server.annotate(key, { "service.beta.kubernetes.io/external-traffic": null });
    expect(server.get("Service", "web")?.spec).toMatchObject({ externalTrafficPolicy: "Cluster" });
  });

  test("keeps its status through changes of its spec", () => {
    const server = newServer();
    create({ type: "LoadBalancer", ports: [{ port: 80 }] }, server);
    server.setStatus({ kind: "Service", name: "web" }, { loadBalancer: { ingress: [{ ip: "203.0.113.140" }] } });
    expect(patch(server, { spec: { externalTrafficPolicy: "Local" } }).status).toEqual({
      loadBalancer: { ingress: [{ ip: "203.0.113.140", ipMode: "VIP" }] },
    });
  });
});

describe("the store", () => {
  const deployment = {
    apiVersion: "apps/v1",
    kind: "Deployment",
    metadata: { name: "web" },
    spec: {
      selector: { matchLabels: { app: "web" } },
      template: { metadata: { labels: { app: "web" } }, spec: { containers: [{ name: "web" }] } },
    },
  };
  const pod = {
    apiVersion: "v1",
    kind: "Pod",
    metadata: { name: "p" },
    spec: { nodeName: "node1", containers: [{ name: "c" }] },
  };

  test("tells watchers of every change, until they stop watching", () => {
    const server = newServer();
    const seen: string[] = [];
    const stop = server.watch(({ type, object }) => seen.push(`${type} ${object.kind} ${object.metadata.name}`));
    server.create(deployment);
    server.scale({ name: "web" }, 3);
    server.scale({ name: "web" }, 3);
    server.delete({ kind: "Deployment", name: "web" });
    stop();
    server.create(deployment);
    expect(seen).toEqual(["added Deployment web", "modified Deployment web", "deleted Deployment web"]);
  });

  test("lets a running Pod terminate before it goes", () => {
    const server = newServer({ timestamp: () => "2026-01-01T00:00:05Z" });
    server.create(pod);
    server.setStatus({ kind: "Pod", name: "p" }, { phase: "Running", podIP: "10.180.1.5" });
    server.delete({ kind: "Pod", name: "p" });
    expect(server.get("Pod", "p")?.metadata.deletionTimestamp).toBe("2026-01-01T00:00:05Z");
    server.remove({ kind: "Pod", name: "p" });
    expect(server.get("Pod", "p")).toBeUndefined();
  });

  test("removes what an object owned together with it", () => {
    const server = newServer();
    server.create(deployment);
    const owner = { kind: "Deployment", name: "web", controller: true };
    server.create({ ...pod, metadata: { name: "owned", ownerReferences: [owner] } });
    server.create({ ...pod, metadata: { name: "free" } });
    server.delete({ kind: "Deployment", name: "web" });
    expect(server.list("Pod").map((left) => left.metadata.name)).toEqual(["free"]);
  });

  test("keeps namespaces apart and lists by name", () => {
    const server = newServer();
    for (const [namespace, name] of [
      ["b", "x"],
      ["a", "y"],
      ["a", "x"],
    ])
      server.create({ ...pod, metadata: { name, namespace } });
    expect(server.list("Pod").map((left) => `${left.metadata.namespace}/${left.metadata.name}`)).toEqual([
      "a/x",
      "a/y",
      "b/x",
    ]);
    expect(server.list("Pod", "b").map((left) => left.metadata.name)).toEqual(["x"]);
    expect(server.get("Pod", "y", "b")).toBeUndefined();
  });

  test("refuses a Deployment whose selector misses its own Pods", () => {
    const missing = { ...deployment, spec: { ...deployment.spec, selector: { matchLabels: { app: "other" } } } };
    expect(() => newServer().create(missing)).toThrow(
      'The Deployment "web" is invalid: spec.template.metadata.labels: Invalid value: {"app":"web"}: `selector` does not match template `labels`',
    );
  });

  test("stamps objects with the time it is given", () => {
    const server = newServer({ timestamp: () => "2026-01-01T00:00:00Z" });
    expect(server.create(pod).metadata.creationTimestamp).toBe("2026-01-01T00:00:00Z");
  });
});

function newServer(options: Partial<ApiServerOptions> = {}): ApiServer {
  return new ApiServer({ serviceRange: cidr("10.0.0.0/16"), chance: new Random(1), ...options });
}

function manifest(spec: ServiceSpec, name = "web"): object {
  return { apiVersion: "v1", kind: "Service", metadata: { name }, spec };
}

function create(spec: ServiceSpec, server: ApiServer = newServer(), name = "web"): Service {
  return server.create(manifest(spec, name)) as Service;
}

function patch(server: ApiServer, change: unknown): Service {
  return server.patch({ kind: "Service", name: "web" }, change).object as Service;
}

function nodePorts(service: Service): readonly (number | undefined)[] {
  return (service.spec.ports ?? []).map((port) => port.nodePort);
}

function lastNumber(service: Service): number {
  return Number(service.spec.clusterIP?.split(".")[3]);
}
