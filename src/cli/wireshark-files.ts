import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { chmodSync, existsSync, mkdirSync, readFileSync, rmdirSync, rmSync, writeFileSync } from "node:fs";
import { homedir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { ConfigError } from "../scenario/index.ts";
import {
  extcapScript,
  PROFILE_NAME,
  profileFiles,
  type WiresharkFolders,
  wiresharkFolders,
} from "../wireshark/index.ts";
import { describeFileError } from "./file-error.ts";

/** A file that `natscope wireshark install` writes. */
export interface OwnFile {
  readonly part: "profile" | "extcap";
  readonly path: string;
  /** With the line that tells later that nobody has changed it. */
  readonly text: string;
}

/** `ours` is as some natscope wrote it, if not as this one would. */
export type OwnFileState = "missing" | "current" | "ours" | "changed";

/** The files and where they belong on this machine. */
export function ownFiles(folders: WiresharkFolders = findFolders()): readonly OwnFile[] {
  const profile = join(folders.configuration, "profiles", PROFILE_NAME);
  const files = profileFiles().map(
    ({ name, text }): OwnFile => ({ part: "profile", path: join(profile, name), text: sealed(text) }),
  );
  if (folders.extcap === undefined) return files;
  const script = extcapScript([process.execPath, resolve(process.argv[1] ?? "natscope")]);
  return [...files, { part: "extcap", path: join(folders.extcap, "natscope"), text: sealed(script) }];
}

/** The programs of Wireshark by name: on the path, else where the installers of macOS and Windows put them. */
export function wiresharkProgram(name: "tshark" | "wireshark"): string {
  const inBundle = `/Applications/Wireshark.app/Contents/MacOS/${name === "tshark" ? name : "Wireshark"}`;
  const onWindows = `C:\\Program Files\\Wireshark\\${name === "tshark" ? name : "Wireshark"}.exe`;
  const place = process.platform === "darwin" ? inBundle : process.platform === "win32" ? onWindows : name;
  return existsSync(place) ? place : name;
}

/** Asks tshark for its folders, if there is one. */
function findFolders(): WiresharkFolders {
  const { stdout } = spawnSync(wiresharkProgram("tshark"), ["-G", "folders"], { encoding: "utf8" });
  const { platform, env } = process;
  return wiresharkFolders({ platform, environment: env, home: homedir(), ...(stdout && { printed: stdout }) });
}

export function stateOf({ path, text }: OwnFile): OwnFileState {
  const found = readOrUndefined(path);
  if (found === undefined) return "missing";
  if (found === text) return "current";
  return isSealed(found) ? "ours" : "changed";
}

/** @throws ConfigError when it cannot be written. */
export function writeOwnFile({ part, path, text }: OwnFile): void {
  try {
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, text);
    if (part === "extcap") chmodSync(path, 0o755);
  } catch (error) {
    throw new ConfigError([{ file: path, message: `cannot be written: ${describeFileError(error)}` }]);
  }
}

/** Takes the file away, and its folder if it was the profile's and is empty then. */
export function removeOwnFile({ part, path }: OwnFile): void {
  remove(path);
  if (part !== "profile") return;
  const folder = dirname(path);
  try {
    rmdirSync(folder);
  } catch {
    // It holds something else.
  }
}

/** Wireshark notes there, for each profile it was used with, what its windows looked like. */
const WINDOW_STATE = "recent";

/** Takes away what Wireshark has put beside a profile. */
export function removeWindowState(files: readonly OwnFile[]): void {
  const profile = files.find(({ part }) => part === "profile");
  if (profile !== undefined) remove(join(dirname(profile.path), WINDOW_STATE));
}

function remove(path: string): void {
  try {
    rmSync(path, { force: true });
  } catch (error) {
    throw new ConfigError([{ file: path, message: `cannot be removed: ${describeFileError(error)}` }]);
  }
}

function readOrUndefined(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return undefined;
    throw new ConfigError([{ file: path, message: describeFileError(error) }]);
  }
}

const SEAL = "# As natscope wrote it: ";

function sealed(text: string): string {
  return `${text}${SEAL}${digest(text)}\n`;
}

function isSealed(text: string): boolean {
  const at = text.lastIndexOf(SEAL);
  return at >= 0 && text === sealed(text.slice(0, at));
}

function digest(text: string): string {
  return createHash("sha256").update(text).digest("hex").slice(0, 16);
}
