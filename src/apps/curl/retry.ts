import { CurlExit } from "./failure.ts";
import type { CurlOptions } from "./options.ts";
import type { TransferReport } from "./report.ts";

const TRANSIENT_STATUS = [408, 429, 500, 502, 503, 504];
/** curl breaks its warnings to the terminal's width. */
const WARNING_WIDTH = 79;
const WARNING = "Warning: ";

/** Why `--retry` tries again after this outcome; `undefined` when it does not. */
export function mayRetry(report: TransferReport, options: CurlOptions): string | undefined {
  const { exitCode, status } = report;
  if (exitCode === CurlExit.timeout || exitCode === CurlExit.resolve) return "timeout";
  if (exitCode === CurlExit.connect && options.retriesRefused) return "connection refused";
  const answered = exitCode === 0 || exitCode === CurlExit.httpError;
  return answered && TRANSIENT_STATUS.includes(status) ? "HTTP error" : undefined;
}

/** The warning before a retry. */
export function retryWarning(why: string, delay: number, left: number): string {
  let text = `Problem : ${why}. Will retry in ${Math.floor(delay)} seconds. ${left} retries left.`;
  // Its own line end counts.
  const width = WARNING_WIDTH - WARNING.length - 1;
  let lines = "";
  while (text.length > width) {
    const blank = text.lastIndexOf(" ", width);
    const end = blank <= 0 ? width : blank + 1;
    lines += `${WARNING}${text.slice(0, end)}\n`;
    text = text.slice(end);
  }
  return `${lines}${WARNING}${text}\n`;
}
