import { parseIpv4 } from "../src/netstack/index.ts";
import {
  buildCluster,
  type ClusterSize,
  DATAGRAMS,
  MEASURED,
  type ScaledCluster,
  serviceName,
} from "./cluster-scale.ts";

const PAYLOAD = new Uint8Array(64);
const FLOWS = 100;
const IN_FLIGHT = 64;

/** A cluster of some size and what is measured in it. The time it took to build is `bootSeconds`. */
export class ClusterBench {
  readonly bootSeconds: number;
  readonly #built: ScaledCluster;
  readonly #send: (flow: number) => void;
  #received = 0;
  #sent = 0;
  #changes = 0;

  constructor(size: ClusterSize) {
    const began = performance.now();
    this.#built = buildCluster(size);
    this.bootSeconds = (performance.now() - began) / 1000;
    this.#listen();
    this.#send = this.#sender();
    // Neighbours are found and rules made before anything is measured.
    for (let flow = 0; flow < FLOWS; flow++) this.#sendAndWait(flow);
  }

  /** Datagrams a second from the client by a node's rules to a Service's pods; so many of them. */
  packetRate(packets: number): number {
    const { simulator } = this.#built.network;
    const began = performance.now();
    for (let left = packets; left > 0; left -= IN_FLIGHT) {
      for (let i = 0; i < IN_FLIGHT; i++) this.#send(this.#sent++ % FLOWS);
      simulator.runUntilQuiet();
    }
    const seconds = (performance.now() - began) / 1000;
    if (this.#received < this.#sent) throw new Error(`only ${this.#received} of ${this.#sent} datagrams arrived`);
    return packets / seconds;
  }

  /** Milliseconds until a change of a Service holds on all nodes, and its next packet has passed the new rules. */
  changeMs(): number {
    const { cluster } = this.#built;
    this.#changes += 1;
    const ports = [
      { name: "http", port: 80, targetPort: 8080 },
      DATAGRAMS,
      { name: "new", port: 6000 + this.#changes },
    ];
    const began = performance.now();
    cluster.api.patch({ kind: "Service", name: serviceName(MEASURED) }, { spec: { ports } }, "merge");
    cluster.reconcile();
    this.#sendAndWait(0);
    return performance.now() - began;
  }

  #sendAndWait(flow: number): void {
    this.#sent += 1;
    this.#send(flow);
    this.#built.network.simulator.runUntilQuiet();
  }

  #listen(): void {
    const { cluster } = this.#built;
    for (const { metadata } of cluster.api.list("Pod")) {
      if (metadata.labels?.app !== serviceName(MEASURED)) continue;
      const onDatagram = (): void => {
        this.#received += 1;
      };
      cluster.pod(metadata.name)?.stack.udp.open({ port: DATAGRAMS.targetPort, onDatagram });
    }
  }

  #sender(): (flow: number) => void {
    const { cluster, client } = this.#built;
    const to = parseIpv4(cluster.api.get("Service", serviceName(MEASURED))?.spec.clusterIP ?? "");
    if (to === undefined) throw new Error("the measured Service has no address");
    const sockets = Array.from({ length: FLOWS }, () => client.stack.udp.open({ onDatagram: () => {} }));
    return (flow) => void sockets[flow]?.send({ to, port: DATAGRAMS.port, payload: PAYLOAD });
  }
}
