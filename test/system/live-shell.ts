import { spawn, spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { resolve } from "node:path";

/** The command line under test: the built one, unless told otherwise. */
export const MAIN: string = process.env.NATSCOPE_MAIN ?? resolve(import.meta.dirname, "../../dist/bin/natscope.js");
export const natscope: readonly string[] = [process.execPath, MAIN];
export const isRoot: boolean = process.getuid?.() === 0;
/** What makes an ordinary user of the tests' user, where that is root. */
export const asUser: readonly string[] = isRoot ? ["runuser", "-u", "nobody", "--"] : [];

/** What `natscope shell` needs and these programs, as far as they are not there. Fails at once in continuous integration. */
export function missingFor(file: string, programs: readonly string[]): string[] {
  const missing = [
    ...["unshare", "ip", "setpriv", ...programs].filter(
      (program) => spawnSync(program, ["--version"]).error !== undefined,
    ),
    ...(existsSync(MAIN) ? [] : ["dist (npm run build)"]),
    ...(spawnSync("unshare", ["--user", "--map-root-user", "--net", "--mount", "true"]).status === 0
      ? []
      : ["user namespaces"]),
  ];
  if (missing.length > 0) {
    const message = `missing: ${missing.join(", ")}`;
    if (process.env.CI) throw new Error(message);
    console.warn(`${file} is skipped: ${message}`);
  }
  return missing;
}

/** What a program has left when it ended. */
export interface Ended {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs a program to its end without blocking: a server may have to answer it. */
export function run(words: readonly string[]): Promise<Ended> {
  const [program = "", ...rest] = words;
  const child = spawn(program, rest, { stdio: ["ignore", "pipe", "pipe"] });
  let stdout = "";
  let stderr = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => (stdout += text));
  child.stderr.setEncoding("utf8").on("data", (text: string) => (stderr += text));
  return new Promise((done) => child.once("close", (code) => done({ code, stdout, stderr })));
}
