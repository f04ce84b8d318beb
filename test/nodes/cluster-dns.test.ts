import { describe, expect, it } from "vitest";
import { ApiServer } from "../../src/kube/index.ts";
import { address, cidr, formatIpv4, ipv4 } from "../../src/netstack/index.ts";
import { clusterDns } from "../../src/nodes/cluster-dns.ts";
import { DnsClass, type DnsRecord } from "../../src/protocols/index.ts";
import { service, slice } from "../kube/cluster-objects.ts";

describe("clusterDns()", () => {
  const ask = server();

  it.each([
    ["web.default.svc.cluster.local", "A", 0, ["10.0.0.10"]],
    ["WEB.default.svc.cluster.local.", "A", 0, ["10.0.0.10"]],
    ["web.default.svc.cluster.local", "AAAA", 0, []],
    ["web.default.svc.cluster.local.", "CNAME", 0, []],
    ["default.svc.cluster.local", "A", 0, []],
    ["web.other.svc.cluster.local", "A", 3, []],
    ["web", "A", 3, []],
    ["_http._tcp.web.default.svc.cluster.local", "SRV", 0, ["0 100 80 web.default.svc.cluster.local."]],
    ["10.0.0.10.in-addr.arpa", "PTR", 0, ["web.default.svc.cluster.local."]],
    ["pods.default.svc.cluster.local", "A", 0, ["10.180.1.5", "10.180.3.7"]],
    ["10-180-1-5.pods.default.svc.cluster.local", "A", 0, ["10.180.1.5"]],
    ["10-180-2-6.pods.default.svc.cluster.local", "A", 3, []],
    ["5.1.180.10.in-addr.arpa", "PTR", 0, ["10-180-1-5.pods.default.svc.cluster.local."]],
    ["10-9-8-7.default.pod.cluster.local", "A", 0, ["10.9.8.7"]],
    ["db.default.svc.cluster.local", "A", 0, ["db.example.com.", "192.0.2.1"]],
    ["db.default.svc.cluster.local", "CNAME", 0, ["db.example.com."]],
    ["lost.default.svc.cluster.local", "A", 0, ["nowhere.example.com."]],
    ["ring.default.svc.cluster.local", "A", 2, []],
    ["db.example.com", "A", 0, ["192.0.2.1"]],
    ["example.org", "A", 3, []],
  ])("answers %s %s with code %i and %j", (name, type, rcode, answers) => {
    const said = ask({ name, type, class: DnsClass.in }, address("10.180.1.9"));
    expect(said?.rcode ?? 0).toBe(rcode);
    expect((said?.answers ?? []).map(dataOf)).toEqual(answers);
  });

  it("names the zone where there is nothing, for resolvers to remember that", () => {
    const said = ask({ name: "no.default.svc.cluster.local", type: "A", class: DnsClass.in }, address("10.180.1.9"));
    expect(said?.authorities?.[0]).toMatchObject({ name: "cluster.local.", type: "SOA", minimum: 30 });
  });
});

describe("a zone that has been asked before", () => {
  const machines = new Map([["db.example.com", address("192.0.2.1")]]);
  const api = new ApiServer({ serviceRange: cidr("10.0.0.0/16"), chance: { below: () => 0 }, pins: {} });
  const ask = clusterDns(api, machines);
  const asked = (name: string, type = "A"): string => {
    const said = ask({ name, type, class: DnsClass.in }, address("10.180.1.9"));
    return [said?.rcode, ...(said?.answers ?? []).map(dataOf)].join(" ");
  };

  it("knows a Service from its making to its end, and its namespace as long as one is in it", () => {
    expect(asked("web.shop.svc.cluster.local")).toBe("3");
    expect(asked("shop.svc.cluster.local")).toBe("3");
    const shop = service("web", "10.0.0.10", { ports: ["http=80"] });
    api.create({ ...shop, metadata: { ...shop.metadata, namespace: "shop" } });
    expect(asked("web.shop.svc.cluster.local")).toBe("0 10.0.0.10");
    expect(asked("shop.svc.cluster.local")).toBe("0");
    api.remove({ kind: "Service", name: "web", namespace: "shop" });
    expect(asked("web.shop.svc.cluster.local")).toBe("3");
    expect(asked("shop.svc.cluster.local")).toBe("3");
    expect(asked("10.0.0.10.in-addr.arpa", "PTR")).toBe("3");
  });

  it("follows the endpoints of headless Services, and names one of two by both", () => {
    api.create(service("pods", "None"));
    api.create(service("also", "None"));
    expect(asked("pods.default.svc.cluster.local")).toBe("0");
    api.create(slice("pods", ["8080"], ["10.180.1.5 node1"]));
    api.create(slice("also", ["8080"], ["10.180.1.5 node1"]));
    expect(asked("5.1.180.10.in-addr.arpa", "PTR")).toBe(
      "0 10-180-1-5.also.default.svc.cluster.local. 10-180-1-5.pods.default.svc.cluster.local.",
    );
    api.put(slice("pods", ["8080"], ["10.180.2.6 node2"]));
    expect(asked("pods.default.svc.cluster.local")).toBe("0 10.180.2.6");
    expect(asked("10-180-1-5.pods.default.svc.cluster.local")).toBe("3");
    expect(asked("5.1.180.10.in-addr.arpa", "PTR")).toBe("0 10-180-1-5.also.default.svc.cluster.local.");
  });

  it("hears of machines that come later", () => {
    expect(asked("cache.example.com")).toBe("3");
    machines.set("cache.example.com", address("192.0.2.2"));
    expect(asked("CACHE.example.com")).toBe("0 192.0.2.2");
    machines.set("db.example.com", address("192.0.2.3"));
    expect(asked("db.example.com")).toBe("0 192.0.2.3");
    expect(asked("example.com")).toBe("0");
  });
});

function server(): ReturnType<typeof clusterDns> {
  const serviceRange = cidr("10.0.0.0/16");
  const api = new ApiServer({ serviceRange, chance: { below: () => 0 }, pins: {} });
  api.create(service("web", "10.0.0.10", { ports: ["http=80"] }));
  api.create(service("pods", "None"));
  api.create(slice("pods", ["8080"], ["10.180.1.5 node1", "10.180.2.6 node2 not-ready", "10.180.3.7 node3"]));
  for (const [name, externalName] of [
    ["db", "db.example.com"],
    ["lost", "nowhere.example.com"],
    ["ring", "ring.default.svc.cluster.local"],
  ] as const)
    api.create({
      apiVersion: "v1",
      kind: "Service",
      metadata: { name, namespace: "default" },
      spec: { type: "ExternalName", externalName },
    });
  return clusterDns(api, new Map([["db.example.com", address("192.0.2.1")]]));
}

function dataOf(record: DnsRecord): string {
  if (record.type === "A") return formatIpv4(ipv4(record.address));
  if (record.type === "SRV") return `${record.priority} ${record.weight} ${record.port} ${record.target}`;
  return "target" in record ? record.target : record.type;
}
