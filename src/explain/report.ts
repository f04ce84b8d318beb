import type { Scenario, Step, StepResult } from "../scenario/index.ts";
import { formatDuration, type RunResult, ScenarioRun } from "../scenario/index.ts";
import { addressNames } from "./address-names.ts";
import { buildConnection, buildHop, tellingHops } from "./build-connection.ts";
import type { ConnectionRecord } from "./connection-record.ts";
import { counted } from "./connection-record.ts";
import type { ExplainOptions } from "./explain-run.ts";
import type { JourneyHop } from "./explanation.ts";
import type { StoryHop } from "./packet-story.ts";
import type {
  PacketPlace,
  ReportConnection,
  ReportData,
  ReportMoment,
  ReportPacket,
  ReportStep,
} from "./report-data.ts";
import { momentsOf } from "./report-moments.ts";
import { type PacketRecord, ReportReader, type Sighting } from "./report-reader.ts";
import { TopologyBook } from "./report-topology.ts";
import { trackedLives } from "./report-tracking.ts";
import { RuleReader } from "./rule-text.ts";

/** Runs a scenario and tells it for the page of `natscope report`: what stood where, and every packet's life. */
export async function reportRun(scenario: Scenario, options: ExplainOptions): Promise<ReportData> {
  const { step, onStep, ...others } = options;
  const reader = new ReportReader();
  const topology = new TopologyBook();
  const names = new Map<string, string>();
  const began = new Map<number, number>();
  const learn = (): void => {
    topology.learn(run.lab, reader.boxes);
    for (const [address, name] of addressNames(run.lab)) names.set(address, name);
  };
  const run = new ScenarioRun(scenario, {
    ...others,
    ...(step !== undefined && { until: step }),
    onStep: (begun) => {
      began.set(begun.number, run.lab.network.simulator.now());
      reader.explainer.beginStep(begun.number);
      onStep?.(begun);
    },
    onResult: learn,
  });
  learn();
  run.lab.network.events.read((event) => reader.read(event), { everyRule: true });
  const result = await run.run();
  learn();
  reader.explainer.finish();
  const { title, description } = scenario;
  const told = tellPackets(reader, topology.networks);
  const drawn = topology.topologyOf(boxesPassed(told));
  return {
    version: 1,
    scenario: { name: result.scenario, title, description },
    seed: result.seed,
    ok: result.ok,
    names: Object.fromEntries(names),
    topology: drawn,
    steps: scenario.steps.filter(({ number }) => began.has(number)).map((each) => stepOf(each, result, began)),
    ...told,
    leftOut: { packets: reader.leftOut, frameBytes: reader.frames.cutBytes, boxes: topology.size - drawn.boxes.length },
  };
}

function stepOf(step: Step, { steps }: RunResult, began: ReadonlyMap<number, number>): ReportStep {
  const results = steps.filter(({ number }) => number === step.number);
  return {
    number: step.number,
    name: step.name ?? "",
    shown: step.show ?? commandOf(step, results),
    on: results[0]?.from ?? "",
    began: began.get(step.number) ?? 0,
    commands: results.map(({ run, node, exitCode, stdout, stderr, unmet }) => ({
      run,
      ...(node !== undefined && { node }),
      exitCode,
      stdout,
      stderr,
      unmet: unmet.map(({ what, expected, actual }) => `${what}: expected ${expected}, was ${actual}`),
    })),
  };
}

function commandOf(step: Step, results: readonly StepResult[]): string {
  if (step.kind === "run") return step.run;
  if (step.kind === "wait") return `${formatDuration(step.duration)} later`;
  if (step.kind === "fail") return `${step.what} ${step.target} fails`;
  if (step.kind === "restore") return `node ${step.target} is back`;
  if (step.kind === "links")
    return `links change: ${step.links.map((link) => `${link.host}/${link.interface}`).join(", ")}`;
  return results[0]?.run ?? "";
}

type ToldPackets = Pick<ReportData, "connections" | "packets" | "hops" | "moments" | "frames" | "layouts" | "tracking">;

function tellPackets(reader: ReportReader, networks: ReadonlySet<string>): ToldPackets {
  const { explainer, frames, packets: records } = reader;
  const rules = new RuleReader();
  const told = explainer.connections.filter((each) => records.some(({ owner }) => owner?.connection === each));
  const hops = new HopTable(rules);
  const numbers = new Map(records.map((record, number) => [record, number]));
  const packets: ReportPacket[] = [];
  const moments: ReportMoment[] = [];
  for (const [number, record] of records.entries()) {
    const kept: readonly StoryHop[] = tellingHops(record.story.hops);
    const place = (hop: StoryHop | undefined): number | undefined => {
      const found = record.owner === undefined || hop === undefined ? -1 : kept.indexOf(hop);
      return found < 0 ? undefined : found;
    };
    packets.push(tellPacket(record, { kept, hops, told, frames }));
    moments.push(...momentsOf(record, { number, networks, place }));
  }
  return {
    connections: told.map((connection) => connectionOf(connection, rules)),
    packets,
    hops: hops.hops,
    moments: moments.sort((one, other) => one.time - other.time || (one.arrived ?? 0) - (other.arrived ?? 0)),
    frames: frames.frames,
    layouts: frames.layouts,
    tracking: trackedLives(reader.tracking, {
      packets,
      numberOf: (packet) => numbers.get(packet),
      boxOf: (hop) => hops.hops[hop]?.box,
    }),
  };
}

/** Boxes between which connections' packets went. */
function boxesPassed({ moments, packets }: ToldPackets): ReadonlySet<string> {
  const own = moments.filter(({ packet }) => packets[packet]?.connection !== undefined);
  return new Set(own.flatMap(({ from, to = from }) => [from, to]));
}

function connectionOf(record: ConnectionRecord, rules: RuleReader): ReportConnection {
  const { journeys: _, ...connection } = buildConnection(record, record.number, rules);
  return { ...connection, step: record.step };
}

interface PacketSurroundings {
  /** The passages that are told. */
  readonly kept: readonly StoryHop[];
  readonly hops: HopTable;
  readonly told: readonly ConnectionRecord[];
  readonly frames: ReportReader["frames"];
}

function tellPacket(record: PacketRecord, { kept, hops, told, frames }: PacketSurroundings): ReportPacket {
  const { story, owner, sightings } = record;
  const [first] = sightings;
  const what = first === undefined ? "never sent" : (frames.frames[first.frame]?.what ?? "");
  if (owner === undefined) return { lineage: story.lineage, what, way: [] };
  return {
    lineage: story.lineage,
    connection: told.indexOf(owner.connection),
    direction: owner.direction,
    what,
    way: kept.map((hop) =>
      placeOf(
        hop,
        sightings.filter((each) => each.hop === hop),
        hops.add(record, owner, hop),
      ),
    ),
  };
}

/** As it came: the first frame in. As it left: the last one out, or the first fragment of those. */
function placeOf(hop: StoryHop, seen: readonly Sighting[], number: number): PacketPlace {
  const before = seen.find(({ kind }) => kind === "arrived");
  const sent = seen.filter(({ kind }) => kind === "sent");
  const after = sent.findLast(({ isLaterFragment }) => !isLaterFragment) ?? sent.at(-1);
  return {
    hop: number,
    time: hop.time,
    until: Math.max(hop.time, ...sent.map(({ time }) => time)),
    ...(before !== undefined && { before: before.frame }),
    ...(after !== undefined && { after: after.frame }),
  };
}

/** Passages through boxes, each kind once: later packets of a connection go the way of the ones before. */
class HopTable {
  readonly hops: JourneyHop[] = [];
  readonly #rules: RuleReader;
  readonly #known = new Map<string, number>();

  constructor(rules: RuleReader) {
    this.#rules = rules;
  }

  add({ story }: PacketRecord, owner: NonNullable<PacketRecord["owner"]>, hop: StoryHop): number {
    const recorded = { ...hop, changes: hop.changes.map(counted) };
    const journey = { direction: owner.direction, story, isReset: false, hops: [recorded], packets: 1 };
    const built = buildHop(recorded, journey, { record: owner.connection, rules: this.#rules });
    const key = JSON.stringify(built);
    const known = this.#known.get(key);
    if (known !== undefined) return known;
    this.#known.set(key, this.hops.length);
    return this.hops.push(built) - 1;
  }
}
