import type { Interface } from "../netstack/index.ts";
import type { Host } from "../nodes/index.ts";
import type { CaptureOptions } from "../pcap/index.ts";
import { type Lab, type Scenario, ScenarioRun } from "../scenario/index.ts";
import { Attachment, type FramePort, RealTimeDriver } from "../tun/index.ts";
import { installBackends } from "./backend-relay.ts";
import { describeFileError } from "./file-error.ts";
import { stepNumber } from "./inspect-node.ts";
import type { CommandIo } from "./io.ts";
import { LiveCaptureFile } from "./live-capture-file.ts";
import { hostToReplace, interfacesToReplace } from "./live-host.ts";
import { PointServer } from "./point-server.ts";
import { readScenario } from "./read-scenario.ts";
import { RunWatch } from "./watch-over.ts";

/** The options of commands that keep a scenario running. */
export interface LiveFlags {
  readonly seed: number;
  readonly set?: readonly string[];
  /** The last step that is done before the network goes live. */
  readonly at?: string;
  /** Whose place the real kernel takes. */
  readonly as?: string;
  readonly pcap?: string;
  readonly only?: readonly string[];
  readonly filter?: string;
  /** Real servers in the place of pods': `POD[:PORT]=ADDRESS:PORT`. */
  readonly backend?: readonly string[];
}

/** What has happened since a network went live. */
export interface LiveCounters {
  readonly packets: number;
  readonly connections: number;
  readonly drops: number;
  /** Packets that the capture lacks. */
  readonly missed: number;
}

/** How often the capture is written out. */
const FLUSH_EVERY_MS = 100;

/** A scenario's network that goes on, against the wall clock, after its last step; the real kernel is in one host's place. */
export class LiveNetwork {
  readonly scenario: Scenario;
  readonly lab: Lab;
  /** In whose place the kernel is. */
  readonly host: Host;
  /** Of which the kernel gets one each. */
  readonly interfaces: readonly Interface[];
  readonly driver: RealTimeDriver;
  /** Ends the connections to real servers, which would keep this process alive. */
  endBackends: () => void = () => {};
  readonly #file: LiveCaptureFile;
  readonly #goLive: () => void;
  readonly #io: CommandIo;
  #points: PointServer | undefined;
  #attachment: Attachment | undefined;
  #flushing: NodeJS.Timeout | undefined;
  #dropsBefore = 0;

  constructor(built: {
    readonly scenario: Scenario;
    readonly lab: Lab;
    readonly file: LiveCaptureFile;
    readonly host: Host;
    readonly goLive: () => void;
    readonly io: CommandIo;
  }) {
    this.scenario = built.scenario;
    this.lab = built.lab;
    this.host = built.host;
    this.interfaces = interfacesToReplace(built.host, built.lab);
    this.driver = new RealTimeDriver(built.lab.network.simulator);
    this.#file = built.file;
    this.#goLive = built.goLive;
    this.#io = built.io;
  }

  /** Offers the capture points to Wireshark. The network runs without that, too. */
  async offerPoints(): Promise<void> {
    if (process.platform === "win32") return;
    try {
      this.#points = await PointServer.open(this.lab.network, this.scenario.name);
    } catch (error) {
      this.#io.err(`note: the capture points are not in Wireshark's list: ${describeFileError(error)}\n`);
    }
  }

  /** Whether other programs can capture at its points. */
  get offersPoints(): boolean {
    return this.#points !== undefined;
  }

  /** Puts the kernel in the host's place, with a port for each of {@link interfaces}, and lets time begin. */
  attach(ports: readonly FramePort[]): void {
    const { simulator } = this.lab.network;
    const interfaces = ports.flatMap((port, index) => {
      const own = this.interfaces[index];
      if (own === undefined) return [];
      // The emulated host itself says no more.
      own.up = false;
      return [{ device: own.device, port }];
    });
    this.#attachment = new Attachment({ interfaces, driver: this.driver, simulator });
    this.begin();
  }

  /** Lets time begin, with nobody in the host's place. */
  begin(): void {
    this.#dropsBefore = this.#countDrops();
    this.#goLive();
    this.lab.network.shortenCables();
    this.driver.start();
    this.#flushing = setInterval(() => this.#flush(), FLUSH_EVERY_MS);
  }

  /** What has happened since {@link begin}. */
  get counters(): LiveCounters {
    const { fromKernel = 0, toKernel = 0, lost = 0, connections = 0 } = this.#attachment?.counters ?? {};
    const drops = this.#countDrops() - this.#dropsBefore + lost;
    return {
      packets: fromKernel + toKernel,
      connections,
      drops,
      missed: this.lab.network.capture?.counters.missed ?? 0,
    };
  }

  /** Whether whoever read the capture has closed the pipe. */
  get captureIsLeft(): boolean {
    return this.#file.isLeft;
  }

  /** Takes the kernel's interfaces away and completes the capture. */
  async close(): Promise<void> {
    clearInterval(this.#flushing);
    this.driver.stop();
    this.endBackends();
    await this.#attachment?.close();
    this.lab.network.capture?.finish();
    await this.#points?.close();
    await this.#file.close(this.counters.missed, this.#io);
  }

  #flush(): void {
    this.driver.act(() => {
      this.lab.network.capture?.flush();
      this.#points?.flush();
    });
  }

  #countDrops(): number {
    return this.lab.network.drops().reduce((sum, [reason, count]) => (reason === "other-host" ? sum : sum + count), 0);
  }
}

/** Reads a scenario and does its steps in virtual time; the network then stands, and waits to be attached. */
export async function openLive(given: string, flags: LiveFlags, io: CommandIo): Promise<LiveNetwork> {
  const scenario = readScenario(given, flags.set, io.err);
  const until = flags.at === undefined ? undefined : stepNumber(scenario, flags.at);
  const file = new LiveCaptureFile(scenario, flags);
  let isLive = false;
  const watch = new RunWatch(io);
  try {
    const run = new ScenarioRun(scenario, {
      seed: flags.seed,
      ...(flags.pcap !== undefined && { capture: liveOnly(file.options, () => isLive) }),
      startDate: BigInt(Date.now()) * 1_000_000n,
      goesOn: true,
      ...(until !== undefined && { until }),
      onStep: (step) => {
        watch.doing = `step ${step.number}`;
      },
      pause: (lab) => watch.pause(lab),
    });
    await run.run();
    for (const pattern of run.lab.network.capture?.unusedPatterns ?? [])
      io.err(`note: --only ${pattern}: there is no such capture point\n`);
    const host = hostToReplace(run.lab, flags.as);
    const goLive = (): void => {
      isLive = true;
    };
    const live = new LiveNetwork({ scenario, lab: run.lab, file, host, goLive, io });
    live.endBackends = installBackends(live, flags.backend ?? []);
    await live.offerPoints();
    return live;
  } catch (error) {
    await file.close(0, io);
    throw error;
  } finally {
    watch.clear();
  }
}

/** What the steps did in virtual time is not in the capture of what is done live. */
function liveOnly(options: LiveCaptureFile["options"], isLive: () => boolean): LiveCaptureFile["options"] {
  const { filter } = options;
  const accepts: NonNullable<CaptureOptions["filter"]>["accepts"] = (bytes, start, end, point) =>
    isLive() && (filter === undefined || filter.accepts(bytes, start, end, point));
  return { ...options, filter: { text: filter?.text ?? "since a real program was attached", accepts } };
}
