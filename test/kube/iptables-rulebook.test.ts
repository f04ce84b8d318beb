import { describe, expect, it } from "vitest";
import {
  IptablesRulebook,
  iptablesRules,
  type KubeObject,
  type KubeProxyConfig,
  kubeProxyConfig,
  ofKind,
  ProxyObjects,
} from "../../src/kube/index.ts";
import { formatRuleset } from "../../src/nat/index.ts";
import { address } from "../../src/netstack/index.ts";
import { service, slice } from "./cluster-objects.ts";

const NODES = ["node1", "node2", "node3"];

const WEB = service("web", "10.0.0.1", { ports: ["80"] });
const LOCAL = service("local", "10.0.0.2", { type: "NodePort", ports: ["80:31000"], externalTrafficPolicy: "Local" });
const GUARDED = service("guarded", "10.0.0.3", {
  type: "LoadBalancer",
  ports: ["443:31001"],
  loadBalancerSourceRanges: ["10.240.0.2/32"],
  loadBalancerIps: ["203.0.113.140"],
});
const WEB_SLICE = slice("web", ["80"], ["10.180.1.5 node1", "10.180.2.5 node2"]);
const LOCAL_SLICE = slice("local", ["80"], ["10.180.1.6 node1"]);
const GUARDED_SLICE = slice("guarded", ["443"], ["10.180.3.7 node3"]);
const ALL: readonly KubeObject[] = [WEB, LOCAL, GUARDED, WEB_SLICE, LOCAL_SLICE, GUARDED_SLICE];

/** A rulebook that follows changes, and the same rules written from nothing. */
class Followed {
  readonly #source = new ProxyObjects();
  readonly #objects = new Map<string, KubeObject>();
  readonly book = new IptablesRulebook(this.#source, configOf("node1"));

  set(...objects: readonly KubeObject[]): void {
    for (const object of objects) {
      const before = this.#objects.get(nameOf(object));
      this.#objects.set(nameOf(object), object);
      this.#source.follow({ type: before ? "modified" : "added", object, ...(before && { before }) });
    }
  }

  delete(object: KubeObject): void {
    this.#objects.delete(nameOf(object));
    this.#source.follow({ type: "deleted", object });
  }

  text(node: string): string {
    return formatRuleset(this.book.rulesFor(configOf(node)));
  }

  textFromNothing(node: string): string {
    const objects = [...this.#objects.values()];
    const input = { services: ofKind(objects, "Service"), endpointSlices: ofKind(objects, "EndpointSlice") };
    return formatRuleset(iptablesRules({ ...input, config: configOf(node) }));
  }
}

function configOf(name: string): KubeProxyConfig {
  const number = NODES.indexOf(name) + 1;
  return kubeProxyConfig({ name, addresses: [address(`10.240.0.${number}`)] }, { clusterCidr: "10.180.0.0/16" }).config;
}

function nameOf({ kind, metadata }: KubeObject): string {
  return `${kind}/${metadata.name}`;
}

describe("an IptablesRulebook", () => {
  it("gives nodes that need the same the very same Ruleset", () => {
    const followed = new Followed();
    followed.set(WEB, WEB_SLICE);
    const rulesets = new Set(Array.from({ length: 100 }, (_, i) => followed.book.rulesFor(configOf(`node${i}`))));
    expect(rulesets.size).toBe(1);
  });

  it("gives nodes Rulesets of their own where their own endpoints or addresses count, and shares the chains that are alike", () => {
    const followed = new Followed();
    followed.set(...ALL);
    const [one, two, three, four] = ["node1", "node2", "node3", "node4"].map((node) =>
      followed.book.rulesFor(configOf(node)),
    );
    expect(new Set([one, two, three, four]).size).toBe(3);
    expect(three).toBe(four);
    expect(one?.get("nat")?.chains.get("KUBE-SERVICES")).toBe(two?.get("nat")?.chains.get("KUBE-SERVICES"));
  });

  it("writes after each change what would be written from nothing", () => {
    const followed = new Followed();
    const changes: readonly (() => void)[] = [
      () => followed.set(...ALL),
      () => followed.set(slice("local", ["80"], ["10.180.2.6 node2"])),
      () => followed.set({ ...WEB, spec: { ...WEB.spec, sessionAffinity: "ClientIP" } }),
      () => followed.set(slice("web", ["80"], [])),
      () => followed.delete(GUARDED),
      () =>
        followed.set(
          slice(
            "web",
            ["80"],
            Array.from({ length: 1001 }, (_, i) => `10.181.${i >> 8}.${i & 255} node1`),
          ),
        ),
      () => followed.delete(LOCAL_SLICE),
      () => followed.set(WEB_SLICE, GUARDED),
    ];
    for (const change of changes) {
      change();
      for (const node of NODES) expect(followed.text(node)).toBe(followed.textFromNothing(node));
    }
  });

  it("keeps the chains that a change does not touch", () => {
    const followed = new Followed();
    followed.set(
      WEB,
      WEB_SLICE,
      service("other", "10.0.0.9", { ports: ["80"] }),
      slice("other", ["80"], ["10.180.1.9 node1"]),
    );
    const before = followed.book.rulesFor(configOf("node1"));
    const name = [...(before.get("nat")?.chains.values() ?? [])].find(({ rules }) =>
      rules.some(({ matches }) =>
        matches.some((match) => match.kind === "comment" && match.text.startsWith("default/other ->")),
      ),
    )?.name;
    expect(name).toMatch(/^KUBE-SVC-/);
    followed.set(slice("web", ["80"], ["10.180.1.5 node1"]));
    const after = followed.book.rulesFor(configOf("node1"));
    expect(after).not.toBe(before);
    expect(after.get("nat")?.chains.get(name ?? "")).toBe(before.get("nat")?.chains.get(name ?? ""));
    expect(after.get("filter")).toBe(before.get("filter"));
    expect(after.get("nat")?.chains.get("KUBE-SERVICES")?.rules).toEqual(
      before.get("nat")?.chains.get("KUBE-SERVICES")?.rules,
    );
  });

  it("finds an endpoint's chain, whichever is asked for first", () => {
    const followed = new Followed();
    followed.set(WEB, WEB_SLICE);
    const text = followed.textFromNothing("node1");
    const [endpoint = ""] = /KUBE-SEP-\w+/.exec(text) ?? [];
    expect(followed.book.rulesFor(configOf("node1")).get("nat")?.chains.get(endpoint)?.rules).toHaveLength(2);
    expect(followed.book.rulesFor(configOf("node1")).get("nat")?.chains.get("KUBE-SEP-NONE")).toBeUndefined();
  });
});
