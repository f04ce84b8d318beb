import { describe, expect, test } from "vitest";
import type { EndpointSlice } from "../../src/kube/index.ts";
import { categorizeEndpoints, collectEndpoints, servicePorts } from "../../src/kube/index.ts";
import { type ServiceParts, service, slice } from "./cluster-objects.ts";

const NODE_PORT: ServiceParts = { type: "NodePort", ports: ["80:31000"] };
const EXTERNAL_LOCAL: ServiceParts = { ...NODE_PORT, externalTrafficPolicy: "Local" };
const INTERNAL_LOCAL: ServiceParts = { internalTrafficPolicy: "Local" };

/** Service, endpoints as node1 sees them, and what it may use: for the policies Cluster and Local, and whether there is any at all. */
const TABLE: readonly (readonly [string, ServiceParts, readonly string[], string, string, boolean])[] = [
  ["nothing from nothing", {}, [], "", "", false],
  ["all ready ones", {}, ["10.1.0.1 node1", "10.1.0.2 node2"], "1 2", "", true],
  ["none that is not ready", {}, ["10.1.0.1 node1 not-ready", "10.1.0.2 node2"], "2", "", true],
  ["nothing when none is ready", {}, ["10.1.0.1 node1 not-ready"], "", "", false],
  [
    "no terminating one beside a ready one",
    {},
    ["10.1.0.1 node1 serving-terminating", "10.1.0.2 node2"],
    "2",
    "",
    true,
  ],
  ["terminating ones that still serve, for want of better", {}, ["10.1.0.1 node1 serving-terminating"], "1", "", true],
  ["no terminating one that has stopped serving", {}, ["10.1.0.1 node1 terminating"], "", "", false],
  ["local ones only where a policy asks", NODE_PORT, ["10.1.0.1 node1", "10.1.0.2 node2"], "1 2", "", true],
  [
    "both lists under the external policy Local",
    EXTERNAL_LOCAL,
    ["10.1.0.1 node1", "10.1.0.2 node2"],
    "1 2",
    "1",
    true,
  ],
  ["no local one of another node", EXTERNAL_LOCAL, ["10.1.0.2 node2"], "2", "", true],
  ["no local one without a node", EXTERNAL_LOCAL, ["10.1.0.2"], "2", "", true],
  [
    "nothing under the external policy Local when none serves",
    EXTERNAL_LOCAL,
    ["10.1.0.1 node1 not-ready"],
    "",
    "",
    false,
  ],
  [
    "its own terminating one for outsiders, another's ready one for everybody else",
    EXTERNAL_LOCAL,
    ["10.1.0.1 node1 serving-terminating", "10.1.0.2 node2"],
    "2",
    "1",
    true,
  ],
  [
    "a ready local one before a terminating local one",
    EXTERNAL_LOCAL,
    ["10.1.0.1 node1 serving-terminating", "10.1.0.2 node1"],
    "2",
    "2",
    true,
  ],
  [
    "terminating ones on both lists",
    EXTERNAL_LOCAL,
    ["10.1.0.1 node1 serving-terminating", "10.1.0.2 node2 serving-terminating"],
    "1 2",
    "1",
    true,
  ],
  [
    "only local ones under the internal policy Local",
    INTERNAL_LOCAL,
    ["10.1.0.1 node1", "10.1.0.2 node2"],
    "",
    "1",
    true,
  ],
  ["nothing, although there is one elsewhere", INTERNAL_LOCAL, ["10.1.0.2 node2"], "", "", true],
  [
    "nothing, although one elsewhere serves while it terminates",
    INTERNAL_LOCAL,
    ["10.1.0.2 node2 serving-terminating"],
    "",
    "",
    true,
  ],
  ["nothing when there is none anywhere", INTERNAL_LOCAL, ["10.1.0.2 node2 terminating"], "", "", false],
  [
    "all of them for nodePorts although the internal policy is Local",
    { ...NODE_PORT, internalTrafficPolicy: "Local" },
    ["10.1.0.1 node1", "10.1.0.2 node2"],
    "1 2",
    "1",
    true,
  ],
  [
    "external policy Local means nothing to a ClusterIP Service",
    { externalTrafficPolicy: "Local" },
    ["10.1.0.1 node1", "10.1.0.2 node2"],
    "1 2",
    "",
    true,
  ],
  [
    "external policy Local counts with external IPs",
    { externalTrafficPolicy: "Local", externalIPs: ["192.0.2.1"] },
    ["10.1.0.1 node1", "10.1.0.2 node2"],
    "1 2",
    "1",
    true,
  ],
];

describe("categorizeEndpoints() gives node1", () => {
  test.each(TABLE)("%s", (_name, parts, endpoints, cluster, local, hasAny) => {
    const categories = categorize(parts, [slice("web", ["8080"], endpoints)]);
    expect({ ...categories, reachable: undefined }).toEqual({ cluster, local, hasAny, reachable: undefined });
  });

  test("each endpoint once among the reachable ones", () => {
    const endpoints = ["10.1.0.1 node1 serving-terminating", "10.1.0.2 node2", "10.1.0.3 node3"];
    expect(categorize(EXTERNAL_LOCAL, [slice("web", ["8080"], endpoints)]).reachable).toBe("2 3 1");
  });
});

describe("hints", () => {
  const zones = (hints: readonly (string | undefined)[]): EndpointSlice =>
    withHints(hints.map((zone) => (zone === undefined ? {} : { forZones: [{ name: zone }] })));

  test("keep traffic in the zone when every ready endpoint has one", () => {
    expect(categorize({}, [zones(["a", "a", "b"])]).cluster).toBe("1 2");
  });

  test("mean nothing when one ready endpoint has none", () => {
    expect(categorize({}, [zones(["a", undefined, "b"])]).cluster).toBe("1 2 3");
  });

  test("mean nothing when none is for this zone", () => {
    expect(categorize({}, [zones(["b", "b", "c"])]).cluster).toBe("1 2 3");
  });

  test("for this node come before those for its zone", () => {
    const both = (name: string, zone: string) => ({ forNodes: [{ name }], forZones: [{ name: zone }] });
    expect(categorize({}, [withHints([both("node1", "b"), both("node2", "a"), both("node3", "a")])]).cluster).toBe("1");
  });

  test("for zones count when none is for this node", () => {
    const both = (name: string, zone: string) => ({ forNodes: [{ name }], forZones: [{ name: zone }] });
    expect(categorize({}, [withHints([both("node2", "b"), both("node3", "a"), both("node3", "a")])]).cluster).toBe(
      "2 3",
    );
  });

  test("are not for local endpoints", () => {
    const hinted = withHints([{ forZones: [{ name: "b" }] }, { forZones: [{ name: "a" }] }]);
    expect(categorize(EXTERNAL_LOCAL, [hinted])).toMatchObject({ cluster: "2", local: "1", reachable: "2 1" });
  });

  function withHints(hints: readonly NonNullable<EndpointSlice["endpoints"]>[number]["hints"][]): EndpointSlice {
    const plain = slice(
      "web",
      ["8080"],
      hints.map((_, index) => `10.1.0.${index + 1} node${index + 1}`),
    );
    const endpoints = (plain.endpoints ?? []).map((endpoint, index) => ({ ...endpoint, hints: hints[index] ?? {} }));
    return { ...plain, endpoints };
  }
});

describe("collectEndpoints()", () => {
  const texts = (slices: readonly EndpointSlice[], key = "default/web:/TCP") =>
    (collectEndpoints(slices, "node1").get(key) ?? []).map((endpoint) => endpoint.text);

  test("sorts endpoints as texts, not as numbers", () => {
    const endpoints = ["10.2.2.2 node1", "10.2.2.22 node1", "10.2.2.10 node1"];
    expect(texts([slice("web", ["22"], endpoints)])).toEqual(["10.2.2.10:22", "10.2.2.22:22", "10.2.2.2:22"]);
  });

  test("merges the slices of a Service", () => {
    expect(texts([slice("web", ["80"], ["10.1.0.2 node2"]), slice("web", ["80"], ["10.1.0.1 node1"])])).toEqual([
      "10.1.0.1:80",
      "10.1.0.2:80",
    ]);
  });

  test("prefers the local one of two equal endpoints, whichever comes first", () => {
    const here = slice("web", ["80"], ["10.1.0.1 node1"]);
    const there = slice("web", ["80"], ["10.1.0.1 node2"]);
    for (const slices of [
      [here, there],
      [there, here],
    ]) {
      const endpoints = collectEndpoints(slices, "node1").get("default/web:/TCP") ?? [];
      expect(endpoints.map((endpoint) => endpoint.local)).toEqual([true]);
    }
  });

  test("tells ports by name and protocol", () => {
    const dns = slice("dns", ["dns=5353/UDP", "dns-tcp=5354/TCP"], ["10.1.0.1 node1"]);
    expect(texts([dns], "default/dns:dns/UDP")).toEqual(["10.1.0.1:5353"]);
    expect(texts([dns], "default/dns:dns-tcp/TCP")).toEqual(["10.1.0.1:5354"]);
    expect(texts([dns], "default/dns:dns/TCP")).toEqual([]);
  });

  test("takes missing conditions for a ready endpoint that does not terminate", () => {
    const bare: EndpointSlice = { ...slice("web", ["80"], []), endpoints: [{ addresses: ["10.1.0.1"] }] };
    expect(collectEndpoints([bare], "node1").get("default/web:/TCP")).toMatchObject([
      { ready: true, serving: true, terminating: false, local: false },
    ]);
  });

  const useful = slice("web", ["80"], ["10.1.0.1 node1"]);
  test.each<[string, EndpointSlice]>([
    ["a port without a name", { ...useful, ports: [{ port: 80, protocol: "TCP" }] }],
    ["a port without a number", { ...useful, ports: [{ name: "", protocol: "TCP" }] }],
    ["port 0", { ...useful, ports: [{ name: "", port: 0, protocol: "TCP" }] }],
    ["a slice of no Service", { ...useful, metadata: { name: "x", namespace: "default" } }],
    ["a slice of the other family", { ...useful, addressType: "IPv6" }],
    ["an endpoint without addresses", { ...useful, endpoints: [{ addresses: [] }] }],
    ["an endpoint with a name for an address", { ...useful, endpoints: [{ addresses: ["db.example"] }] }],
    [
      "a headless Service's slice",
      {
        ...useful,
        metadata: {
          ...useful.metadata,
          labels: { ...useful.metadata.labels, "service.kubernetes.io/headless": "" },
        },
      },
    ],
  ])("passes over %s", (_name, useless) => {
    expect(texts([useless])).toEqual([]);
  });
});

/** Endpoints by the last number of their address. */
function categorize(parts: ServiceParts, slices: readonly EndpointSlice[]) {
  const [port] = servicePorts([service("web", "10.0.0.1", parts)]);
  if (port === undefined) throw new Error("the Service has no port");
  const endpoints = collectEndpoints(slices, "node1").get("default/web:/TCP") ?? [];
  const { cluster, local, reachable, hasAny } = categorizeEndpoints(endpoints, port, { nodeName: "node1", zone: "a" });
  const numbers = (list: readonly { readonly address: number }[]) => list.map((entry) => entry.address & 255).join(" ");
  return { cluster: numbers(cluster), local: numbers(local), reachable: numbers(reachable), hasAny };
}
