/**
 * Why a connection ended. `closed`: both sides have sent and acknowledged their FIN. `reset`: the peer sent RST. `refused`: RST or port
 * unreachable answered the SYN. `timed-out`: no answer in the time the settings allow. `aborted`: this side gave up, by `abort()` or by
 * closing with unread data. The others are ICMP errors that ended an attempt, or were the last thing heard before it timed out.
 */
export type CloseReason =
  | "closed"
  | "reset"
  | "refused"
  | "timed-out"
  | "aborted"
  | "host-unreachable"
  | "network-unreachable"
  | "protocol-unreachable"
  | "protocol-error";

/** What a connection tells its owner. Calls come after a segment or timeout has been dealt with, so all methods may be used from them. */
export interface TcpUpcalls {
  /** The handshake is complete. */
  onEstablished?(): void;
  /** There is more to read. */
  onReadable?(): void;
  /** `write` accepts bytes again after it took fewer than it was given. */
  onWritable?(): void;
  /** The peer's FIN: after what `read` still returns, nothing follows. */
  onPeerClosed?(): void;
  /** Nothing further will happen: both directions are closed, or the connection died. Called once, on entering TIME-WAIT or CLOSED. */
  onClosed?(reason: CloseReason): void;
}
