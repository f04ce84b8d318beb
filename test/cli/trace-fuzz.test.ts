import { readdirSync, readFileSync } from "node:fs";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { natscope } from "./command-line.ts";

/* Dumps of other programs with something broken in them: natscope trace says what is wrong, or walks what is left. */

const DIRECTORY = new URL("../support/dumps/", import.meta.url);
const DUMPS = readdirSync(DIRECTORY).map((file) => readFileSync(new URL(file, DIRECTORY), "utf8").split("\n"));
const WORDS = [...new Set(DUMPS.flat().flatMap((line) => line.split(" ")))];
const PACKETS = [
  ["--packet", "tcp 198.51.100.1:40000 > 10.42.0.9:80", "--in", "eth0"],
  ["--packet", "udp 10.1.0.1:4000 > 10.1.0.2:53", "--from-host"],
  ["--packet", "icmp 10.42.0.9 > 8.8.8.8 echo-request", "--in", "cali1", "--all"],
];

/** One change at one place, given as shares of the whole. */
const change = fc.record({
  kind: fc.constantFrom("word", "drop-word", "swap-line", "drop-line", "repeat-line", "letters", "cut"),
  line: fc.nat(),
  column: fc.nat(),
  word: fc.oneof(fc.constantFrom(...WORDS), fc.string({ maxLength: 6 })),
});

function mutate(
  lines: readonly string[],
  { kind, line, column, word }: typeof change extends fc.Arbitrary<infer T> ? T : never,
): string[] {
  const at = line % lines.length;
  const text = lines[at] ?? "";
  const words = text.split(" ");
  const put = (replaced: string): string[] => lines.map((each, index) => (index === at ? replaced : each));
  switch (kind) {
    case "word":
      return put(words.map((each, index) => (index === column % words.length ? word : each)).join(" "));
    case "drop-word":
      return put(words.filter((_, index) => index !== column % words.length).join(" "));
    case "swap-line":
      return lines.map((each, index) => (index === at ? (lines[at + 1] ?? each) : index === at + 1 ? text : each));
    case "drop-line":
      return lines.filter((_, index) => index !== at);
    case "repeat-line":
      return lines.flatMap((each, index) => (index === at ? [each, each] : [each]));
    case "letters":
      return put(text.slice(0, column % (text.length + 1)) + word + text.slice(column % (text.length + 1)));
    default:
      return put(text.slice(0, column % (text.length + 1)));
  }
}

const dump = fc
  .tuple(fc.constantFrom(...DUMPS), fc.array(change, { minLength: 1, maxLength: 6 }))
  .map(([lines, changes]) => changes.reduce<readonly string[]>(mutate, lines).join("\n"));

describe("natscope trace over broken dumps", () => {
  it("never ends in a fault of its own", async () => {
    await fc.assert(
      fc.asyncProperty(dump, fc.constantFrom(...PACKETS), fc.boolean(), async (text, packet, lenient) => {
        const readInput = (): Uint8Array => new TextEncoder().encode(text);
        const args = ["trace", "--rules", "-", ...packet, ...(lenient ? ["--lenient"] : [])];
        const { code, err } = await natscope(args, { readInput });
        expect([0, 2]).toContain(code);
        expect(err).not.toMatch(/^ +at |has a fault/m);
      }),
      { numRuns: 120 },
    );
  }, 60_000);
});
