import {
  type HostsEntry,
  type ProgramHost,
  type ResolverConfig,
  runCommand,
  StubResolver,
} from "../../src/apps/index.ts";
import { address, EventStream, mac, Stack } from "../../src/netstack/index.ts";
import { type Impairments, Link, ms, nanoseconds, Simulator, seconds, type Time } from "../../src/sim/index.ts";

export interface TwoHostsOptions {
  readonly link?: Partial<Impairments>;
  readonly mtu?: number;
  readonly environment?: Readonly<Record<string, string>>;
  readonly hosts?: readonly HostsEntry[];
  readonly resolver?: Partial<ResolverConfig>;
}

/** What a command printed and how it ended. */
export interface Outcome {
  readonly exitCode: number | undefined;
  readonly stdout: string;
  readonly stderr: string;
}

/** `client` 10.0.0.1 and `server` 10.0.0.2 on one wire of 5 ms; the client's default route is through the server. */
export class TwoHosts {
  readonly simulator: Simulator = new Simulator({ seed: 1 });
  readonly link: Link;
  readonly client: ProgramHost;
  readonly server: ProgramHost;

  constructor(options: TwoHostsOptions = {}) {
    const { simulator } = this;
    const clean = { delay: ms(5), jitter: nanoseconds(0), ...options.link };
    const mtu = options.mtu ?? 1500;
    const wire = { queue: simulator, frames: simulator.frames, random: simulator.random.fork("wire"), mtu };
    this.link = new Link({ ...wire, aToB: clean, bToA: clean });
    this.client = this.#host("client", { device: this.link.a, own: "10.0.0.1", mac: 0x020000000001, options });
    this.server = this.#host("server", { device: this.link.b, own: "10.0.0.2", mac: 0x020000000002, options });
    const out = this.client.stack.interface("eth0")!;
    this.client.stack.addressing.routes.add({
      destination: { network: address("0.0.0.0"), prefixLength: 0 },
      out,
      via: address("10.0.0.2"),
    });
  }

  /** Runs a command on the client until it ends, for at most `limit` of virtual time. */
  run(command: string | readonly string[], limit = 600): Outcome {
    const process = runCommand(this.client, command);
    this.simulator.runUntil(() => process.exitCode !== undefined, (this.simulator.now() + seconds(limit)) as Time);
    const { exitCode, stdout, stderr } = process;
    return { exitCode, stdout, stderr };
  }

  /** Lets time pass. */
  wait(length: number): void {
    this.simulator.runTo((this.simulator.now() + seconds(length)) as Time);
  }

  #host(name: string, place: { device: Link["a"]; own: string; mac: number; options: TwoHostsOptions }): ProgramHost {
    const { simulator } = this;
    const random = simulator.random.fork(name);
    const stack = new Stack({
      name,
      clock: simulator,
      queue: simulator,
      random,
      frames: simulator.frames,
      events: new EventStream(),
    });
    const addresses = [{ address: address(place.own), prefixLength: 24 }];
    stack.addInterface({ name: "eth0", device: place.device, mac: mac(place.mac), addresses });
    const { hosts = [], resolver = {}, environment = {} } = place.options;
    return {
      name,
      stack,
      resolver: new StubResolver(stack, { hosts, config: resolver }),
      environment: new Map(Object.entries(environment)),
    };
  }
}
