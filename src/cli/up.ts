import { setTimeout as sleep } from "node:timers/promises";
import { ConfigError, listed } from "../scenario/index.ts";
import {
  configureCommands,
  FramePump,
  ip,
  type KernelPlace,
  type Linux,
  loadLinux,
  openTap,
  openTuntap2,
  type Tuntap2Interface,
} from "../tun/index.ts";
import { counted } from "./counted.ts";
import { type CommandIo, ExitCode } from "./io.ts";
import { addressesToTry } from "./live-addresses.ts";
import { noteWhatStays } from "./live-host.ts";
import { type LiveFlags, type LiveNetwork, openLive } from "./live-network.ts";
import { placeBeside } from "./live-place.ts";
import { shadowedRanges } from "./shadowing.ts";
import { needing } from "./tun-failure.ts";

export interface UpFlags extends LiveFlags {
  /** Sets the interface's address and routes; else they are printed. */
  readonly configure?: boolean;
  /** Takes ranges that the machine uses for something else. */
  readonly force?: boolean;
  /** The interface's name, or the beginning of the names of several. */
  readonly name?: string;
}

const STATUS_EVERY_MS = 500;
const LOOK_EVERY_MS = 50;

/** `natscope up SCENARIO|FILE`: keeps the network running, with this machine's kernel in the client's place, until Ctrl-C. */
export async function up(given: string, flags: UpFlags, io: CommandIo): Promise<ExitCode> {
  const linux = await needing("up", loadLinux);
  const live = await openLive(given, flags, io);
  try {
    noteWhatStays(live.host, live.interfaces, io);
    await needing("up", () => checkShadowing(live, flags, io));
    const place = await needing("up", () => attach(linux, live, flags));
    announce(live, place, flags, io);
    await runUntilInterrupted(live, flags, io);
  } finally {
    await live.close();
  }
  io.err(
    `${describe(live)}; ${flags.pcap === undefined || flags.pcap === "-" ? "" : `written: ${flags.pcap}; `}ended\n`,
  );
  return ExitCode.interrupted;
}

/** @throws ConfigError when routes would be set that take addresses from the machine, and nobody has said that they may. */
function checkShadowing(live: LiveNetwork, flags: UpFlags, io: CommandIo): void {
  const shadowed = shadowedRanges(placeBeside(live, []));
  if (shadowed.length === 0 || flags.force === true) return;
  const list = shadowed.join(", ");
  if (flags.configure !== true) return io.err(`note: in use on this machine already: ${list}\n`);
  const message = `would take from this machine: ${list}; --force does it all the same, natscope shell never has to`;
  throw new ConfigError([{ file: "--configure", message }]);
}

/** Makes the interfaces and joins them to the network; with `--configure` gives them their addresses and routes. */
async function attach(linux: Linux, live: LiveNetwork, flags: UpFlags): Promise<KernelPlace> {
  const opened = await openInterfaces(linux, live, flags.name);
  const place = placeBeside(
    live,
    opened.map(({ name }) => name),
  );
  live.attach(opened.map(({ port }) => port));
  if (flags.configure === true) for (const words of configureCommands(place)) ip(words);
  return place;
}

/** All of them or none. */
async function openInterfaces(linux: Linux, live: LiveNetwork, asked: string | undefined): Promise<Tuntap2Interface[]> {
  const names = asked === undefined ? [] : askedNames(linux, asked, live.interfaces.length);
  const opened: Tuntap2Interface[] = [];
  try {
    for (const [index, { mtu }] of live.interfaces.entries())
      opened.push(await openInterface(linux, mtu, names[index]));
    return opened;
  } catch (error) {
    await Promise.all(opened.map(({ port }) => port.close()));
    throw error;
  }
}

/** The package tuntap2 names its interface itself. */
async function openInterface(linux: Linux, mtu: number, name: string | undefined): Promise<Tuntap2Interface> {
  const other = name === undefined ? await openTuntap2(mtu) : undefined;
  if (other !== undefined) return other;
  const tap = openTap(linux, name ?? freeName(linux));
  return { name: tap.name, port: new FramePump(linux, tap.descriptor, mtu) };
}

/** The text goes where the capture does not. */
function announce(live: LiveNetwork, place: KernelPlace, flags: UpFlags, io: CommandIo): void {
  const say = flags.pcap === "-" ? io.err : (text: string) => io.out(text);
  const names = place.interfaces.map(({ name }) => name);
  const whose = names.map((name, index) => `${name} is ${live.host.name}/${live.interfaces[index]?.name}`);
  say(`${live.scenario.name} is up: ${listed(whose)}\n`);
  if (flags.configure !== true) {
    const what = names.length === 1 ? "it its address" : "them their addresses";
    say(`Give ${what} and routes, as root (or start with --configure):\n`);
    for (const words of configureCommands(place)) say(`  ip ${words.join(" ")}\n`);
  } else {
    for (const { to, via, by } of place.routes)
      say(`  route ${to}${via === undefined ? "" : ` via ${via}`} dev ${by}\n`);
  }
  if (live.host.stack.host.sysctls.forwarding) {
    const settings = names.map((name) => `net.ipv4.conf.${name}.forwarding=1`).join(" ");
    say(`${live.host.name} forwards; for the kernel to do so, as root: sysctl -w ${settings}\n`);
  }
  const addresses = addressesToTry(live);
  if (addresses.length > 0) say("Try:\n");
  for (const address of addresses) say(`  curl ${address}\n`);
  if (live.offersPoints)
    say("Its capture points are in Wireshark's list of interfaces, once natscope wireshark install was run.\n");
  say("Ctrl-C ends it.\n");
}

/** Until Ctrl-C, or until whoever reads the capture from standard output has enough. */
async function runUntilInterrupted(live: LiveNetwork, flags: UpFlags, io: CommandIo): Promise<void> {
  let isEnded = false;
  const end = (): void => {
    isEnded = true;
  };
  process.once("SIGTERM", end).once("SIGHUP", end);
  try {
    let shownAt = 0;
    const isLeft = (): boolean => flags.pcap === "-" && live.captureIsLeft;
    while (!isEnded && !isLeft() && !(await io.isInterrupted())) {
      if (io.showsProgress && io.now() - shownAt >= STATUS_EVERY_MS) {
        shownAt = io.now();
        io.err(`\r\x1b[K${describe(live)}`);
      }
      await sleep(LOOK_EVERY_MS);
    }
  } finally {
    process.off("SIGTERM", end).off("SIGHUP", end);
    if (io.showsProgress) io.err("\r\x1b[K");
  }
}

function describe({ counters }: LiveNetwork): string {
  const { packets, connections, drops, missed } = counters;
  const parts = [counted(packets, "packet"), counted(connections, "connection"), counted(drops, "drop")];
  return [...parts, ...(missed === 0 ? [] : [`${missed} not in the capture`])].join(", ");
}

/** The name that was asked for; of several interfaces each gets a number behind it. @throws ConfigError */
function askedNames(linux: Linux, asked: string, count: number): string[] {
  const names = count === 1 ? [asked] : Array.from({ length: count }, (_, index) => `${asked}${index}`);
  const refuse = (message: string): never => {
    throw new ConfigError([{ file: `--name ${asked}`, message }]);
  };
  for (const name of names) {
    if (!/^[^\s/]{1,15}$/.test(name)) {
      const numbered = count === 1 ? "" : ", a number behind it among them";
      return refuse(`expected 1 to 15 characters${numbered}, no blanks`);
    }
    // TUNSETIFF would join an interface that is there: it is somebody else's.
    if (linux.interfaceIndex(name) !== 0) return refuse(`there is an interface ${name} already`);
  }
  return names;
}

/** `natscope0`, `natscope1`, … */
function freeName(linux: Linux): string {
  let number = 0;
  while (linux.interfaceIndex(`natscope${number}`) !== 0) number += 1;
  return `natscope${number}`;
}
