import { spawnSync } from "node:child_process";
import { expect, test } from "vitest";
import { describeInterfaces, extcapScript, offeredInterfaces } from "../../src/wireshark/index.ts";

const points = ["client/eth0", "node1/eth0"];

function names(...runs: Parameters<typeof offeredInterfaces>[0]): string[] {
  return offeredInterfaces(runs).map(({ name }) => name);
}

test("a run offers one interface for all its points, then one for each", () => {
  expect(describeInterfaces(offeredInterfaces([{ scenario: "nodeport", pid: 7, points }]), "1.2.3")).toBe(
    `extcap {version=1.2.3}{display=natscope}
interface {value=natscope-nodeport}{display=natscope nodeport: all capture points}
interface {value=natscope-nodeport-client-eth0}{display=natscope nodeport: client/eth0}
interface {value=natscope-nodeport-node1-eth0}{display=natscope nodeport: node1/eth0}
`,
  );
});

test("two runs of one scenario are told apart by their processes, in a stable order", () => {
  const first = { scenario: "nodeport", pid: 7, points: ["client/eth0"] };
  const second = { scenario: "nodeport", pid: 9, points: [] };
  const other = { scenario: "dns", pid: 8, points: [] };
  const expected = ["natscope-nodeport-7", "natscope-nodeport-7-client-eth0", "natscope-dns", "natscope-nodeport-9"];
  expect(names(first, other, second)).toEqual(expected);
  expect(names(second, other, first)).toEqual(expected);
});

test("names that would become the same are numbered", () => {
  expect(names({ scenario: "my lab", pid: 7, points: ["a/b", "a-b"] })).toEqual([
    "natscope-my-lab",
    "natscope-my-lab-a-b",
    "natscope-my-lab-a-b-2",
  ]);
});

test("braces in a display name do not end it", () => {
  expect(describeInterfaces(offeredInterfaces([{ scenario: "a}{b", pid: 1, points: [] }]), "1")).toContain(
    "{display=natscope a--b: all capture points}",
  );
});

function runScript(words: readonly string[], ...args: string[]): [number | null, string] {
  const { status, stdout } = spawnSync("sh", ["-c", extcapScript(words), "natscope", ...args], { encoding: "utf8" });
  return [status, stdout];
}

test("the script answers for link types and settings itself, and starts natscope for the rest", () => {
  expect(runScript(["/bin/echo"], "--extcap-dlts", "--extcap-interface", "x")).toEqual([
    0,
    "dlt {number=1}{name=EN10MB}{display=Ethernet}\n",
  ]);
  expect(runScript(["/bin/echo"], "--extcap-config", "--extcap-interface", "x")).toEqual([0, ""]);
  expect(runScript(["/bin/echo"], "--extcap-interfaces", "--extcap-version=4.0")).toEqual([
    0,
    "extcap --extcap-interfaces --extcap-version=4.0\n",
  ]);
});

test("the script offers nothing where natscope is gone, and takes quotes in a path", () => {
  expect(runScript(["/no/such/node", "/it's gone"], "--extcap-interfaces")).toEqual([0, ""]);
});
