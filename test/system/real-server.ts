import { createHash } from "node:crypto";
import { once } from "node:events";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";

/** A real HTTP server on the loopback interface: `GET /N` gives N bytes that look random, `PUT` answers with its body's length and hash. */
export interface RealServer {
  readonly port: number;
  close(): void;
}

export async function realServer(): Promise<RealServer> {
  const server: Server = createServer((request, response) => {
    if (request.method === "GET") {
      const wanted = Number(request.url?.slice(1));
      response.setHeader("content-length", wanted);
      const send = (at: number): void => {
        for (let from = at; from < wanted; from += BLOCK.length) {
          const more = response.write(BLOCK.subarray(0, Math.min(BLOCK.length, wanted - from)));
          if (!more) return void response.once("drain", () => send(from + BLOCK.length));
        }
        response.end();
      };
      return send(0);
    }
    const hash = createHash("sha256");
    let length = 0;
    request.on("data", (bytes: Uint8Array) => {
      length += bytes.length;
      hash.update(bytes);
    });
    request.on("end", () => response.end(`${length} ${hash.digest("hex")}\n`));
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    port: (server.address() as AddressInfo).port,
    close: () => {
      server.closeAllConnections();
      server.close();
    },
  };
}

/** The hash of the body of `GET /length`. */
export function bodyHash(length: number): string {
  const hash = createHash("sha256");
  for (let at = 0; at < length; at += BLOCK.length) hash.update(BLOCK.subarray(0, Math.min(BLOCK.length, length - at)));
  return hash.digest("hex");
}

/** A prime number of bytes, so that a lost, doubled or shifted segment changes what comes after it. */
const BLOCK = Uint8Array.from({ length: 65_521 }, (_, index) => (index * 167 + (index >> 7)) & 0xff);
