import { formatIpv4, type Ipv4Address } from "../netstack/index.ts";
import type { Server, ServerHost } from "./http-server.ts";

/** Answers each datagram with one of the same length, filled up with `z`, that begins with who sent how much. */
export function udpEchoServer(
  host: ServerHost,
  options: { readonly port: number; readonly address?: Ipv4Address },
): Server {
  const { port, address } = options;
  const socket = host.stack.udp.open({
    port,
    ...(address !== undefined && { address }),
    onDatagram: ({ from, fromPort, to, payload }) => {
      const head = new TextEncoder().encode(`from ${formatIpv4(from)} ${payload.length} bytes `);
      const answer = new Uint8Array(Math.max(head.length, payload.length)).fill(0x7a);
      answer.set(head);
      // The reply leaves in fragments where it must, from the address that was called.
      socket.send({ to: from, port: fromPort, payload: answer, from: to, dontFragment: false });
    },
  });
  return { close: () => socket.close() };
}
