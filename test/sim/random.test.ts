import { describe, expect, it } from "vitest";
import { Random } from "../../src/sim/index.ts";

function draw(random: Random, count: number): number[] {
  return Array.from({ length: count }, () => random.u32());
}

describe("Random", () => {
  it("gives the same numbers for the same seed and others for another", () => {
    expect(draw(new Random(7), 8)).toEqual(draw(new Random(7), 8));
    expect(draw(new Random(7), 8)).not.toEqual(draw(new Random(8), 8));
  });

  it("forks by label, whatever was drawn before", () => {
    const used = new Random(7);
    draw(used, 100);
    expect(draw(used.fork("link:a"), 8)).toEqual(draw(new Random(7).fork("link:a"), 8));
    expect(draw(used.fork("link:a"), 8)).not.toEqual(draw(used.fork("link:b"), 8));
  });

  it("spreads below() evenly", () => {
    const random = new Random(42);
    const counts = new Array(10).fill(0);
    for (let i = 0; i < 100_000; i++) counts[random.below(10)] += 1;
    for (const count of counts) expect(Math.abs(count - 10_000)).toBeLessThan(500);
  });

  it("chance() is never at 0, always at 1, and about as often as said between", () => {
    const random = new Random(3);
    let hits = 0;
    for (let i = 0; i < 20_000; i++) {
      expect(random.chance(0)).toBe(false);
      expect(random.chance(1)).toBe(true);
      if (random.chance(0.25)) hits += 1;
    }
    expect(Math.abs(hits - 5000)).toBeLessThan(300);
  });
});
