import { address, type TcpSocket } from "../src/netstack/index.ts";
import { after, ms } from "../src/sim/index.ts";
import { kubeRules, TCP_PORT, VIP } from "./kube-rules.ts";
import { buildPath, type Path } from "./path.ts";

/** In virtual time, as the steps of a scenario that are repeated: 12,000 connections are in TIME-WAIT at a time, and twice as many in the router's table. */
const SPACING = ms(5);
const QUESTION = new Uint8Array(80).fill(0x61);
const ANSWER = new Uint8Array(600).fill(0x62);
const SERVICE = address(VIP);

/** Short TCP connections through a router with kube-proxy's rules (DNAT, MASQUERADE): each asks once, is answered, and is closed by the client. */
export class TcpConnections {
  readonly #path: Path;
  #closed = 0;

  constructor() {
    this.#path = buildPath(kubeRules(1));
    this.#path.server.stack.tcp.listen({ port: TCP_PORT }, (socket) => {
      socket.events = { onData: () => void socket.write(ANSWER), onEnd: () => socket.close() };
    });
  }

  /** Makes so many, one after the other, and gives connections a second. @throws Error when one was not answered. */
  run(count: number): number {
    const { simulator } = this.#path.network;
    const before = this.#closed;
    const began = performance.now();
    for (let made = 0; made < count; made++) {
      this.#open();
      simulator.runTo(after(simulator.now(), SPACING));
    }
    const seconds = (performance.now() - began) / 1000;
    if (this.#closed - before !== count) throw new Error(`only ${this.#closed - before} of ${count} were answered`);
    return count / seconds;
  }

  #open(): void {
    const opened = this.#path.client.stack.tcp.connect(
      { to: SERVICE, port: TCP_PORT },
      {
        onConnect: () => void socket.write(QUESTION),
        onData: () => {
          this.#closed += 1;
          socket.close();
        },
      },
    );
    if (typeof opened === "string") throw new Error(opened);
    const socket: TcpSocket = opened;
  }
}
