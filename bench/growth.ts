import { ClusterBench } from "./cluster-scale.bench.ts";
import { TcpConnections } from "./tcp-connections.bench.ts";
import { UdpPath } from "./udp-path.bench.ts";

/** One point of a curve. */
export interface GrowthPoint {
  readonly curve: string;
  readonly at: number;
  readonly unit: string;
  readonly figure: number;
  /** The figure over that of the curve's first point. */
  readonly relative: number;
  readonly residentMb: number;
}

/** What is measured along which axis; each point in a process of its own. */
export const CURVES: Readonly<Record<string, { readonly points: readonly number[]; readonly unit: string }>> = {
  services: { points: [10, 100, 1000, 10_000], unit: "new connections/s" },
  nodes: { points: [3, 100, 1000, 5000], unit: "packets/s" },
  flows: { points: [1, 100, 10_000, 100_000, 1_000_000], unit: "packets/s" },
  connections: { points: [10_000, 100_000, 1_000_000], unit: "connections/s" },
};

/** Measures one point: the median of some rounds is the caller's business. */
export function growthRounds(curve: string, at: number, quick: boolean): () => number {
  const packets = quick ? 20_000 : 200_000;
  if (curve === "services") {
    const path = new UdpPath({ flows: 1_000_000, services: at });
    return () => {
      const rate = path.send(packets / 4);
      path.forget();
      return rate;
    };
  }
  if (curve === "nodes") {
    const cluster = new ClusterBench({ nodes: at, pods: at * 30, services: at * 2 });
    return () => cluster.packetRate(packets);
  }
  if (curve === "connections") {
    const connections = new TcpConnections();
    connections.run(at);
    return () => connections.run(packets / 40);
  }
  // MASQUERADE's one address has ports for half a million.
  const path = new UdpPath({ flows: at, services: 1, masqueradeAll: false });
  path.send(at);
  return () => path.send(packets);
}
