import { describe, expect, test } from "vitest";
import { parse, parseAllDocuments } from "yaml";
import { ofKind, readObjects } from "../../src/kube/index.ts";

const read = (yaml: string) => readObjects(parseAllDocuments(yaml).map((document) => document.toJS()));

describe("readObjects()", () => {
  test("reads what `kubectl get svc,endpointslices,nodes -A -o yaml` prints", () => {
    const { objects, notes, problems } = read(`
apiVersion: v1
items:
- apiVersion: v1
  kind: Service
  metadata:
    annotations: {}
    creationTimestamp: "2026-01-01T00:00:00Z"
    name: web
    namespace: shop
    resourceVersion: "1234"
    uid: 7f5d
  spec:
    clusterIP: 10.96.12.7
    clusterIPs: [10.96.12.7]
    internalTrafficPolicy: Cluster
    ipFamilies: [IPv4]
    ipFamilyPolicy: SingleStack
    ports:
    - {name: http, port: 80, protocol: TCP, targetPort: http}
    selector: {app: web}
    sessionAffinity: None
    type: ClusterIP
  status:
    loadBalancer: {}
- addressType: IPv4
  apiVersion: discovery.k8s.io/v1
  endpoints:
  - addresses: [10.244.1.5]
    conditions: {ready: true, serving: true, terminating: false}
    nodeName: node1
    targetRef: {kind: Pod, name: web-1, namespace: shop, uid: 88a1}
  kind: EndpointSlice
  metadata:
    labels: {kubernetes.io/service-name: web}
    name: web-abcde
    namespace: shop
  ports:
  - {name: http, port: 8080, protocol: TCP}
- apiVersion: v1
  kind: Node
  metadata: {name: node1}
  spec: {podCIDR: 10.244.1.0/24, podCIDRs: [10.244.1.0/24]}
  status:
    addresses:
    - {address: 192.168.0.2, type: InternalIP}
kind: List
metadata:
  resourceVersion: ""
`);
    expect({ notes, problems }).toEqual({ notes: [], problems: [] });
    expect(objects.map((object) => `${object.kind} ${object.metadata.name}`)).toEqual([
      "Service web",
      "EndpointSlice web-abcde",
      "Node node1",
    ]);
    expect(ofKind(objects, "Service")[0]?.spec.ports).toEqual([
      { name: "http", port: 80, protocol: "TCP", targetPort: "http" },
    ]);
  });

  test("opens lists of one kind, whose items do not repeat it", () => {
    const { objects, problems } = readObjects([
      { apiVersion: "v1", kind: "NodeList", items: [{ metadata: { name: "a" } }, { metadata: { name: "b" } }] },
    ]);
    expect(problems).toEqual([]);
    expect(ofKind(objects, "Node").map((node) => node.metadata.name)).toEqual(["a", "b"]);
  });

  test("fills in the namespace, keeps unknown fields, and takes null for absent", () => {
    const { objects } = read(
      "{apiVersion: v1, kind: Service, metadata: {name: web}, spec: {clusterIP: null, custom: 1}}",
    );
    expect(objects).toEqual([
      { apiVersion: "v1", kind: "Service", metadata: { name: "web", namespace: "default" }, spec: { custom: 1 } },
    ]);
  });

  test("keeps the later one of two equal names and says so", () => {
    const one = (ip: string) => `{apiVersion: v1, kind: Service, metadata: {name: web}, spec: {clusterIP: ${ip}}}`;
    const { objects, notes } = read(`${one("10.0.0.1")}\n---\n${one("10.0.0.2")}`);
    expect(ofKind(objects, "Service").map((service) => service.spec.clusterIP)).toEqual(["10.0.0.2"]);
    expect(notes).toEqual(["Service default/web: given more than once: the last one counts"]);
  });

  test.each<[string, string, string]>([
    [
      "kinds it does not use",
      "{apiVersion: v1, kind: ConfigMap, metadata: {name: a, namespace: b}}",
      "ConfigMap b/a: skipped: natscope does not use this kind",
    ],
    [
      "a kind of the same name in another group",
      "{apiVersion: serving.knative.dev/v1, kind: Service, metadata: {name: a}}",
      "Service a: skipped: natscope does not use this kind",
    ],
    [
      "legacy Endpoints",
      "{apiVersion: v1, kind: Endpoints, metadata: {name: a}}",
      "Endpoints a: skipped: kube-proxy reads EndpointSlices only",
    ],
    [
      "slices of the other family",
      "{apiVersion: discovery.k8s.io/v1, kind: EndpointSlice, metadata: {name: a}, addressType: IPv6, endpoints: [], ports: []}",
      "EndpointSlice default/a: skipped: its addresses are IPv6, and these rules are for IPv4",
    ],
  ])("skips %s with a note", (_name, yaml, note) => {
    expect(read(yaml)).toEqual({ objects: [], notes: [note], problems: [] });
  });

  test("notes ports of slices that kube-proxy passes over", () => {
    const yaml =
      "{apiVersion: discovery.k8s.io/v1, kind: EndpointSlice, metadata: {name: a}, addressType: IPv4, endpoints: [], ports: [{port: 80}, {name: x}]}";
    expect(read(yaml).notes).toEqual([
      "EndpointSlice default/a: ports[0]: has no name: kube-proxy ignores it",
      "EndpointSlice default/a: ports[1]: has no port number: kube-proxy ignores it",
    ]);
  });

  const SERVICE = { apiVersion: "v1", kind: "Service", metadata: { name: "web" } };
  test.each<[string, unknown, string]>([
    [
      "a number written as text",
      { ...SERVICE, spec: { ports: [{ port: "http" }] } },
      'Service default/web: spec.ports[0].port: expected a number from 1 to 65535, got "http"',
    ],
    [
      "a port out of range",
      { ...SERVICE, spec: { ports: [{ port: 70000 }] } },
      "Service default/web: spec.ports[0].port: expected a number from 1 to 65535, got 70000",
    ],
    [
      "a port missing",
      { ...SERVICE, spec: { ports: [{}] } },
      "Service default/web: spec.ports[0].port: expected a number from 1 to 65535, got nothing",
    ],
    [
      "a list that is an object",
      { ...SERVICE, spec: { ports: { port: 80 } } },
      'Service default/web: spec.ports: expected a list, got {"port":80}',
    ],
    [
      "a word that is none",
      { ...SERVICE, spec: { type: "Nodeport" } },
      'Service default/web: spec.type: expected ClusterIP, NodePort, LoadBalancer or ExternalName, got "Nodeport"',
    ],
    [
      "a target port that is a list",
      { ...SERVICE, spec: { ports: [{ port: 80, targetPort: [] }] } },
      "Service default/web: spec.ports[0].targetPort: expected a port number or a port's name, got []",
    ],
    [
      "a label that is a number",
      { ...SERVICE, metadata: { name: "web", labels: { v: 1 } }, spec: {} },
      "Service default/web: metadata.labels.v: expected text, got 1",
    ],
    ["no spec", SERVICE, "Service default/web: spec: expected an object, got nothing"],
    [
      "no name",
      { apiVersion: "v1", kind: "Service", metadata: {}, spec: {} },
      "Service: metadata.name: expected text, got nothing",
    ],
    [
      "no metadata",
      { apiVersion: "v1", kind: "Service", spec: {} },
      "Service: metadata: expected an object, got nothing",
    ],
    ["no kind", { apiVersion: "v1", metadata: { name: "x" } }, "Object x: kind: expected text, got nothing"],
    ["no version", { kind: "Service", metadata: { name: "x" } }, "Service x: apiVersion: expected text, got nothing"],
    ["text", "hello", 'Objects: expected an object with apiVersion and kind, got "hello"'],
    ["a list", [], "Objects: expected an object with apiVersion and kind, got []"],
  ])("tells the place of %s", (_name, value, problem) => {
    expect(readObjects([value])).toEqual({ objects: [], notes: [], problems: [problem] });
  });

  test("tells all that is wrong with an object", () => {
    const broken = { ...SERVICE, spec: { type: 1, ports: [{ port: 0 }, { port: 80, nodePort: -1 }] } };
    expect(readObjects([broken]).problems).toEqual([
      "Service default/web: spec.type: expected ClusterIP, NodePort, LoadBalancer or ExternalName, got 1",
      "Service default/web: spec.ports[0].port: expected a number from 1 to 65535, got 0",
      "Service default/web: spec.ports[1].nodePort: expected a number from 0 to 65535, got -1",
    ]);
  });

  test("keeps nodePorts outside the usual range", () => {
    const { objects } = readObjects([{ ...SERVICE, spec: { ports: [{ port: 80, nodePort: 80 }] } }]);
    expect(ofKind(objects, "Service")[0]?.spec.ports?.[0]?.nodePort).toBe(80);
  });

  test("survives an anchor that contains itself", () => {
    const cyclic = parse(
      "&a {apiVersion: v1, kind: Service, metadata: {name: x}, spec: {self: *a, and: *a, again: *a}}",
    );
    expect(readObjects([cyclic]).problems).toEqual(["Objects: nested too deeply: an anchor may contain itself"]);
  });

  test("passes over empty documents", () => {
    expect(read("---\n---\n")).toEqual({ objects: [], notes: [], problems: [] });
  });
});
