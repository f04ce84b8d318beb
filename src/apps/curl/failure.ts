import type { Duration } from "../../sim/index.ts";

/** Why a transfer failed: curl's exit code, and the text after `curl: (n)`. */
export interface CurlFailure {
  readonly exitCode: number;
  readonly text: string;
}

/** Exit codes of curl(1) that can occur here. */
export const CurlExit = {
  unsupportedProtocol: 1,
  badUrl: 3,
  resolve: 6,
  connect: 7,
  weirdReply: 8,
  partialFile: 18,
  httpError: 22,
  write: 23,
  timeout: 28,
  interface: 45,
  tooManyRedirects: 47,
  emptyReply: 52,
  receive: 56,
} as const;

/** Whole milliseconds, as curl's messages count them. */
export function wholeMs(duration: Duration): number {
  return Math.floor(duration / 1e6);
}
