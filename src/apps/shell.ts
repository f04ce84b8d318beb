import {
  type CommandLineFault,
  type CommandList,
  isCommandLineFault,
  type ListItem,
  parseCommandLine,
  type SimpleCommand,
  type Step,
} from "./command-line.ts";
import { COMMANDS } from "./commands.ts";
import type { Filter } from "./filter.ts";
import { FILTERS, parseFilter } from "./filters.ts";
import { Process, type Program, type ProgramHost } from "./process.ts";
import { expandWhole, expandWord } from "./shell-words.ts";

/** Most commands one line may run, so that loops end. */
const MOST_STEPS = 10_000;
/** The exit codes that shells use for their own errors: XCU §2.8. */
const EXIT_SYNTAX = 2;
const EXIT_NOT_FOUND = 127;

/**
 * Runs a command on a host: a line as typed into a shell, or the words of one command. What a filter behind `|` is given
 * is the whole output of the command; the exit code is the command's own, not the filter's, and a line's is its last command's.
 */
export function runCommand(host: ProgramHost, command: string | readonly string[]): Process {
  return typeof command === "string" ? runLine(host, command) : runProgram(host, command);
}

/** Runs one program with its arguments. An unknown one ends with 127 and what dash prints. */
export function runProgram(host: ProgramHost, argv: readonly string[], stdin?: Uint8Array): Process {
  const process = new Process(host, argv, stdin);
  const name = argv[0] ?? "";
  const program = programOf(host, name);
  if (program !== undefined) {
    program(process);
  } else {
    const onlyFilters = FILTERS.has(name) ? " (a filter here: it must stand behind a |)" : "";
    process.writeError(`sh: 1: ${name}: not found${onlyFilters}\n`);
    process.exit(EXIT_NOT_FOUND);
  }
  return process;
}

function programOf(host: ProgramHost, name = ""): Program | undefined {
  return host.commands?.get(name) ?? COMMANDS.get(name);
}

function runLine(host: ProgramHost, line: string): Process {
  const process = new Process(host, ["sh", "-c", line]);
  const parsed = parseCommandLine(line);
  if (isCommandLineFault(parsed)) failWith(process, parsed);
  else new Shell(process).run(parsed);
  return process;
}

function failWith(process: Process, fault: CommandLineFault): void {
  process.writeError(`sh: 1: Syntax error at column ${fault.column}: ${fault.fault}\n`);
  process.exit(EXIT_SYNTAX);
}

/** Runs the steps of one line, one after the other, as children of `process`. */
class Shell {
  readonly #process: Process;
  /** The host's, of which a cluster of 10,000 Services has 30,000: copied only when one is set. */
  #variables: ReadonlyMap<string, string>;
  #own: Map<string, string> | undefined;
  #steps = 0;
  #lastCode = 0;

  constructor(process: Process) {
    this.#process = process;
    this.#variables = process.host.environment;
  }

  run(list: CommandList): void {
    this.#runList(list, 0, () => this.#process.exit(this.#lastCode));
  }

  /** Runs the items from `index` on. A loop over what ends at once stays a loop: the stack does not grow with the list. */
  #runList(list: CommandList, index: number, done: () => void): void {
    let at = index;
    for (;;) {
      const item = list[at];
      if (item === undefined) return done();
      at += 1;
      if (!this.#isDue(item)) continue;
      if (this.#steps++ >= MOST_STEPS) return this.#giveUp();
      const next = at;
      if (
        !endsAtOnce(
          (finish) => this.#runStep(item.step, finish),
          () => this.#runList(list, next, done),
        )
      )
        return;
      if (this.#process.isEnding) return;
    }
  }

  #set(name: string, value: string): void {
    this.#own ??= new Map(this.#variables);
    this.#variables = this.#own.set(name, value);
  }

  #isDue(item: ListItem): boolean {
    return item.when === "always" || (item.when === "after-success") === (this.#lastCode === 0);
  }

  #runStep(step: Step, done: () => void): void {
    switch (step.kind) {
      case "assignment":
        this.#set(step.variable, expandWhole(step.value, this.#variables));
        this.#lastCode = 0;
        return done();
      case "for": {
        const items = step.items.flatMap((word) => expandWord(word, this.#variables));
        return this.#runLoop(step.variable, items, step.body, done);
      }
      case "pipeline":
        return this.#runPipeline(step.commands, done);
    }
  }

  #runLoop(variable: string, items: readonly string[], body: CommandList, done: () => void): void {
    for (const [index, item] of items.entries()) {
      this.#set(variable, item);
      const rest = items.slice(index + 1);
      const goOn = (): void => this.#runLoop(variable, rest, body, done);
      if (!endsAtOnce((finish) => this.#runList(body, 0, finish), goOn)) return;
      if (this.#process.isEnding) return;
    }
    done();
  }

  #runPipeline(commands: readonly SimpleCommand[], done: () => void): void {
    const { host } = this.#process;
    const argvs = commands.map((command) => command.words.flatMap((word) => expandWord(word, this.#variables)));
    // `echo text | nc host port`: programs before the first filter feed one another.
    const firstFilter = argvs.findIndex((argv, index) => index > 0 && programOf(host, argv[0]) === undefined);
    const programs = argvs.slice(0, firstFilter < 0 ? argvs.length : firstFilter);
    const filters: Filter[] = [];
    for (const argv of argvs.slice(programs.length)) {
      const filter = parseFilter(argv);
      if ("fault" in filter) return this.#refuse(filter.fault, done);
      filters.push(filter);
    }
    const runs = programs.map((argv, index) => ({ argv, command: commands[index] as SimpleCommand }));
    this.#runPrograms(runs, filters, undefined, done);
  }

  /** Runs the first program and hands its output to the second, and so on; the last one's output goes through the filters. */
  #runPrograms(
    runs: readonly { readonly argv: readonly string[]; readonly command: SimpleCommand }[],
    filters: readonly Filter[],
    stdin: Uint8Array | undefined,
    done: () => void,
  ): void {
    const [run, ...others] = runs;
    if (run === undefined || run.argv.length === 0) return done();
    const host = { ...this.#process.host, environment: this.#variables };
    const child = runProgram(host, run.argv, stdin);
    const forget = this.#process.atExit(() => child.kill());
    child.onExit((code) => {
      forget();
      this.#lastCode = code;
      const output = this.#outputOf(child, run.command);
      if (others.length > 0 && !this.#process.isEnding) return this.#runPrograms(others, filters, output, done);
      this.#process.write(filters.length === 0 ? output : applyAll(filters, output));
      if (!this.#process.isEnding) done();
    });
  }

  /** What a command passes on; what it does not is on the shell's stderr, or nowhere. */
  #outputOf(child: Process, command: SimpleCommand): Uint8Array {
    const error = child.stderr;
    if (command.stderr === "keep") this.#process.writeError(error);
    if (command.discardsStdout) return new Uint8Array(0);
    const output = child.stdoutBytes;
    if (command.stderr !== "to-stdout" || error === "") return output;
    return new TextEncoder().encode(error + child.stdout);
  }

  #refuse(fault: string, done: () => void): void {
    this.#process.writeError(`${fault}\n`);
    this.#lastCode = EXIT_SYNTAX;
    done();
  }

  #giveUp(): void {
    this.#process.writeError(`sh: 1: more than ${MOST_STEPS} commands in one line\n`);
    this.#process.exit(EXIT_SYNTAX);
  }
}

function applyAll(filters: readonly Filter[], output: Uint8Array): string {
  return filters.reduce((text, filter) => filter.apply(text), new TextDecoder().decode(output));
}

/** Starts something. True when it finished during the call; otherwise `later` is called when it does. */
function endsAtOnce(start: (finish: () => void) => void, later: () => void): boolean {
  let starting = true;
  let finished = false;
  start(() => {
    if (starting) finished = true;
    else later();
  });
  starting = false;
  return finished;
}
