import {
  type BackendPool,
  type BalancingMethod,
  describeProxyEvent,
  ProxyBalancer,
  type ProxyOptions,
} from "../../src/lb/index.ts";
import { address, LINUX_TCP, type Stack, type TcpSocket } from "../../src/netstack/index.ts";
import { after, type Duration } from "../../src/sim/index.ts";
import { type BalancedNetwork, balancedNetwork, balancer, poolOf, VIP } from "./balanced-network.ts";

export interface ProxiedNetwork extends BalancedNetwork {
  readonly proxy: ProxyBalancer;
  readonly pool: BackendPool;
  /** What the proxy told, as text. */
  readonly told: string[];
  readonly wait: (time: Duration) => void;
}

/** The proxy stands on `lb`, has the virtual address there, and listens on port 80; backends on 8080. */
export function proxiedNetwork(
  change: Partial<ProxyOptions> & {
    method?: BalancingMethod;
    first?: string;
    seed?: number;
    smallBuffers?: boolean;
  } = {},
): ProxiedNetwork {
  const { method = { kind: "round-robin" }, first = "b1", seed, smallBuffers = false, ...options } = change;
  const world = balancedNetwork(seed === undefined ? {} : { seed });
  const { lb, net } = world;
  if (smallBuffers) {
    const receiveBuffer = { initial: 131_072, most: 131_072 };
    lb.tcp.settings = { ...LINUX_TCP, receiveBuffer, sendBuffer: { initial: 65_536, most: 100_000 } };
  }
  lb.addAddress(lb.loopback, { address: address(VIP), prefixLength: 32 });
  const pool = options.pool ?? poolOf(world, { port: 8080 });
  const told: string[] = [];
  const proxy = new ProxyBalancer({
    name: "elb",
    stack: lb,
    listen: { address: address(VIP), port: 80 },
    balancer: balancer(world, method, first),
    mode: { kind: "tcp" },
    onEvent: (event) => told.push(describeProxyEvent(event)),
    ...options,
    pool,
  });
  proxy.start();
  return { ...world, proxy, pool, told, wait: (time) => net.simulator.runTo(after(net.simulator.now(), time)) };
}

/** A client's connection, with what it got as text, and how it ended. */
export class Caller {
  readonly socket: TcpSocket;
  got = "";
  ended: string | undefined;
  hasEnd = false;

  constructor(from: Stack, options: { to?: string; port?: number; endsWithPeer?: boolean } = {}) {
    const { to = VIP, port = 80, endsWithPeer = true } = options;
    const events = {
      onData: (bytes: Uint8Array) => {
        this.got += latin1(bytes);
      },
      onEnd: () => {
        this.hasEnd = true;
        if (endsWithPeer) this.socket.end();
      },
      onClose: (reason: string) => {
        this.ended = reason;
      },
    };
    const socket = from.tcp.connect({ to: address(to), port }, events);
    if (typeof socket === "string") throw new Error(socket);
    this.socket = socket;
  }

  say(text: string): this {
    this.socket.write(bytesOf(text));
    return this;
  }
}

/** What a backend's server heard on one connection. */
export interface Heard {
  text: string;
  ended: boolean;
  closed: string | undefined;
  readonly socket: TcpSocket;
}

/** A server on port 8080 that keeps what each connection sent and calls `answer` after each piece. */
export function backendServer(host: Stack, answer: (heard: Heard) => void = () => {}): Heard[] {
  const connections: Heard[] = [];
  host.tcp.listen({ port: 8080 }, (socket) => {
    const heard: Heard = { text: "", ended: false, closed: undefined, socket };
    connections.push(heard);
    socket.events = {
      onData: (bytes) => {
        heard.text += latin1(bytes);
        answer(heard);
      },
      onEnd: () => {
        heard.ended = true;
        socket.end();
      },
      onClose: (reason) => {
        heard.closed = reason;
      },
    };
  });
  return connections;
}

/** Answers every complete request head (`\r\n\r\n`) once, by number from 0. */
export function httpBackend(host: Stack, response: (head: string, number: number) => string | undefined): Heard[] {
  const answered = new Map<Heard, number>();
  return backendServer(host, (heard) => {
    const heads = heard.text.split("\r\n\r\n").slice(0, -1);
    for (let i = answered.get(heard) ?? 0; i < heads.length; i++) {
      answered.set(heard, i + 1);
      const text = response(heads[i] ?? "", i);
      if (text !== undefined) heard.socket.write(bytesOf(text));
    }
  });
}

export function bytesOf(text: string): Uint8Array {
  return Uint8Array.from(text, (character) => character.charCodeAt(0));
}

function latin1(bytes: Uint8Array): string {
  let text = "";
  for (const byte of bytes) text += String.fromCharCode(byte);
  return text;
}
