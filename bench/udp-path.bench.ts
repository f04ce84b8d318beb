import { address, type UdpSocket } from "../src/netstack/index.ts";
import { FIRST_UDP_PORT, kubeRules, UDP_PORTS, VIP } from "./kube-rules.ts";
import { buildPath, CLIENT_ADDRESSES, type Path } from "./path.ts";

export const IN_FLIGHT = 64;
/** As many sockets has the client, which Linux allows without further ado. Flows beyond them come from further addresses. */
export const FLOWS_PER_ADDRESS = 5_000;
/** conntrack's table on the router: room for a million flows. */
const MOST_CONNECTIONS = 2_000_000;
const PAYLOAD = new Uint8Array(64);

/**
 * Whole stacks: a client's UDP sockets, a router with kube-proxy's rules (DNAT, MASQUERADE), a server's sockets, {@link IN_FLIGHT} packets under way.
 * A packet is one datagram from a client's socket to the server's: over two links, through two stacks and the router between.
 */
export class UdpPath {
  readonly path: Path;
  readonly #flows: number;
  readonly #sockets: readonly UdpSocket[];
  #sent = 0;
  #received = 0;

  /** With `services` Services in the router's rules; all packets go to one of them. */
  constructor(options: { readonly flows: number; readonly services: number; readonly masqueradeAll?: boolean }) {
    const masqueradeAll = options.masqueradeAll ?? true;
    this.path = buildPath(kubeRules(options.services, { masqueradeAll }));
    this.path.router.setConntrack({ max: MOST_CONNECTIONS });
    this.#flows = options.flows;
    const onDatagram = (): void => {
      this.#received += 1;
    };
    for (let port = FIRST_UDP_PORT; port < FIRST_UDP_PORT + UDP_PORTS; port++)
      this.path.server.stack.udp.open({ port, onDatagram });
    this.#sockets = Array.from({ length: Math.min(options.flows, FLOWS_PER_ADDRESS) }, () =>
      this.path.client.stack.udp.open({ onDatagram: () => {} }),
    );
  }

  /** Sends packets over the flows in turn, and gives the packets a second. @throws Error when one did not arrive. */
  send(packets: number): number {
    const before = this.#received;
    const { simulator } = this.path.network;
    const began = performance.now();
    for (let left = packets; left > 0; left -= IN_FLIGHT) {
      for (let i = Math.min(left, IN_FLIGHT); i > 0; i--) this.#sendNext();
      simulator.runUntilQuiet();
    }
    const seconds = (performance.now() - began) / 1000;
    const arrived = this.#received - before;
    if (arrived !== packets)
      throw new Error(`only ${arrived} of ${packets} arrived: ${JSON.stringify(this.path.network.drops())}`);
    return packets / seconds;
  }

  /** Ends all connections on the router, so that every flow is a new one. */
  forget(): void {
    this.path.router.netfilter?.deleteWhere(() => true);
  }

  #sendNext(): void {
    const flow = this.#sent++ % this.#flows;
    this.#sockets[flow % this.#sockets.length]?.send({
      to: SERVICE,
      port: FIRST_UDP_PORT + (flow % UDP_PORTS),
      payload: PAYLOAD,
      from: CLIENT_ADDRESSES[Math.floor(flow / FLOWS_PER_ADDRESS)]!,
    });
  }
}

const SERVICE = address(VIP);
