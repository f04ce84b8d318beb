import { runCommand } from "../../src/apps/index.ts";
import { formatConntrackEntry } from "../../src/nat/index.ts";
import { address, formatIpv4, type Packet } from "../../src/netstack/index.ts";
import type { Host } from "../../src/nodes/index.ts";
import { after, ms, seconds } from "../../src/sim/index.ts";
import type { CommandResult, KernelLab } from "./kernel-lab.ts";
import { connectionLine, differences, type Naming, type PointLines, pointLines } from "./kernel-lab-lines.ts";
import { TranscriptWorld } from "./kernel-transcript.ts";

/*
 * A scenario is done twice: in namespaces by the kernel, and by natscope's hosts on the same topology with the same rules and the same steps. What was seen at each interface,
 * what the commands said, and what conntrack holds afterwards must be equal.
 */

/** Something that is done on a host. */
export type LabStep =
  | { readonly on: string; readonly run: string }
  /** One datagram; `isWhole` sets DF. */
  | {
      readonly on: string;
      readonly udp: string;
      readonly from: number;
      readonly size: number;
      readonly isWhole?: boolean;
    }
  /** Packets made by hand, made anew for each side. */
  | { readonly on: string; readonly raw: () => readonly Packet[] };

export interface LabScenario {
  readonly name: string;
  /** Each host's rules, as natscope prints them. */
  readonly rules: Readonly<Record<string, string>>;
  readonly steps: readonly LabStep[];
  /** Ports that mean themselves, beside the servers'. */
  readonly ports?: readonly number[];
  readonly keepsAcks?: boolean;
  readonly crosses?: boolean;
  /** Rules draw an endpoint: natscope is run with other seeds until it draws the kernel's. */
  readonly draws?: boolean;
}

/** What was found at one capture point, or in one connection table. */
export interface ComparedPoint {
  readonly point: string;
  readonly packets: number;
  /** `-` lines are the kernel's only, `+` lines natscope's only. */
  readonly differences: readonly string[];
}

/** HTTP servers with their ports; each answers UDP at 5353 too. */
export type Servers = Readonly<Record<string, number>>;

interface Outcome {
  readonly seen: PointLines;
  readonly results: readonly string[];
  readonly connections: Readonly<Record<string, readonly string[]>>;
}

const UDP_PORT = 5353;
const SEEDS = 16;
const BETWEEN_RAW = ms(30);

/** Does the scenario on both sides; points at which neither saw anything are left out. */
export async function compareScenario(
  lab: KernelLab,
  servers: Servers,
  scenario: LabScenario,
): Promise<ComparedPoint[]> {
  const linux = await runInKernel(lab, servers, scenario);
  let best: ComparedPoint[] | undefined;
  for (let seed = 1; seed <= (scenario.draws ? SEEDS : 1); seed++) {
    const found = compareOutcomes(linux, runEmulated(lab, servers, scenario, seed));
    if (best === undefined || countDifferences(found) < countDifferences(best)) best = found;
    if (countDifferences(found) === 0) break;
  }
  return best ?? [];
}

export function countDifferences(points: readonly ComparedPoint[]): number {
  return points.reduce((sum, { differences }) => sum + differences.length, 0);
}

function namingOf({ ports = [], keepsAcks = false, crosses = false }: LabScenario, servers: Servers): Naming {
  return { crosses, ports: new Set([0, UDP_PORT, ...Object.values(servers), ...ports]), keepsAcks };
}

async function runInKernel(lab: KernelLab, servers: Servers, scenario: LabScenario): Promise<Outcome> {
  for (const host of Object.keys(lab.topology))
    if (lab.isLoaded(host) || scenario.rules[host]) lab.load(host, scenario.rules[host] ?? "");
  await lab.begin();
  const results: string[] = [];
  for (const step of scenario.steps) {
    if ("run" in step) results.push(resultLine(step, await lab.run(step.on, step.run)));
    else if ("udp" in step) {
      const [to = "", port = ""] = step.udp.split(":");
      await lab.agent(step.on, "udp", step.from, to, port, step.size, step.isWhole ? 2 : 0);
    } else {
      const packets = step
        .raw()
        .map((packet) => Buffer.from(packet.bytes.subarray(packet.ip, packet.end)).toString("hex"));
      await lab.agent(step.on, "raw", ...packets);
    }
  }
  const seen = pointLines(await lab.seen(), namingOf(scenario, servers));
  const connections: Record<string, string[]> = {};
  for (const host of Object.keys(scenario.rules))
    connections[host] = (await lab.connections(host)).map((line) => connectionLine(line, seen.names)).sort();
  return { seen, results, connections };
}

function runEmulated(lab: KernelLab, servers: Servers, scenario: LabScenario, seed: number): Outcome {
  const rules = Object.fromEntries(Object.entries(scenario.rules).map(([host, text]) => [host, text.split("\n")]));
  const world = new TranscriptWorld({ topology: lab.topology, rules }, seed);
  // As in the lab, where one scenario's errors would count against the next.
  for (const host of world.network.hosts.values()) host.stack.host.sysctls.icmpRateLimitMs = 0;
  for (const [host, port] of Object.entries(servers)) serve(world.host(host), port);
  const results: string[] = [];
  const { simulator } = world.network;
  for (const step of scenario.steps) {
    const host = world.host(step.on);
    if ("run" in step) {
      const process = runCommand(host, step.run);
      simulator.runUntil(() => process.exitCode !== undefined, after(simulator.now(), seconds(30)));
      results.push(resultLine(step, { exitCode: process.exitCode ?? -1, stdout: process.stdout }));
    } else if ("udp" in step) sendDatagram(world, host, step);
    else sendRaw(world, host, step.raw());
    simulator.runTo(after(simulator.now(), ms(100)));
  }
  const seen = pointLines(world.seen(), namingOf(scenario, servers));
  const connections: Record<string, string[]> = {};
  for (const host of Object.keys(scenario.rules)) {
    const entries = world.host(host).netfilter?.list() ?? [];
    connections[host] = entries.map((entry) => connectionLine(formatConntrackEntry(entry), seen.names)).sort();
  }
  return { seen, results, connections };
}

/** Of ping and traceroute, which print times, only the exit code. */
function resultLine(step: { readonly run: string }, { exitCode, stdout }: CommandResult): string {
  const text = step.run.startsWith("curl") ? stdout.trim().slice(0, 200) : "";
  return `exit ${exitCode} ${text}`.trim();
}

/** The agent's server: a page of as many bytes as the path says, and the client closes first. */
function serve(host: Host, port: number): void {
  host.stack.tcp.listen({ port }, (socket) => {
    let request = "";
    let isAnswered = false;
    socket.events = {
      onData: (bytes) => {
        request += new TextDecoder("latin1").decode(bytes);
        const end = request.indexOf("\r\n\r\n");
        const length = Number(/content-length: *(\d+)/i.exec(request)?.[1] ?? 0);
        if (isAnswered || end < 0 || request.length < end + 4 + length) return;
        isAnswered = true;
        const size = Number(/^\S+ \/(\d*)/.exec(request)?.[1] ?? 0);
        const body = `client_address=${formatIpv4(socket.remote.address)}\n`.padEnd(size, ".");
        socket.write(new TextEncoder().encode(`HTTP/1.1 200 OK\r\nContent-Length: ${body.length}\r\n\r\n${body}`));
      },
      onEnd: () => socket.end(),
    };
  });
  const server = host.stack.udp.open({
    port: UDP_PORT,
    onDatagram: ({ from, fromPort, payload }) =>
      server.send({ to: from, port: fromPort, payload: payload.slice(), dontFragment: false }),
  });
}

function sendDatagram(world: TranscriptWorld, host: Host, step: Extract<LabStep, { udp: string }>): void {
  const [to = "", port = ""] = step.udp.split(":");
  const { simulator } = world.network;
  const socket = host.stack.udp.open({ port: step.from, onDatagram: () => {} });
  const payload = new Uint8Array(step.size);
  socket.send({ to: address(to), port: Number(port), payload, dontFragment: step.isWhole ?? false });
  simulator.runTo(after(simulator.now(), ms(250)));
  socket.close();
}

function sendRaw(world: TranscriptWorld, host: Host, packets: readonly Packet[]): void {
  const { simulator } = world.network;
  for (const packet of packets) {
    packet.frame.at = simulator.now();
    packet.frame.lineage = simulator.frames.newLineage();
    host.stack.ip.send(packet);
    simulator.runTo(after(simulator.now(), BETWEEN_RAW));
  }
}

function compareOutcomes(linux: Outcome, ours: Outcome): ComparedPoint[] {
  const found: ComparedPoint[] = [];
  for (const point of new Set([...linux.seen.points.keys(), ...ours.seen.points.keys()])) {
    const [theirs, mine] = [linux.seen.points.get(point), ours.seen.points.get(point)];
    const connections = new Set([...(theirs?.keys() ?? []), ...(mine?.keys() ?? [])]);
    const parts = [...connections].flatMap((key) => differences(theirs?.get(key) ?? [], mine?.get(key) ?? []));
    const packets = [...(theirs?.values() ?? [])].reduce((sum, lines) => sum + lines.length, 0);
    found.push({ point, packets, differences: parts });
  }
  found.sort((a, b) => (a.point < b.point ? -1 : 1));
  for (const [host, lines] of Object.entries(linux.connections)) {
    const other = ours.connections[host] ?? [];
    if (lines.length + other.length === 0) continue;
    found.push({ point: `${host} conntrack`, packets: lines.length, differences: differences(lines, other) });
  }
  found.push({
    point: "commands",
    packets: linux.results.length,
    differences: differences(linux.results, ours.results),
  });
  return found;
}

/** The table: scenario × capture point × packets compared × differences. */
export function formatTable(rows: readonly (ComparedPoint & { readonly scenario: string })[]): string {
  const lines = rows.map(({ scenario, point, packets, differences }) =>
    [scenario.padEnd(44), point.padEnd(20), String(packets).padStart(7), String(differences.length).padStart(11)].join(
      " ",
    ),
  );
  const head = [
    "scenario".padEnd(44),
    "capture point".padEnd(20),
    "packets".padStart(7),
    "differences".padStart(11),
  ].join(" ");
  const packets = rows.reduce((sum, row) => sum + row.packets, 0);
  const total = `${new Set(rows.map((row) => row.scenario)).size} scenarios, ${rows.length} points, ${packets} packets and entries, ${countDifferences(rows)} differences`;
  return [head, ...lines, total].join("\n");
}
