import { describe, expect, test } from "vitest";
import { formatCidr, formatIpv4 } from "../../src/kube/address.ts";
import { type Service, type ServicePort, servicePorts } from "../../src/kube/index.ts";
import { service } from "./cluster-objects.ts";

describe("servicePorts()", () => {
  test("makes one record for each port, sorted by name and protocol", () => {
    const ports = servicePorts([
      service("kube-system/dns", "10.0.0.10", { ports: ["dns=53/UDP", "dns-tcp=53", "dns=53"] }),
      service("web", "10.0.0.11"),
    ]);
    expect(ports.map((port) => `${port.name} ${port.protocol}`)).toEqual([
      "default/web TCP",
      "kube-system/dns:dns TCP",
      "kube-system/dns:dns UDP",
      "kube-system/dns:dns-tcp TCP",
    ]);
  });

  test.each<[string, Service]>([
    ["a headless Service", service("web", "None")],
    ["a Service without a cluster IP yet", service("web", "")],
    ["an ExternalName", service("web", "10.0.0.1", { type: "ExternalName", externalName: "db.example" })],
    ["a Service of the other family", service("web", "fd00::1")],
    [
      "a Service of another proxy",
      service("web", "10.0.0.1", { labels: { "service.kubernetes.io/service-proxy-name": "x" } }),
    ],
  ])("leaves out %s", (_name, left) => {
    expect(servicePorts([left])).toEqual([]);
  });

  test("finds the IPv4 address of a dual-stack Service whose first address is the other", () => {
    const dual = service("web", "fd00::1", { clusterIPs: ["fd00::1", "10.0.0.1"] });
    expect(servicePorts([dual]).map((port) => formatIpv4(port.clusterIp))).toEqual(["10.0.0.1"]);
  });

  test("honours a nodePort whatever the Service's type", () => {
    expect(only(service("web", "10.0.0.1", { ports: ["80:31000"] })).nodePort).toBe(31000);
  });

  test("reads addresses sloppily: leading zeros are decimal, blanks are nothing, other families are left out", () => {
    const sloppy = service("web", "10.0.0.1", {
      type: "LoadBalancer",
      externalIPs: ["172.30.0.041", "fd00::2"],
      loadBalancerSourceRanges: [" 10.0.0.0/8 ", "192.168.1.77/24", "fd00::/8"],
      loadBalancerIps: ["010.1.2.003"],
    });
    const port = only(sloppy);
    expect(port.externalIps.map(formatIpv4)).toEqual(["172.30.0.41"]);
    expect(port.sourceRanges.map(formatCidr)).toEqual(["10.0.0.0/8", "192.168.1.0/24"]);
    expect(port.loadBalancerVips.map(formatIpv4)).toEqual(["10.1.2.3"]);
  });

  test("takes no VIP from a load balancer that proxies or is known by name only", () => {
    const web = service("web", "10.0.0.1", { type: "LoadBalancer" });
    const ingress = [
      { ip: "203.0.113.1", ipMode: "Proxy" as const },
      { hostname: "lb.example" },
      { ip: "203.0.113.2", ipMode: "VIP" as const },
      { ip: "203.0.113.3" },
    ];
    const port = only({ ...web, status: { loadBalancer: { ingress } } });
    expect(port.loadBalancerVips.map(formatIpv4)).toEqual(["203.0.113.2", "203.0.113.3"]);
  });

  test.each([
    ["ClusterIP", {}, false],
    ["ClusterIP with external IPs", { externalIPs: ["192.0.2.1"] }, true],
    ["NodePort", { type: "NodePort" as const }, true],
    ["LoadBalancer", { type: "LoadBalancer" as const }, true],
  ])("external policy Local on a %s Service", (_name, parts, local) => {
    expect(only(service("web", "10.0.0.1", { externalTrafficPolicy: "Local", ...parts })).externalPolicyLocal).toBe(
      local,
    );
  });

  test.each([
    [
      "a LoadBalancer with policy Local",
      { type: "LoadBalancer" as const, externalTrafficPolicy: "Local" as const },
      32122,
    ],
    ["a LoadBalancer with policy Cluster", { type: "LoadBalancer" as const }, 0],
    ["a NodePort with policy Local", { type: "NodePort" as const, externalTrafficPolicy: "Local" as const }, 0],
  ])("health check nodePort of %s", (_name, parts, port) => {
    expect(only(service("web", "10.0.0.1", { healthCheckNodePort: 32122, ...parts })).healthCheckNodePort).toBe(port);
  });

  test("session affinity lasts three hours unless the Service says otherwise", () => {
    expect(only(service("web", "10.0.0.1", { sessionAffinity: "ClientIP" })).affinitySeconds).toBe(10800);
    const brief = { sessionAffinity: "ClientIP" as const, sessionAffinityConfig: { clientIP: { timeoutSeconds: 60 } } };
    expect(only(service("web", "10.0.0.1", brief)).affinitySeconds).toBe(60);
    expect(only(service("web", "10.0.0.1", { sessionAffinity: "None" })).affinitySeconds).toBeUndefined();
  });

  test("the annotation of Kubernetes 1.5 stands for the policy where there is no field", () => {
    const annotations = {
      "service.beta.kubernetes.io/external-traffic": "OnlyLocal",
      "service.beta.kubernetes.io/healthcheck-nodeport": "32122",
    };
    const old = only(service("web", "10.0.0.1", { type: "LoadBalancer", annotations }));
    expect(old).toMatchObject({ externalPolicyLocal: true, healthCheckNodePort: 32122 });
    const today = service("web", "10.0.0.1", { type: "LoadBalancer", annotations, externalTrafficPolicy: "Cluster" });
    expect(only(today)).toMatchObject({ externalPolicyLocal: false, healthCheckNodePort: 0 });
  });
});

function only(of: Service): ServicePort {
  const [port, ...others] = servicePorts([of]);
  if (port === undefined || others.length > 0) throw new Error("expected exactly one port");
  return port;
}
