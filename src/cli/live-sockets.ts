import { chmodSync, lstatSync, mkdirSync, readdirSync } from "node:fs";
import { tmpdir } from "node:os";
import { isAbsolute, join } from "node:path";

/*
 * Where running networks offer their capture points: a Unix domain socket a process, in a folder that nobody else can write to. Root's folder may be
 * looked into, since `sudo natscope up` gives its socket to who called sudo, whose Wireshark is to find it.
 */

const ROOT_FOLDER = "/run/natscope";

/** The folder for this process's socket, made if it is not there. @throws Error when it cannot be had safely. */
export function makeSocketFolder(): string {
  const folder = ownFolder();
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  if (folder === ROOT_FOLDER) chmodSync(folder, 0o755);
  if (!isSafe(folder)) throw new Error(`${folder} is writable for others`);
  return folder;
}

/** The sockets that may lead to a running network, with the process's number in each. */
export function listSockets(): readonly { readonly path: string; readonly pid: number }[] {
  const folders = new Set([ownFolder(), ROOT_FOLDER].filter(isSafe));
  return [...folders].flatMap((folder) =>
    namesIn(folder).flatMap((name) => {
      const pid = /^(\d{1,10})\.sock$/.exec(name)?.[1];
      return pid === undefined ? [] : [{ path: join(folder, name), pid: Number(pid) }];
    }),
  );
}

/** None in a folder that has gone meanwhile, or that only its owner may look into. */
function namesIn(folder: string): readonly string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}

/** XDG_RUNTIME_DIR if it is this user's own, as it is not under `sudo -E`. */
function ownFolder(): string {
  const runtime = process.env.XDG_RUNTIME_DIR ?? "";
  const user = process.getuid?.() ?? 0;
  const isForCaller = user === 0 && process.env.SUDO_UID !== undefined;
  if (!isForCaller && isAbsolute(runtime) && ownerOf(runtime) === user) return join(runtime, "natscope");
  return user === 0 && process.platform === "linux" ? ROOT_FOLDER : join(tmpdir(), `natscope-${user}`);
}

/** A folder, no link, of this user or of root, in which nobody else can put anything. */
function isSafe(folder: string): boolean {
  try {
    const { uid, mode } = lstatSync(folder);
    const isFolder = (mode & 0o170000) === 0o040000;
    return isFolder && (uid === process.getuid?.() || uid === 0) && (mode & 0o022) === 0;
  } catch {
    return false;
  }
}

function ownerOf(folder: string): number | undefined {
  try {
    return lstatSync(folder).uid;
  } catch {
    return undefined;
  }
}
