import { emitTcp, fillTcpChecksum, IpProtocol, TCP_HEADER_LENGTH, TcpFlag, type TcpSocket } from "../netstack/index.ts";
import { after, ms } from "../sim/index.ts";
import type { Server, ServerHost } from "./http-server.ts";

/** So far beyond the window that nobody takes it for a part of the connection, and less than half the sequence space. */
const FAR_AHEAD = 0x4000_0000;
const STRAY = new TextEncoder().encode("boom!!!");
const ANSWER = new TextEncoder().encode(
  "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 16\r\nConnection: close\r\n\r\nstill connected\n",
);
/** Long enough for a RST to come back first. */
const THINKING = ms(200);

/**
 * What Kubernetes' own test of #74839 has its server do (test/images/regression-issue-74839): when a request has come, a segment far outside the window goes
 * to the client through a raw socket, behind TCP's back; the answer follows a moment later, if the connection is still there.
 */
export function straySegmentServer(host: ServerHost, options: { readonly port: number }): Server {
  const { tcp, clock } = host.stack;
  return tcp.listen({ port: options.port }, (socket) => {
    let asked = false;
    const timer = clock.timer(() => {
      socket.write(ANSWER);
      socket.close();
    }, "program");
    socket.events = {
      onData: () => {
        if (asked) return;
        asked = true;
        sendStray(host, socket);
        timer.set(after(clock.now(), THINKING));
      },
      onEnd: () => socket.close(),
      onClose: () => timer.cancel(),
    };
  });
}

function sendStray({ stack }: ServerHost, { local, remote, info }: TcpSocket): void {
  const ends = { source: local.address, destination: remote.address };
  const header = { protocol: IpProtocol.tcp, ...ends, dontFragment: true, identification: 0 };
  const packet = stack.ip.create(header, TCP_HEADER_LENGTH + STRAY.length);
  const { bytes, transport: at, end } = packet;
  emitTcp(
    {
      sourcePort: local.port,
      destinationPort: remote.port,
      sequence: (info.sendNext + FAR_AHEAD) >>> 0,
      acknowledgment: info.receiveNext,
      headerLength: TCP_HEADER_LENGTH,
      flags: TcpFlag.ack | TcpFlag.psh,
      window: 65_535,
      checksum: 0,
      urgentPointer: 0,
    },
    bytes,
    at,
  );
  bytes.set(STRAY, at + TCP_HEADER_LENGTH);
  fillTcpChecksum(bytes, { at, end, ...ends });
  stack.ip.send(packet);
}
