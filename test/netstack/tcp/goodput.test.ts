import { describe, expect, it } from "vitest";
import { type Duration, ms, seconds, toSeconds, us } from "../../../src/sim/index.ts";
import { type PipeOptions, pattern, TcpPipe } from "../../support/tcp-pipe.ts";

const SIZE = 3_000_000;
const TEXT = pattern(SIZE);

/** Megabits a second that one flow gets, from the mean time of several. */
function goodput(options: Omit<PipeOptions, "seed">, flows = 12): number {
  let total = 0;
  for (let seed = 1; seed <= flows; seed++) {
    const pipe = new TcpPipe({ seed, ...options });
    pipe.client.toWrite = TEXT;
    pipe.open();
    expect(pipe.run(() => pipe.client.closed !== undefined, seconds(600))).toBe(true);
    total += toSeconds(pipe.now as number as Duration);
  }
  return (SIZE * 8) / (total / flows) / 1e6;
}

/**
 * What Linux 6.18 got between two network namespaces for the same 3 MB, through a relay between two TUN devices with the same delays, losses and
 * reordering (mean of 16 flows, 4 for the last): the goal is not to be more than a tenth slower.
 */
describe("goodput at 25 ms each way is at least nine tenths of Linux's", () => {
  const delay = ms(25);
  it.each([
    ["1 % loss", { delay, loss: 0.01 }, 3.3],
    ["1 % loss and 5 % of segments 10 ms late", { delay, loss: 0.01, reorder: 0.05, reorderDelay: ms(10) }, 2.9],
    ["5 % of segments 10 ms late", { delay, reorder: 0.05, reorderDelay: ms(10) }, 43.6],
  ] as const)("with %s", (_, path, linux) => {
    expect(goodput(path)).toBeGreaterThan(0.9 * linux);
  });

  it("and Reno's with 1 % loss, where Linux got 3.3 Mbit/s", () => {
    expect(goodput({ delay, loss: 0.01, settings: { congestion: "reno" } })).toBeGreaterThan(0.9 * 3.3);
  });
});

describe("a path of 100 Mbit/s and 50 ms", () => {
  it("is filled to nine tenths by a long transfer through a queue of 100 segments", () => {
    const pipe = new TcpPipe({ seed: 1, delay: ms(25), serialization: us(120), queue: 100 });
    pipe.client.toWrite = pattern(40_000_000);
    pipe.open();
    pipe.run(() => (pipe.server?.receivedBytes ?? 0) >= 10_000_000, seconds(60));
    const from = pipe.now;
    pipe.run(() => (pipe.server?.receivedBytes ?? 0) >= 40_000_000, seconds(60));
    const rate = (30_000_000 * 8) / toSeconds((pipe.now - from) as Duration) / 1e6;
    expect(rate).toBeGreaterThan(85);
    expect(rate).toBeLessThan(100);
  });
});
