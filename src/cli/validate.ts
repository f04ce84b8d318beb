import { counted } from "./counted.ts";
import { type CommandIo, ExitCode } from "./io.ts";
import { readScenario } from "./read-scenario.ts";

/** `natscope validate FILE`: checks a scenario without running it. Objections are thrown, as from every command. */
export async function validate(
  given: string,
  options: { readonly set?: readonly string[] },
  io: CommandIo,
): Promise<ExitCode> {
  const scenario = readScenario(given, options.set, io.err);
  const nodes = scenario.clusters.reduce((sum, cluster) => sum + cluster.nodes.length, 0);
  const parts = [
    counted(scenario.networks.length, "network"),
    counted(scenario.machines.filter(({ kind }) => kind === "host").length, "host"),
    counted(scenario.machines.filter(({ kind }) => kind === "router").length, "router"),
    counted(nodes, "node"),
    counted(scenario.steps.length, "step"),
  ];
  io.out(`${given}: ${scenario.name} is in order: ${parts.join(", ")}\n`);
  return ExitCode.ok;
}
