import { describe, expect, it } from "vitest";
import { runCommand } from "../src/apps/index.ts";
import { address, formatIpv4, type Ipv4Address } from "../src/netstack/index.ts";
import type { Host } from "../src/nodes/index.ts";
import { type HttpRequest, HttpRequestParser, header } from "../src/protocols/index.ts";
import { after, ms, seconds } from "../src/sim/index.ts";
import { readTranscript, TranscriptWorld, transcriptLines } from "./support/kernel-transcript.ts";

/**
 * The web server of the transcripts: a few lines of Python whose answers are the echo server's page with a length, and which is slow to close: the
 * kernel has acknowledged the client's FIN when its own follows.
 */
function transcriptServer(host: Host, port: number, name: string): void {
  const { clock } = host.stack;
  host.stack.tcp.listen({ port }, (socket) => {
    const requests = new HttpRequestParser({ body: 0 });
    const close = clock.timer(() => socket.end());
    socket.events = {
      onData: (bytes) => {
        for (const event of requests.push(bytes))
          if (event.kind === "head") socket.write(answer(event.head, socket.remote.address));
      },
      onEnd: () => close.set(after(clock.now(), ms(60))),
    };
  });
  const answer = ({ headers }: HttpRequest, client: Ipv4Address): Uint8Array => {
    const lines = headers.map(([field, value]) => `${field.toLowerCase()}=${value}`).sort();
    const called = (header(headers, "host") ?? "").split(":")[0];
    const values = `client_address=${formatIpv4(client)}\ncommand=GET\nreal path=/\nrequest_version=1.1`;
    const uri = `request_uri=http://${called}:${port}/`;
    const page = `CLIENT VALUES:\n${values}\n${uri}\n\nSERVER VALUES:\npod=${name}\n\nHEADERS RECEIVED:\n${lines.join("\n")}\nBODY:\n-no body in request-\n`;
    const keep = header(headers, "connection") === undefined ? "keep-alive" : "close";
    const head = `HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: ${page.length}\r\nConnection: ${keep}\r\n\r\n`;
    return new TextEncoder().encode(head + page);
  };
}

/** Runs a command to its end, and lets what is under way arrive. */
function run(world: TranscriptWorld, on: string, command: string): { exitCode: number | undefined; stdout: string } {
  const process = runCommand(world.host(on), command);
  const { simulator } = world.network;
  simulator.runUntil(() => process.exitCode !== undefined, after(simulator.now(), seconds(60)));
  simulator.runTo(after(simulator.now(), seconds(1)));
  return { exitCode: process.exitCode, stdout: process.stdout };
}

const CURL = "curl -q -s -S --noproxy '*' --connect-timeout 3 -m 6";
/** GNU wget's request, byte for byte. */
const WGET = "curl -s -A Wget -H 'Accept-Encoding: identity' -H 'Connection: Close'";

interface Case {
  readonly name: string;
  readonly act: (world: TranscriptWorld) => { readonly exitCode: number | undefined } | undefined;
  readonly exitCode?: number;
}

const CASES: readonly Case[] = [
  { name: "a-clusterip-same-node", act: (world) => run(world, "bb1", `${WGET} http://10.0.170.92/`), exitCode: 0 },
  { name: "b-clusterip-other-node", act: (world) => run(world, "bb3", `${WGET} http://10.0.170.92/`), exitCode: 0 },
  {
    name: "e-nodeport-cluster-remote",
    act: (world) => run(world, "client", `${CURL} http://10.240.0.4:31380/`),
    exitCode: 0,
  },
  {
    name: "f-nodeport-cluster-local",
    act: (world) => run(world, "client", `${CURL} http://10.240.0.3:31380/`),
    exitCode: 0,
  },
  {
    name: "h-nodeport-local-without-endpoint",
    act: (world) => run(world, "client", "curl -s --connect-timeout 2.5 http://10.240.0.4:31380/"),
    exitCode: 28,
  },
  {
    name: "m-no-endpoints-nodeport",
    act: (world) => run(world, "client", `${CURL} http://10.240.0.4:31380/`),
    exitCode: 7,
  },
  { name: "o-masquerade", act: (world) => run(world, "pc1", `${CURL} http://198.51.100.79/`), exitCode: 0 },
  { name: "q-traceroute-masquerade", act: probe },
  { name: "u-fragments-dnat", act: sendLargeDatagram },
];

function probe(world: TranscriptWorld): undefined {
  const socket = world.host("pc1").stack.udp.open({ port: 40000, onDatagram: () => {} });
  for (const ttl of [1, 2, 3, 4]) {
    const payload = new TextEncoder().encode(`probe ttl ${ttl}`.padEnd(10 + ttl));
    socket.send({ to: address("198.51.100.79"), port: 33433 + ttl, ttl, payload, dontFragment: false });
    world.network.simulator.runUntilQuiet();
  }
  return undefined;
}

function sendLargeDatagram(world: TranscriptWorld): undefined {
  const server = world.host("ep1").stack.udp.open({
    port: 5353,
    onDatagram: ({ from, fromPort, payload }) => server.send({ to: from, port: fromPort, payload: payload.slice() }),
  });
  const client = world.host("client").stack.udp.open({ onDatagram: () => {} });
  client.send({ to: address("10.240.0.4"), port: 30053, payload: new Uint8Array(3000), dontFragment: false });
  world.network.simulator.runUntilQuiet();
  return undefined;
}

describe("a network of emulated hosts does what Linux 6.18 did, packet by packet", () => {
  it.each(CASES)("$name", ({ name, act, exitCode }) => {
    const transcript = readTranscript(name);
    const world = new TranscriptWorld(transcript);
    if (transcript.topology.ep1 !== undefined) transcriptServer(world.host("ep1"), 8080, "ep1");
    if (transcript.topology.srv !== undefined) transcriptServer(world.host("srv"), 80, "server");
    expect(act(world)?.exitCode).toBe(exitCode);
    expect(world.lines()).toEqual(transcriptLines(transcript));
  });
});
