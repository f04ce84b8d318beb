import { type ProgramHost, runCommand } from "../apps/index.ts";
import type { PacketEventReader } from "../netstack/index.ts";
import type { Cluster, Host, NetworkOptions } from "../nodes/index.ts";
import { after, between, type Duration, seconds, type Time } from "../sim/index.ts";
import { realPoint } from "./aliases.ts";
import { CommandsUnderWay, outcomeOf, outcomeOfStopped } from "./commands-under-way.ts";
import { ConfigError } from "./config-error.ts";
import { type CommandOutcome, compareOutcome } from "./expectation.ts";
import { applyObjects, runKubectl } from "./kubectl-step.ts";
import { Lab } from "./lab.ts";
import type { Repetition, Scenario, Step } from "./model.ts";
import { OutcomeTally } from "./outcome-tally.ts";
import { PacketWatch } from "./packet-watch.ts";
import { formatDuration } from "./quantity.ts";
import type { RunResult, StepResult } from "./result.ts";
import { fillIn, outsideAddress, stepVariables } from "./step-variables.ts";

/** How a scenario is run. */
export interface RunOptions {
  readonly seed: number;
  /** Where frames are recorded. */
  readonly capture?: NonNullable<NetworkOptions["capture"]>;
  /** The last step to be done; all when left out. */
  readonly until?: number;
  /** Reads everything that happens to packets. */
  readonly onEvent?: PacketEventReader;
  /** Told before a step begins. */
  readonly onStep?: (step: Step) => void;
  /** Told before each run of a command that is repeated a number of times: how many of them are done. */
  readonly onRepeat?: (step: Step, done: number, times: number) => void;
  /** Told after each command. */
  readonly onResult?: (step: Step, result: StepResult) => void;
  /** What time 0 is, in nanoseconds since 1970; a fixed date when left out, so that captures repeat. */
  readonly startDate?: bigint;
  /** The network goes on after the last step, against the wall clock: its capture is left open, for the caller to finish, and without one nothing is recorded. */
  readonly goesOn?: boolean;
  /** Called every thousand events: lets signals in, shows progress, and throws to end the run. */
  readonly pause?: (lab: Lab) => Promise<void>;
}

/** How long frames may still be under way after a command has ended, in virtual time: a ring of boxes could pass one on for ever. */
const LONGEST_ECHO = seconds(60);
/** How long a command of kubectl's waits for kube-proxy: no more than any sensible minSyncPeriod. */
const LONGEST_SYNC = seconds(600);
const EVENTS_BETWEEN_PAUSES = 1000;

/** A scenario's run in virtual time. The same scenario with the same seed does the same, to the byte. */
export class ScenarioRun {
  readonly lab: Lab;
  readonly #options: RunOptions;
  readonly #results: StepResult[] = [];

  /** Builds the network. */
  constructor(scenario: Scenario, options: RunOptions) {
    this.#options = options;
    const counting = { target: { format: "count" } } as const;
    const { seed, startDate, goesOn = false, capture = goesOn ? undefined : counting } = options;
    const given = {
      tapped: goesOn,
      ...(capture !== undefined && { capture }),
      ...(startDate !== undefined && { startDate }),
    };
    this.lab = new Lab(scenario, { seed, ...given });
    if (options.onEvent !== undefined) this.lab.network.events.read(options.onEvent);
  }

  /** Does the steps, one after another. A step's end is its command's, as soon as no frame is under way. */
  async run(): Promise<RunResult> {
    try {
      await this.#settle();
      for (const step of this.lab.scenario.steps) {
        if (step.number > (this.#options.until ?? Number.POSITIVE_INFINITY)) break;
        this.#options.onStep?.(step);
        await this.#doStep(step);
      }
    } finally {
      // What was recorded is worth keeping, however the run ended.
      if (this.#options.goesOn !== true) this.lab.network.capture?.finish();
    }
    return this.result;
  }

  /** What has come of the run so far. */
  get result(): RunResult {
    const { scenario, network, nodes } = this.lab;
    return {
      scenario: scenario.name,
      seed: this.#options.seed,
      ok: this.#results.every(({ ok }) => ok),
      nodes,
      steps: this.#results,
      packets: network.capture?.counters.written ?? 0,
      drops: Object.fromEntries(network.drops()),
    };
  }

  async #doStep(step: Step): Promise<void> {
    const watch = new PacketWatch(this.lab.network.events, this.#realPoints(step));
    const done = await this.#perform(step);
    const unmet = watch.finish();
    for (const [index, { unmet: own, ...each }] of done.entries()) {
      // Packets are counted for the whole step: its last command answers for them.
      const all = index === done.length - 1 ? [...own, ...unmet] : own;
      const result = { number: step.number, name: step.name ?? "", ...each, ok: all.length === 0, unmet: all };
      this.#results.push(result);
      this.#options.onResult?.(step, result);
    }
  }

  async #perform(step: Step): Promise<Performed[]> {
    switch (step.kind) {
      case "run":
        return this.#runCommands(step);
      case "kubectl":
        return [
          await this.#talkToCluster(step, `kubectl ${step.kubectl}`, (cluster) => this.#kubectl(cluster, step.kubectl)),
        ];
      case "apply":
        return [
          await this.#talkToCluster(step, "kubectl apply -f -", (cluster) => applyObjects(cluster, step.objects)),
        ];
      case "wait":
        await this.#wait(step.duration);
        return [this.#performed(step, `sleep ${formatDuration(step.duration)}`, SUCCESS)];
      case "links":
        this.lab.changeLinks(step.links);
        return [this.#performed(step, "", SUCCESS)];
      case "fail":
      case "restore":
        this.#changeHealth(step);
        return [this.#performed(step, "", SUCCESS)];
    }
  }

  /** What follows of it comes in its own time. */
  #changeHealth(step: Extract<Step, { kind: "fail" | "restore" }>): void {
    const cluster = this.#clusterOf(step);
    if (step.kind === "restore") return cluster.restoreNode(step.target);
    if (step.what === "node") return cluster.failNode(step.target);
    const [namespace, name] = step.target.includes("/") ? step.target.split("/", 2) : ["default", step.target];
    if (cluster.pod(name ?? "", namespace) === undefined)
      throw this.#complaint(step, `no running pod "${step.target}"`);
    cluster.crashPod(name ?? "", namespace);
  }

  #clusterOf(step: Extract<Step, { cluster: string }>): Cluster {
    const cluster = this.lab.clusters.get(step.cluster);
    if (cluster === undefined) throw new RangeError(`Cannot do step ${step.number}: no cluster ${step.cluster}`);
    return cluster;
  }

  async #runCommands(step: RunStep): Promise<Performed[]> {
    if (typeof step.repeat === "object") return this.#runMany(step, step.repeat);
    const nodes = [...this.lab.clusters.values()].flatMap((cluster) => [...cluster.nodes.values()]);
    const performed: Performed[] = [];
    for (const node of step.repeat === "nodes" ? nodes : [undefined]) {
      const variables = stepVariables(this.lab.clusters.values());
      if (node !== undefined) variables.set("NODE", outsideAddress(node));
      const outcome = await this.#runCommand(step, this.#whoRuns(step), variables);
      const result = this.#performed(step, fillIn(step.run, variables), outcome, performed.length);
      performed.push(node === undefined ? result : { ...result, node: node.name });
    }
    return performed;
  }

  /** Of many runs, those that came out alike are one result. */
  async #runMany(step: RunStep, { times, every, parallel }: Repetition): Promise<Performed[]> {
    const { simulator } = this.lab.network;
    const variables = stepVariables(this.lab.clusters.values());
    const host = this.#whoRuns(step);
    const program = programHost(host, variables);
    const tally = new OutcomeTally((outcome) => compareOutcome(step.expect, outcome, 0));
    const underWay = new CommandsUnderWay(step.timeout);
    let next = simulator.now();
    for (let begun = 0; begun < times || underWay.count > 0; ) {
      this.#options.onRepeat?.(step, begun - underWay.count, times);
      // One run may be over long before advance() would let anybody in.
      await this.#options.pause?.(this.lab);
      const now = simulator.now();
      const mayBegin = begun < times && underWay.count < parallel;
      if (mayBegin && now >= next) {
        underWay.add(runCommand(program, step.run), now);
        begun += 1;
        next = after(now, every);
      } else {
        const end = Math.min(mayBegin ? next : Number.POSITIVE_INFINITY, underWay.deadline) as Time;
        await this.#advanceTo(() => underWay.hasEnded, end);
        underWay.stopLate(simulator.now());
      }
      for (const outcome of underWay.takeEnded()) tally.add(outcome);
    }
    await this.#settle();
    const run = fillIn(step.run, variables);
    return tally.list().map(({ outcome, unmet, times: count }) => {
      return { from: host.name, run, times: count, ...outcome, unmet };
    });
  }

  async #runCommand(step: RunStep, host: Host, variables: ReadonlyMap<string, string>): Promise<CommandOutcome> {
    const process = runCommand(programHost(host, variables), step.run);
    const ended = await this.#advance(() => process.exitCode !== undefined, step.timeout);
    if (!ended) process.kill();
    await this.#settle();
    return ended ? outcomeOf(process) : outcomeOfStopped(process, step.timeout);
  }

  /** What the change makes of the network happens at once; frames it sends, such as of pods that come up, arrive before the step ends. */
  async #talkToCluster(
    step: Extract<Step, { cluster: string }>,
    run: string,
    talk: (cluster: Cluster) => CommandOutcome,
  ): Promise<Performed> {
    const cluster = this.#clusterOf(step);
    const outcome = talk(cluster);
    // Who types commands is slower than kube-proxy.
    await this.#advance(() => cluster.isSettled, LONGEST_SYNC);
    await this.#settle();
    return this.#performed(step, run, outcome);
  }

  #kubectl(cluster: Cluster, line: string): CommandOutcome {
    const [node] = cluster.nodes.values();
    if (node === undefined) throw new RangeError(`Cannot run kubectl: cluster ${cluster.spec.name} has no node`);
    return runKubectl(cluster, line, { shell: node.host, variables: stepVariables(this.lab.clusters.values()) });
  }

  #whoRuns(step: RunStep): Host {
    const host = this.lab.find(step.on);
    if (host !== undefined) return host;
    throw this.#complaint(step, `no host, node or running pod "${step.on}"`);
  }

  #complaint(step: Step, what: string): ConfigError {
    const { file } = this.lab.scenario;
    return new ConfigError([{ file, ...step.place, message: `step ${step.number}: there is ${what} at this point` }]);
  }

  #performed(step: Step, run: string, outcome: CommandOutcome, repetition = 0): Performed {
    const from = step.kind === "run" ? (this.lab.find(step.on)?.name ?? step.on) : "";
    return { from, run, ...outcome, unmet: compareOutcome(step.expect, outcome, repetition) };
  }

  #realPoints({ expect }: Step): Step["expect"]["packets"] {
    return expect.packets.map((each) => ({ ...each, at: realPoint(this.lab.scenario, each.at) }));
  }

  async #wait(duration: Duration): Promise<void> {
    const { simulator } = this.lab.network;
    const end = after(simulator.now(), duration);
    await this.#advance(() => false, duration);
    simulator.runTo(end);
    await this.#settle();
  }

  /** Lets time pass until no frame is under way. */
  async #settle(): Promise<void> {
    const { simulator } = this.lab.network;
    await this.#advance(() => simulator.inFlight === 0, LONGEST_ECHO);
  }

  /** Lets time pass until `done`, but no longer than to `end`. */
  async #advanceTo(done: () => boolean, end: Time): Promise<void> {
    const { simulator } = this.lab.network;
    if (!(await this.#advance(done, between(simulator.now(), end)))) simulator.runTo(end);
  }

  /** Lets time pass until `done`; false when nothing more happens or `limit` is over before that. */
  async #advance(done: () => boolean, limit: Duration): Promise<boolean> {
    const { simulator } = this.lab.network;
    const deadline = after(simulator.now(), limit);
    for (;;) {
      let left = EVENTS_BETWEEN_PAUSES;
      const stopped = simulator.runUntil(() => done() || left-- <= 0, deadline);
      if (done()) return true;
      if (!stopped) return false;
      await this.#options.pause?.(this.lab);
    }
  }
}

type RunStep = Extract<Step, { kind: "run" }>;
type Performed = Omit<StepResult, "number" | "name" | "ok">;

/** What a command on a host runs in. */
function programHost(host: Host, variables: ReadonlyMap<string, string>): ProgramHost {
  const { name, stack, resolver, interfaceIndexes, commands } = host;
  const environment = new Map([...host.environment, ...variables]);
  return { name, stack, resolver, environment, interfaceIndexes, commands };
}

const SUCCESS: CommandOutcome = { exitCode: 0, stdout: "", stderr: "" };
