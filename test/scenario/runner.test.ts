import { describe, expect, it } from "vitest";
import { ConfigError, type RunOptions, type RunResult, ScenarioRun } from "../../src/scenario/index.ts";
import { load, sampleWith } from "./sample-scenario.ts";

const STEPS = `  - name: first
    run: curl -s www
    on: client
    expect: { exitCode: 0 }
`;

/** The sample with other steps, run. */
function runSteps(steps: string, options: Partial<RunOptions> = {}): Promise<RunResult> {
  return new ScenarioRun(load(sampleWith(STEPS, steps)), { seed: 1, ...options }).run();
}

describe("a run", () => {
  it("tells of each command who ran it, what it was with variables filled in, and what came back", async () => {
    const result = await runSteps(
      "  - { name: ask, run: curl -s $WEB_SERVICE_HOST | grep -i client_address, on: b }\n",
    );
    expect(result).toMatchObject({ scenario: "sample", seed: 1, ok: true, nodes: ["alpha", "beta"], drops: {} });
    expect(result.packets).toBeGreaterThan(0);
    expect(result.steps).toEqual([
      {
        number: 1,
        name: "ask",
        from: "beta",
        run: "curl -s 10.0.0.80 | grep -i client_address",
        exitCode: 0,
        stdout: "client_address=10.240.0.5\n",
        stderr: "",
        ok: true,
        unmet: [],
      },
    ]);
  });

  it("repeats a step for each node, by its external address where it has one", async () => {
    const { steps } = await runSteps("  - { run: echo $NODE of $NODES, on: client, repeat: nodes }\n");
    expect(steps.map(({ node, run, stdout }) => ({ node, run, stdout }))).toEqual([
      {
        node: "alpha",
        run: "echo 203.0.113.4 of 203.0.113.4 10.240.0.5",
        stdout: "203.0.113.4 of 203.0.113.4 10.240.0.5\n",
      },
      {
        node: "beta",
        run: "echo 10.240.0.5 of 203.0.113.4 10.240.0.5",
        stdout: "10.240.0.5 of 203.0.113.4 10.240.0.5\n",
      },
    ]);
  });

  it("says expected beside actual where something is not met", async () => {
    const { ok, steps } = await runSteps(`  - run: curl -s www
    on: client
    expect:
      exitCode: 7
      stdout: [CLIENT VALUES, { lacks: command=GET }, { matches: "^host=ww$" }]
      clientAddress: 10.0.0.1
      packets:
        - { at: client/eth0, filter: icmp, count: ">= 1" }
        - { at: server/eth0, filter: tcp.flags.syn == 1 && tcp.flags.ack == 0, count: 2 }
        - { at: sever/eth0 }
`);
    expect(ok).toBe(false);
    expect(steps[0]?.unmet.map(({ what, expected }) => `${what}: ${expected}`)).toEqual([
      "exitCode: 7",
      'stdout: lacks "command=GET"',
      'stdout: matches "^host=ww$"',
      "clientAddress: 10.0.0.1",
      "packets: >= 1 packets with icmp at client/eth0",
      "packets: == 2 packets with tcp.flags.syn == 1 && tcp.flags.ack == 0 at server/eth0",
      "packets: >= 1 packets at sever/eth0",
    ]);
    expect(steps[0]?.unmet.filter(({ what }) => what !== "stdout").map(({ actual }) => actual)).toEqual([
      "0",
      "198.51.100.79",
      "0",
      "1",
      '0: no packet at all went through there; did you mean "server/eth0"?',
    ]);
  });

  it("counts packets at points named by an alias, and during their own step only", async () => {
    const { ok, steps } = await runSteps(`  - run: curl -s 10.240.0.5:10256/healthz
    on: client
    expect: { packets: [{ at: b/eth0, filter: tcp.dstport == 10256, count: ">= 3" }] }
  - run: echo quiet
    on: client
    expect: { packets: [{ at: "*", count: 0 }] }
`);
    expect(steps.flatMap(({ unmet }) => unmet)).toEqual([]);
    expect(ok).toBe(true);
  });

  it("compares each repetition with its own entry of a list", async () => {
    const { steps } = await runSteps(`  - run: curl -s --connect-timeout 1 $NODE:10256/healthz
    on: client
    repeat: nodes
    expect: { exitCode: [0, 28] }
`);
    expect(steps.map(({ unmet }) => unmet.map(({ expected, actual }) => `${expected}, ${actual}`))).toEqual([
      [],
      ["28, 0"],
    ]);
  });

  it("runs kubectl with its output through filters", async () => {
    const { steps } = await runSteps(`  - kubectl: scale deployment web --replicas=2 | grep scaled
  - kubectl: delete svc nope
`);
    expect(steps.map(({ from, run, exitCode, stdout, stderr }) => ({ from, run, exitCode, stdout, stderr }))).toEqual([
      {
        from: "",
        run: "kubectl scale deployment web --replicas=2 | grep scaled",
        exitCode: 0,
        stdout: "deployment.apps/web scaled\n",
        stderr: "",
      },
      {
        from: "",
        run: "kubectl delete svc nope",
        exitCode: 1,
        stdout: "",
        stderr: 'Error from server (NotFound): services "nope" not found\n',
      },
    ]);
  });

  it("applies objects, and the network follows", async () => {
    const { steps } = await runSteps(`  - apply: |
      apiVersion: v1
      kind: Service
      metadata: { name: web }
      spec:
        type: NodePort
        selector: { app: web }
        ports: [{ port: 80, targetPort: 8080, nodePort: 30080 }]
  - run: curl -s 203.0.113.4:$NODEPORT | grep client_address
    on: client
`);
    expect(steps.map(({ stdout }) => stdout)).toEqual(["service/web configured\n", "client_address=10.180.1.1\n"]);
  });

  it("lets time pass, and changes links", async () => {
    const steps = `  - links: { client/eth0: { up: false } }
  - { run: curl -s --connect-timeout 1 www, on: client, expect: { exitCode: 28 } }
  - links: { client/eth0: { up: true, loss: 0% } }
  - wait: 90s
  - { run: curl -s www, on: client, expect: { exitCode: 0 } }
`;
    const run = new ScenarioRun(load(sampleWith(STEPS, steps)), { seed: 1 });
    expect((await run.run()).ok).toBe(true);
    expect(run.lab.network.simulator.now()).toBeGreaterThan(91e9);
    expect(run.lab.network.simulator.now()).toBeLessThan(92e9);
  });

  it("stops a command that does not end", async () => {
    const { steps } = await runSteps("  - { run: sleep 1000, on: client, timeout: 10s, expect: { exitCode: 0 } }\n");
    expect(steps[0]).toMatchObject({
      exitCode: 124,
      stderr: "natscope: stopped: it had not ended after 10s of virtual time\n",
      ok: false,
    });
  });

  it("ends with the step that was asked for", async () => {
    const steps = "  - { run: echo 1, on: client }\n  - { run: echo 2, on: client }\n  - { run: echo 3, on: client }\n";
    const numbers = async (until: number): Promise<number[]> =>
      (await runSteps(steps, { until })).steps.map(({ number }) => number);
    expect(await numbers(2)).toEqual([1, 2]);
    expect(await numbers(0)).toEqual([]);
  });

  it("refuses a step on a pod that is not there, with the step's place", async () => {
    const steps = "  - kubectl: delete deployment web\n  - { run: echo, on: web-1 }\n";
    await expect(runSteps(steps)).rejects.toThrow(
      new ConfigError([
        {
          file: "lab.yaml",
          line: 56,
          column: 5,
          message: 'step 2: there is no host, node or running pod "web-1" at this point',
        },
      ]),
    );
  });

  it("lets its caller end it between events", async () => {
    const pause = async (): Promise<void> => {
      throw new Error("enough");
    };
    const steps =
      "  - { run: for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do for k in 1 2 3 4 5; do curl -s www >/dev/null; done; done, on: client }\n";
    await expect(runSteps(steps, { pause })).rejects.toThrow("enough");
  });
});

describe("the capture of a run", () => {
  it("is the same to the byte for the same seed, and another for another", async () => {
    const [first, again, other] = [await capture(7), await capture(7), await capture(8)];
    expect(first.length).toBeGreaterThan(1000);
    expect(again).toEqual(first);
    expect(other).not.toEqual(first);
  });

  it("is finished when the run ends in an error", async () => {
    const chunks: number[] = [];
    const sink = (bytes: Uint8Array): void => void chunks.push(bytes.length);
    const steps =
      "  - { run: curl -s www, on: client }\n  - kubectl: delete deployment web\n  - { run: echo, on: web-1 }\n";
    const run = runSteps(steps, { capture: { target: { format: "pcapng", sink } } });
    await expect(run).rejects.toThrow(ConfigError);
    expect(chunks.reduce((sum, length) => sum + length, 0)).toBeGreaterThan(1000);
  });
});

async function capture(seed: number): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  const sink = (bytes: Uint8Array): void => void chunks.push(bytes.slice());
  await runSteps("  - { run: curl -s www, on: client }\n", { seed, capture: { target: { format: "pcapng", sink } } });
  return Uint8Array.from(chunks.flatMap((chunk) => [...chunk]));
}
