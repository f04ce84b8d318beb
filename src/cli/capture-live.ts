import { setTimeout as sleep } from "node:timers/promises";
import { captureLive as openCaptureOn } from "../tun/index.ts";
import { type CommandIo, ExitCode } from "./io.ts";
import { type LiveFlags, openLive } from "./live-network.ts";
import { describeInjected, PacketInjector } from "./packet-injection.ts";
import { needing } from "./tun-failure.ts";

export interface CaptureLiveFlags extends LiveFlags {
  /** The real interface. */
  readonly interface: string;
  /** Which of its packets, in pcap-filter(7)'s language. */
  readonly match?: string;
}

const LOOK_EVERY_MS = 50;

/** `natscope capture SCENARIO --interface eth0`: packets seen on a real interface are sent, as they come, by a host of the network, until Ctrl-C. */
export async function captureLive(given: string, flags: CaptureLiveFlags, io: CommandIo): Promise<ExitCode> {
  const live = await openLive(given, flags, io);
  const injector = new PacketInjector(live.lab.network, live.host);
  try {
    const capture = await needing("capture", () =>
      openCaptureOn({
        interface: flags.interface,
        filter: flags.match ?? "",
        onPacket: (bytes, link) => live.driver.act(() => injector.inject(bytes, link)),
      }),
    );
    live.begin();
    while (!(await io.isInterrupted())) await sleep(LOOK_EVERY_MS);
    capture.close();
  } finally {
    await live.close();
  }
  io.err(`${describeInjected(injector.counts)}\n`);
  return ExitCode.interrupted;
}
