import { readdirSync, readFileSync } from "node:fs";
import { afterEach, expect, it, vi } from "vitest";
import { EventStream } from "../../src/netstack/index.ts";
import { readCapture, readPcapng } from "../../src/pcap/index.ts";
import { loadScenario, ScenarioRun } from "../../src/scenario/index.ts";

const DIRECTORY = new URL("../../scenarios/", import.meta.url);
const NAMES = readdirSync(DIRECTORY)
  .filter((file) => file.endsWith(".yaml") && file !== "contents.yaml")
  .map((file) => file.replace(/\.yaml$/, ""));

afterEach(() => {
  vi.restoreAllMocks();
});

/**
 * With nobody listening, rules that cannot match are left out and nothing is told; with a reader of every rule, all are walked in their order. What goes
 * over the wire is the same to the byte and the nanosecond, on every scenario. (test/cli/captures.test.ts holds the way between: with a capture's comments.)
 */
it.each(NAMES)("%s sends the same packets whether its rules are watched or not", async (name) => {
  const watched = await packetsOf(name, "every rule");
  vi.spyOn(EventStream.prototype, "active", "get").mockReturnValue(false);
  const untold = await packetsOf(name, "nothing");
  expect(untold.length).toBeGreaterThan(0);
  expect(untold).toEqual(watched);
});

/** TCP segments that travel as one between two places where nobody looks are, where somebody does, the frames that would have travelled one by one. */
it.each(NAMES)("%s shows the same at every second point when nobody looks at the others", async (name) => {
  vi.spyOn(EventStream.prototype, "active", "get").mockReturnValue(false);
  const all = await packetsByPoint(name);
  const points = [...all.keys()].filter((_, index) => index % 2 === 0);
  const some = await packetsByPoint(name, points);
  expect(points.map((point) => some.get(point))).toEqual(points.map((point) => all.get(point)));
});

/** Time and bytes of the packets of each point. */
async function packetsByPoint(name: string, only?: readonly string[]): Promise<Map<string, string[]>> {
  const scenario = loadScenario({ file: `${name}.yaml`, text: read(`${name}.yaml`), readFile: read });
  const files = new Map<string, Uint8Array[]>();
  const sinkFor = (point: string): ((chunk: Uint8Array) => void) => {
    const chunks: Uint8Array[] = [];
    files.set(point, chunks);
    return (chunk) => void chunks.push(chunk.slice());
  };
  const capture = { target: { format: "pcap", sinkFor } as const, ...(only && { only }) };
  await new ScenarioRun(scenario, { seed: 1, capture }).run();
  return new Map(Array.from(files, ([point, chunks]) => [point, packetsOfPcap(Buffer.concat(chunks))]));
}

function packetsOfPcap(file: Uint8Array): string[] {
  return readCapture(file).packets.map(({ time, bytes }) => `${time} ${Buffer.from(bytes).toString("hex")}`);
}

/** Point, direction, time, lineage and bytes of each packet, without the comments. */
async function packetsOf(name: string, reads: "every rule" | "nothing"): Promise<string[]> {
  const scenario = loadScenario({ file: `${name}.yaml`, text: read(`${name}.yaml`), readFile: read });
  const chunks: Uint8Array[] = [];
  const sink = (chunk: Uint8Array): void => void chunks.push(chunk.slice());
  const run = new ScenarioRun(scenario, { seed: 1, capture: { target: { format: "pcapng", sink } } });
  if (reads === "every rule") run.lab.network.events.read(() => {}, { everyRule: true });
  await run.run();
  return readPcapng(Buffer.concat(chunks)).packets.map((packet) => {
    const { time, direction, packetId, bytes } = packet;
    return `${packet.interface.name} ${direction} ${time} ${packetId} ${Buffer.from(bytes).toString("hex")}`;
  });
}

function read(file: string): string {
  return readFileSync(new URL(file, DIRECTORY), "utf8");
}
