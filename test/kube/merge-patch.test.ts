import { describe, expect, test } from "vitest";
import { applyPatch, jsonMergePatch, strategicMergePatch } from "../../src/kube/index.ts";

const PORTS = {
  spec: {
    ports: [
      { name: "a", port: 80, targetPort: 8080 },
      { name: "b", port: 81 },
    ],
  },
};

describe("jsonMergePatch()", () => {
  /** Rows of RFC 7396, appendix A. */
  test.each<[unknown, unknown, unknown]>([
    [{ a: "b" }, { a: "c" }, { a: "c" }],
    [{ a: "b" }, { b: "c" }, { a: "b", b: "c" }],
    [{ a: "b" }, { a: null }, {}],
    [{ a: "b", b: "c" }, { a: null }, { b: "c" }],
    [{ a: ["b"] }, { a: "c" }, { a: "c" }],
    [{ a: "c" }, { a: ["b"] }, { a: ["b"] }],
    [{ a: { b: "c" } }, { a: { b: "d", c: null } }, { a: { b: "d" } }],
    [{ a: [{ b: "c" }] }, { a: [1] }, { a: [1] }],
    [
      ["a", "b"],
      ["c", "d"],
      ["c", "d"],
    ],
    [{ a: "b" }, ["c"], ["c"]],
    [{ e: null }, { a: 1 }, { e: null, a: 1 }],
    [[1, 2], { a: "b", c: null }, { a: "b" }],
    [{}, { a: { bb: { ccc: null } } }, { a: { bb: {} } }],
  ])("%j with %j gives %j", (target, patch, merged) => {
    expect(jsonMergePatch(target, patch)).toEqual(merged);
  });
});

describe("strategicMergePatch()", () => {
  test("merges a Service's ports by their number", () => {
    expect(strategicMergePatch("Service", PORTS, { spec: { ports: [{ port: 80, targetPort: 9090 }] } })).toEqual({
      spec: {
        ports: [
          { name: "a", port: 80, targetPort: 9090 },
          { name: "b", port: 81 },
        ],
      },
    });
  });

  test("adds a port of a new number at the end", () => {
    expect(
      strategicMergePatch(
        "Service",
        { spec: { ports: [{ port: 80 }] } },
        { spec: { ports: [{ name: "c", port: 82 }] } },
      ),
    ).toEqual({
      spec: { ports: [{ port: 80 }, { name: "c", port: 82 }] },
    });
  });

  test("removes one item, or replaces the list, by directive", () => {
    expect(strategicMergePatch("Service", PORTS, { spec: { ports: [{ port: 80, $patch: "delete" }] } })).toEqual({
      spec: { ports: [{ name: "b", port: 81 }] },
    });
    expect(strategicMergePatch("Service", PORTS, { spec: { ports: [{ $patch: "replace" }, { port: 90 }] } })).toEqual({
      spec: { ports: [{ port: 90 }] },
    });
  });

  test("replaces an object by directive, and removes members by null", () => {
    const target = { spec: { selector: { app: "a", tier: "b" }, type: "NodePort" } };
    expect(
      strategicMergePatch("Service", target, { spec: { selector: { $patch: "replace", app: "c" }, type: null } }),
    ).toEqual({
      spec: { selector: { app: "c" } },
    });
  });

  test("replaces lists without a key", () => {
    const target = { spec: { externalIPs: ["192.0.2.1", "192.0.2.2"] } };
    expect(strategicMergePatch("Service", target, { spec: { externalIPs: ["192.0.2.3"] } })).toEqual({
      spec: { externalIPs: ["192.0.2.3"] },
    });
  });

  test("merges containers by name, and their ports by number, inside a Deployment", () => {
    const containers = [{ name: "web", image: "a:1", ports: [{ containerPort: 80 }] }];
    const patch = {
      containers: [
        { name: "web", image: "a:2", ports: [{ containerPort: 81 }] },
        { name: "side", image: "b" },
      ],
    };
    expect(
      strategicMergePatch(
        "Deployment",
        { spec: { template: { spec: { containers } } } },
        { spec: { template: { spec: patch } } },
      ),
    ).toEqual({
      spec: {
        template: {
          spec: {
            containers: [
              { name: "web", image: "a:2", ports: [{ containerPort: 80 }, { containerPort: 81 }] },
              { name: "side", image: "b" },
            ],
          },
        },
      },
    });
  });
});

describe("applyPatch()", () => {
  test("takes away what the last manifest had and this one has not, and only that", () => {
    const last = { spec: { type: "NodePort", externalIPs: ["192.0.2.1"] } };
    const patch = applyPatch("Service", last, { spec: { type: "NodePort" } });
    expect(patch).toEqual({ spec: { type: "NodePort", externalIPs: null } });
    const stored = { spec: { type: "NodePort", externalIPs: ["192.0.2.1"], clusterIP: "10.0.0.1" } };
    expect(strategicMergePatch("Service", stored, patch)).toEqual({
      spec: { type: "NodePort", clusterIP: "10.0.0.1" },
    });
  });

  test("takes away ports that are gone and keeps what others added to those that stay", () => {
    const last = { spec: { ports: [{ port: 80 }, { port: 81 }] } };
    const patch = applyPatch("Service", last, { spec: { ports: [{ port: 80 }] } });
    const stored = {
      spec: {
        ports: [
          { port: 80, nodePort: 31000 },
          { port: 81, nodePort: 31001 },
        ],
      },
    };
    expect(strategicMergePatch("Service", stored, patch)).toEqual({ spec: { ports: [{ port: 80, nodePort: 31000 }] } });
  });
});
