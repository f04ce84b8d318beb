import { describe, expect, it } from "vitest";
import { BackendPool, type BackendPoolOptions, describeBackend } from "../../src/lb/index.ts";
import { address } from "../../src/netstack/index.ts";
import { after, Simulator, START, seconds } from "../../src/sim/index.ts";

function pool(options: Partial<BackendPoolOptions> = {}): { pool: BackendPool; simulator: Simulator; told: string[] } {
  const simulator = new Simulator({ seed: 1 });
  const made = new BackendPool({ clock: simulator, ...options });
  const told: string[] = [];
  made.observe(({ backend, from, to, reason }) => told.push(`${backend.name}: ${from ?? "new"} → ${to} (${reason})`));
  return { pool: made, simulator, told };
}

const A = { name: "a", address: address("10.0.0.1") };
const B = { name: "b", address: address("10.0.0.2"), port: 8080 };

function eligible(of: BackendPool): string {
  return of.eligible.map(({ name }) => name).join(" ");
}

describe("BackendPool", () => {
  it("gives new flows to healthy backends and tells of each change once", () => {
    const { pool: it, told } = pool();
    it.add(A);
    it.add(B);
    it.setHealth("a", "unhealthy", "HTTP 503");
    it.setHealth("a", "unhealthy", "HTTP 503");
    expect(eligible(it)).toBe("b");
    it.setHealth("a", "healthy", "HTTP 200");
    expect(eligible(it)).toBe("a b");
    it.setHealth("nobody", "healthy", "HTTP 200");
    expect(told).toEqual([
      "a: new → healthy (added)",
      "b: new → healthy (added)",
      "a: healthy → unhealthy (HTTP 503)",
      "a: unhealthy → healthy (HTTP 200)",
    ]);
  });

  it("keeps the list of eligible backends until something changes", () => {
    const { pool: it } = pool();
    it.add(A);
    expect(it.eligible).toBe(it.eligible);
  });

  it.each([
    ["none", ""],
    ["all", "a b"],
  ] as const)("with whenAllUnhealthy %s a pool of unhealthy backends offers: %s", (whenAllUnhealthy, expected) => {
    const { pool: it } = pool({ whenAllUnhealthy, startsAs: "unhealthy" });
    it.add(A);
    it.add(B);
    expect(eligible(it)).toBe(expected);
    it.setHealth("b", "healthy", "HTTP 200");
    expect(eligible(it)).toBe("b");
  });

  it("removes an idle backend at once, draining or not", () => {
    const { pool: it, told } = pool();
    it.add(A);
    it.remove("a", seconds(30));
    expect(it.backends).toEqual([]);
    expect(told.at(-1)).toBe("a: healthy → removed (removed)");
  });

  it("lets a draining backend finish what it has, and takes it out with the last connection", () => {
    const { pool: it, told, simulator } = pool();
    const a = it.add(A);
    it.opened(a);
    it.opened(a);
    it.remove("a", seconds(30));
    expect([a.state, eligible(it), it.backends.length]).toEqual(["draining", "", 1]);
    it.setHealth("a", "unhealthy", "HTTP 503");
    expect(a.state).toBe("draining");
    it.closed(a);
    it.closed(a);
    expect(told.slice(1)).toEqual([
      "a: healthy → draining (removed, finishing its connections)",
      "a: draining → removed (drained: no connection is left)",
    ]);
    simulator.runTo(after(START, seconds(60)));
    expect(told.length).toBe(3);
  });

  it("ends the draining at its deadline", () => {
    const { pool: it, told, simulator } = pool();
    const a = it.add(A);
    it.opened(a);
    it.remove("a", seconds(30));
    simulator.runTo(after(START, seconds(29)));
    expect(a.state).toBe("draining");
    simulator.runTo(after(START, seconds(30)));
    expect(told.at(-1)).toBe("a: draining → removed (drained: the deadline passed)");
    it.closed(a);
    expect(a.active).toBe(1);
  });

  it("takes a draining backend back, and refuses a second one of its name", () => {
    const { pool: it, simulator } = pool();
    const a = it.add(A);
    it.opened(a);
    it.remove("a", seconds(30));
    expect(() => it.add({ ...A, address: address("10.9.9.9") })).toThrow(
      "Cannot add backend a: the pool has one of this name",
    );
    expect(it.add(A)).toBe(a);
    simulator.runTo(after(START, seconds(60)));
    expect([a.state, a.active]).toEqual(["healthy", 1]);
    expect(() => it.add(A)).toThrow("the pool has one of this name");
  });

  it("counts no connection of a backend that left under the one that took its name", () => {
    const { pool: it } = pool();
    const old = it.add(A);
    it.opened(old);
    it.remove("a");
    const fresh = it.add(A);
    it.opened(fresh);
    it.closed(old);
    it.opened(old);
    expect(fresh.active).toBe(1);
  });

  it("stops telling when asked to", () => {
    const { pool: it } = pool();
    let changes = 0;
    const stop = it.observe(() => (changes += 1));
    it.add(A);
    stop();
    it.add(B);
    expect(changes).toBe(1);
  });
});

describe("describeBackend()", () => {
  it("says where, in which state and why, and how much", () => {
    const { pool: it } = pool();
    const b = it.add(B);
    it.opened(b);
    it.failed(b);
    expect(describeBackend(b)).toBe("b 10.0.0.2:8080 healthy (added), 1 active, 1 in all, 1 failed");
    expect(describeBackend(it.add(A))).toBe("a 10.0.0.1 healthy (added), 0 active, 0 in all");
  });
});
