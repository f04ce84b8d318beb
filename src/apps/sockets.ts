import type { CloseReason } from "../netstack/index.ts";

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
