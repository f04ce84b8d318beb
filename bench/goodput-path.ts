import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { address, interfaceAddress, mac, type TcpSettings } from "../src/netstack/index.ts";
import { type Host, Network } from "../src/nodes/index.ts";
import { type Impairments, Link, toSeconds } from "../src/sim/index.ts";
import { type Linux, RealTimeDriver } from "../src/tun/index.ts";
import { GoodputTap } from "./goodput-tap.ts";

export type Kind = "linux" | "natscope";

/** Transfers over a bad path: who sends to whom, by which congestion control. */
export interface Transfer {
  readonly sender: Kind;
  readonly receiver: Kind;
  readonly congestion: TcpSettings["congestion"];
  /** Of both directions. */
  readonly path: Partial<Impairments>;
  readonly seed: number;
  /** Connections at once, each over a link of its own. */
  readonly flows: number;
  readonly bytes: number;
}

const PORT = 9;
const CHUNK = new Uint8Array(65_536).fill(0x61);
const END = fileURLToPath(new URL("../../bench/goodput-end.py", import.meta.url));
/** Milliseconds between two looks at what Linux has sent. */
const INTERVAL = 1;
const ROLES = ["sender", "receiver"] as const;

type Role = (typeof ROLES)[number];

/**
 * Two ends and a link for each connection. The links are natscope's own, whoever the ends are: they delay, lose and hold back by draws of the seed and the connection's
 * number, so that the n-th frame of a connection has the same fate with every pair of ends. Time is the wall clock's.
 */
export class GoodputPath {
  readonly #options: Transfer;
  readonly #linux: Linux;
  readonly #network: Network;
  readonly #links: readonly Link[];
  readonly #driver: RealTimeDriver;
  readonly #taps: GoodputTap[] = [];
  readonly #children: ChildProcess[] = [];
  #looking: NodeJS.Timeout | undefined;

  constructor(linux: Linux, options: Transfer) {
    this.#linux = linux;
    this.#options = options;
    this.#network = new Network({ seed: options.seed });
    const { simulator } = this.#network;
    this.#links = Array.from({ length: options.flows }, (_, flow) => {
      const random = simulator.random.fork(`flow ${flow}`);
      return new Link({ queue: simulator, frames: simulator.frames, random });
    });
    this.#driver = new RealTimeDriver(simulator);
  }

  /** Seconds from each connection's SYN until the receiver's FIN, which comes when it has everything. */
  async run(): Promise<readonly number[]> {
    const { sender, receiver, path, bytes } = this.#options;
    this.#driver.start();
    const receives = receiver === "linux" ? this.#linuxEnd("receiver") : this.#natscopeEnd("receiver");
    const sends = sender === "linux" ? this.#linuxEnd("sender") : this.#natscopeEnd("sender");
    this.#looking = setInterval(() => this.#driver.act(() => this.#take()), INTERVAL);
    await receives.receive();
    // Both learn the other's hardware address while nothing is lost.
    await sends.send(1);
    for (const link of this.#links) link.impair("both", path);
    return await sends.send(bytes);
  }

  close(): void {
    clearInterval(this.#looking);
    this.#driver.stop();
    for (const child of this.#children) child.kill();
    for (const role of ROLES) spawnSync("ip", ["netns", "delete", namespaceOf(role)], { stdio: "ignore" });
    for (const tap of this.#taps) tap.close();
  }

  #take(): void {
    for (const tap of this.#taps) tap.take();
  }

  #natscopeEnd(role: Role): End {
    const host = this.#network.addHost(role);
    const { tcp } = host.stack;
    tcp.settings = { ...tcp.settings, congestion: this.#options.congestion };
    for (const [flow, link] of this.#links.entries()) {
      const device = role === "sender" ? link.a : link.b;
      const addresses = [interfaceAddress(`${addressOf(role, flow)}/24`)];
      const own = mac(0x0200_0000_0000 + flow * 2 + ROLES.indexOf(role));
      host.addInterface({ name: `eth${flow}`, device, mac: own, addresses });
    }
    const send = (to: string, bytes: number): Promise<number> =>
      new Promise((done) => this.#driver.act(() => sendFrom(host, to, bytes, done)));
    return {
      receive: async () => {
        tcp.listen({ port: PORT }, (socket) => {
          socket.events = { onEnd: () => socket.close() };
        });
      },
      send: (bytes) => Promise.all(this.#links.map((_, flow) => send(addressOf("receiver", flow), bytes))),
    };
  }

  #linuxEnd(role: Role): End {
    const namespace = namespaceOf(role);
    ip(["netns", "add", namespace]);
    for (const [flow, link] of this.#links.entries()) {
      const name = `${role}${flow}`;
      const device = role === "sender" ? link.a : link.b;
      this.#taps.push(new GoodputTap(this.#linux, name, { device, simulator: this.#network.simulator }));
      ip(["link", "set", name, "netns", namespace]);
      ip(["-n", namespace, "link", "set", name, "up", "addrgenmode", "none"]);
      ip(["-n", namespace, "address", "add", `${addressOf(role, flow)}/24`, "dev", name]);
    }
    // Nothing is to be learnt from one transfer for the next.
    ip(["netns", "exec", namespace, "sysctl", "-qw", "net.ipv4.tcp_no_metrics_save=1"]);
    const say = (words: readonly string[]): Promise<string> => this.#program(namespace, words);
    const { congestion, flows } = this.#options;
    const to = Array.from({ length: flows }, (_, flow) => addressOf("receiver", flow));
    return {
      receive: async () => void (await say(["receive", `${PORT}`])),
      send: async (bytes) => JSON.parse(await say(["send", `${PORT}`, congestion, `${bytes}`, ...to])) as number[],
    };
  }

  /** The first line that goodput-end.py prints. */
  async #program(namespace: string, words: readonly string[]): Promise<string> {
    const child = spawn("chrt", ["--fifo", "4", "ip", "netns", "exec", namespace, "python3", END, ...words]);
    this.#children.push(child);
    child.stderr.pipe(process.stderr);
    for await (const line of createInterface(child.stdout)) return line;
    throw new Error(`goodput-end.py ${words.join(" ")} said nothing`);
  }
}

/** What a program at one end does, with all connections at once. */
interface End {
  receive(): Promise<void>;
  send(bytes: number): Promise<readonly number[]>;
}

function namespaceOf(role: Role): string {
  return `natscope-goodput-${process.pid}-${role}`;
}

function addressOf(role: Role, flow: number): string {
  return `10.9.${flow}.${role === "sender" ? 1 : 2}`;
}

function sendFrom(host: Host, to: string, bytes: number, done: (seconds: number) => void): void {
  const { clock } = host.stack.host;
  const began = clock.now();
  let left = bytes;
  const write = (): void => {
    for (let more = true; more && left > 0; ) {
      const chunk = CHUNK.subarray(0, Math.min(left, CHUNK.length));
      left -= chunk.length;
      more = socket.write(chunk);
    }
    if (left === 0) socket.end();
  };
  const onEnd = (): void => done(toSeconds(clock.now()) - toSeconds(began));
  const opened = host.stack.tcp.connect({ to: address(to), port: PORT }, { onConnect: write, onDrain: write, onEnd });
  if (typeof opened === "string") throw new Error(opened);
  const socket = opened;
}

function ip(words: readonly string[]): void {
  const { status, stderr } = spawnSync("ip", words, { encoding: "utf8" });
  if (status !== 0) throw new Error(`ip ${words.join(" ")}: ${stderr}`);
}
