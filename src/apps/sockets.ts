import type { CloseReason, TcpSocket } from "../netstack/index.ts";

/**
 * What `close()` does to a TCP socket on Linux: FIN after what was written, and RST if the peer sends more, because nobody
 * is left to read it (`tcp_rcv_state_process`, net/ipv4/tcp_input.c).
 */
export function closeSocket(socket: TcpSocket): void {
  socket.events = { onData: () => socket.destroy() };
  socket.resume();
  socket.end();
}

/** `strerror` of what a program gets from a connection that ended this way. */
export function describeCloseReason(reason: CloseReason): string {
  return ERROR_TEXT[reason];
}

const ERROR_TEXT: Readonly<Record<CloseReason, string>> = {
  closed: "Success",
  reset: "Connection reset by peer",
  refused: "Connection refused",
  "timed-out": "Connection timed out",
  aborted: "Software caused connection abort",
  "host-unreachable": "No route to host",
  "network-unreachable": "Network is unreachable",
  "protocol-unreachable": "Protocol not available",
  "protocol-error": "Protocol error",
};
