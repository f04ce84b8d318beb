import { isCommandLineFault, parseCommandLine, runCommand } from "../apps/index.ts";
import { ApiError, type KubeObject } from "../kube/index.ts";
import type { Cluster, Host } from "../nodes/index.ts";
import type { CommandOutcome } from "./expectation.ts";

/** A kubectl command line taken apart: kubectl's own arguments, and what stands behind the first `|`. */
interface KubectlLine {
  readonly argv: readonly string[];
  readonly filters: string | undefined;
}

/** Runs `kubectl …` with its filters behind a `|`. kubectl talks to the API server beside the network: no packet is sent for it. */
export function runKubectl(
  cluster: Cluster,
  line: string,
  context: { readonly shell: Host; readonly variables: ReadonlyMap<string, string> },
): CommandOutcome {
  const { argv, filters } = splitLine(line, context.variables);
  const outcome = cluster.kubectl(argv);
  if (filters === undefined) return outcome;
  // The output passes to the filters as a variable, which the shell does not look into.
  const { name, stack, resolver } = context.shell;
  const environment = new Map([...context.variables, ["KUBECTL_OUTPUT", outcome.stdout]]);
  const filtered = runCommand({ name, stack, resolver, environment }, `echo -n "$KUBECTL_OUTPUT" | ${filters}`);
  return { exitCode: outcome.exitCode, stdout: filtered.stdout, stderr: outcome.stderr + filtered.stderr };
}

/** Applies objects as `kubectl apply -f -` does. */
export function applyObjects(cluster: Cluster, objects: readonly KubeObject[]): CommandOutcome {
  const lines: string[] = [];
  const refused: string[] = [];
  for (const object of objects) {
    try {
      const { change } = cluster.api.apply(object);
      const group = object.apiVersion.includes("/") ? `.${object.apiVersion.split("/")[0]}` : "";
      lines.push(`${object.kind.toLowerCase()}${group}/${object.metadata.name} ${change}\n`);
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      refused.push(`${error.message}\n`);
    }
  }
  cluster.reconcile();
  return { exitCode: refused.length === 0 ? 0 : 1, stdout: lines.join(""), stderr: refused.join("") };
}

/** The line has been read once when the scenario was checked, so it can be. */
function splitLine(line: string, variables: ReadonlyMap<string, string>): KubectlLine {
  const bar = firstBar(line);
  const own = bar < 0 ? line : line.slice(0, bar);
  const parsed = parseCommandLine(own);
  const step = isCommandLineFault(parsed) ? undefined : parsed[0]?.step;
  const words = step?.kind === "pipeline" ? (step.commands[0]?.words ?? []) : [];
  const argv = words.map((word) =>
    word.map((part) => (part.kind === "text" ? part.text : (variables.get(part.name) ?? ""))).join(""),
  );
  return { argv, filters: bar < 0 ? undefined : line.slice(bar + 1) };
}

/** Where the first `|` outside quotes stands; -1 without one. */
function firstBar(line: string): number {
  const match = /^(?:'[^']*'|"(?:[^"\\]|\\.)*"|\\.|[^'"\\|])*/.exec(line);
  const at = match?.[0].length ?? line.length;
  return line.charAt(at) === "|" ? at : -1;
}
