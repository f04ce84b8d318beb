import { describe, expect, test } from "vitest";
import { parse } from "yaml";
import {
  asList,
  formatAge,
  formatJson,
  formatJsonPath,
  formatKubectlTable,
  formatYaml,
  JsonPathError,
  type KubeObject,
  type Node,
  type Pod,
  type TableOptions,
} from "../../src/kube/index.ts";
import { node, service, slice } from "./cluster-objects.ts";

const TODAY = { major: 1, minor: 30 };
const THEN = { major: 1, minor: 5 };

describe("formatKubectlTable()", () => {
  const lines = (objects: readonly KubeObject[], options: Partial<TableOptions> = {}) =>
    formatKubectlTable(objects, { version: TODAY, ageSeconds: () => 51, ...options })
      .split("\n")
      .slice(0, -1);

  test("shows Services as the tutorial's editions do", () => {
    const clusterip = service("clusterip", "10.0.170.92");
    expect(lines([clusterip])).toEqual([
      "NAME        TYPE        CLUSTER-IP    EXTERNAL-IP   PORT(S)   AGE",
      "clusterip   ClusterIP   10.0.170.92   <none>        80/TCP    51s",
    ]);
    expect(lines([clusterip], { version: THEN })).toEqual([
      "NAME        CLUSTER-IP    EXTERNAL-IP   PORT(S)   AGE",
      "clusterip   10.0.170.92   <none>        80/TCP    51s",
    ]);
  });

  test.each([
    [
      "a NodePort",
      service("s", "10.0.0.1", { type: "NodePort", ports: ["80:31000", "53/UDP:31001"] }),
      "s      NodePort   10.0.0.1     <none>        80:31000/TCP,53:31001/UDP   51s",
    ],
    [
      "a load balancer without an address yet",
      service("s", "10.0.0.1", { type: "LoadBalancer" }),
      "s      LoadBalancer   10.0.0.1     <pending>     80/TCP    51s",
    ],
    [
      "a load balancer",
      service("s", "10.0.0.1", { type: "LoadBalancer", loadBalancerIps: ["203.0.113.140"] }),
      "s      LoadBalancer   10.0.0.1     203.0.113.140   80/TCP    51s",
    ],
    [
      "external IPs",
      service("s", "10.0.0.1", { externalIPs: ["192.0.2.1", "192.0.2.2"] }),
      "s      ClusterIP   10.0.0.1     192.0.2.1,192.0.2.2   80/TCP    51s",
    ],
    ["a headless Service", service("s", "None"), "s      ClusterIP   None         <none>        80/TCP    51s"],
    [
      "an alias",
      service("s", "", { type: "ExternalName", externalName: "db.example", ports: [] }),
      "s      ExternalName   <none>       db.example    <none>    51s",
    ],
  ])("shows %s", (_name, object, line) => {
    expect(lines([object])[1]).toBe(line);
  });

  test("shows nodes, cordoned and not ready", () => {
    const cordoned: Node = { ...node("node1"), spec: { unschedulable: true } };
    const unready: Node = {
      ...node("node2", { labels: { "node-role.kubernetes.io/control-plane": "" } }),
      status: { conditions: [{ type: "Ready", status: "False" }], nodeInfo: { kubeletVersion: "v1.30.2" } },
    };
    expect(lines([cordoned, unready])).toEqual([
      "NAME    STATUS                     ROLES           AGE   VERSION",
      "node1   Ready,SchedulingDisabled   <none>          51s   v1.30.0",
      "node2   NotReady                   control-plane   51s   v1.30.2",
    ]);
    expect(lines([cordoned], { version: THEN })[0]).toBe("NAME    STATUS                     AGE");
  });

  test("shows Pods, wide and narrow", () => {
    const pod: Pod = {
      apiVersion: "v1",
      kind: "Pod",
      metadata: { name: "busybox", namespace: "default" },
      spec: { nodeName: "node1", containers: [{ name: "busybox" }] },
      status: { phase: "Running", podIP: "10.244.3.8", conditions: [{ type: "Ready", status: "True" }] },
    };
    expect(lines([pod], { wide: true })).toEqual([
      "NAME      READY   STATUS    RESTARTS   AGE   IP           NODE    NOMINATED NODE   READINESS GATES",
      "busybox   1/1     Running   0          51s   10.244.3.8   node1   <none>           <none>",
    ]);
    const leaving: Pod = { ...pod, metadata: { ...pod.metadata, deletionTimestamp: "2026-01-01T00:00:00Z" } };
    expect(lines([leaving])[1]).toBe("busybox   1/1     Terminating   0          51s");
    expect(lines([{ ...pod, status: { phase: "Pending" } }])[1]).toBe(
      "busybox   0/1     ContainerCreating   0          51s",
    );
  });

  test("shows at most three addresses of a slice", () => {
    const endpoints = ["10.1.0.1 n", "10.1.0.2 n", "10.1.0.3 n", "10.1.0.4 n"];
    expect(lines([slice("web", ["8080"], endpoints)])[1]).toBe(
      "web-abcde   IPv4          8080    10.1.0.1,10.1.0.2,10.1.0.3 + 1 more...   51s",
    );
  });

  test("shows nothing for nothing", () => {
    expect(lines([])).toEqual([]);
  });
});

test.each([
  [51, "51s", "51s"],
  [119, "119s", "1m"],
  [150, "2m30s", "2m"],
  [600, "10m", "10m"],
  [7200, "120m", "2h"],
  [12600, "3h30m", "3h"],
  [100_000, "27h", "1d"],
  [200_000, "2d7h", "2d"],
  [2_000_000, "23d", "23d"],
])("%i seconds are %s, and were %s in 1.5", (seconds, today, then) => {
  expect([formatAge(seconds, TODAY), formatAge(seconds, THEN)]).toEqual([today, then]);
});

describe("formatJsonPath()", () => {
  const NODES = {
    items: [
      {
        metadata: { name: "a", labels: { "app.kubernetes.io/name": "x" } },
        status: {
          addresses: [
            { type: "InternalIP", address: "10.240.0.3" },
            { type: "ExternalIP", address: "203.0.113.3" },
          ],
        },
      },
      {
        metadata: { name: "b" },
        status: {
          addresses: [
            { type: "InternalIP", address: "10.240.0.4" },
            { type: "ExternalIP", address: "203.0.113.4" },
          ],
        },
      },
    ],
    ports: [{ port: 80, nodePort: 31000 }, { port: 443 }, { port: 9153 }],
  };

  test.each([
    ["{.ports[0].nodePort}", "31000"],
    ['{ $.items[*].status.addresses[?(@.type=="ExternalIP")].address }', "203.0.113.3 203.0.113.4"],
    ["{.items[*].metadata.name}", "a b"],
    [
      '{range .items[*]}{.metadata.name}{"\\t"}{.status.addresses[0].address}{"\\n"}{end}',
      "a\t10.240.0.3\nb\t10.240.0.4\n",
    ],
    ["{.items[0].metadata.labels.app\\.kubernetes\\.io/name}", "x"],
    ["{.items[0].metadata.labels['app.kubernetes.io/name']}", "x"],
    ["{.ports[-1].port}", "9153"],
    ["{.ports[0:2].port}", "80 443"],
    ["{.ports[0,2].port}", "80 9153"],
    ["{.ports[?(@.port>80)].port}", "443 9153"],
    ["{.ports[?(@.nodePort)].port}", "80"],
    ["{.ports[?(@.port!=80)]}", '{"port":443} {"port":9153}'],
    ["{..name}", "a b"],
    ["{.ports[0]}", '{"port":80,"nodePort":31000}'],
    ["port {.ports[0].port}!", "port 80!"],
    ["{.nothing.here}", ""],
    ["{.ports[7].port}", ""],
  ])("%s prints %j", (template, text) => {
    expect(formatJsonPath(template, NODES)).toBe(text);
  });

  test.each(["{.a", "{range .a}", "{end}", "{.a[x]}"])("refuses %s", (template) => {
    expect(() => formatJsonPath(template, NODES)).toThrow(JsonPathError);
  });
});

describe("formatYaml()", () => {
  test("prints what the tutorial greps for", () => {
    const lb = { ...service("loadbalancer", "10.0.65.118", { type: "LoadBalancer", healthCheckNodePort: 32122 }) };
    expect(formatYaml(lb)).toBe(`apiVersion: v1
kind: Service
metadata:
  name: loadbalancer
  namespace: default
spec:
  clusterIP: 10.0.65.118
  healthCheckNodePort: 32122
  ports:
  - port: 80
    protocol: TCP
  type: LoadBalancer
`);
  });

  test("reads back as what it was, whatever the texts look like", () => {
    const texts = [
      "",
      "yes",
      "null",
      "1.10",
      "0x1",
      "1e3",
      "2026-01-01T00:00:00Z",
      "a: b",
      "- a",
      "a #b",
      "'q'",
      '"q"',
      "*x",
      "%x",
      "two\nlines",
      "two\nlines\n",
      " a",
      "a ",
      "-x",
      "a:",
      "@a",
      "True",
      "12:30",
    ];
    const value = { texts, nested: [[1, [2]], { a: [], b: {}, c: [{ d: null }] }], "key: odd": true };
    expect(parse(formatYaml(value))).toEqual(value);
  });
});

test("formatJson() sorts keys and indents by four, and several objects make a List", () => {
  expect(formatJson(asList([{ b: 1, a: 2 }]))).toBe(`{
    "apiVersion": "v1",
    "items": [
        {
            "a": 2,
            "b": 1
        }
    ],
    "kind": "List",
    "metadata": {
        "resourceVersion": ""
    }
}
`);
});
