import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { expect, it } from "vitest";
import { buildCluster } from "../../bench/cluster-scale.ts";

/* What an idle node costs, in bytes of heap after a collection: five thousand of them are in the largest cluster. */

const MORE_NODES = 400;
/** Some 27,000 are measured: room for other versions of V8, and none for rules or tables of a node's own. */
const MOST_BYTES = 80_000;

it("keeps an idle node of a cluster small", () => {
  setFlagsFromString("--expose-gc");
  const collect = runInNewContext("gc") as () => void;
  const heapWith = (nodes: number): number => {
    const built = buildCluster({ nodes, pods: 0, services: 10 });
    collect();
    const { heapUsed, external } = process.memoryUsage();
    // The cluster has to live until here.
    expect(built.cluster.nodes.size).toBe(nodes);
    return heapUsed + external;
  };
  heapWith(20);
  const few = heapWith(20);
  const bytes = (heapWith(20 + MORE_NODES) - few) / MORE_NODES;
  expect(bytes).toBeGreaterThan(1000);
  expect(bytes).toBeLessThan(MOST_BYTES);
});
