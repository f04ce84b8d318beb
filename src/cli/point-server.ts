import { chownSync, rmSync } from "node:fs";
import { createServer, type Server, type Socket } from "node:net";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { Network } from "../nodes/index.ts";
import type { Capture, PacketFilter } from "../pcap/index.ts";
import { compileDisplayFilter } from "../scenario/index.ts";
import { makeSocketFolder } from "./live-sockets.ts";
import { MOST_UNTAKEN } from "./output-thread.ts";
import { packetFilter } from "./packet-filter.ts";
import { LONGEST_REQUEST, type PointRequest, parseRequest } from "./point-requests.ts";
import { VERSION } from "./version.ts";

/** Readers at one time. */
const MOST_READERS = 16;
/** Who connects has to say what for. */
const PATIENCE_MS = 5000;
/** How long the readers may take with what is left at the end. */
const FAREWELL_MS = 500;

type PacketRequest = Extract<PointRequest, { want: "packets" }>;

/** Offers a running network's capture points to other processes of the same user, for as long as it runs: Wireshark's extcap program is one. */
export class PointServer {
  readonly path: string;
  readonly #network: Network;
  readonly #scenario: string;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  readonly #readers = new Map<Socket, { readonly capture: Capture; readonly end: () => void }>();

  private constructor(path: string, network: Network, scenario: string) {
    this.path = path;
    this.#network = network;
    this.#scenario = scenario;
    this.#server = createServer((socket) => this.#accept(socket));
  }

  /** Begins to listen. @throws Error when that cannot be done safely. */
  static async open(network: Network, scenario: string): Promise<PointServer> {
    const path = join(makeSocketFolder(), `${process.pid}.sock`);
    rmSync(path, { force: true });
    const server = new PointServer(path, network, scenario);
    await server.#listen();
    return server;
  }

  /** Hands the readers what has been recorded for them. */
  flush(): void {
    for (const { capture } of this.#readers.values()) capture.flush();
  }

  /** Completes the readers' captures and takes the socket away. */
  async close(): Promise<void> {
    this.#server.close();
    rmSync(this.path, { force: true });
    const ends = [...this.#readers].map(([socket, { capture }]) => {
      capture.finish();
      return new Promise<void>((resolve) => socket.once("close", resolve).end(resolve));
    });
    // A reader that does not read does not keep the process.
    await Promise.race([Promise.all(ends), sleep(FAREWELL_MS, undefined, { ref: false })]);
    for (const socket of this.#sockets) socket.destroy();
  }

  async #listen(): Promise<void> {
    // Root's folder does not keep others out: the socket has to be nobody else's from the first moment.
    const umask = process.umask(0o177);
    try {
      await new Promise<void>((resolve, reject) => {
        this.#server.once("error", reject).listen(this.path, resolve);
      });
    } finally {
      process.umask(umask);
    }
    const { SUDO_UID: user, SUDO_GID: group } = process.env;
    if (process.getuid?.() === 0 && user !== undefined) chownSync(this.path, Number(user), Number(group ?? 0));
    this.#server.on("error", () => {});
    // The run's end is not this server's business.
    this.#server.unref();
  }

  #accept(socket: Socket): void {
    this.#sockets.add(socket);
    // Readers come and go as they like.
    socket.on("error", () => {});
    socket.once("close", () => {
      this.#sockets.delete(socket);
      this.#readers.get(socket)?.end();
      this.#readers.delete(socket);
    });
    if (this.#sockets.size > 2 * MOST_READERS) return void socket.destroy();
    socket.setTimeout(PATIENCE_MS, () => socket.destroy());
    let line = "";
    const read = (chunk: Buffer): void => {
      line += chunk.toString("latin1");
      const end = line.indexOf("\n");
      if (end < 0) return void (line.length > LONGEST_REQUEST && socket.destroy());
      socket.off("data", read).resume();
      socket.setTimeout(0);
      this.#answer(socket, Buffer.from(line.slice(0, end), "latin1").toString("utf8"));
    };
    socket.on("data", read);
  }

  #answer(socket: Socket, line: string): void {
    const request = parseRequest(line);
    const { points } = this.#network;
    if (request === undefined) return refuse(socket, "not a request of this version of natscope");
    if (request.want === "points") return void socket.end(`${JSON.stringify({ scenario: this.#scenario, points })}\n`);
    if (this.#readers.size >= MOST_READERS) return refuse(socket, `there are ${MOST_READERS} readers already`);
    const { point } = request;
    if (point !== undefined && !points.includes(point)) return refuse(socket, `there is no capture point ${point}`);
    const filter = readFilter(request);
    if (filter !== undefined && "fault" in filter) return refuse(socket, filter.fault);
    this.#stream(socket, point, filter);
  }

  #stream(socket: Socket, point: string | undefined, filter: PacketFilter | undefined): void {
    const sink = (bytes: Uint8Array): void => {
      if (!socket.destroyed) socket.write(bytes.slice());
    };
    const section = { application: `natscope ${VERSION}`, comment: `scenario ${this.#scenario}, live` };
    const recording = this.#network.record({
      target: { format: "pcapng", sink, section },
      isBehind: () => socket.writableLength > MOST_UNTAKEN,
      ...(point !== undefined && { only: [point] }),
      ...(filter !== undefined && { filter }),
    });
    this.#readers.set(socket, recording);
    // Wireshark waits for the file's head.
    recording.capture.flush();
  }
}

function refuse(socket: Socket, error: string): void {
  socket.end(`${JSON.stringify({ error })}\n`);
}

function readFilter({ filter: text = "" }: PacketRequest): PacketFilter | { readonly fault: string } | undefined {
  if (text.trim() === "") return undefined;
  const compiled = compileDisplayFilter(text);
  if ("fault" in compiled) return { fault: `filter, column ${compiled.fault.column}: ${compiled.fault.message}` };
  return packetFilter(compiled.filter);
}
