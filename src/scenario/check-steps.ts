import { isCommandLineFault, parseCommandLine } from "../apps/index.ts";
import { aliasesOf, checkLinks, clustersOf, namesIn } from "./check-references.ts";
import { listed, suggestion } from "./config-error.ts";
import type { ScenarioFile, StepForm } from "./file-form.ts";
import type { ProblemList } from "./locator.ts";
import type { Path } from "./yaml-source.ts";

/** Checks what steps say of the rest of the scenario, and that their commands can be read. */
export function checkSteps(form: ScenarioFile, podNames: ReadonlySet<string>, problems: ProblemList): void {
  const seen = new Set<string>();
  for (const [index, step] of form.steps.entries()) {
    const path = ["steps", index];
    if (step.name !== undefined && seen.has(step.name)) {
      problems.report([...path, "name"], `another step is called "${step.name}" already`);
    }
    if (step.name !== undefined) seen.add(step.name);
    if (step.run !== undefined) checkRun(form, step, path, { podNames, problems });
    for (const kind of ["run", "kubectl"] as const) checkCommand(step[kind], [...path, kind], problems);
    if (step.fail?.node !== undefined)
      checkNode(form, step.fail.node, { step, path: [...path, "fail", "node"], problems });
    if (step.restore !== undefined)
      checkNode(form, step.restore.node, { step, path: [...path, "restore", "node"], problems });
    if (step.fail?.pod !== undefined) checkPod(form, step.fail.pod, path, { podNames, problems });
    checkClusterOf(form, step, path, problems);
    if (step.links !== undefined) checkLinks(form, step.links, [...path, "links"], problems);
    checkRepetitions(form, step, path, problems);
  }
}

function checkNode(
  form: ScenarioFile,
  node: string,
  { step, path, problems }: { readonly step: StepForm; readonly path: Path; readonly problems: ProblemList },
): void {
  const clusters = clustersOf(form).filter(({ name }) => step.cluster === undefined || step.cluster === name);
  const known = clusters.flatMap(({ cluster }) =>
    cluster.nodes.flatMap(({ name }, index) => [name, ...aliasesOf(form, cluster, index)]),
  );
  if (known.includes(node) || (clusters.length === 0 && step.cluster !== undefined)) return;
  problems.report(path, `there is no node "${node}"${suggestion(node, known)}`);
}

function checkPod(
  form: ScenarioFile,
  pod: string,
  path: Path,
  { podNames, problems }: { readonly podNames: ReadonlySet<string>; readonly problems: ProblemList },
): void {
  const name = pod.slice(pod.indexOf("/") + 1);
  if (podNames.has(name) || mayMakePods(form)) return;
  problems.report([...path, "fail", "pod"], `there is no pod "${name}"${suggestion(name, [...podNames])}`);
}

function checkRun(
  form: ScenarioFile,
  step: StepForm,
  path: Path,
  { podNames, problems }: { readonly podNames: ReadonlySet<string>; readonly problems: ProblemList },
): void {
  const networks = Object.keys(form.networks);
  const known = [...namesIn(form).filter((name) => !networks.includes(name)), ...podNames];
  if (step.on === undefined) {
    const message = `"on" is missing: expected who runs the command; there is ${listed(known)}`;
    problems.problems.push({ ...problems.whereIs([...path, "run"], "key"), message });
  } else if (!known.includes(step.on) && !mayMakePods(form)) {
    problems.report([...path, "on"], `there is no host, node or pod "${step.on}"${suggestion(step.on, known)}`);
  }
  if (step.repeat === "nodes" && clustersOf(form).length === 0) {
    problems.report([...path, "repeat"], "there are no nodes: the scenario has no cluster");
  }
}

/** Pods that a step makes are known only when it has run. */
function mayMakePods(form: ScenarioFile): boolean {
  return form.steps.some((step) => step.kubectl !== undefined || step.apply !== undefined);
}

function checkCommand(line: string | undefined, path: Path, problems: ProblemList): void {
  if (line === undefined) return;
  const parsed = parseCommandLine(line);
  if (isCommandLineFault(parsed)) problems.report(path, `column ${parsed.column} of the command: ${parsed.fault}`);
}

function checkClusterOf(form: ScenarioFile, step: StepForm, path: Path, problems: ProblemList): void {
  const names = clustersOf(form).map(({ name }) => name);
  // A node's name says in which cluster it is.
  const kind = (["kubectl", "apply", "fail"] as const).find((each) => step[each] !== undefined);
  if (step.cluster === undefined && kind !== undefined && step.fail?.node === undefined && names.length !== 1) {
    const message =
      names.length === 0 ? "the scenario has no cluster" : `"cluster" is missing: expected one of ${names.join(", ")}`;
    problems.problems.push({ ...problems.whereIs([...path, kind], "key"), message });
  } else if (step.cluster !== undefined && !names.includes(step.cluster)) {
    problems.report([...path, "cluster"], `there is no cluster "${step.cluster}"${suggestion(step.cluster, names)}`);
  }
}

function checkRepetitions(form: ScenarioFile, step: StepForm, path: Path, problems: ProblemList): void {
  const nodes = clustersOf(form).reduce((sum, { cluster }) => sum + cluster.nodes.length, 0);
  const runs = step.repeat === "nodes" ? nodes : 1;
  for (const key of ["exitCode", "clientAddress"] as const) {
    const list = step.expect?.[key];
    if (!Array.isArray(list) || list.length === runs) continue;
    problems.report([...path, "expect", key], `has ${list.length} entries, expected one for each of ${runs} runs`);
  }
}
