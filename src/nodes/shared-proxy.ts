import {
  type ApiServer,
  type KubeProxyConfig,
  type KubernetesVersion,
  type Node,
  type ObjectChange,
  ProxyObjects,
  Rulebook,
  type RuleStyle,
  rulebookKey,
  staleConnections,
} from "../kube/index.ts";
import type { ConntrackEntry } from "../nat/index.ts";

/** What the kube-proxies of a cluster's nodes have in common: the objects they watch, and the rules that are the same on many nodes. */
export class SharedProxy {
  readonly version: KubernetesVersion;
  readonly objects: ProxyObjects;
  /** Changes that the kube-proxies have heard of and not yet acted on. */
  readonly #heard: ObjectChange[] = [];
  readonly #api: ApiServer;
  readonly #rulebooks = new Map<string, Rulebook>();
  /** Whether a tracked connection leads to an endpoint that serves no more. */
  readonly isStale: (entry: ConntrackEntry) => boolean;

  constructor(api: ApiServer, version: KubernetesVersion) {
    this.#api = api;
    this.version = version;
    this.objects = new ProxyObjects();
    this.isStale = staleConnections(this.objects);
    api.watch((change) => {
      if (change.object.kind === "Service" || change.object.kind === "EndpointSlice") this.#heard.push(change);
    });
  }

  /** Takes in what has changed since: until then nodes do what they were last told to, whenever they come to make rules of it. */
  catchUp(): void {
    for (const change of this.#heard.splice(0)) this.objects.follow(change);
    // Where nodes have flags of their own, each has its own book, and looks into it when it needs to.
    if (this.#rulebooks.size === 1) for (const book of this.#rulebooks.values()) book.catchUp();
  }

  node(name: string): Node | undefined {
    return this.#api.get("Node", name);
  }

  /** The rulebook for kube-proxies with these flags in this style. */
  rulebook(config: KubeProxyConfig, style: RuleStyle): Rulebook {
    const key = rulebookKey(config);
    const known = this.#rulebooks.get(key) ?? new Rulebook(this.objects, style, config);
    this.#rulebooks.set(key, known);
    return known;
  }
}
