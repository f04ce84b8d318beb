import type { Host } from "../src/nodes/index.ts";
import { CHANGES, type ClusterChange, endpointNodes, measuredPods, type Probe } from "./cluster-changes.ts";
import {
  buildCluster,
  type ClusterKind,
  type ClusterSize,
  DATAGRAMS,
  nodeAddress,
  nodeName,
  type ScaledCluster,
} from "./cluster-scale.ts";

const PAYLOAD = new Uint8Array(64);

/** How long one change took. */
export interface ChangeTime {
  readonly name: string;
  /** Until packets on the asked nodes went by the new rules. */
  readonly packetsMs: number;
  /** Until all nodes had theirs, whether packets come there or not. */
  readonly allNodesMs: number;
}

/** A cluster in which everything changes that may change, and how long its nodes take to go by it. */
export class ChangesBench {
  readonly built: ScaledCluster;
  readonly #listening = new Set<string>();
  readonly #announced = new Set<string>();
  #received = 0;
  #round = 0;
  #worst: ChangeTime | undefined;

  constructor(size: ClusterSize, kind: ClusterKind = {}) {
    this.built = buildCluster(size, kind);
    this.#listen();
  }

  /** Each kind of change once, the first of a fresh process too. @throws Error when packets do not go by the new rules. */
  round(): ChangeTime[] {
    this.#round += 1;
    return CHANGES.map((change) => this.measure(change, this.#round));
  }

  /** The slowest of all changes since the cluster was built. */
  get worst(): ChangeTime | undefined {
    return this.#worst;
  }

  /** One change, the `round`th of its kind. */
  measure(change: ClusterChange, round: number): ChangeTime {
    const { cluster, network } = this.built;
    let began = performance.now();
    const probes = change.apply(this.built, round);
    cluster.reconcile();
    let packetsMs = performance.now() - began;
    // A new pod's program and a network's search for neighbours, which asks all nodes, are not what is measured.
    this.#listen();
    for (const probe of probes) this.#introduce(probe);
    began = performance.now();
    const answers = probes.map((probe) => this.#arrives(probe));
    packetsMs += performance.now() - began;
    for (const [index, probe] of probes.entries())
      if (answers[index] !== probe.arrives) throw new Error(`${change.name}: ${JSON.stringify(probe)} did not hold`);
    began = performance.now();
    for (const { host } of cluster.nodes.values()) void host.netfilter;
    const allNodesMs = packetsMs + performance.now() - began;
    network.simulator.runUntilQuiet();
    const time = { name: change.name, packetsMs, allNodesMs };
    if (this.#worst === undefined || allNodesMs > this.#worst.allNodesMs) this.#worst = time;
    return time;
  }

  /** The client, the probe's node and the nodes with endpoints know each other, and the switch knows where they are. */
  #introduce({ by }: Probe): void {
    const { client, cluster, network } = this.built;
    const asked = cluster.nodes.get(nodeName(by % cluster.nodes.size))?.host;
    const others = [...endpointNodes(this.built)].map((name) => cluster.nodes.get(name)?.host);
    for (const host of [client, asked, ...others]) if (host !== undefined) this.#announce(host);
    network.simulator.runUntilQuiet();
    if (asked === undefined) return;
    for (const other of [client, ...others]) {
      if (other === undefined) continue;
      setNeighbour(asked, other);
      setNeighbour(other, asked);
    }
  }

  #announce({ name, stack, address }: Host): void {
    const out = stack.interface("eth0");
    if (this.#announced.has(name) || out === undefined || address === undefined) return;
    this.#announced.add(name);
    stack.link.announce(out, address);
  }

  /** A new connection by the probe's node. */
  #arrives({ by, to, port }: Probe): boolean {
    const { client, network, cluster } = this.built;
    const node = nodeAddress(by % cluster.nodes.size);
    const { routes } = client.stack.addressing;
    const out = client.stack.interface("eth0");
    if (out === undefined) throw new Error("the client has no interface");
    const before = this.#received;
    if (to !== node) routes.add({ destination: { network: to, prefixLength: 32 }, out, via: node });
    const socket = client.stack.udp.open({ onDatagram: () => {} });
    socket.send({ to, port, payload: PAYLOAD });
    network.simulator.runUntilQuiet();
    socket.close();
    routes.removeWhere(({ destination }) => destination.network === to && destination.prefixLength === 32);
    return this.#received > before;
  }

  #listen(): void {
    const { cluster } = this.built;
    for (const { metadata } of measuredPods(cluster)) {
      if (this.#listening.has(metadata.name)) continue;
      this.#listening.add(metadata.name);
      const onDatagram = (): void => {
        this.#received += 1;
      };
      cluster.pod(metadata.name)?.stack.udp.open({ port: DATAGRAMS.targetPort, onDatagram });
    }
  }
}

function setNeighbour({ stack }: Host, other: Host): void {
  const out = stack.interface("eth0");
  const { address } = other;
  const to = other.stack.interface("eth0")?.mac;
  if (out !== undefined && address !== undefined && to !== undefined)
    stack.link.neighbours.setPermanent(out, address, to);
}
