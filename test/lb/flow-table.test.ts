import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { BackendPool, endpoint, type FlowEntry, FlowTable, type FlowTableLimits } from "../../src/lb/index.ts";
import { address } from "../../src/netstack/index.ts";
import { after, type Duration, Simulator, seconds } from "../../src/sim/index.ts";
import { flow } from "./describe-balancer.ts";

function table(limits: FlowTableLimits = {}): {
  flows: FlowTable<string>;
  ended: string[];
  wait: (time: Duration) => void;
  backend: ReturnType<BackendPool["add"]>;
} {
  const simulator = new Simulator({ seed: 1 });
  const ended: string[] = [];
  const flows = new FlowTable<string>(simulator, limits, (entry, why) => ended.push(`${entry.flow.sourcePort} ${why}`));
  const backend = new BackendPool({ clock: simulator }).add({ name: "a", address: address("10.0.0.1") });
  return { flows, ended, backend, wait: (time) => simulator.runTo(after(simulator.now(), time)) };
}

function from(port: number): ReturnType<typeof flow> {
  return flow(1, { sourcePort: port });
}

describe("FlowTable", () => {
  it("finds a flow from both sides when it is translated, from the client's otherwise", () => {
    const { flows, backend } = table();
    const translated = flows.add(from(1), "web", backend, 31000);
    const plain = flows.add(from(2), "web", backend);
    const client = (port: number): number => endpoint(from(0).source, port);
    expect(flows.find(from(1))).toBe(translated);
    expect(flows.findReply(6, endpoint(backend.address, 31000), client(1))).toBe(translated);
    expect(flows.find(from(2))).toBe(plain);
    expect(flows.findReply(6, endpoint(backend.address, 80), client(2))).toBeUndefined();
    expect(flows.find({ ...from(1), protocol: 17 })).toBeUndefined();
    expect(flows.find({ ...from(1), destinationPort: 81 })).toBeUndefined();
  });

  it("refuses a translated flow whose way back is taken", () => {
    const { flows, backend } = table();
    flows.add(from(1), "web", backend, 31000);
    expect(flows.add({ ...from(1), destinationPort: 443 }, "web", backend, 31000)).toBeUndefined();
    expect(flows.add({ ...from(1), destinationPort: 443 }, "web", backend, 31001)).toBeDefined();
    expect(flows.size).toBe(2);
  });

  it("forgets idle flows in time, and sooner those that are closing", () => {
    const { flows, backend, ended, wait } = table({ idle: seconds(100), closing: seconds(10) });
    flows.add(from(1), "web", backend);
    const second = flows.add(from(2), "web", backend) as FlowEntry<string>;
    const third = flows.add(from(3), "web", backend) as FlowEntry<string>;
    flows.close(second);
    wait(seconds(9));
    flows.close(second);
    wait(seconds(9));
    expect(flows.size).toBe(3);
    wait(seconds(1));
    expect(ended).toEqual(["2 idle"]);
    flows.touch(third);
    wait(seconds(81));
    expect(ended).toEqual(["2 idle", "1 idle"]);
    wait(seconds(100));
    expect([flows.size, ended.length]).toEqual([0, 3]);
  });

  it("gives the place of the flow not seen for longest, closing ones first", () => {
    const { flows, backend, ended } = table({ limit: 3 });
    for (const port of [1, 2, 3]) flows.add(from(port), "web", backend);
    flows.touch(flows.find(from(1)) as FlowEntry<string>);
    flows.add(from(4), "web", backend);
    flows.close(flows.find(from(4)) as FlowEntry<string>);
    flows.add(from(5), "web", backend);
    expect(ended).toEqual(["2 evicted", "4 evicted"]);
    expect(flows.list().map((entry) => entry.flow.sourcePort)).toEqual([3, 1, 5]);
  });

  it("replaces a flow that is bound again", () => {
    const { flows, backend, ended } = table();
    const one = flows.add(from(1), "web", backend, 31000);
    const other = flows.add(from(1), "web", backend, 31000);
    expect(other).not.toBe(one);
    expect([flows.size, ended]).toEqual([1, ["1 replaced"]]);
  });

  it("never holds more than its limit, nor loses a flow before its time", () => {
    const operation = fc.record({
      what: fc.constantFrom("add", "touch", "close", "wait"),
      port: fc.nat(9),
      by: fc.nat(6),
    });
    fc.assert(
      fc.property(fc.array(operation, { maxLength: 60 }), (operations) => {
        const { flows, backend, wait } = table({ limit: 5, idle: seconds(10), closing: seconds(3) });
        const seen = new Map<number, { age: number; closing: boolean }>();
        for (const { what, port, by } of operations) {
          const known = flows.find(from(port));
          if (what === "add" && known === undefined) {
            flows.add(from(port), "web", backend, 80);
            seen.set(port, { age: 0, closing: false });
          } else if (what === "touch" && known !== undefined) {
            flows.touch(known);
            seen.set(port, { age: 0, closing: known.isClosing });
          } else if (what === "close" && known !== undefined) {
            flows.close(known);
            seen.set(port, { age: 0, closing: true });
          } else if (what === "wait") {
            wait(seconds(by));
            for (const each of seen.values()) each.age += by;
          }
          expect(flows.size).toBeLessThanOrEqual(5);
          expect(flows.list().length).toBe(flows.size);
          const alive = flows.list().map((entry) => seen.get(entry.flow.sourcePort));
          expect(alive.every((each) => each !== undefined && each.age < (each.closing ? 3 : 10))).toBe(true);
        }
      }),
      { numRuns: 100 },
    );
  });
});
