import { ConfigError } from "./config-error.ts";
import { readYaml } from "./yaml-source.ts";

/** One `--set path=value`. */
export interface Override {
  /** As the user typed it, for messages. */
  readonly text: string;
  readonly path: readonly (string | number)[];
  readonly value: unknown;
}

/**
 * Reads `cluster.proxy.mode=ipvs`: a path of keys and list positions (`steps.0.run` or `steps[0].run`), and a value in YAML. A key that has a dot
 * in it stands in quotes. @throws ConfigError when it is not like that.
 */
export function parseOverride(text: string): Override {
  const equals = text.indexOf("=");
  const path = equals < 0 ? undefined : parsePath(text.slice(0, equals).trim());
  if (path === undefined) {
    throw new ConfigError([
      { file: `--set ${text}`, message: "expected path=value, like cluster.proxy.masqueradeAll=true" },
    ]);
  }
  const { documents, problems } = readYaml(`--set ${text}`, text.slice(equals + 1));
  if (problems.length > 0 || documents.length > 1) {
    throw new ConfigError([{ file: `--set ${text}`, message: "expected a value in YAML behind the =" }]);
  }
  return { text, path, value: documents[0]?.value ?? "" };
}

/** A copy of `value` with the override put in; the rest is shared. Members that are not there yet are made. */
export function applyOverride(value: unknown, override: Override): unknown {
  return replaceAt(value, override.path, override);
}

function replaceAt(value: unknown, path: Override["path"], override: Override): unknown {
  const [step, ...rest] = path;
  if (step === undefined) return override.value;
  if (Array.isArray(value)) {
    const index = positionIn(value, step, override);
    return value.map((item, at) => (at === index ? replaceAt(item, rest, override) : item));
  }
  if (value !== undefined && value !== null && typeof value !== "object") throw cannotEnter(override, step);
  const members = new Map(Object.entries(value ?? {}));
  members.set(String(step), replaceAt(members.get(String(step)), rest, override));
  return Object.fromEntries(members);
}

/** Lists are addressed by position from 0, or by the `name` of an item. */
function positionIn(list: readonly unknown[], step: string | number, override: Override): number {
  const index = typeof step === "number" ? step : list.findIndex((item) => nameOf(item) === step);
  if (index >= 0 && index < list.length) return index;
  const message = `the list has no item ${JSON.stringify(step)}; expected a position from 0 to ${list.length - 1}, or an item's name`;
  throw new ConfigError([{ file: `--set ${override.text}`, message }]);
}

function cannotEnter(override: Override, step: string | number): ConfigError {
  const message = `there is nothing under which "${step}" could be set: the path leads through a single value`;
  return new ConfigError([{ file: `--set ${override.text}`, message }]);
}

function nameOf(item: unknown): unknown {
  return typeof item === "object" && item !== null && "name" in item ? item.name : undefined;
}

function parsePath(text: string): (string | number)[] | undefined {
  const path: (string | number)[] = [];
  let rest = text;
  while (rest !== "") {
    const match = /^(?:\.?"([^"]+)"|\.?([^.[\]"\s]+)|\[(\d{1,6})\])/.exec(rest);
    if (match === null) return undefined;
    const [whole, quoted, plain, index] = match;
    if (path.length === 0 && whole.startsWith(".")) return undefined;
    if (quoted !== undefined) path.push(quoted);
    else if (plain !== undefined) path.push(/^\d{1,6}$/.test(plain) ? Number(plain) : plain);
    else path.push(Number(index));
    rest = rest.slice(whole.length);
  }
  return path.length === 0 ? undefined : path;
}
