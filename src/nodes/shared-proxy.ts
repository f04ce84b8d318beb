import {
  type ApiServer,
  IptablesRulebook,
  type KubeProxyConfig,
  type KubernetesVersion,
  type Node,
  type ObjectChange,
  ProxyObjects,
  rulebookKey,
  staleConnections,
} from "../kube/index.ts";
import type { ConntrackEntry, Ruleset } from "../nat/index.ts";

/** What the kube-proxies of a cluster's nodes have in common: the objects they watch, and the rules that are the same on many nodes. */
export class SharedProxy {
  readonly version: KubernetesVersion;
  readonly objects: ProxyObjects;
  /** Changes that the kube-proxies have heard of and not yet acted on. */
  readonly #heard: ObjectChange[] = [];
  readonly #api: ApiServer;
  readonly #rulebooks = new Map<string, IptablesRulebook>();
  #stale: { readonly revision: number; readonly test: (entry: ConntrackEntry) => boolean } | undefined;

  constructor(api: ApiServer, version: KubernetesVersion) {
    this.#api = api;
    this.version = version;
    this.objects = new ProxyObjects();
    api.watch((change) => {
      if (change.object.kind === "Service" || change.object.kind === "EndpointSlice") this.#heard.push(change);
    });
  }

  /** Takes in what has changed since: until then nodes do what they were last told to, whenever they come to make rules of it. */
  catchUp(): void {
    for (const change of this.#heard.splice(0)) this.objects.follow(change);
  }

  node(name: string): Node | undefined {
    return this.#api.get("Node", name);
  }

  /** The rules of iptables mode for a node, as the objects are now: the same Ruleset for nodes that need the same. */
  iptablesRules(config: KubeProxyConfig): Ruleset {
    const key = rulebookKey(config);
    const known = this.#rulebooks.get(key) ?? new IptablesRulebook(this.objects, config);
    this.#rulebooks.set(key, known);
    return known.rulesFor(config);
  }

  /** Whether a tracked connection leads to an endpoint that serves no more. */
  readonly isStale = (entry: ConntrackEntry): boolean => {
    const { revision } = this.objects;
    if (this.#stale?.revision !== revision) this.#stale = { revision, test: staleConnections(this.objects) };
    return this.#stale.test(entry);
  };
}
