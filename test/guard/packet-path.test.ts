import { Session } from "node:inspector";
import { afterEach, beforeAll, describe, expect, it, vi } from "vitest";
import { UdpPath } from "../../bench/udp-path.bench.ts";
import { CompiledRule } from "../../src/nat/compiled-rule.ts";
import { EventQueue } from "../../src/sim/index.ts";

/* What the packet path costs, in counts: the same on every machine, so that a regression shows without a clock. bench/ measures the time. */

const PACKETS = 640;
/** Client to router, router to server. */
const HOPS = 2;

afterEach(() => {
  vi.restoreAllMocks();
});

describe("a packet of a known connection, through kube-proxy's rules", () => {
  const path = new UdpPath({ flows: 100, services: 10 });
  beforeAll(() => void path.send(200));

  it("is one event a hop, and moves the queue once for it", () => {
    const pushes = vi.spyOn(EventQueue.prototype, "push");
    const { simulator } = path.path.network;
    const before = simulator.events;
    path.send(PACKETS);
    expect(simulator.events - before).toBe(PACKETS * HOPS);
    expect(pushes).toHaveBeenCalledTimes(PACKETS * HOPS);
  });

  it("tries two rules, as nobody has answered: the jump to KUBE-FORWARD, and the mark there", () => {
    const tried = vi.spyOn(CompiledRule.prototype, "matches");
    path.send(PACKETS);
    expect(tried).toHaveBeenCalledTimes(PACKETS * 2);
  });

  it("takes its frames from the pool", () => {
    path.send(PACKETS);
    const before = process.memoryUsage().arrayBuffers;
    path.send(PACKETS * 10);
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(PACKETS * 10);
  });

  it("leaves little to the garbage collector", async () => {
    path.send(PACKETS * 100);
    expect(await allocatedBytes(() => void path.send(PACKETS * 50))).toBeLessThan(PACKETS * 50 * 2000);
  });
});

describe("the first packet of a connection", () => {
  it("tries as many rules with 2,000 Services as with 10", () => {
    const counts = [10, 2000].map((services) => {
      const path = new UdpPath({ flows: PACKETS, services });
      const tried = vi.spyOn(CompiledRule.prototype, "matches");
      path.send(PACKETS);
      const count = tried.mock.calls.length;
      tried.mockRestore();
      return count / PACKETS;
    });
    expect(counts[1]).toBe(counts[0]);
    expect(counts[0]).toBeLessThan(25);
  });
});

/** By V8's sampling profiler: an estimate, good to a few per cent over millions of bytes. */
async function allocatedBytes(action: () => void): Promise<number> {
  const session = new Session();
  session.connect();
  const ask = (method: string, params: object = {}): Promise<unknown> =>
    new Promise((resolve, reject) => {
      session.post(method, params, (error, result) => (error === null ? resolve(result) : reject(error)));
    });
  await ask("HeapProfiler.startSampling", {
    samplingInterval: 4096,
    includeObjectsCollectedByMajorGC: true,
    includeObjectsCollectedByMinorGC: true,
  });
  action();
  const { profile } = (await ask("HeapProfiler.stopSampling")) as { readonly profile: { readonly head: ProfileNode } };
  session.disconnect();
  return sizeOf(profile.head);
}

interface ProfileNode {
  readonly selfSize: number;
  readonly children: readonly ProfileNode[];
}

function sizeOf({ selfSize, children }: ProfileNode): number {
  return children.reduce((sum, child) => sum + sizeOf(child), selfSize);
}
