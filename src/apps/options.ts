/** Which options a program knows. Names without dashes; one letter is a short option, more are a long one. */
export interface OptionSyntax {
  readonly options: Readonly<Record<string, "flag" | "value">>;
  /** Other names of an option, such as `max-time` for `m`. */
  readonly aliases?: Readonly<Record<string, string>>;
  /** Whether long options begin with one dash, as nslookup's and nothing is a cluster of letters. */
  readonly longDash?: 1 | 2;
  /** Whether `--name=value` is the same as `--name value`; curl is the one that does not take it. */
  readonly equals?: boolean;
}

/** Why arguments cannot be read: `option` as it was typed. */
export interface OptionFault {
  readonly fault: "unknown" | "missing-value";
  readonly option: string;
}

/** One option as it stood on the command line; a flag's value is empty. */
export interface GivenOption {
  readonly name: string;
  readonly value: string;
  /** With its dashes, without its value. */
  readonly typed: string;
}

/** Options and operands of a command, in the order given. */
export class Options {
  readonly operands: readonly string[];
  readonly #given: readonly GivenOption[];

  constructor(given: readonly GivenOption[], operands: readonly string[]) {
    this.#given = given;
    this.operands = operands;
  }

  has(name: string): boolean {
    return this.#given.some((one) => one.name === name);
  }

  /** The value of the last option of this name. */
  value(name: string): string | undefined {
    return this.#given.findLast((one) => one.name === name)?.value;
  }

  values(name: string): readonly string[] {
    return this.#given.filter((one) => one.name === name).map((one) => one.value);
  }

  /** All options given. */
  entries(): readonly GivenOption[] {
    return this.#given;
  }
}

/** Reads arguments as getopt_long(3) does: options anywhere, `--` ends them, `-abc` are three flags, `-n5` has its value. */
export function parseOptions(args: readonly string[], syntax: OptionSyntax): Options | OptionFault {
  const given: GivenOption[] = [];
  const operands: string[] = [];
  const rest = [...args];
  for (let arg = rest.shift(); arg !== undefined; arg = rest.shift()) {
    if (arg === "--") {
      operands.push(...rest.splice(0));
    } else if (arg.startsWith("--") || (syntax.longDash === 1 && arg.startsWith("-") && arg.length > 2)) {
      const fault = takeLong(arg, rest, syntax, given);
      if (fault !== undefined) return fault;
    } else if (arg.startsWith("-") && arg.length > 1) {
      const fault = takeShort(arg, rest, syntax, given);
      if (fault !== undefined) return fault;
    } else {
      operands.push(arg);
    }
  }
  return new Options(given, operands);
}

function takeLong(arg: string, rest: string[], syntax: OptionSyntax, given: GivenOption[]): OptionFault | undefined {
  const body = arg.replace(/^--?/, "");
  const equals = syntax.equals === false ? -1 : body.indexOf("=");
  const typed = equals < 0 ? body : body.slice(0, equals);
  const name = canonicalName(typed, syntax);
  const kind = kindOf(name, syntax);
  if (kind === undefined || (kind === "flag" && equals >= 0)) return { fault: "unknown", option: arg };
  const value = kind === "flag" ? "" : equals < 0 ? rest.shift() : body.slice(equals + 1);
  if (value === undefined) return { fault: "missing-value", option: arg };
  given.push({ name, value, typed: equals < 0 ? arg : arg.slice(0, arg.indexOf("=")) });
  return undefined;
}

function takeShort(arg: string, rest: string[], syntax: OptionSyntax, given: GivenOption[]): OptionFault | undefined {
  for (let at = 1; at < arg.length; at++) {
    const typed = `-${arg.charAt(at)}`;
    const name = canonicalName(arg.charAt(at), syntax);
    const kind = kindOf(name, syntax);
    if (kind === undefined) return { fault: "unknown", option: typed };
    if (kind === "flag") {
      given.push({ name, value: "", typed });
      continue;
    }
    const value = at + 1 < arg.length ? arg.slice(at + 1) : rest.shift();
    if (value === undefined) return { fault: "missing-value", option: typed };
    given.push({ name, value, typed });
    return undefined;
  }
  return undefined;
}

function canonicalName(typed: string, syntax: OptionSyntax): string {
  const { aliases = {} } = syntax;
  return Object.hasOwn(aliases, typed) ? (aliases[typed] ?? typed) : typed;
}

function kindOf(name: string, syntax: OptionSyntax): "flag" | "value" | undefined {
  return Object.hasOwn(syntax.options, name) ? syntax.options[name] : undefined;
}

/** A whole number from `low` to `high` in decimal digits. */
export function parseWhole(text: string, low: number, high: number): number | undefined {
  if (!/^\d{1,10}$/.test(text)) return undefined;
  const value = Number(text);
  return value >= low && value <= high ? value : undefined;
}

/** A number of seconds, fractions allowed, up to `high`. */
export function parseSeconds(text: string, high: number): number | undefined {
  if (!/^(?:\d{1,9}(?:\.\d{0,9})?|\.\d{1,9})$/.test(text)) return undefined;
  const value = Number(text);
  return value <= high ? value : undefined;
}
