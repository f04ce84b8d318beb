import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  IPTABLES_STYLE,
  iptablesRules,
  type KubeObject,
  type KubeProxyConfig,
  type KubeProxyFlags,
  kubeProxyConfig,
  NFT_EQUIVALENT_STYLE,
  nftablesEquivalentRules,
  ofKind,
  type ProxyInput,
  ProxyObjects,
  Rulebook,
  type RuleStyle,
} from "../../src/kube/index.ts";
import { formatRuleset, type Ruleset } from "../../src/nat/index.ts";
import { address } from "../../src/netstack/index.ts";
import { clusterArbitrary } from "../support/random-cluster.ts";
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

interface Mode {
  readonly style: RuleStyle;
  readonly fromNothing: (input: ProxyInput) => Ruleset;
}

const MODES = {
  iptables: { style: IPTABLES_STYLE, fromNothing: iptablesRules },
  nftables: { style: NFT_EQUIVALENT_STYLE, fromNothing: nftablesEquivalentRules },
} as const;

/** A rulebook that follows changes, and the same rules written from nothing. */
class Followed {
  readonly #source = new ProxyObjects();
  readonly #objects = new Map<string, KubeObject>();
  readonly #flags: KubeProxyFlags;
  readonly book: Rulebook;

  readonly #fromNothing: (input: ProxyInput) => Ruleset;

  constructor(flags: KubeProxyFlags = { clusterCidr: "10.180.0.0/16" }, mode: Mode = MODES.iptables) {
    this.#flags = flags;
    this.#fromNothing = mode.fromNothing;
    this.book = new Rulebook(this.#source, mode.style, this.#configOf("node1"));
  }

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

  deleteNamed(...names: readonly string[]): void {
    for (const object of [...this.#objects.values()]) if (names.includes(object.metadata.name)) this.delete(object);
  }

  text(node: string): string {
    return formatRuleset(this.book.rulesFor(this.#configOf(node)));
  }

  textFromNothing(node: string): string {
    const objects = [...this.#objects.values()];
    const input = { services: ofKind(objects, "Service"), endpointSlices: ofKind(objects, "EndpointSlice") };
    return formatRuleset(this.#fromNothing({ ...input, config: this.#configOf(node) }));
  }

  #configOf(node: string): KubeProxyConfig {
    return configOf(node, this.#flags);
  }
}

/** The first two are in zone a, the third in zone b. */
function configOf(name: string, flags: KubeProxyFlags = { clusterCidr: "10.180.0.0/16" }): KubeProxyConfig {
  const number = NODES.indexOf(name) + 1;
  const labels = { "topology.kubernetes.io/zone": number < 3 ? "a" : "b" };
  const object = { apiVersion: "v1", kind: "Node" as const, metadata: { name, labels } };
  return kubeProxyConfig({ name, addresses: [address(`10.240.0.${number}`)], object }, flags).config;
}

function nameOf({ kind, metadata }: KubeObject): string {
  return `${kind}/${metadata.name}`;
}

describe("a Rulebook", () => {
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

  it.each(Object.entries(MODES))(
    "of %s mode writes after any changes what would be written from nothing",
    (_, mode) => {
      const stepArbitrary = fc.record({
        cluster: clusterArbitrary,
        which: fc.array(fc.boolean(), { minLength: 8, maxLength: 8 }),
      });
      fc.assert(
        fc.property(fc.array(stepArbitrary, { minLength: 1, maxLength: 5 }), (steps) => {
          const followed = new Followed(steps[0]?.cluster.flags, mode);
          for (const { cluster, which } of steps) {
            for (const [index, changes] of which.entries()) {
              if (!changes) continue;
              const objects = [cluster.services[index], cluster.endpointSlices[index]].filter(
                (each) => each !== undefined,
              );
              if (objects.length > 0) followed.set(...objects);
              else followed.deleteNamed(`svc-${index}`, `svc-${index}-a`);
            }
            for (const node of NODES) expect(followed.text(node)).toBe(followed.textFromNothing(node));
          }
        }),
        { numRuns: 30, seed: 20_260_304 },
      );
    },
  );

  it("writes at a change the parts of its own Service and no others", () => {
    const followed = new Followed();
    const many = Array.from({ length: 50 }, (_, i) =>
      service(`web-${i}`, `10.0.1.${i}`, { ports: ["http=80", "dns=53/UDP"] }),
    );
    followed.set(...many, ...many.map((_, i) => slice(`web-${i}`, ["http=80", "dns=53/UDP"], ["10.180.1.5 node1"])));
    for (const node of NODES) followed.book.rulesFor(configOf(node));
    expect(followed.book.partsWritten).toBe(100);
    followed.set(slice("web-7", ["http=80", "dns=53/UDP"], ["10.180.1.6 node2"]));
    for (const node of NODES) followed.book.rulesFor(configOf(node));
    expect(followed.book.partsWritten).toBe(102);
  });

  it("says whether any rule names a list of clients, without writing chains that nobody has looked at", () => {
    const followed = new Followed();
    followed.set({ ...WEB, spec: { ...WEB.spec, sessionAffinity: "ClientIP" } }, WEB_SLICE);
    const [list = ""] = /KUBE-SEP-\w+/.exec(followed.text("node1")) ?? [];
    const names = (): boolean | undefined =>
      followed.book.rulesFor(configOf("node1")).get("nat")?.namesList?.("recent", list);
    expect(names()).toBe(true);
    followed.set({ ...WEB, spec: { ...WEB.spec, sessionAffinity: "ClientIP" } }, slice("web", ["80"], []));
    expect(names()).toBe(false);
    followed.set(WEB_SLICE);
    expect(names()).toBe(true);
    followed.set(WEB);
    expect(names()).toBe(false);
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
