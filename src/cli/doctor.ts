import { spawnSync } from "node:child_process";
import { closeSync, openSync, readFileSync } from "node:fs";
import { loadLinux, TunUnavailable, unshareWords } from "../tun/index.ts";
import { describeFileError } from "./file-error.ts";
import { type CommandIo, ExitCode } from "./io.ts";
import { type OwnFile, ownFiles, stateOf, wiresharkProgram } from "./wireshark-files.ts";

/** One thing that some command needs. */
interface Finding {
  readonly what: string;
  /** How it is. */
  readonly state: string;
  readonly isThere: boolean;
  /** What to do about it. */
  readonly remedy?: string;
}

/** `natscope doctor`: what of this machine natscope can use, and how to get the rest. Changes nothing. */
export async function doctor(flags: { readonly json?: boolean }, io: CommandIo): Promise<ExitCode> {
  const findings = [
    await findKoffi(),
    findTunDevice(),
    findProgram("ip", ["-V"], "natscope up and shell", "apt-get install iproute2"),
    findProgram("setpriv", ["--version"], "natscope shell", "apt-get install util-linux"),
    findNamespaces(),
    findProgram("tshark", ["--version"], "looking at captures in a terminal", "apt-get install tshark"),
    findProgram("wireshark", ["--version"], "natscope wireshark open", "apt-get install wireshark"),
    findInstalled("profile", "Wireshark profile", "wireshark -C natscope FILE"),
    findInstalled("extcap", "Wireshark extcap", "the capture points of natscope up in Wireshark's list of interfaces"),
    await findPackage("cap", "natscope capture", "apt-get install libpcap-dev, then npm install cap"),
  ];
  if (flags.json === true) io.out(`${JSON.stringify(findings, undefined, 2)}\n`);
  else for (const finding of findings) io.out(describeFinding(finding));
  return ExitCode.ok;
}

function describeFinding({ what, state, isThere, remedy }: Finding): string {
  const line = `${isThere ? "yes" : "no "}  ${what.padEnd(WIDTH)}${state}\n`;
  return isThere || remedy === undefined ? line : `${line}${" ".repeat(WIDTH + 5)}${remedy}\n`;
}

const WIDTH = 20;

async function findKoffi(): Promise<Finding> {
  const what = "system calls";
  try {
    await loadLinux();
    return { what, state: "by koffi", isThere: true };
  } catch (error) {
    if (!(error instanceof TunUnavailable)) throw error;
    return { what, state: error.message, isThere: false };
  }
}

/** Opening it makes no interface yet: that takes a right over this machine's network, which in a namespace of his own everybody has. */
function findTunDevice(): Finding {
  const what = "/dev/net/tun";
  const remedy = "natscope up needs it: run as root; natscope shell does without";
  try {
    closeSync(openSync(what, "r+"));
  } catch (error) {
    return { what, state: describeFileError(error), isThere: false, remedy };
  }
  if (mayConfigureNetwork()) return { what, state: "for natscope up", isThere: true };
  return { what, state: "can be opened, but interfaces can only be made by root", isThere: false, remedy };
}

/** CAP_NET_ADMIN, capabilities(7). */
function mayConfigureNetwork(): boolean {
  const effective = /^CapEff:\s*([0-9a-f]+)$/m.exec(readFileSync("/proc/self/status", "utf8"))?.[1] ?? "0";
  return (BigInt(`0x${effective}`) & (1n << 12n)) !== 0n;
}

/** Tried as `natscope shell` makes them, with the veth pair that it takes where /dev/net/tun is not to be had. */
function findNamespaces(): Finding {
  const what = "network namespaces";
  const inside = "ip link add name natscope0 type veth peer name natscope1 && mount --bind /etc/hosts /etc/hosts";
  const [program = "", ...words] = [...unshareWords(process.getuid?.() === 0), "sh", "-c", inside];
  const { status, stderr, error } = spawnSync(program, words, { encoding: "utf8" });
  if (status === 0) return { what, state: "can be made, for natscope shell", isThere: true };
  if (error !== undefined) {
    return { what, state: "unshare is not installed", isThere: false, remedy: "apt-get install util-linux" };
  }
  const remedy = stderr.startsWith("unshare:")
    ? "natscope shell needs them; where an administrator has forbidden them to users (sysctl user.max_user_namespaces, " +
      "user.max_net_namespaces, kernel.unprivileged_userns_clone, kernel.apparmor_restrict_unprivileged_userns), run it as root"
    : "natscope shell needs them, a veth pair in them (modprobe veth) and the right to mount; in a container, run it with --privileged";
  return { what, state: stderr.trim().replaceAll("\n", "; "), isThere: false, remedy };
}

function findProgram(program: string, words: readonly string[], use: string, remedy: string): Finding {
  const { error } = spawnSync(
    program === "tshark" || program === "wireshark" ? wiresharkProgram(program) : program,
    words,
    { stdio: "ignore" },
  );
  if (error === undefined) return { what: program, state: `for ${use}`, isThere: true };
  return { what: program, state: "not installed", isThere: false, remedy: `for ${use}: ${remedy}` };
}

/** What `natscope wireshark install` writes. */
function findInstalled(part: OwnFile["part"], what: string, use: string): Finding {
  const files = ownFiles().filter((file) => file.part === part);
  const states = files.map(stateOf);
  const remedy = `for ${use}: natscope wireshark install`;
  if (files.length === 0) return { what, state: "not on this system", isThere: false };
  if (states.includes("missing")) return { what, state: "not installed", isThere: false, remedy };
  if (states.includes("ours")) return { what, state: "of another version", isThere: false, remedy };
  return { what, state: `for ${use}${states.includes("changed") ? ", changed since" : ""}`, isThere: true };
}

async function findPackage(name: string, use: string, remedy: string): Promise<Finding> {
  try {
    await import(name);
    return { what: name, state: `for ${use}`, isThere: true };
  } catch {
    return { what: name, state: "not installed", isThere: false, remedy: `for ${use}: ${remedy}` };
  }
}
