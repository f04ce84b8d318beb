import { formatIpv4, formatMac } from "../netstack/index.ts";
import type { Host } from "../nodes/index.ts";
import type { Lab } from "../scenario/index.ts";
import type { ReportBox, ReportBoxKind, ReportInterface, ReportLink, ReportTopology } from "./report-data.ts";

/** A drawing of more boxes is of no use to anybody. */
const MOST_BOXES = 200;

/** Collects what stands in a network; what goes away during the run has been there, and stays. */
export class TopologyBook {
  readonly #boxes = new Map<string, ReportBox>();
  readonly #links = new Map<string, ReportLink>();

  /** How many boxes there are, or have been; those that are not worth learning count, too. */
  size = 0;

  /** Names of networks, which carry frames and do nothing with packets. */
  get networks(): ReadonlySet<string> {
    return new Set([...this.#boxes.values()].filter(({ kind }) => kind === "network").map(({ name }) => name));
  }

  /** Everything, as long as there are not too many machines; else those that packets `passed`, and what they hang on. */
  topologyOf(passed: ReadonlySet<string>): ReportTopology {
    const [boxes, links] = [[...this.#boxes.values()], [...this.#links.values()]];
    if (boxes.length <= MOST_BOXES) return { boxes, links };
    const kept = new Set([...passed].flatMap((name) => [name, this.#boxes.get(name)?.on ?? name]));
    const keptLinks = links.filter(({ from, to }) => kept.has(from) && (kept.has(to) || this.networks.has(to)));
    for (const { to } of keptLinks) kept.add(to);
    return { boxes: boxes.filter(({ name }) => kept.has(name)), links: keptLinks };
  }

  /** Learns what is there now; of a network of very many machines, those that have `seen` a packet. */
  learn(lab: Lab, seen: ReadonlySet<string>): void {
    const { hosts, switches, links } = lab.network;
    const placed = podPlaces(lab);
    for (const name of switches.keys()) this.#boxes.set(name, { name, kind: "network", interfaces: [] });
    for (const name of hosts.size <= MOST_BOXES ? [...hosts.keys()] : seen) {
      const host = hosts.get(name);
      if (host !== undefined) this.#boxes.set(name, boxOf(host, kindOf(lab, name), placed.get(name)));
    }
    for (const name of links.keys()) this.#learnLink(name);
    this.size = Math.max(this.#boxes.size, hosts.size + switches.size);
  }

  /** A link is called after its ends: `client/eth0-internet`, or `pod/eth0-veth12345678`. */
  #learnLink(link: string): void {
    const box = this.#boxes.get(link.slice(0, link.indexOf("/")));
    const own = box?.interfaces.find((each) => link.startsWith(`${box.name}/${each.name}-`));
    if (box === undefined || own === undefined) return;
    const { name, on } = box;
    const end = link.slice(`${name}/${own.name}-`.length);
    if (this.#boxes.get(end)?.kind === "network")
      this.#links.set(link, { from: name, fromInterface: own.name, to: end });
    else if (on !== undefined) this.#links.set(link, { from: name, fromInterface: own.name, to: on, toInterface: end });
  }
}

function boxOf({ name, stack }: Host, kind: ReportBoxKind, on: string | undefined): ReportBox {
  const interfaces = stack.addressing.interfaces.filter((each) => each !== stack.loopback);
  return {
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
  };
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

/** Which node each Pod is on; one in its node's own network is no box of its own. */
function podPlaces(lab: Lab): ReadonlyMap<string, string> {
  const places = new Map<string, string>();
  for (const cluster of lab.clusters.values()) {
    for (const { metadata, spec } of cluster.api.list("Pod"))
      if (spec.nodeName !== undefined && spec.hostNetwork !== true) places.set(metadata.name, spec.nodeName);
  }
  return places;
}
