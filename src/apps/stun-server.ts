import type { Ipv4Address, UdpDatagram, UdpSocket } from "../netstack/index.ts";
import {
  emitStun,
  parseStun,
  STUN_BINDING,
  type StunAttribute,
  type StunMessage,
  stunAttribute,
  unknownRequiredAttributes,
} from "../protocols/index.ts";
import type { Server, ServerHost } from "./http-server.ts";

/** Where {@link stunServer} listens. */
export interface StunServerOptions {
  /** Two addresses of the host, or one: then clients cannot tell which kind of NAT they are behind (RFC 5780 §6.1). */
  readonly addresses: readonly [Ipv4Address] | readonly [primary: Ipv4Address, alternate: Ipv4Address];
  /** 3478 and 3479 unless told. */
  readonly ports?: readonly [primary: number, alternate: number];
}

const UNKNOWN_ATTRIBUTE = 420;
const CHANGE_REQUEST = 0x0003;
const SOFTWARE = "natscope";

/**
 * A STUN server that also tells NAT behaviours apart (RFC 8489, RFC 5780): it answers from where it was asked, or from its
 * other address or port when CHANGE-REQUEST says so.
 * @throws RangeError when a port is in use.
 */
export function stunServer(host: ServerHost, options: StunServerOptions): Server {
  const { addresses, ports = [3478, 3479] } = options;
  const sockets: UdpSocket[][] = [];
  for (const [row, address] of addresses.entries()) {
    sockets.push(
      ports.map((port, column) => {
        const onDatagram = (datagram: UdpDatagram): void => answer(datagram, { row, column }, sockets);
        return host.stack.udp.open({ address, port, onDatagram });
      }),
    );
  }
  return {
    close: () => {
      for (const socket of sockets.flat()) socket.close();
    },
  };
}

interface Place {
  readonly row: number;
  readonly column: number;
}

function answer(datagram: UdpDatagram, at: Place, sockets: readonly (readonly UdpSocket[])[]): void {
  const request = parseStun(datagram.payload);
  const own = sockets[at.row]?.[at.column];
  if (request === undefined || own === undefined || request.class !== "request" || request.method !== STUN_BINDING)
    return;
  const reply = (from: UdpSocket, message: StunMessage): void => {
    from.send({ to: datagram.from, port: datagram.fromPort, payload: emitStun(message), dontFragment: false });
  };
  const change = stunAttribute(request, "change-request");
  const hasAlternate = sockets.length > 1;
  // A server with one address does not know CHANGE-REQUEST (RFC 5780 §6.1).
  const unknown = [
    ...unknownRequiredAttributes(request),
    ...(change !== undefined && !hasAlternate ? [CHANGE_REQUEST] : []),
  ];
  if (unknown.length > 0) return reply(own, refusal(request, unknown));
  const row = change?.changeAddress === true ? 1 - at.row : at.row;
  const column = change?.changePort === true ? 1 - at.column : at.column;
  const from = sockets[row]?.[column];
  const other = sockets[1 - at.row]?.[1 - at.column];
  if (from === undefined) return;
  const attributes: StunAttribute[] = [
    { type: "xor-mapped-address", address: datagram.from, port: datagram.fromPort },
    { type: "mapped-address", address: datagram.from, port: datagram.fromPort },
    { type: "response-origin", address: from.address, port: from.port },
  ];
  if (other !== undefined) attributes.push({ type: "other-address", address: other.address, port: other.port });
  attributes.push({ type: "software", text: SOFTWARE });
  reply(from, { class: "success", method: STUN_BINDING, transactionId: request.transactionId, attributes });
}

function refusal(request: StunMessage, codes: readonly number[]): StunMessage {
  return {
    class: "error",
    method: STUN_BINDING,
    transactionId: request.transactionId,
    attributes: [
      { type: "error-code", code: UNKNOWN_ATTRIBUTE, reason: "Unknown Attribute" },
      { type: "unknown-attributes", codes },
    ],
  };
}
