import type { Interface } from "../netstack/index.ts";
import type { Host } from "../nodes/index.ts";
import type { CaptureOptions } from "../pcap/index.ts";
import { ConfigError, type Lab, type Scenario, ScenarioRun, suggestion } from "../scenario/index.ts";
import { Attachment, type FramePort, RealTimeDriver } from "../tun/index.ts";
import { installBackends } from "./backend-relay.ts";
import { type CaptureFiles, openCapture } from "./capture-file.ts";
import { describeFileError } from "./file-error.ts";
import { stepNumber } from "./inspect-node.ts";
import type { CommandIo } from "./io.ts";
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

/** How often the capture is written out. */
const FLUSH_EVERY_MS = 100;

/** A scenario's network that goes on, against the wall clock, after its last step; the real kernel is in one host's place. */
export class LiveNetwork {
  readonly scenario: Scenario;
  readonly lab: Lab;
  /** In whose place the kernel is. */
  readonly host: Host;
  readonly interface: Interface;
  readonly driver: RealTimeDriver;
  /** Ends the connections to real servers, which would keep this process alive. */
  endBackends: () => void = () => {};
  readonly #files: CaptureFiles;
  readonly #points: PointServer | undefined;
  readonly #goLive: () => void;
  #attachment: Attachment | undefined;
  #flushing: NodeJS.Timeout | undefined;
  #dropsBefore = 0;

  constructor(built: {
    readonly scenario: Scenario;
    readonly lab: Lab;
    readonly files: CaptureFiles;
    readonly host: Host;
    readonly points: PointServer | undefined;
    readonly goLive: () => void;
  }) {
    this.scenario = built.scenario;
    this.lab = built.lab;
    this.host = built.host;
    this.interface = interfaceOf(built.host);
    this.driver = new RealTimeDriver(built.lab.network.simulator);
    this.#files = built.files;
    this.#points = built.points;
    this.#goLive = built.goLive;
  }

  /** Whether other programs can capture at its points. */
  get offersPoints(): boolean {
    return this.#points !== undefined;
  }

  /** Puts the kernel behind `port` in the host's place, and lets time begin. */
  attach(port: FramePort): void {
    const { simulator } = this.lab.network;
    // The emulated host itself says no more.
    this.interface.up = false;
    this.#attachment = new Attachment({ device: this.interface.device, port, driver: this.driver, simulator });
    this.begin();
  }

  /** Lets time begin, with nobody in the host's place. */
  begin(): void {
    this.#dropsBefore = this.#countDrops();
    this.#goLive();
    this.driver.start();
    this.#flushing = setInterval(() => this.#flush(), FLUSH_EVERY_MS);
  }

  /** What has happened since {@link begin}. */
  get counters(): { readonly packets: number; readonly connections: number; readonly drops: number } {
    const { fromKernel = 0, toKernel = 0, lost = 0, connections = 0 } = this.#attachment?.counters ?? {};
    return { packets: fromKernel + toKernel, connections, drops: this.#countDrops() - this.#dropsBefore + lost };
  }

  /** Takes the kernel's interface away and completes the capture. */
  async close(): Promise<void> {
    clearInterval(this.#flushing);
    this.driver.stop();
    this.endBackends();
    await this.#attachment?.close();
    this.lab.network.capture?.finish();
    await this.#points?.close();
    this.#files.close();
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
  const files = openCapture(scenario, flags, io);
  let isLive = false;
  const watch = new RunWatch(io);
  try {
    const run = new ScenarioRun(scenario, {
      seed: flags.seed,
      ...(flags.pcap !== undefined && { capture: liveOnly(files.options, () => isLive) }),
      startDate: BigInt(Date.now()) * 1_000_000n,
      goesOn: true,
      ...(until !== undefined && { until }),
      onStep: (step) => {
        watch.doing = `step ${step.number}`;
      },
      pause: (lab) => watch.pause(lab),
    });
    await run.run();
    const host = placeOf(run.lab, flags.as);
    noteOtherInterfaces(host, io);
    const goLive = (): void => {
      isLive = true;
    };
    const points = await offerPoints(run.lab, io);
    const live = new LiveNetwork({ scenario, lab: run.lab, files, host, points, goLive });
    live.endBackends = installBackends(live, flags.backend ?? []);
    return live;
  } catch (error) {
    files.close();
    throw error;
  } finally {
    watch.clear();
  }
}

/** Offers the capture points to Wireshark. The network runs without that, too. */
async function offerPoints({ network, scenario }: Lab, io: CommandIo): Promise<PointServer | undefined> {
  if (process.platform === "win32") return undefined;
  try {
    return await PointServer.open(network, scenario.name);
  } catch (error) {
    io.err(`note: the capture points are not in Wireshark's list: ${describeFileError(error)}\n`);
    return undefined;
  }
}

/** What the steps did in virtual time is not in the capture of what is done live. */
function liveOnly(options: CaptureFiles["options"], isLive: () => boolean): Omit<CaptureOptions, "now" | "startDate"> {
  const { filter } = options;
  const accepts: NonNullable<CaptureOptions["filter"]>["accepts"] = (bytes, start, end, point) =>
    isLive() && (filter === undefined || filter.accepts(bytes, start, end, point));
  return { ...options, filter: { text: filter?.text ?? "since a real program was attached", accepts } };
}

/** The host that `--as` names; by itself the client, or who ran the last command. @throws ConfigError */
function placeOf(lab: Lab, named: string | undefined): Host {
  const last = lab.scenario.steps.findLast((step) => step.kind === "run")?.on;
  const first = lab.scenario.machines.find(({ kind }) => kind === "host")?.name;
  const candidates = named === undefined ? ["client", last, first] : [named];
  for (const name of candidates) {
    const host = name === undefined ? undefined : lab.find(name);
    if (host !== undefined) return host;
  }
  const known = [...lab.network.hosts.keys()];
  const file = named === undefined ? lab.scenario.file : `--as ${named}`;
  const message =
    named === undefined
      ? "there is no host whose place a real program could take; name a node or pod with --as"
      : `there is no such host${suggestion(named, known)}`;
  throw new ConfigError([{ file, message }]);
}

/** The kernel gets one interface. Said where it matters: a router's others stay the emulated host's. */
function noteOtherInterfaces(host: Host, io: CommandIo): void {
  const own = interfaceOf(host);
  const others = host.stack.addressing.interfaces
    .filter((each) => each !== own && each !== host.stack.loopback)
    .map(({ name }) => name);
  if (others.length === 0) return;
  io.err(`note: ${own.name} of ${host.name} is the kernel's; ${others.join(", ")} stays with the emulated host\n`);
}

function interfaceOf(host: Host): Interface {
  const { interfaces } = host.stack.addressing;
  const found = interfaces.find((each) => each !== host.stack.loopback && each.addresses.length > 0);
  if (found !== undefined) return found;
  throw new ConfigError([{ file: host.name, message: "it has no interface whose place the kernel could take" }]);
}
