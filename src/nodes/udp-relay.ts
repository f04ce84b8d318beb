import type { Server } from "../apps/index.ts";
import type { Ipv4Address, UdpDatagram, UdpSocket } from "../netstack/index.ts";
import { after, type Duration, type Timer } from "../sim/index.ts";
import type { Host } from "./host.ts";

/** Where a relay sends to. */
export interface RelayTarget {
  readonly address: Ipv4Address;
  readonly port: number;
  /** `10.180.1.5:8080` */
  readonly text: string;
}

/** Clients that are served at a time; datagrams of more are dropped. */
const MOST_CLIENTS = 1024;

interface Client {
  readonly target: RelayTarget;
  readonly socket: UdpSocket;
  readonly timer: Timer;
}

/** Passes datagrams on from a socket of its own for each client, and answers back, until nothing came for `timeout`. Targets take turns. */
export class UdpRelay implements Server {
  readonly #host: Host;
  readonly #timeout: Duration;
  readonly #listener: UdpSocket;
  readonly #clients = new Map<string, Client>();
  #targets: readonly RelayTarget[] = [];
  #turn = 0;

  /** @throws RangeError when the port is in use. */
  constructor(host: Host, options: { readonly port: number; readonly timeout: Duration }) {
    this.#host = host;
    this.#timeout = options.timeout;
    this.#listener = host.stack.udp.open({ port: options.port, onDatagram: (datagram) => this.#take(datagram) });
  }

  /** Where new clients' datagrams go from now on. */
  setTargets(targets: readonly RelayTarget[]): void {
    this.#targets = targets;
  }

  close(): void {
    this.#listener.close();
    for (const key of [...this.#clients.keys()]) this.#end(key);
  }

  #take(datagram: UdpDatagram): void {
    const key = `${datagram.from}:${datagram.fromPort} ${datagram.to}`;
    const known = this.#clients.get(key);
    const client = known ?? this.#begin(key, datagram);
    if (client === undefined) return;
    this.#rest(client);
    const { address, port } = client.target;
    client.socket.send({ to: address, port, payload: datagram.payload, dontFragment: false });
    if (known === undefined) this.#tell(client, datagram);
  }

  /** Nothing in the packets says which socket of the relay's carries which client. */
  #tell({ target, socket }: Client, { from, fromPort, to }: UdpDatagram): void {
    const { stack } = this.#host;
    const source = stack.addressing.sourceFor(target.address);
    if (!stack.host.events.active || source === undefined) return;
    const client = { source: from, sourcePort: fromPort, destination: to, destinationPort: this.#listener.port };
    const own = { source, sourcePort: socket.port, destination: target.address, destinationPort: target.port };
    const names = { service: `udp port ${this.#listener.port}`, backend: target.text };
    stack.host.emit(0, { kind: "proxied", protocol: "udp", ...names, client, own });
  }

  #begin(key: string, { from, fromPort, to }: UdpDatagram): Client | undefined {
    const target = this.#targets[this.#turn % Math.max(1, this.#targets.length)];
    if (target === undefined || this.#clients.size >= MOST_CLIENTS) return undefined;
    this.#turn += 1;
    const { stack } = this.#host;
    const socket = stack.udp.open({
      onDatagram: ({ payload }) => {
        this.#rest(client);
        this.#listener.send({ to: from, port: fromPort, payload, from: to, dontFragment: false });
      },
    });
    const client: Client = { target, socket, timer: stack.clock.timer(() => this.#end(key)) };
    this.#clients.set(key, client);
    return client;
  }

  #rest(client: Client): void {
    client.timer.set(after(this.#host.stack.clock.now(), this.#timeout));
  }

  #end(key: string): void {
    const client = this.#clients.get(key);
    client?.timer.cancel();
    client?.socket.close();
    this.#clients.delete(key);
  }
}
