import { expect, it } from "vitest";
import { address } from "../../src/netstack/index.ts";
import { compareOutcome } from "../../src/scenario/expectation.ts";
import type { Expectation } from "../../src/scenario/index.ts";

const NOTHING: Expectation = { stdout: [], stderr: [], packets: [] };

it.each<[what: string, expected: Partial<Expectation>, stdout: string, met: boolean]>([
  ["the address that echoserver 1.4 prints", { clientAddress: address("10.0.0.1") }, "client_address=10.0.0.1\n", true],
  [
    "the address that echoserver 1.10 prints",
    { clientAddress: address("10.0.0.1") },
    "\tclient_address=10.0.0.1\n",
    true,
  ],
  ["an address that only begins so", { clientAddress: address("10.0.0.1") }, "client_address=10.0.0.12\n", false],
  ["no address where one is expected", { clientAddress: address("10.0.0.1") }, "", false],
  ["none where none is expected", { clientAddress: "none" }, "", true],
  ["one where none is expected", { clientAddress: "none" }, "client_address=10.0.0.1\n", false],
  [
    "two where one is expected",
    { clientAddress: address("10.0.0.1") },
    "client_address=10.0.0.1\nclient_address=10.0.0.2\n",
    false,
  ],
  ["text that is contained", { stdout: [{ relation: "contains", text: "b" }] }, "abc\n", true],
  ["text that is lacking", { stdout: [{ relation: "lacks", text: "b" }] }, "abc\n", false],
  ["text but for its end", { stdout: [{ relation: "equals", text: "abc" }] }, "abc\n", true],
  ["text that has more", { stdout: [{ relation: "equals", text: "ab" }] }, "abc\n", false],
  ["a line that matches", { stdout: [{ relation: "matches", text: "^b.$" }] }, "a\nbc\n", true],
  ["no line that matches", { stdout: [{ relation: "matches", text: "^c" }] }, "a\nbc\n", false],
])("compareOutcome() of %s", (_, expected, stdout, met) => {
  const unmet = compareOutcome({ ...NOTHING, ...expected }, { exitCode: 0, stdout, stderr: "" }, 0);
  expect(unmet.length === 0).toBe(met);
});

it("compareOutcome() shows what the command complained of beside a wrong exit code", () => {
  const outcome = { exitCode: 7, stdout: "", stderr: "curl: (7) Failed to connect\n" };
  expect(compareOutcome({ ...NOTHING, exitCode: [28, 0] }, outcome, 1)).toEqual([
    { what: "exitCode", expected: "0", actual: "7 (curl: (7) Failed to connect)" },
  ]);
});
