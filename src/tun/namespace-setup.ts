import { spawnSync } from "node:child_process";
import { writeFileSync, writeSync } from "node:fs";
import { sendDescriptors } from "./descriptor-passing.ts";
import { ip } from "./ip-command.ts";
import { configureCommands, type KernelPlace, vethCommands } from "./kernel-place.ts";
import { type Linux, loadLinux, TunUnavailable } from "./linux.ts";
import { openPacketSocket } from "./packet-socket.ts";
import { type KernelInterface, openTap } from "./tap-device.ts";

/*
 * Runs inside the new namespaces, before the user's command: makes and configures the interfaces, puts the names in place, hands the interfaces'
 * descriptors to the emulator outside, and ends when the emulator is ready.
 */

/** What is to be set up; the program's only argument, as JSON. */
export interface NamespaceSetup {
  readonly place: KernelPlace;
  /** Kernel parameters of the namespace by their paths, such as `net/ipv4/ip_forward`. */
  readonly sysctls: Readonly<Record<string, number>>;
  readonly hostname: string;
  /** Files to be seen in place of others. */
  readonly files: readonly { readonly from: string; readonly over: string }[];
  readonly way: "tun" | "veth" | "either";
}

/** The UNIX socket to the emulator. */
export const SOCKET_DESCRIPTOR = 3;

async function setUp(setup: NamespaceSetup): Promise<void> {
  const linux = await loadLinux();
  ip(["link", "set", "dev", "lo", "up"]);
  const { interfaces } = setup.place;
  const opened = interfaces.map(({ name }, index) =>
    openInterface(linux, name, { end: `natscope${index}`, way: setup.way }),
  );
  for (const [name, value] of Object.entries(setup.sysctls)) setSysctl(name, value);
  for (const command of configureCommands(setup.place)) ip(command);
  linux.sethostname(setup.hostname, new TextEncoder().encode(setup.hostname).length);
  for (const { from, over } of setup.files) mountOver(from, over);
  const descriptors = opened.map(({ descriptor }) => descriptor);
  sendDescriptors(linux, SOCKET_DESCRIPTOR, descriptors);
  // The emulator answers when the network is there; the end of the socket is its end.
  const answered = linux.read(SOCKET_DESCRIPTOR, new Uint8Array(8), 1);
  if (answered !== 1) throw new TunUnavailable("the emulated network did not come up");
}

/** `end` is the name of what a veth pair has at its other side. */
function openInterface(
  linux: Linux,
  name: string,
  { end, way }: Pick<NamespaceSetup, "way"> & { readonly end: string },
): KernelInterface {
  if (way !== "veth") {
    try {
      return openTap(linux, name);
    } catch (error) {
      if (way === "tun" || !(error instanceof TunUnavailable)) throw error;
    }
  }
  for (const command of vethCommands(name, end)) ip(command);
  return openPacketSocket(linux, end);
}

/** Some containers show /proc/sys to be read only. */
function setSysctl(name: string, value: number): void {
  try {
    writeFileSync(`/proc/sys/${name}`, `${value}\n`);
  } catch {
    writeSync(2, `natscope: ${name} stays as it is, not ${value}: the system does not let it be changed\n`);
  }
}

/** A file that is not there cannot be covered; names then resolve without it, or not. */
function mountOver(from: string, over: string): void {
  const { status } = spawnSync("mount", ["--bind", from, over], { stdio: "ignore" });
  if (status !== 0) writeSync(2, `natscope: ${over} stays as it is: mount refused to cover it\n`);
}

try {
  await setUp(JSON.parse(process.argv[2] ?? "{}") as NamespaceSetup);
} catch (error) {
  writeSync(2, `natscope: ${error instanceof TunUnavailable ? error.message : String(error)}\n`);
  process.exitCode = 1;
}
