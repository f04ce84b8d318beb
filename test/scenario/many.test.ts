import { describe, expect, it } from "vitest";
import { formatCidr, formatInterfaceAddress, formatIpv4 } from "../../src/netstack/index.ts";
import { ConfigError, type RunResult, ScenarioRun } from "../../src/scenario/index.ts";
import { OutcomeTally } from "../../src/scenario/outcome-tally.ts";
import { load } from "./sample-scenario.ts";

const LAB = `version: 1
name: many
title: Many
networks: { vpc: {} }
hosts:
  client:
    interfaces: { eth0: { network: vpc, address: 10.128.1.254/16 } }
    routes: [{ to: 172.16.0.0/16, via: 10.128.0.1 }]
cluster:
  version: "1.34"
  network: vpc
  podCIDR: 10.0.0.0/9
  serviceCIDR: 172.16.0.0/16
  nodes: { count: 12, name: worker, address: 10.128.0.1/16, externalAddress: 203.0.113.1, podCIDR: 10.0.0.0/24 }
  manifests:
    - repeat: 3
      manifest: |
        apiVersion: apps/v1
        kind: Deployment
        metadata: { name: web-$N }
        spec:
          replicas: 4
          template:
            metadata: { labels: { app: web-$N } }
            spec: { containers: [{ name: echo, image: "echoserver:1.4" }] }
        ---
        apiVersion: v1
        kind: Service
        metadata: { name: web-$N }
        spec: { selector: { app: web-$N }, ports: [{ port: $N, targetPort: 8080 }] }
steps:
`;

const STEP = `  - { run: "curl -s $WEB_2_SERVICE_HOST:2 | grep client_address", on: client, repeat: 5 }\n`;

function run(steps: string): Promise<RunResult> {
  return new ScenarioRun(load(LAB + steps), { seed: 1 }).run();
}

/** Milliseconds of virtual time that a step takes. */
async function timeOf(step: string): Promise<number> {
  const scenarioRun = new ScenarioRun(load(`${LAB}  - ${step}\n`), { seed: 1 });
  await scenarioRun.run();
  return scenarioRun.lab.network.simulator.now() / 1e6;
}

function complaints(text: string): readonly string[] {
  try {
    load(text);
    return [];
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    return error.problems.map(({ line, message }) => `${line}: ${message}`);
  }
}

describe("nodes: { count: … }", () => {
  it("is a list of nodes with consecutive addresses and ranges, and names that sort in their order", () => {
    const [first, second, ...others] = load(LAB + STEP).clusters[0]?.nodes ?? [];
    const last = others.at(-1);
    expect(others).toHaveLength(10);
    for (const [node, name, address, external, pods] of [
      [first, "worker-01", "10.128.0.1/16", "203.0.113.1", "10.0.0.0/24"],
      [second, "worker-02", "10.128.0.2/16", "203.0.113.2", "10.0.1.0/24"],
      [last, "worker-12", "10.128.0.12/16", "203.0.113.12", "10.0.11.0/24"],
    ] as const) {
      expect(node?.name).toBe(name);
      expect(node && formatInterfaceAddress(node.address)).toBe(address);
      expect(node?.externalAddress && formatIpv4(node.externalAddress)).toBe(external);
      expect(node && formatCidr(node.podCidr)).toBe(pods);
    }
    expect(last?.aliases).toEqual(["node12"]);
  });

  it.each([
    [
      "address: 10.128.0.1/16, ",
      "address: 10.128.255.250/16, ",
      "12 addresses from 10.128.255.250/16 on do not fit into its subnet",
    ],
    ["count: 12", "count: 5001", "a number of nodes from 1 to 5000"],
    ["podCIDR: 10.0.0.0/24", "podCIDR: 11.0.0.0/24", "expected a part of the cluster's podCIDR 10.0.0.0/9"],
  ])("is refused with %s changed to %s, in one line", (before, after, complaint) => {
    const found = complaints((LAB + STEP).replace(before, after));
    expect(found).toHaveLength(1);
    expect(found[0]).toContain(complaint);
  });
});

describe("a manifest with repeat", () => {
  it("stands for as many, with their numbers for $N", () => {
    const objects = load(LAB + STEP).clusters[0]?.objects ?? [];
    expect(objects.map(({ kind, metadata }) => `${kind} ${metadata.name}`)).toEqual([
      "Deployment web-1",
      "Service web-1",
      "Deployment web-2",
      "Service web-2",
      "Deployment web-3",
      "Service web-3",
    ]);
    expect(objects.flatMap((object) => (object.kind === "Service" ? object.spec.ports : []))).toMatchObject([
      { port: 1 },
      { port: 2 },
      { port: 3 },
    ]);
  });

  it("is told once what is wrong with it, at its line", () => {
    const found = complaints((LAB + STEP).replace("replicas: 4", "replicas: four"));
    expect(found).toHaveLength(1);
    expect(found[0]).toMatch(/^22: .*replicas/);
  });
});

describe("repeat: NUMBER", () => {
  it("runs a command so often and gives one result for each outcome", async () => {
    const { ok, steps } = await run(STEP);
    expect(ok).toBe(true);
    expect(steps).toMatchObject([{ from: "client", times: 5, exitCode: 0, stdout: "client_address=10.128.0.1\n" }]);
  });

  it("begins one every so often, in virtual time", async () => {
    const lab = new ScenarioRun(
      load(`${LAB}  - { run: echo hello, on: client, repeat: { times: 4, every: 10ms } }\n`),
      {
        seed: 1,
      },
    );
    const { steps } = await lab.run();
    expect(steps).toMatchObject([{ times: 4, stdout: "hello\n" }]);
    expect(lab.lab.network.simulator.now()).toBe(30_000_000);
  });

  it("begins one every 5 ms when nothing is said, as quickly as a shell starts programs", async () => {
    expect(await timeOf("{ run: echo hello, on: client, repeat: 11 }")).toBe(50);
  });

  it("has as many under way at once as `parallel` says, one when nothing is said", async () => {
    const sleeps = (more: string): string => `{ run: sleep 1, on: client, repeat: { times: 6, every: 1ms${more} } }`;
    expect(await timeOf(sleeps(""))).toBe(6000);
    // Three begin at 0, 1 and 2 ms; each of the others when one of them has ended.
    expect(await timeOf(sleeps(", parallel: 3"))).toBe(2002);
    expect(await timeOf(sleeps(", parallel: 100"))).toBe(1005);
  });

  it("stops each run that takes too long, whatever others are under way", async () => {
    const step = `{ run: "sleep 9", on: client, timeout: 1s, repeat: { times: 4, every: 300ms, parallel: 3 } }`;
    const { steps } = await run(`  - ${step}\n`);
    expect(steps).toMatchObject([
      { times: 4, exitCode: 124, stderr: "natscope: stopped: it had not ended after 1s of virtual time\n" },
    ]);
    // The fourth begins when the first has been stopped.
    expect(await timeOf(step)).toBe(2000);
  });

  it("tells how many are done", async () => {
    const told: string[] = [];
    const scenario = load(`${LAB}  - { run: sleep 1, on: client, repeat: { times: 4, every: 0s, parallel: 2 } }\n`);
    const onRepeat = (_: unknown, done: number, times: number): void => void told.push(`${done}/${times}`);
    await new ScenarioRun(scenario, { seed: 1, onRepeat }).run();
    expect([...new Set(told)]).toEqual(["0/4", "1/4", "2/4", "3/4"]);
  });

  it("holds what is expected against every run", async () => {
    const { ok, steps } = await run(STEP.replace("repeat: 5", "repeat: 5, expect: { exitCode: 1 }"));
    expect(ok).toBe(false);
    expect(steps).toMatchObject([{ times: 5, ok: false, unmet: [{ what: "exitCode", expected: "1", actual: "0" }] }]);
  });
});

describe("an OutcomeTally", () => {
  it("keeps twenty different outcomes, and of others their exit codes, however many there are", () => {
    const tally = new OutcomeTally(({ stdout }) =>
      stdout === "900" ? [{ what: "stdout", expected: "", actual: stdout }] : [],
    );
    for (let i = 0; i < 1000; i++) tally.add({ exitCode: i < 500 ? 0 : 7, stdout: String(i), stderr: "" });
    const kept = tally.list();
    expect(kept).toHaveLength(22);
    expect(kept.reduce((sum, { times }) => sum + times, 0)).toBe(1000);
    expect(kept.at(-1)).toMatchObject({ times: 500, outcome: { exitCode: 7, stdout: "" } });
    expect(kept.at(-1)?.unmet).toEqual([{ what: "stdout", expected: "", actual: "900" }]);
  });
});
