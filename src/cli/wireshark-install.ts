import { type CommandIo, ExitCode } from "./io.ts";
import { type OwnFile, ownFiles, removeOwnFile, removeWindowState, stateOf, writeOwnFile } from "./wireshark-files.ts";

export interface WiresharkInstallFlags {
  /** Takes files that somebody has changed, too. */
  readonly force?: boolean;
}

/** `natscope wireshark install`: writes the profile and the extcap program; what a user has changed stays. */
export function installWireshark(flags: WiresharkInstallFlags, io: CommandIo): ExitCode {
  let kept = 0;
  const files = ownFiles();
  for (const file of files) {
    const state = stateOf(file);
    if (state === "changed" && flags.force !== true) {
      kept += 1;
      io.err(`kept: ${file.path}: it was changed since; --force overwrites it\n`);
      continue;
    }
    if (state !== "current") writeOwnFile(file);
    const done = state === "missing" ? "written" : state === "current" ? "there already" : "written anew";
    io.out(`${done}: ${file.path}\n`);
  }
  if (!files.some(({ part }) => part === "extcap")) io.err("note: no extcap program: natscope up does not run here\n");
  if (kept > 0) return ExitCode.unmet;
  io.out("Use it: wireshark -C natscope FILE, or natscope wireshark open nodeport\n");
  return ExitCode.ok;
}

/** `natscope wireshark uninstall`: takes away what install wrote, unless a user has changed it. */
export function uninstallWireshark(flags: WiresharkInstallFlags, io: CommandIo): ExitCode {
  const files = ownFiles();
  const kept: OwnFile[] = [];
  const isKept = (file: OwnFile): boolean => stateOf(file) === "changed" && flags.force !== true;
  // First, so that the folder is empty once the last file has gone.
  if (!files.some(isKept)) removeWindowState(files);
  for (const file of files) {
    if (stateOf(file) === "missing") continue;
    if (isKept(file)) {
      kept.push(file);
      io.err(`kept: ${file.path}: it was changed since; --force removes it\n`);
      continue;
    }
    removeOwnFile(file);
    io.out(`removed: ${file.path}\n`);
  }
  return kept.length > 0 ? ExitCode.unmet : ExitCode.ok;
}

/** `natscope wireshark profile`: prints what install would write, and where. */
export function printWiresharkProfile(flags: { readonly json?: boolean }, io: CommandIo): ExitCode {
  const files = ownFiles().map((file) => ({ part: file.part, path: file.path, state: stateOf(file), text: file.text }));
  if (flags.json === true) io.out(`${JSON.stringify(files, undefined, 2)}\n`);
  else io.out(files.map(({ path, state, text }) => `==> ${path} (${state}) <==\n${text}`).join("\n"));
  return ExitCode.ok;
}
