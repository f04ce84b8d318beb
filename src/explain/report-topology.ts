import { formatIpv4, formatMac } from "../netstack/index.ts";
import type { Lab } from "../scenario/index.ts";
import type { ReportBox, ReportBoxKind, ReportInterface, ReportLink, ReportTopology } from "./report-data.ts";

/** Collects what stands in a network; what goes away during the run has been there, and stays. */
export class TopologyBook {
  readonly #boxes = new Map<string, ReportBox>();
  readonly #links = new Map<string, ReportLink>();

  /** Names of networks, which carry frames and do nothing with packets. */
  get networks(): ReadonlySet<string> {
    return new Set([...this.#boxes.values()].filter(({ kind }) => kind === "network").map(({ name }) => name));
  }

  get topology(): ReportTopology {
    return { boxes: [...this.#boxes.values()], links: [...this.#links.values()] };
  }

  /** Learns what is there now. */
  learn(lab: Lab): void {
    const placed = podPlaces(lab);
    for (const name of lab.network.switches.keys()) this.#boxes.set(name, { name, kind: "network", interfaces: [] });
    for (const [name, host] of lab.network.hosts) {
      const kind = kindOf(lab, name);
      const on = placed.get(name);
      const interfaces = host.stack.addressing.interfaces.filter((each) => each !== host.stack.loopback);
      this.#boxes.set(name, {
        name,
        kind,
        ...(on !== undefined && { on }),
        interfaces: interfaces.map(
          (each): ReportInterface => ({
            name: each.name,
            mac: formatMac(each.mac),
            addresses: each.addresses.map(({ address, prefixLength }) => `${formatIpv4(address)}/${prefixLength}`),
          }),
        ),
      });
    }
    for (const name of lab.network.links.keys()) this.#learnLink(name);
  }

  /** A link is called after its ends: `client/eth0-internet`, or `pod/eth0-veth12345678`. */
  #learnLink(link: string): void {
    for (const { name, on, interfaces } of this.#boxes.values()) {
      const own = interfaces.find((each) => link.startsWith(`${name}/${each.name}-`));
      if (own === undefined) continue;
      const end = link.slice(`${name}/${own.name}-`.length);
      if (this.#boxes.get(end)?.kind === "network")
        this.#links.set(link, { from: name, fromInterface: own.name, to: end });
      else if (on !== undefined)
        this.#links.set(link, { from: name, fromInterface: own.name, to: on, toInterface: end });
    }
  }
}

function kindOf({ scenario }: Lab, name: string): ReportBoxKind {
  const machine = scenario.machines.find((each) => each.name === name);
  const isBalancer =
    machine?.balancer !== undefined ||
    scenario.clusters.some(
      ({ loadBalancer }) => loadBalancer !== undefined && "host" in loadBalancer && loadBalancer.host === name,
    );
  if (isBalancer) return "balancer";
  if (machine !== undefined) return machine.kind;
  return scenario.clusters.some(({ nodes }) => nodes.some((node) => node.name === name)) ? "node" : "pod";
}

/** Which node each Pod is on. */
function podPlaces(lab: Lab): ReadonlyMap<string, string> {
  const places = new Map<string, string>();
  for (const cluster of lab.clusters.values()) {
    for (const { metadata, spec } of cluster.api.list("Pod")) {
      const host = cluster.pod(metadata.name, metadata.namespace);
      // A Pod in its node's own network is no box of its own.
      if (host !== undefined && spec.nodeName !== undefined && host.name !== spec.nodeName)
        places.set(host.name, spec.nodeName);
    }
  }
  return places;
}
