import { setTimeout as sleep } from "node:timers/promises";
import { ConfigError } from "../scenario/index.ts";
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
import { type CommandIo, ExitCode } from "./io.ts";
import { addressesToTry } from "./live-addresses.ts";
import { type LiveFlags, type LiveNetwork, openLive } from "./live-network.ts";
import { placeBeside } from "./live-place.ts";
import { shadowedRanges } from "./shadowing.ts";
import { needing } from "./tun-failure.ts";

export interface UpFlags extends LiveFlags {
  /** Sets the interface's address and routes; else they are printed. */
  readonly configure?: boolean;
  /** Takes ranges that the machine uses for something else. */
  readonly force?: boolean;
  /** The interface's name. */
  readonly name?: string;
}

const STATUS_EVERY_MS = 500;
const LOOK_EVERY_MS = 50;

/** `natscope up SCENARIO|FILE`: keeps the network running, with this machine's kernel in the client's place, until Ctrl-C. */
export async function up(given: string, flags: UpFlags, io: CommandIo): Promise<ExitCode> {
  const linux = await needing("up", loadLinux);
  const live = await openLive(given, flags, io);
  try {
    await needing("up", () => checkShadowing(live, flags, io));
    const place = await needing("up", () => attach(linux, live, flags));
    announce(live, place, flags, io);
    await runUntilInterrupted(live, io);
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
  const shadowed = shadowedRanges(placeBeside(live, ""));
  if (shadowed.length === 0 || flags.force === true) return;
  const list = shadowed.join(", ");
  if (flags.configure !== true) return io.err(`note: in use on this machine already: ${list}\n`);
  const message = `would take from this machine: ${list}; --force does it all the same, natscope shell never has to`;
  throw new ConfigError([{ file: "--configure", message }]);
}

/** Makes the interface and joins it to the network; with `--configure` gives it its address and routes. */
async function attach(linux: Linux, live: LiveNetwork, flags: UpFlags): Promise<KernelPlace> {
  const { name, port } = await openInterface(linux, live.interface.mtu, flags.name);
  live.attach(port);
  const place = placeBeside(live, name);
  if (flags.configure === true) for (const words of configureCommands(place)) ip(words);
  return place;
}

/** The package tuntap2 names its interface itself. */
async function openInterface(linux: Linux, mtu: number, name: string | undefined): Promise<Tuntap2Interface> {
  const other = name === undefined ? await openTuntap2(mtu) : undefined;
  if (other !== undefined) return other;
  const tap = openTap(linux, freeName(linux, name));
  return { name: tap.name, port: new FramePump(linux, tap.descriptor, mtu) };
}

/** The text goes where the capture does not. */
function announce(live: LiveNetwork, place: KernelPlace, flags: UpFlags, io: CommandIo): void {
  const say = flags.pcap === "-" ? io.err : (text: string) => io.out(text);
  say(`${live.scenario.name} is up: ${place.interface} is ${live.host.name}/${live.interface.name}\n`);
  if (flags.configure !== true) {
    say("Give it its address and routes, as root (or start with --configure):\n");
    for (const words of configureCommands(place)) say(`  ip ${words.join(" ")}\n`);
  } else {
    for (const { to, via } of place.routes) say(`  route ${to}${via === undefined ? "" : ` via ${via}`}\n`);
  }
  const addresses = addressesToTry(live);
  if (addresses.length > 0) say("Try:\n");
  for (const address of addresses) say(`  curl ${address}\n`);
  if (live.offersPoints)
    say("Its capture points are in Wireshark's list of interfaces, once natscope wireshark install was run.\n");
  say("Ctrl-C ends it.\n");
}

async function runUntilInterrupted(live: LiveNetwork, io: CommandIo): Promise<void> {
  let isEnded = false;
  const end = (): void => {
    isEnded = true;
  };
  process.once("SIGTERM", end).once("SIGHUP", end);
  try {
    let shownAt = 0;
    while (!isEnded && !(await io.isInterrupted())) {
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

function describe(live: LiveNetwork): string {
  const { packets, connections, drops } = live.counters;
  return `${packets} packets, ${connections} connections, ${drops} drops`;
}

/** The name that was asked for, or `natscope0`, `natscope1`, … */
function freeName(linux: Linux, asked: string | undefined): string {
  if (asked !== undefined) {
    if (!/^[^\s/]{1,15}$/.test(asked)) {
      throw new ConfigError([{ file: `--name ${asked}`, message: "expected 1 to 15 characters, no blanks" }]);
    }
    // TUNSETIFF would join an interface that is there: it is somebody else's.
    if (linux.interfaceIndex(asked) === 0) return asked;
    throw new ConfigError([{ file: `--name ${asked}`, message: "there is an interface of this name already" }]);
  }
  let number = 0;
  while (linux.interfaceIndex(`natscope${number}`) !== 0) number += 1;
  return `natscope${number}`;
}
