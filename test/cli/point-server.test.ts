import { spawnSync } from "node:child_process";
import { chmodSync, existsSync, mkdirSync, readFileSync, statSync } from "node:fs";
import { createConnection, createServer, type Server, type Socket } from "node:net";
import { dirname, join } from "node:path";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { runCommand } from "../../src/apps/index.ts";
import { findLiveRuns, type ReachableRun } from "../../src/cli/live-runs.ts";
import { PointServer } from "../../src/cli/point-server.ts";
import { interfaceAddress } from "../../src/netstack/index.ts";
import { type Host, Network } from "../../src/nodes/index.ts";
import { type CaptureFile, readCapture } from "../../src/pcap/index.ts";
import { after, seconds } from "../../src/sim/index.ts";
import { inDirectory, natscope } from "./command-line.ts";

beforeEach(() => vi.stubEnv("SUDO_UID", undefined));
afterEach(() => void vi.unstubAllEnvs());

/** Two hosts on a wire, and their points offered in a folder of the test's own. */
function offered<T>(
  work: (lab: { network: Network; server: PointServer; ping: (options?: string) => void }) => Promise<T>,
): Promise<T> {
  return inDirectory(async (directory) => {
    vi.stubEnv("XDG_RUNTIME_DIR", directory);
    const network = new Network({ seed: 1, tapped: true });
    const lan = network.addSwitch("lan");
    const [ada] = ["ada", "bob"].map((name, index): Host => {
      const host = network.addHost(name);
      network.attach(host, lan, { name: "eth0", addresses: [interfaceAddress(`192.0.2.${index + 1}/24`)] });
      return host;
    });
    if (ada === undefined) throw new Error("no host");
    const ping = (options = "-c 1"): void => {
      const { name, stack, resolver, environment, interfaceIndexes, commands } = ada;
      runCommand({ name, stack, resolver, environment, interfaceIndexes, commands }, `ping ${options} 192.0.2.2`);
      network.simulator.runTo(after(network.simulator.now(), seconds(20)));
    };
    const server = await PointServer.open(network, "wire");
    try {
      return await work({ network, server, ping });
    } finally {
      await server.close();
    }
  });
}

/** What came back so far, and the whole answer once the server has ended it. */
interface Asked {
  readonly socket: Socket;
  readonly first: Promise<void>;
  readonly received: () => Buffer;
  readonly answer: Promise<Buffer>;
}

/** Says a line to the server. */
function connect(path: string, line: string): Asked {
  const socket = createConnection(path);
  const chunks: Buffer[] = [];
  socket.on("error", () => {});
  socket.on("data", (chunk) => chunks.push(chunk));
  const first = new Promise<void>((resolve) => socket.once("data", () => resolve()));
  const received = (): Buffer => Buffer.concat(chunks);
  const answer = new Promise<Buffer>((resolve) => socket.once("close", () => resolve(received())));
  socket.write(`${line}\n`);
  return { socket, first, received, answer };
}

function pointsIn({ packets }: CaptureFile): string[] {
  return [...new Set(packets.map((packet) => packet.interface.name ?? ""))].sort();
}

test("a run is found by its socket, which is nobody else's", () =>
  offered(async ({ server }) => {
    expect(await runsIn(dirname(server.path))).toEqual([
      { path: server.path, pid: process.pid, scenario: "wire", points: ["ada/eth0", "bob/eth0"] },
    ]);
    expect(statSync(server.path).mode & 0o777).toBe(0o600);
    expect(statSync(join(server.path, "..")).mode & 0o777).toBe(0o700);
  }));

test("who asks for all points gets a whole capture of what happens from then on, to the run's end", () =>
  offered(async ({ server, ping }) => {
    ping();
    const { first, answer } = connect(server.path, '{"want":"packets"}');
    await first;
    ping();
    server.flush();
    await server.close();
    const capture = readCapture(await answer);
    expect(capture.error).toBeUndefined();
    expect(pointsIn(capture)).toEqual(["ada/eth0", "bob/eth0"]);
    // One echo request and its reply, each at both ends: ARP was done before.
    expect(capture.packets).toHaveLength(4);
    expect(existsSync(server.path)).toBe(false);
  }));

test("who asks for one point and a filter gets no more", () =>
  offered(async ({ server, ping }) => {
    const { first, answer } = connect(server.path, '{"want":"packets","point":"bob/eth0","filter":"icmp"}');
    await first;
    ping();
    await server.close();
    const capture = readCapture(await answer);
    expect(pointsIn(capture)).toEqual(["bob/eth0"]);
    expect(capture.packets).toHaveLength(2);
  }));

test("with no reader nothing listens to the network's events, and none does again once the last has gone", () =>
  offered(async ({ network, server, ping }) => {
    expect(network.events.active).toBe(false);
    const reader = connect(server.path, '{"want":"packets"}');
    await reader.first;
    expect(network.events.active).toBe(true);
    reader.socket.destroy();
    await vi.waitUntil(() => !network.events.active);
    ping();
    server.flush();
  }));

test.each([
  ['{"want":"packets","point":"eve/eth0"}', '{"error":"there is no capture point eve/eth0"}\n'],
  ['{"want":"everything"}', '{"error":"not a request of this version of natscope"}\n'],
  ["GET / HTTP/1.1", '{"error":"not a request of this version of natscope"}\n'],
])("to %s the answer is %s", (line, expected) =>
  offered(async ({ server }) => {
    expect((await connect(server.path, line).answer).toString()).toBe(expected);
  }),
);

test("a filter that cannot be read is refused with its place", () =>
  offered(async ({ server }) => {
    const { answer } = connect(server.path, '{"want":"packets","filter":"tcp.prot == 1"}');
    expect((await answer).toString()).toMatch(/^\{"error":"filter, column 1: /);
  }));

test("a request without an end is not waited for", () =>
  offered(async ({ server }) => {
    expect((await connect(server.path, "x".repeat(100_000)).answer).toString()).toBe("");
  }));

test("a reader that does not keep up costs no memory: it is told how many packets it has missed", () =>
  offered(async ({ network, server, ping }) => {
    const all = network.record({ target: { format: "pcapng", sink: () => {} } }).capture;
    const { first, received, answer } = connect(server.path, '{"want":"packets"}');
    await first;
    // Nobody reads while this is done: the process does nothing else.
    ping("-c 1500 -i 0.01 -s 1400");
    const missing = /(\d+) packets before this one are missing here: not taken in time/;
    await vi.waitUntil(() => {
      ping();
      server.flush();
      return missing.test(received().toString("latin1"));
    });
    all.finish();
    await server.close();
    const { packets } = readCapture(await answer);
    const missed = Number(missing.exec(packets.map(({ comments }) => comments.join()).join())?.[1]);
    expect(missed).toBeGreaterThan(1000);
    // Each record is in the file, or was counted.
    expect(packets.length + missed).toBe(all.counters.written);
  }));

test("a socket that a killed process has left behind is taken away", () =>
  inDirectory(async (directory) => {
    vi.stubEnv("XDG_RUNTIME_DIR", directory);
    const path = join(directory, "natscope", "99999.sock");
    mkdirSync(join(directory, "natscope"), { mode: 0o700 });
    const program = `require("net").createServer().listen(${JSON.stringify(path)}, () => process.kill(process.pid, "SIGKILL"))`;
    spawnSync(process.execPath, ["-e", program]);
    expect(existsSync(path)).toBe(true);
    expect(await runsIn(directory)).toEqual([]);
    expect(existsSync(path)).toBe(false);
  }));

test("a folder that others can write to is not believed, and none is opened in it", () =>
  inDirectory(async (directory) => {
    vi.stubEnv("XDG_RUNTIME_DIR", directory);
    const folder = join(directory, "natscope");
    mkdirSync(folder);
    chmodSync(folder, 0o777);
    await expect(PointServer.open(new Network({ seed: 1, tapped: true }), "wire")).rejects.toThrow(
      "is writable for others",
    );
    const offered = await listen(join(folder, "1.sock"), (socket) => socket.end('{"scenario":"x","points":[]}\n'));
    expect(await runsIn(directory)).toEqual([]);
    chmodSync(folder, 0o700);
    expect(await runsIn(directory)).toHaveLength(1);
    offered.close();
  }));

test("a network that ends without a word ends Wireshark's capture", () =>
  inDirectory(async (directory) => {
    vi.stubEnv("XDG_RUNTIME_DIR", directory);
    const folder = join(directory, "natscope");
    mkdirSync(folder, { mode: 0o700 });
    const mute = await listen(join(folder, "1.sock"), (socket) =>
      socket.once("data", (line) => {
        if (String(line).includes("points")) socket.end('{"scenario":"mute-lab","points":["ada/eth0"]}\n');
        else socket.destroy();
      }),
    );
    const fifo = join(directory, "pipe");
    const { code, err } = await natscope([
      "extcap",
      "--capture",
      "--extcap-interface=natscope-mute-lab",
      "--fifo",
      fifo,
    ]);
    expect({ code, err, written: readFileSync(fifo, "utf8") }).toEqual({ code: 0, err: "", written: "" });
    mute.close();
  }));

/** The runs whose sockets are in a folder: others may go on on this machine meanwhile. */
async function runsIn(folder: string): Promise<readonly ReachableRun[]> {
  return (await findLiveRuns()).filter(({ path }) => path.startsWith(folder));
}

function listen(path: string, talk: (socket: Socket) => void): Promise<Server> {
  const server = createServer(talk);
  return new Promise((resolve) => server.listen(path, () => resolve(server)));
}
