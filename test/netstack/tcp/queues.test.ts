import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { seq, seqAdd, seqDiff } from "../../../src/netstack/tcp/index.ts";
import { ReceiveQueue } from "../../../src/netstack/tcp/receive-queue.ts";
import { SendQueue } from "../../../src/netstack/tcp/send-queue.ts";
import { pattern } from "../../support/tcp-pipe.ts";

describe("the send queue", () => {
  it("keeps bytes at their numbers while some are written and others acknowledged", () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.nat(5000), fc.nat(5000)), { maxLength: 40 }), (deeds) => {
        const queue = new SendQueue();
        const start = seq(0xffff_f000);
        queue.start(start);
        const all = pattern(200_000);
        let written = 0;
        let dropped = 0;
        for (const [more, less] of deeds) {
          queue.append(all.subarray(written, written + more));
          written += more;
          const count = Math.min(less, queue.length);
          queue.drop(count);
          dropped += count;
          expect([queue.length, seqDiff(queue.first, start), seqDiff(queue.end, start)]).toEqual([
            written - dropped,
            dropped,
            written,
          ]);
          if (queue.length > 0) {
            const last = queue.store[queue.indexOf(seqAdd(start, written - 1))];
            expect([queue.store[queue.indexOf(queue.first)], last]).toEqual([all[dropped], all[written - 1]]);
          }
        }
      }),
      { numRuns: 50 },
    );
  });

  it("gives a large store back when it is empty", () => {
    const queue = new SendQueue();
    queue.append(new Uint8Array(1_000_000));
    queue.drop(1_000_000);
    expect(queue.store.length).toBe(0);
  });
});

describe("the receive queue", () => {
  it("puts pieces together in whatever order and overlap they come", () => {
    const pieces = fc.array(fc.tuple(fc.nat(3000), fc.integer({ min: 1, max: 900 })), { maxLength: 30 });
    fc.assert(
      fc.property(pieces, fc.nat(2000), (list, appetite) => {
        const all = pattern(4000);
        const start = seq(0xffff_fc00);
        const queue = new ReceiveQueue();
        let next = 0;
        const out: number[] = [];
        for (const [at, length] of [...list, [0, 4000] as const]) {
          const from = Math.max(at, next);
          const to = Math.min(at + length, 4000);
          if (to <= from) continue;
          const grown = queue.insert(seqAdd(start, from), seqAdd(start, next), {
            bytes: all,
            at: from,
            length: to - from,
          });
          expect(typeof grown).toBe("number");
          next += Number(grown);
          out.push(...queue.read(appetite));
        }
        out.push(...queue.read(10_000));
        expect(Uint8Array.from(out)).toEqual(all);
        expect([queue.hasGaps, queue.readable, queue.beyondGaps]).toEqual([false, 0, 0]);
      }),
      { numRuns: 100 },
    );
  });

  it("joins pieces that touch, and names the one that changed last first", () => {
    const queue = new ReceiveQueue();
    const put = (start: number): unknown =>
      queue.insert(seq(start), seq(0), { bytes: pattern(100), at: 0, length: 100 });
    for (const start of [1000, 300, 500, 400]) put(start);
    expect(queue.blocks).toEqual([
      { start: 300, end: 600 },
      { start: 1000, end: 1100 },
    ]);
    expect(queue.beyondGaps).toBe(400);
    expect(queue.highest).toBe(1100);
  });

  it("refuses to keep a list of gaps without end", () => {
    const queue = new ReceiveQueue();
    let refused = 0;
    for (let i = 1; i < 3000; i++) {
      if (queue.insert(seq(i * 2), seq(0), { bytes: pattern(1), at: 0, length: 1 }) === "too-many-gaps") refused++;
    }
    expect(refused).toBe(2999 - 1024);
    expect(queue.insert(seq(0), seq(0), { bytes: pattern(2), at: 0, length: 2 })).toBe(3);
  });
});
