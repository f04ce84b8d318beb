import { readFileSync } from "node:fs";
import { ipv4At } from "../explain/index.ts";
import type { Host } from "../nodes/index.ts";
import { type CapturedPacket, LinkType, readCapture } from "../pcap/index.ts";
import { ConfigError, type Lab, ScenarioRun, suggestion } from "../scenario/index.ts";
import { after, nanoseconds, seconds } from "../sim/index.ts";
import { openCapture } from "./capture-file.ts";
import { describeFileError } from "./file-error.ts";
import { stepNumber } from "./inspect-node.ts";
import { type CommandIo, ExitCode } from "./io.ts";
import type { LiveFlags } from "./live-network.ts";
import { describeInjected, PacketInjector } from "./packet-injection.ts";
import { readScenario } from "./read-scenario.ts";
import { RunWatch } from "./watch-over.ts";

export interface ReplayFlags extends Omit<LiveFlags, "as" | "backend"> {
  /** Who sends the packets. */
  readonly from: string;
  /** One after the other, instead of at the times in the file. */
  readonly fast?: boolean;
}

/** How long the last packets' consequences may take, in virtual time. */
const LONGEST_ECHO = seconds(60);
const EVENTS_BETWEEN_PAUSES = 5000;

/** `natscope replay FILE SCENARIO --from HOST`: sends the packets of a capture file into the network, after its last step, in virtual time. */
export async function replay(file: string, given: string, flags: ReplayFlags, io: CommandIo): Promise<ExitCode> {
  const packets = readPackets(file, io);
  const scenario = readScenario(given, flags.set, io.err);
  const until = flags.at === undefined ? undefined : stepNumber(scenario, flags.at);
  const files = openCapture(scenario, flags, io);
  const watch = new RunWatch(io);
  try {
    const pause = (lab: Lab): Promise<void> => watch.pause(lab);
    const base = { seed: flags.seed, capture: files.options, goesOn: true, pause };
    const run = new ScenarioRun(scenario, { ...base, ...(until !== undefined && { until }) });
    await run.run();
    watch.doing = "replay";
    const injector = new PacketInjector(run.lab.network, findHost(run.lab, flags.from));
    await sendAll(run.lab, injector, flags.fast === true ? withoutTimes(packets) : packets, pause);
    run.lab.network.capture?.finish();
    files.close();
    const say = flags.pcap === "-" ? io.err : (text: string) => io.out(text);
    say(`${describeInjected(injector.counts)}; dropped in the network: ${describeDrops(run.lab)}\n`);
    for (const name of files.files) say(`written: ${name}\n`);
    return ExitCode.ok;
  } finally {
    watch.clear();
    files.close();
  }
}

function readPackets(file: string, io: CommandIo): readonly CapturedPacket[] {
  let bytes: Uint8Array;
  try {
    bytes = readFileSync(file);
  } catch (error) {
    throw new ConfigError([{ file, message: describeFileError(error) }]);
  }
  const { packets, error } = readCapture(bytes);
  if (error !== undefined && packets.length === 0) {
    throw new ConfigError([{ file, message: `not a capture file: ${error.message}` }]);
  }
  if (error !== undefined) io.err(`note: ${file}: only its beginning could be read: ${error.message}\n`);
  return packets;
}

function findHost(lab: Lab, name: string): Host {
  const host = lab.find(name);
  if (host !== undefined) return host;
  const message = `there is no such host${suggestion(name, [...lab.network.hosts.keys()])}`;
  throw new ConfigError([{ file: `--from ${name}`, message }]);
}

function withoutTimes(packets: readonly CapturedPacket[]): CapturedPacket[] {
  return packets.map((packet) => ({ ...packet, time: undefined }));
}

/** At the distances they have in the file; one without a time follows its predecessor at once. */
async function sendAll(
  lab: Lab,
  injector: PacketInjector,
  packets: readonly CapturedPacket[],
  pause: (lab: Lab) => Promise<void>,
): Promise<void> {
  const { simulator } = lab.network;
  const advance = async (done: () => boolean, limit: number): Promise<void> => {
    let isOver = false;
    while (!isOver) {
      let left = EVENTS_BETWEEN_PAUSES;
      isOver = !simulator.runUntil(() => done() || left-- <= 0, nanosecondsAfterStart(limit)) || done();
      await pause(lab);
    }
  };
  const begin = simulator.now();
  const first = packets.find(({ time }) => time !== undefined)?.time ?? 0n;
  for (const packet of packets) {
    const { time } = packet;
    const due = time === undefined ? simulator.now() : after(begin, nanoseconds(Number(time - first)));
    if (due > simulator.now()) {
      await advance(() => false, due);
      simulator.runTo(due);
    }
    inject(packet, injector);
  }
  await advance(() => simulator.inFlight === 0, after(simulator.now(), LONGEST_ECHO));
}

function inject(packet: CapturedPacket, injector: PacketInjector): void {
  const { bytes, interface: from } = packet;
  if (from.linkType === LinkType.ethernet) return injector.inject(bytes, "ethernet");
  const at = ipv4At(packet);
  if (at === undefined) injector.inject(bytes, "other");
  else injector.inject(bytes.subarray(at), "ip");
}

function nanosecondsAfterStart(time: number): ReturnType<typeof after> {
  return after(0 as ReturnType<typeof after>, nanoseconds(time));
}

function describeDrops(lab: Lab): string {
  const reasons = lab.network.drops().map(([reason, count]) => `${count} ${reason}`);
  return reasons.length === 0 ? "none" : reasons.join(", ");
}
