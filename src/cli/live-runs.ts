import { rmSync } from "node:fs";
import { createConnection, type Socket } from "node:net";
import type { LiveRun } from "../wireshark/index.ts";
import { listSockets } from "./live-sockets.ts";
import { LONGEST_LIST, type PointRequest, parsePointList } from "./point-requests.ts";

/** A running network, with the socket that leads to it. */
export interface ReachableRun extends LiveRun {
  readonly path: string;
}

/** One that does not answer for so long is left out: it is busy, or stopped. */
const PATIENCE_MS = 3000;

/** Asks every running network for its points. Sockets behind which nobody is any more are taken away. */
export async function findLiveRuns(): Promise<readonly ReachableRun[]> {
  const runs = await Promise.all(
    listSockets().map(async ({ path, pid }) => {
      const answer = await ask(path);
      const list = answer === undefined ? undefined : parsePointList(answer);
      return list === undefined ? [] : [{ path, pid, ...list }];
    }),
  );
  return runs.flat();
}

/** Connects to a running network and asks; the answer comes as data. */
export function askLive(path: string, request: PointRequest): Socket {
  const socket = createConnection(path);
  socket.write(`${JSON.stringify(request)}\n`);
  return socket;
}

/** The whole answer to the question for points; undefined when none came. */
function ask(path: string): Promise<string | undefined> {
  return new Promise((resolve) => {
    const socket = askLive(path, { want: "points" });
    const chunks: Buffer[] = [];
    let length = 0;
    socket.setTimeout(PATIENCE_MS, () => socket.destroy());
    socket.on("data", (chunk) => {
      chunks.push(chunk);
      length += chunk.length;
      if (length > LONGEST_LIST) socket.destroy();
    });
    socket.once("error", (error: NodeJS.ErrnoException) => {
      if (error.code === "ECONNREFUSED") removeStale(path);
    });
    socket.once("close", () => resolve(length === 0 ? undefined : Buffer.concat(chunks).toString("utf8")));
  });
}

/** Left behind by a process that was killed. */
function removeStale(path: string): void {
  try {
    rmSync(path, { force: true });
  } catch {
    // It is root's.
  }
}
