import { type ChildProcess, spawn } from "node:child_process";
import { fileURLToPath } from "node:url";
import { receiveDescriptors, socketPair } from "./descriptor-passing.ts";
import { type Linux, TunUnavailable } from "./linux.ts";
import type { NamespaceSetup } from "./namespace-setup.ts";

/** A command that waits in its own network namespace for the emulated network to come up. */
export interface NamespacedCommand {
  readonly process: ChildProcess;
  /** The namespace's interfaces, to be read and written, in the order of the setup. */
  readonly descriptors: readonly number[];
  /** Lets the command begin. */
  begin(): void;
  /** The command's exit code; 128 and the signal's number when one ended it. */
  readonly exited: Promise<{ readonly code: number | null; readonly signal: NodeJS.Signals | null }>;
}

export interface NamespaceOptions {
  readonly setup: NamespaceSetup;
  readonly command: readonly string[];
  readonly environment: NodeJS.ProcessEnv;
}

/**
 * The setup first, which needs the UNIX socket as descriptor 3; then the command in its place, without it. The command is told when the emulator dies:
 * nothing would answer it any more.
 */
const SCRIPT =
  'setup=$1; shift; "$NATSCOPE_NODE" "$NATSCOPE_SETUP" "$setup" || exit 2; exec 3>&-; exec setpriv --pdeathsig HUP -- "$@"';

/** An ordinary user gets the rights over the new namespaces from a user namespace; root has them. */
export function unshareWords(isRoot: boolean): string[] {
  const user = isRoot ? [] : ["--user", "--map-root-user"];
  return ["unshare", ...user, "--net", "--mount", "--uts", "--"];
}

/**
 * Starts `command` in a network, mount and UTS namespace of its own, in which the interfaces of `setup` are the only way out. Node has several threads
 * and cannot enter one itself, so util-linux's unshare does it.
 * @throws TunUnavailable
 */
export async function startInNamespace(linux: Linux, options: NamespaceOptions): Promise<NamespacedCommand> {
  const { ours, theirs } = socketPair(linux);
  const [program = "", ...words] = unshareWords(process.getuid?.() === 0);
  const script = ["sh", "-c", SCRIPT, "natscope", JSON.stringify(options.setup), ...options.command];
  const child = spawn(program, [...words, ...script], {
    stdio: ["inherit", "inherit", "inherit", theirs],
    env: {
      ...options.environment,
      NATSCOPE_NODE: process.execPath,
      NATSCOPE_SETUP: fileURLToPath(new URL("./namespace-setup.js", import.meta.url)),
    },
  });
  linux.close(theirs);
  const exited = watchExit(child);
  try {
    const descriptors = await descriptorsFrom(linux, ours, exited);
    return {
      process: child,
      descriptors,
      exited,
      begin: () => {
        linux.write(ours, new Uint8Array(8), 1);
        linux.close(ours);
      },
    };
  } catch (error) {
    linux.close(ours);
    throw error;
  }
}

function watchExit(child: ChildProcess): NamespacedCommand["exited"] {
  const exited: NamespacedCommand["exited"] = new Promise((resolve, reject) => {
    child.once("error", () => reject(new TunUnavailable("unshare, of util-linux, is not installed")));
    child.once("exit", (code, signal) => resolve({ code, signal }));
  });
  // Looked at later by the caller; a failure before that is told by descriptorsFrom.
  exited.catch(() => {});
  return exited;
}

const LOOK_EVERY_MS = 5;
const POLLIN = 1;

/** Waits for the interfaces' descriptors, or for the setup's failure, which has told why on standard error. */
async function descriptorsFrom(
  linux: Linux,
  socket: number,
  exited: NamespacedCommand["exited"],
): Promise<readonly number[]> {
  let hasExited = false;
  const exit = exited.then(() => {
    hasExited = true;
  });
  const poll = new DataView(new ArrayBuffer(8));
  poll.setInt32(0, socket, true);
  poll.setInt16(4, POLLIN, true);
  while (linux.poll(new Uint8Array(poll.buffer), 1, 0) === 0 && !hasExited) {
    await Promise.race([exit, new Promise((resolve) => setTimeout(resolve, LOOK_EVERY_MS))]);
  }
  const descriptors = hasExited ? [] : receiveDescriptors(linux, socket);
  if (descriptors.length > 0) return descriptors;
  await exited;
  throw new TunUnavailable("the network namespace could not be set up");
}
