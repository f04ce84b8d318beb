import fc from "fast-check";
import { expect, it } from "vitest";
import { DEFAULT_SYSCTLS } from "../../src/netstack/context.ts";
import { address } from "../../src/netstack/index.ts";
import { CrowdedPorts, chooseLocalPort } from "../../src/netstack/ports.ts";
import { Random } from "../../src/sim/index.ts";

const SYSCTLS = { ...DEFAULT_SYSCTLS, localPorts: [40_001, 40_200] as const };
/** Of an odd number of ports the search goes on with the other parity once it has come round. */
const RANGES = [[40_001, 40_200] as const, [40_000, 40_198] as const, [65_300, 65_535] as const];
const FROM = address("10.0.0.1");
const REMOTES = [80, 81].map((port) => ({ address: address("10.0.0.2"), port }));

it("CrowdedPorts chooses what asking for every port would, however connections come and go", () => {
  const moves = fc.array(fc.record({ remote: fc.nat(1), frees: fc.boolean(), which: fc.nat() }), {
    minLength: 300,
    maxLength: 900,
  });
  fc.assert(
    fc.property(moves, fc.constantFrom(...RANGES), (made, localPorts) => {
      const sysctls = { ...DEFAULT_SYSCTLS, localPorts };
      const ports = new CrowdedPorts();
      const [one, other] = [new Random(3), new Random(3)];
      const taken = REMOTES.map(() => new Set<number>());
      for (const { remote: index, frees, which } of made) {
        const remote = REMOTES[index]!;
        const used = taken[index]!;
        const isFree = (port: number): boolean => !used.has(port);
        if (frees && which % 3 === 0 && used.size > 0) {
          const port = [...used][which % used.size]!;
          used.delete(port);
          ports.free({ address: FROM, port }, remote);
          continue;
        }
        const expected = chooseLocalPort(sysctls, one, isFree);
        expect(ports.choose(sysctls, other, { from: FROM, remote, isFree })).toBe(expected);
        if (expected === undefined) continue;
        used.add(expected);
        ports.take({ address: FROM, port: expected }, remote);
      }
    }),
    { numRuns: 40 },
  );
});

it("CrowdedPorts asks for few ports when almost all are taken", () => {
  const ports = new CrowdedPorts();
  const random = new Random(1);
  const used = new Set<number>();
  const remote = REMOTES[0]!;
  let asked = 0;
  const isFree = (port: number): boolean => {
    asked += 1;
    return !used.has(port);
  };
  for (let i = 0; i < 199; i++) {
    const port = ports.choose(SYSCTLS, random, { from: FROM, remote, isFree })!;
    used.add(port);
    ports.take({ address: FROM, port }, remote);
  }
  asked = 0;
  expect(ports.choose(SYSCTLS, random, { from: FROM, remote, isFree })).toBeDefined();
  expect(asked).toBe(1);
});
