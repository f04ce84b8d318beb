import { readdirSync, readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { loadScenario, readYaml, ScenarioRun, scenarioJsonSchema } from "../../src/scenario/index.ts";

const DIRECTORY = new URL("../../scenarios/", import.meta.url);
const NAMES = readdirSync(DIRECTORY)
  .filter((file) => file.endsWith(".yaml") && file !== "contents.yaml")
  .map((file) => file.replace(/\.yaml$/, ""));

function read(file: string): string {
  return readFileSync(new URL(file, DIRECTORY), "utf8");
}

describe.each(NAMES)("the built-in scenario %s", (name) => {
  const scenario = loadScenario({ file: `${name}.yaml`, text: read(`${name}.yaml`), readFile: read });

  it.skipIf(name === "template")("is called as its file, and says what it shows", () => {
    expect(scenario.name).toBe(name);
    expect(scenario.description.length).toBeGreaterThan(100);
    expect(scenario.notes).toEqual([]);
  });

  it("expects something of every step that runs a command", () => {
    const silent = scenario.steps.filter(({ kind, expect }) => kind === "run" && expect.exitCode === undefined);
    expect(silent.map(({ number }) => number)).toEqual([]);
  });

  it.each([1, 2, 3])("comes out as expected with seed %i", async (seed) => {
    const { steps } = await new ScenarioRun(scenario, { seed }).run();
    expect(steps.flatMap(({ unmet }) => unmet)).toEqual([]);
  });
});

it("the list of contents has every built-in scenario once, and nothing else", () => {
  const [document] = readYaml("contents.yaml", read("contents.yaml")).documents;
  const chapters = document?.value as { chapter: string; scenarios: string[] }[];
  const listed = chapters.flatMap(({ scenarios }) => scenarios);
  expect([...listed].sort()).toEqual(NAMES.filter((name) => name !== "template").sort());
  expect(chapters.every(({ chapter }) => typeof chapter === "string")).toBe(true);
});

it("scenarios/schema.json is the schema that files are checked with (natscope schema > scenarios/schema.json)", () => {
  expect(JSON.parse(read("schema.json"))).toEqual(JSON.parse(JSON.stringify(scenarioJsonSchema())));
});
