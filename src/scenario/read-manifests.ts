import { type KubeObject, readObjects } from "../kube/index.ts";
import { isKnownImage, KNOWN_IMAGES } from "../nodes/index.ts";
import { ConfigError, listed, type Problem } from "./config-error.ts";
import type { ClusterForm, ManifestSeriesForm } from "./file-form.ts";
import type { ProblemList } from "./locator.ts";
import { type Path, readYaml } from "./yaml-source.ts";

/** Gives the text of a file named in a scenario, by its path relative to the scenario's. @throws ConfigError when it cannot be read. */
export type FileReader = (path: string) => string;

type Where = Omit<Problem, "message">;

/** Reads a cluster's `manifests`: Kubernetes YAML in the file itself, objects as part of it, or files beside it. */
export function readManifests(
  form: NonNullable<ClusterForm["manifests"]>,
  path: Path,
  context: { readonly problems: ProblemList; readonly readFile: FileReader },
): readonly KubeObject[] {
  const { problems, readFile } = context;
  if (typeof form === "string") return readManifestText(form, path, problems);
  return form.flatMap((entry, index) => {
    const here = [...path, index];
    if (isSeries(entry)) return readSeries(entry, here, problems);
    if (typeof entry !== "string") {
      return readValue(entry, problems, (inner) => problems.whereIs([...here, ...inner], "value"));
    }
    // A file's name has no line break, and an object in YAML has one.
    const isText = entry.includes("\n");
    return isText ? readManifestText(entry, here, problems) : readManifestFile(entry, here, problems, readFile);
  });
}

function isSeries(entry: NonNullable<ClusterForm["manifests"]>[number]): entry is ManifestSeriesForm {
  return typeof entry !== "string" && "repeat" in entry && !("kind" in entry);
}

/** What is wrong with the first is wrong with all. */
function readSeries(
  { repeat, manifest }: ManifestSeriesForm,
  path: Path,
  problems: ProblemList,
): readonly KubeObject[] {
  const here = [...path, "manifest"];
  const before = problems.problems.length;
  const isText = typeof manifest === "string";
  const first = numbered(manifest, 1);
  const objects = isText
    ? readManifestText(String(first), here, problems)
    : readValue(first, problems, (inner) => problems.whereIs([...here, ...inner], "value"));
  if (problems.problems.length > before) return objects;
  const values = isText ? readYaml("", manifest).documents.map(({ value }) => value) : [manifest];
  const others = Array.from({ length: repeat - 1 }, (_, index) => numbered(values, index + 2) as readonly unknown[]);
  return [...objects, ...others.flatMap((each) => readObjects(each).objects)];
}

/** Puts a number for `$N`: as a number where nothing else stands there. */
function numbered(value: unknown, number: number): unknown {
  if (typeof value === "string") return value === "$N" ? number : value.replaceAll("$N", String(number));
  if (Array.isArray(value)) return value.map((item) => numbered(item, number));
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, member]) => [key, numbered(member, number)]));
}

/** Reads Kubernetes YAML that stands in a scenario as a block of text. */
export function readManifestText(text: string, path: Path, problems: ProblemList): readonly KubeObject[] {
  const { documents, problems: faults } = readYaml("", text);
  for (const fault of faults) {
    problems.problems.push({ ...problems.whereInBlock(path, fault.line ?? 1), message: fault.message });
  }
  return documents.flatMap((document) =>
    readValue(document.value, problems, (inner) => problems.whereInBlock(path, document.placeOf(inner).line)),
  );
}

function readManifestFile(
  name: string,
  path: Path,
  problems: ProblemList,
  readFile: FileReader,
): readonly KubeObject[] {
  try {
    const { documents, problems: faults } = readYaml(name, readFile(name));
    problems.problems.push(...faults);
    return documents.flatMap((document) =>
      readValue(document.value, problems, (inner) => ({ file: name, ...document.placeOf(inner) })),
    );
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    problems.report(path, error.problems.map((problem) => `${problem.file}: ${problem.message}`).join("; "));
    return [];
  }
}

function readValue(value: unknown, to: ProblemList, where: (path: Path) => Where): readonly KubeObject[] {
  const { objects, problems, notes } = readObjects([value]);
  for (const message of problems) to.problems.push({ ...where(pathIn(message)), message });
  for (const message of notes) to.notes.push({ ...where([]), message });
  for (const object of objects) {
    for (const image of imagesOf(object)) {
      if (isKnownImage(image)) continue;
      const message = `image ${image}: natscope has no program for it, its pods will answer nothing; there is ${listed(KNOWN_IMAGES)}`;
      to.notes.push({ ...where([]), message });
    }
  }
  return objects;
}

/** The path in `Service default/web: spec.ports[0].port: expected …`. */
function pathIn(message: string): Path {
  const text = /: ((?:\w+|\[\d+\])(?:\.\w+|\[\d+\])*): /.exec(message)?.[1] ?? "";
  return [...text.matchAll(/\w+/g)].map(([step]) => (/^\d+$/.test(step) ? Number(step) : step));
}

function imagesOf(object: KubeObject): readonly string[] {
  const spec =
    object.kind === "Pod" ? object.spec : object.kind === "Deployment" ? object.spec.template.spec : undefined;
  return (spec?.containers ?? []).flatMap(({ image }) => (image === undefined ? [] : [image]));
}
