/** A running network that offers its capture points. */
export interface LiveRun {
  readonly scenario: string;
  /** The process that runs it. */
  readonly pid: number;
  readonly points: readonly string[];
}

/** One line of Wireshark's list of interfaces. */
export interface OfferedInterface {
  readonly name: string;
  readonly display: string;
  readonly pid: number;
  /** All points of the run when undefined. */
  readonly point: string | undefined;
}

/**
 * The interfaces of all runs: first one for all its points, then one a point. The process's number is in the name only where two runs of one scenario have to
 * be told apart, so that Wireshark knows an interface again the next time.
 */
export function offeredInterfaces(runs: readonly LiveRun[]): readonly OfferedInterface[] {
  const taken = new Set<string>();
  return [...runs]
    .sort((a, b) => a.pid - b.pid)
    .flatMap(({ scenario, pid, points }) => {
      const isAlone = runs.filter((run) => run.scenario === scenario).length === 1;
      const prefix = isAlone ? `natscope-${captureName(scenario)}` : `natscope-${captureName(scenario)}-${pid}`;
      const title = isAlone ? `natscope ${scenario}` : `natscope ${scenario} (process ${pid})`;
      const all = { name: unusedName(prefix, taken), display: `${title}: all capture points`, pid, point: undefined };
      const each = points.map((point) => {
        const name = unusedName(`${prefix}-${captureName(point)}`, taken);
        return { name, display: `${title}: ${point}`, pid, point };
      });
      return [all, ...each];
    });
}

/** A name without what a file's name cannot have: Wireshark makes its pipe's from an interface's. */
export function captureName(text: string): string {
  return text.replaceAll(/[^\w.-]+/g, "-");
}

function unusedName(name: string, taken: Set<string>): string {
  let free = name;
  for (let number = 2; taken.has(free); number += 1) free = `${name}-${number}`;
  taken.add(free);
  return free;
}

/** The answer to `--extcap-interfaces`: extcap(4). */
export function describeInterfaces(interfaces: readonly OfferedInterface[], version: string): string {
  const head = `extcap {version=${version}}{display=natscope}\n`;
  return (
    head + interfaces.map(({ name, display }) => `interface {value=${name}}{display=${plain(display)}}\n`).join("")
  );
}

/** Braces end a value. */
function plain(text: string): string {
  return text.replaceAll(/[{}\r\n]/g, "-");
}

/** The answer to `--extcap-dlts`; the capture itself says a link type for each point. */
export function describeDataLinks(): string {
  return "dlt {number=1}{name=EN10MB}{display=Ethernet}\n";
}

/**
 * The extcap program: starts natscope by the words given. What Wireshark asks once for each interface the script answers itself, as a list of twenty would
 * else take seconds; and where natscope has gone, it offers nothing.
 */
export function extcapScript(words: readonly string[]): string {
  const checks = words.map((word) => `[ -e ${quote(word)} ]`).join(" && ");
  return `#!/bin/sh
# natscope's capture points in Wireshark: see extcap(4). Written by natscope wireshark install.
case " $* " in
  *" --extcap-dlts "*) echo '${describeDataLinks().trimEnd()}'; exit ;;
  *" --extcap-config "*) exit ;;
esac
${checks} || exit 0
exec ${words.map(quote).join(" ")} extcap "$@"
`;
}

function quote(word: string): string {
  return `'${word.replaceAll("'", "'\\''")}'`;
}
