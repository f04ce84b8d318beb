import { findKindByWord, type Kind, type ObjectKey } from "../kube/index.ts";

/** A command line that kubectl would refuse; the message is what it prints. */
export class KubectlUsageError extends Error {
  override readonly name = "KubectlUsageError";
}

/** kubectl's short options for the long ones that are known here. */
const SHORT: Readonly<Record<string, string>> = {
  n: "namespace",
  p: "patch",
  l: "selector",
  o: "output",
  A: "all-namespaces",
};
/** Options that take no value unless it is joined by `=`. */
const SWITCHES = new Set(["all-namespaces", "overwrite", "force"]);
const OPTIONS = new Set([
  ...Object.values(SHORT),
  ...SWITCHES,
  "name",
  "port",
  "target-port",
  "type",
  "protocol",
  "cluster-ip",
  "session-affinity",
  "image",
  "replicas",
  "grace-period",
  "restart",
  "subresource",
]);

/** A kubectl command line taken apart: verb, names, options. */
export class KubectlWords {
  readonly verb: string;
  readonly names: readonly string[];
  readonly #options: ReadonlyMap<string, string>;

  constructor(verb: string, names: readonly string[], options: ReadonlyMap<string, string>) {
    this.verb = verb;
    this.names = names;
    this.#options = options;
  }

  get namespace(): string {
    return this.option("namespace") ?? "default";
  }

  option(name: string): string | undefined {
    return this.#options.get(name);
  }

  number(name: string): number | undefined {
    const text = this.option(name);
    if (text === undefined) return undefined;
    if (!/^\d+$/.test(text))
      throw new KubectlUsageError(`error: invalid argument "${text}" for "--${name}" flag: expected a number`);
    return Number(text);
  }

  /** The one object that is named, as `svc NAME` or `svc/NAME`. */
  target(): ObjectKey {
    const [key, ...more] = this.targets();
    if (key === undefined || more.length > 0)
      throw new KubectlUsageError("error: expected one resource, like: svc NAME");
    return key;
  }

  /** All objects that are named. */
  targets(): readonly ObjectKey[] {
    const [first = "", ...names] = this.names;
    const pairs = first.includes("/")
      ? this.names.map((name) => name.split("/", 2))
      : names.map((name) => [first, name]);
    if (pairs.length === 0) throw new KubectlUsageError("error: resource(s) were provided, but no name was specified");
    return pairs.map(([kind = "", name = ""]) => ({ kind: kindOf(kind), name, namespace: this.namespace }));
  }

  /** Parts `key=value` and `key-` from the names. */
  pairs(): { readonly pairs: Readonly<Record<string, string | null>>; readonly rest: KubectlWords } {
    const isPair = (word: string): boolean =>
      /^[^/]+\/?[^=]*(=|-$)/.test(word) && (word.includes("=") || word.endsWith("-"));
    const pairs = this.names.filter(isPair).map((word): [string, string | null] => {
      const at = word.indexOf("=");
      return at < 0 ? [word.slice(0, -1), null] : [word.slice(0, at), word.slice(at + 1)];
    });
    const rest = this.names.filter((word) => !isPair(word));
    return { pairs: Object.fromEntries(pairs), rest: new KubectlWords(this.verb, rest, this.#options) };
  }
}

/** Takes a command line apart. @throws KubectlUsageError for an option that is not known. */
export function readKubectlWords(argv: readonly string[]): KubectlWords {
  const names: string[] = [];
  const options = new Map<string, string>();
  for (let i = 0; i < argv.length; i++) {
    const word = argv[i] ?? "";
    const match = /^(?:--([a-z-]+)|-([a-zA-Z]))(?:=(.*))?$/s.exec(word);
    if (match === null) {
      names.push(word);
      continue;
    }
    const name = match[1] ?? SHORT[match[2] ?? ""] ?? "";
    if (!OPTIONS.has(name)) throw new KubectlUsageError(`error: unknown flag: ${word}`);
    const value = match[3] ?? (SWITCHES.has(name) ? "true" : argv[++i]);
    if (value === undefined) throw new KubectlUsageError(`error: flag needs an argument: ${word}`);
    options.set(name, value);
  }
  const [verb = "", ...rest] = names;
  return new KubectlWords(verb, rest, options);
}

function kindOf(word: string): Kind {
  const kind = findKindByWord(word);
  if (kind === undefined) throw new KubectlUsageError(`error: the server doesn't have a resource type "${word}"`);
  return kind.kind;
}
