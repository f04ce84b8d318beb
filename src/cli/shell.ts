import { mkdtempSync, realpathSync, rmSync, writeFileSync } from "node:fs";
import { constants, tmpdir } from "node:os";
import { join } from "node:path";
import { dnsServer, formatResolverConfig } from "../apps/index.ts";
import { formatIpv4 } from "../netstack/index.ts";
import { ConfigError, stepVariables } from "../scenario/index.ts";
import {
  FramePump,
  type Linux,
  loadLinux,
  type NamespacedCommand,
  type NamespaceSetup,
  startInNamespace,
} from "../tun/index.ts";
import type { CommandIo } from "./io.ts";
import { noteWhatStays } from "./live-host.ts";
import { answerFrom, formatHostsFile, liveNames } from "./live-names.ts";
import { type LiveFlags, type LiveNetwork, openLive } from "./live-network.ts";
import { neighbourOf, sysctlsOf, wholePlace } from "./live-place.ts";
import { needing } from "./tun-failure.ts";

export interface ShellFlags extends LiveFlags {
  /** How the namespace is reached: by /dev/net/tun, by a veth pair, or by what works. */
  readonly way?: NamespaceSetup["way"];
}

/** `natscope shell SCENARIO|FILE [-- CMD]`: a shell, or a command, in the client's place. Returns its exit code. */
export async function shell(
  given: string,
  words: readonly string[],
  flags: ShellFlags,
  io: CommandIo,
): Promise<number> {
  if (flags.pcap === "-") {
    const message = "standard output is the command's; expected a file's name";
    throw new ConfigError([{ file: "--pcap -", message }]);
  }
  const linux = await needing("shell", loadLinux);
  const live = await openLive(given, flags, io);
  try {
    noteWhatStays(live.host, live.interfaces, io);
    const command = await needing("shell", () => start(linux, live, words, flags.way ?? "either"));
    live.attach(
      live.interfaces.flatMap(({ mtu }, index) => {
        const descriptor = command.descriptors[index];
        return descriptor === undefined ? [] : [new FramePump(linux, descriptor, mtu)];
      }),
    );
    return await runToEnd(command);
  } finally {
    await live.close();
  }
}

/** The files with the names are gone again before the command begins: mounted, they need no name, and no way of ending leaves them behind. */
async function start(
  linux: Linux,
  live: LiveNetwork,
  words: readonly string[],
  way: NamespaceSetup["way"],
): Promise<NamespacedCommand> {
  const directory = mkdtempSync(join(tmpdir(), "natscope-shell-"));
  try {
    const command = words.length > 0 ? words : [process.env.SHELL || "/bin/sh"];
    const names = { hostname: live.host.name, files: coverNames(live, directory) };
    const setup = { place: wholePlace(live), sysctls: sysctlsOf(live), ...names, way };
    const environment = { ...process.env, ...Object.fromEntries(stepVariables(live.lab.clusters.values())) };
    return await startInNamespace(linux, { setup, command, environment });
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

/** The files by which programs find names: the network's own, and a DNS server. */
function coverNames(live: LiveNetwork, directory: string): { from: string; over: string }[] {
  const names = liveNames(live);
  const write = (name: string, text: string): string => {
    const file = join(directory, name);
    writeFileSync(file, text, { mode: 0o644 });
    return file;
  };
  const files = [{ from: write("hosts", formatHostsFile(names)), over: "/etc/hosts" }];
  return [...files, { from: write("resolv.conf", resolverFile(live)), over: realPath("/etc/resolv.conf") }];
}

/** The host's own, if it asks a DNS server of the scenario's, as pods do. */
function resolverFile(live: LiveNetwork): string {
  const { config } = live.host.resolver;
  if (config.nameservers.length > 0) return formatResolverConfig(config);
  const server = serveNames(live);
  return server === undefined ? "" : `nameserver ${server}\n`;
}

/** Has the gateway, or another machine next to the host, answer DNS; the address of whoever does. */
function serveNames(live: LiveNetwork): string | undefined {
  const neighbour = neighbourOf(live);
  if (neighbour === undefined) return undefined;
  try {
    dnsServer(neighbour.host, { answer: answerFrom(liveNames(live)) });
  } catch (error) {
    // The scenario has a DNS server there already.
    if (!(error instanceof RangeError)) throw error;
  }
  return formatIpv4(neighbour.address);
}

/** mount(8) covers a link's target, not the link. */
function realPath(file: string): string {
  try {
    return realpathSync(file);
  } catch {
    return file;
  }
}

/** Lets the command run; signals are its own business, the end of this process's terminal is passed on. */
async function runToEnd(command: NamespacedCommand): Promise<number> {
  const ignore = (): void => {};
  const pass = (signal: NodeJS.Signals): void => void command.process.kill(signal);
  process.on("SIGINT", ignore).on("SIGQUIT", ignore).on("SIGTERM", pass).on("SIGHUP", pass);
  try {
    command.begin();
    const { code, signal } = await command.exited;
    return code ?? 128 + (signal === null ? 0 : constants.signals[signal]);
  } finally {
    process.off("SIGINT", ignore).off("SIGQUIT", ignore).off("SIGTERM", pass).off("SIGHUP", pass);
  }
}
