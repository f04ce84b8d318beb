import { loadScenario, ScenarioRun } from "natscope";
import { expect, it } from "vitest";

const SCENARIO = `
version: 1
name: two-hosts
title: One host asks another
networks: { lan: { mtu: 1500 } }
hosts:
  a: { interfaces: { eth0: { network: lan, address: 10.0.0.1/24 } } }
  b: { interfaces: { eth0: { network: lan, address: 10.0.0.2/24 } }, servers: [{ kind: echo, port: 80 }] }
steps:
  - { run: "curl -s 10.0.0.2 | grep client_address", on: a, expect: { clientAddress: 10.0.0.1 } }
`;

/** A scenario as a test: its own expectations, and further ones on what came back. */
it("the server sees the client's own address", async () => {
  const scenario = loadScenario({ file: "two-hosts.yaml", text: SCENARIO, readFile: () => "" });
  const { ok, steps, drops } = await new ScenarioRun(scenario, { seed: 1 }).run();
  expect(ok).toBe(true);
  expect(steps[0]?.stdout).toBe("client_address=10.0.0.1\n");
  expect(drops).toEqual({});
});
