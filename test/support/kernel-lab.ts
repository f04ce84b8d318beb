import { type ChildProcess, execFile, execFileSync, spawn, spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import type { SeenFrame } from "./kernel-lab-lines.ts";
import type { Namespace, Topology } from "./kernel-transcript.ts";

/*
 * A network of Linux's own: a network namespace for each host, joined by veth pairs and bridges, with tcpdump on every interface. It is built once and used by many
 * scenarios, one after the other. All of it is gone when the lab is closed, also when the process dies: the agents end with their standard input.
 */

const AGENT = fileURLToPath(new URL("./kernel-lab-agent.py", import.meta.url));
const PYTHON = "/usr/bin/python3";
const PREFIX = "natscope-k-";
const HTTP_PORT = 8080;
const UDP_PORT = 5353;
/** Nothing more is coming when nothing came for so long. */
const QUIET_MS = 60;
const LONGEST_SETTLING_MS = 3000;
const LONGEST_COMMAND_MS = 20_000;

const SYSCTLS: Readonly<Record<string, number>> = {
  "net.ipv4.conf.all.rp_filter": 0,
  "net.ipv4.conf.default.rp_filter": 0,
  "net.ipv4.conf.all.send_redirects": 0,
  "net.ipv4.conf.default.send_redirects": 0,
  "net.ipv4.tcp_no_metrics_save": 1,
  "net.ipv4.icmp_ratelimit": 0,
};

const run = promisify(execFile);

/** What is missing for a lab to be built here; `undefined` when nothing is. */
export function whatTheLabLacks(): string | undefined {
  const programs = ["ip", "iptables-restore", "nft", "tcpdump", "conntrack", "curl", "ping", "traceroute", PYTHON];
  const absent = programs.filter((program) => spawnSync(program, ["--version"]).error !== undefined);
  if (absent.length > 0)
    return `${absent.join(" and ")} not found: apt-get install iproute2 iptables nftables tcpdump conntrack curl iputils-ping traceroute python3`;
  const alone = spawnSync("unshare", ["--net", "true"]);
  return alone.status === 0 ? undefined : "no network namespace can be made here: run it as root";
}

/** What a command left behind. */
export interface CommandResult {
  readonly exitCode: number;
  readonly stdout: string;
}

/** The namespaces of one topology. */
export class KernelLab {
  readonly topology: Topology;
  readonly #captures = new Map<string, Capture>();
  readonly #agents: ChildProcess[] = [];
  readonly #loaded = new Set<string>();
  readonly #onExit = (): void => this.#remove();

  private constructor(topology: Topology) {
    this.topology = topology;
  }

  /** Builds the network; `servers` answer HTTP at port 8080 and UDP at 5353. */
  static async build(topology: Topology, servers: Readonly<Record<string, number>>): Promise<KernelLab> {
    removeLeftovers();
    const lab = new KernelLab(topology);
    process.once("exit", lab.#onExit);
    try {
      lab.#addNamespaces();
      await Promise.all(Object.entries(topology).map(([name, namespace]) => lab.#setUp(name, namespace)));
      await Promise.all(Object.keys(topology).map((name) => lab.#capture(name)));
      await Promise.all(Object.entries(servers).map(([name, port]) => lab.#serve(name, port)));
      return lab;
    } catch (error) {
      await lab.close();
      throw error;
    }
  }

  async close(): Promise<void> {
    for (const agent of this.#agents) agent.kill("SIGKILL");
    for (const { process: tcpdump } of this.#captures.values()) tcpdump.kill("SIGKILL");
    process.removeListener("exit", this.#onExit);
    this.#remove();
  }

  /** True for a host that has rules. */
  isLoaded(host: string): boolean {
    return this.#loaded.has(host);
  }

  /** Loads a host's rules in place of the ones that are there, and forgets its connections. */
  load(host: string, rules: string): void {
    if (rules === "") this.#loaded.delete(host);
    else this.#loaded.add(host);
    const ns = namespace(host);
    execFileSync("ip", ["netns", "exec", ns, "nft", "flush", "ruleset"]);
    if (rules !== "") execFileSync("ip", ["netns", "exec", ns, "iptables-restore"], { input: rules, stdio: "pipe" });
    spawnSync("ip", ["netns", "exec", ns, "conntrack", "-F"]);
  }

  /** Forgets neighbours, whose absence shows on bridges, path MTUs, and what was captured so far. */
  async begin(): Promise<void> {
    const names = Object.keys(this.topology);
    const forget = "ip neighbour flush all; ip route flush cache";
    await Promise.all(names.map((name) => this.run(name, forget)));
    await this.seen();
  }

  /** The name of a host's network namespace. */
  namespace(host: string): string {
    return namespace(host);
  }

  /** Runs a shell command on a host. */
  async run(host: string, command: string): Promise<CommandResult> {
    try {
      const args = ["netns", "exec", namespace(host), "sh", "-c", command];
      const { stdout } = await run("ip", args, { timeout: LONGEST_COMMAND_MS });
      return { exitCode: 0, stdout };
    } catch (error) {
      const { code, stdout } = error as { code?: unknown; stdout?: string };
      return { exitCode: typeof code === "number" ? code : -1, stdout: stdout ?? "" };
    }
  }

  /** Runs a command of the agent on a host. */
  agent(host: string, ...args: readonly (string | number)[]): Promise<CommandResult> {
    return this.run(host, `${PYTHON} ${AGENT} ${args.join(" ")}`);
  }

  /** Everything captured since it was last asked, in order of time, once nothing more comes. */
  async seen(quietMs: number = QUIET_MS): Promise<SeenFrame[]> {
    await this.#settle(quietMs);
    return [...this.#captures].flatMap(([host, capture]) => capture.take(host)).sort((a, b) => a.time - b.time);
  }

  /** The connections that a host tracks, as `conntrack -L` lists them. */
  async connections(host: string): Promise<string[]> {
    const { stdout } = await this.run(host, "conntrack -L -o extended 2>/dev/null");
    return stdout.split("\n").filter((line) => line.startsWith("ipv4"));
  }

  #addNamespaces(): void {
    for (const name of Object.keys(this.topology)) execFileSync("ip", ["netns", "add", namespace(name)]);
    const links = Object.entries(this.topology).flatMap(([name, { ifs }]) =>
      Object.entries(ifs).flatMap(([ifname, { kind, peer = "", mtu }]) => {
        const [peerName = "", peerIf = ""] = peer.split("/");
        // Each pair is named from both sides, and made from one.
        if (kind !== "veth" || `${name}/${ifname}` > peer) return [];
        const ends = `${ifname} mtu ${mtu} netns ${namespace(name)} type veth peer name ${peerIf} mtu ${mtu}`;
        return [`link add ${ends} netns ${namespace(peerName)}`];
      }),
    );
    execFileSync("ip", ["-batch", "-"], { input: links.join("\n"), stdio: "pipe" });
  }

  async #setUp(name: string, { ifs, routes = [], sysctl = {} }: Namespace): Promise<void> {
    const bridged = { "net.bridge.bridge-nf-call-iptables": 0, ...sysctl };
    const values = Object.entries({ ...SYSCTLS, ...bridged }).map(([key, value]) => `${key}=${value}`);
    const lines = ["link set lo up"];
    const entries: string[] = [];
    for (const [ifname, { kind, mtu }] of Object.entries(ifs))
      if (kind === "bridge") lines.push(`link add ${ifname} mtu ${mtu} type bridge mcast_snooping 0 forward_delay 0`);
    for (const [ifname, { kind, addrs, mtu, ports = [], tunnel }] of Object.entries(ifs)) {
      if (kind === "vxlan" && tunnel !== undefined) {
        const { vni, port, dev, local, mac, udpChecksum, ends } = tunnel;
        const checksum = udpChecksum ? "udpcsum" : "noudpcsum";
        lines.push(
          `link add ${ifname} address ${mac} mtu ${mtu} type vxlan id ${vni} dev ${dev} local ${local} dstport ${port} nolearning ${checksum}`,
          ...ends.map((end) => `neighbour add ${end.inner} lladdr ${end.mac} dev ${ifname} nud permanent`),
        );
        entries.push(...ends.map((end) => `fdb add ${end.mac} dev ${ifname} dst ${end.outer}`));
      }
      for (const port of ports) lines.push(`link set ${port} master ${ifname}`);
      for (const address of addrs) lines.push(`address add ${address} dev ${ifname}`);
      if (kind === "veth" && ifs[ifname]?.hairpin) lines.push(`link set ${ifname} type bridge_slave hairpin on`);
      lines.push(`link set ${ifname} up`);
    }
    // A port's hairpin mode can be set once it is one.
    lines.sort((a, b) => Number(a.includes("bridge_slave")) - Number(b.includes("bridge_slave")));
    lines.push(...routes.map((route) => `route add ${route}`));
    const script = [
      "sysctl -q -w net.ipv6.conf.all.disable_ipv6=1 net.ipv6.conf.default.disable_ipv6=1",
      `sysctl -q -w ${values.join(" ")}`,
      `ip -batch - <<'END'\n${lines.join("\n")}\nEND`,
      `bridge -batch - <<'END'\n${entries.join("\n")}\nEND`,
      `${PYTHON} ${AGENT} quiet ${Object.keys(ifs).join(" ")}`,
    ];
    await run("ip", ["netns", "exec", namespace(name), "sh", "-ec", script.join("\n")]);
  }

  async #capture(name: string): Promise<void> {
    const listing = execFileSync("ip", ["-n", namespace(name), "-o", "link"], { encoding: "utf8" });
    const interfaces = new Map<number, string>();
    for (const [, index, ifname = ""] of listing.matchAll(/^(\d+): ([^:@]+)/gm)) interfaces.set(Number(index), ifname);
    const args = [
      "-i",
      "any",
      "-y",
      "LINUX_SLL2",
      "-w",
      "-",
      "-U",
      "--immediate-mode",
      "-Z",
      "root",
      "-s",
      "2048",
      "-B",
      "8192",
      "--nano",
      "ip",
    ];
    const tcpdump = spawn("ip", ["netns", "exec", namespace(name), "tcpdump", ...args], {
      stdio: ["ignore", "pipe", "pipe"],
    });
    this.#captures.set(name, new Capture(tcpdump, interfaces));
    await said(tcpdump.stderr, "listening on");
  }

  async #serve(name: string, port: number): Promise<void> {
    const args = ["netns", "exec", namespace(name), PYTHON, AGENT, "serve", port || HTTP_PORT, UDP_PORT].map(String);
    const agent = spawn("ip", args, { stdio: ["pipe", "pipe", "inherit"] });
    this.#agents.push(agent);
    await said(agent.stdout, "ready");
  }

  async #settle(quietMs: number): Promise<void> {
    const end = Date.now() + LONGEST_SETTLING_MS;
    let before = -1;
    for (;;) {
      const bytes = [...this.#captures.values()].reduce((sum, capture) => sum + capture.received, 0);
      if (bytes === before || Date.now() > end) return;
      before = bytes;
      await new Promise((resolve) => setTimeout(resolve, quietMs));
    }
  }

  #remove(): void {
    for (const name of Object.keys(this.topology)) spawnSync("ip", ["netns", "delete", namespace(name)]);
  }
}

/** Takes away what processes that were killed have left. */
function removeLeftovers(): void {
  const { stdout } = spawnSync("ip", ["netns", "list"], { encoding: "utf8" });
  for (const [name, pid = ""] of stdout.matchAll(new RegExp(`^${PREFIX}(\\d+)-\\S+`, "gm")))
    if (!existsSync(`/proc/${pid}`)) spawnSync("ip", ["netns", "delete", name]);
}

function namespace(host: string): string {
  return `${PREFIX}${process.pid}-${host}`;
}

async function said(stream: NodeJS.ReadableStream | null, words: string): Promise<void> {
  let text = "";
  await new Promise<void>((resolve, reject) => {
    stream?.on("data", (chunk: Buffer) => {
      text += chunk.toString();
      if (text.includes(words)) resolve();
    });
    stream?.on("end", () => reject(new Error(`it ended instead of saying "${words}": ${text}`)));
  });
}

const FILE_HEADER = 24;
const RECORD_HEADER = 16;
/** LINKTYPE_LINUX_SLL2: protocol, reserved, interface index, ARPHRD type, packet type, address length, address. */
const SLL2_HEADER = 20;
const PACKET_OUTGOING = 4;
/** Nanoseconds since 1970 are more than a number holds. */
const EPOCH = Math.floor(Date.now() / 1000);

/** What one tcpdump has written so far. */
class Capture {
  readonly process: ChildProcess;
  received = 0;
  readonly #interfaces: ReadonlyMap<number, string>;
  #bytes = Buffer.alloc(0);
  #skipped = false;

  constructor(process: ChildProcess, interfaces: ReadonlyMap<number, string>) {
    this.process = process;
    this.#interfaces = interfaces;
    process.stdout?.on("data", (chunk: Buffer) => {
      this.received += chunk.length;
      this.#bytes = Buffer.concat([this.#bytes, chunk]);
    });
  }

  take(host: string): SeenFrame[] {
    if (!this.#skipped && this.#bytes.length >= FILE_HEADER) {
      this.#skipped = true;
      this.#bytes = this.#bytes.subarray(FILE_HEADER);
    }
    const frames: SeenFrame[] = [];
    while (this.#bytes.length >= RECORD_HEADER) {
      const length = this.#bytes.readUInt32LE(8);
      if (this.#bytes.length < RECORD_HEADER + length) break;
      const record = this.#bytes.subarray(RECORD_HEADER, RECORD_HEADER + length);
      const time = (this.#bytes.readUInt32LE(0) - EPOCH) * 1e9 + this.#bytes.readUInt32LE(4);
      const at = this.#interfaces.get(record.readUInt32BE(4));
      const direction = record[10] === PACKET_OUTGOING ? "out" : "in";
      if (at !== undefined && at !== "lo")
        frames.push({ time, at: `${host}/${at}`, direction, ip: Uint8Array.from(record.subarray(SLL2_HEADER)) });
      this.#bytes = this.#bytes.subarray(RECORD_HEADER + length);
    }
    return frames;
  }
}
