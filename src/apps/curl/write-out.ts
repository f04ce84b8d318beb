import { toSeconds } from "../../sim/index.ts";
import type { TransferReport } from "./report.ts";

/** What `--write-out` prints, per stream. */
export interface WriteOutText {
  readonly stdout: string;
  readonly stderr: string;
}

/** Writes out a `--write-out` format for a finished transfer. */
export function formatWriteOut(format: string, report: TransferReport): WriteOutText {
  const text = { stdout: "", stderr: "" };
  const complaints: string[] = [];
  let stream: "stdout" | "stderr" = "stdout";
  const pattern = /%\{([^}]*)\}|%header\{([^}]*)\}|%%|\\(.)|[\s\S]/gy;
  for (const [token, variable, field, escaped] of format.matchAll(pattern)) {
    if (variable === "stdout" || variable === "stderr") stream = variable;
    else if (variable === "onerror") {
      if (report.exitCode === 0) break;
    } else if (variable !== undefined) {
      const value = VARIABLES.get(variable);
      if (value === undefined) complaints.push(`curl: unknown --write-out variable: '${variable}'\n`);
      else text[stream] += value(report);
    } else if (field !== undefined) text[stream] += report.responseField(field) ?? "";
    else if (escaped !== undefined) text[stream] += ESCAPES[escaped] ?? token;
    else text[stream] += token === "%%" ? "%" : token;
  }
  return { stdout: text.stdout, stderr: complaints.join("") + text.stderr };
}

const ESCAPES: Readonly<Record<string, string>> = { n: "\n", r: "\r", t: "\t" };

const VARIABLES: ReadonlyMap<string, (report: TransferReport) => string> = new Map([
  ["http_code", (report) => String(report.status).padStart(3, "0")],
  ["response_code", (report) => String(report.status).padStart(3, "0")],
  ["http_connect", () => "000"],
  ["http_version", (report) => report.httpVersion],
  ["method", (report) => report.method],
  ["scheme", (report) => (report.remote === undefined ? "" : "HTTP")],
  ["url", (report) => report.typedUrl],
  ["url_effective", (report) => report.effectiveUrl],
  ["redirect_url", (report) => report.redirectUrl],
  ["content_type", (report) => report.responseField("content-type") ?? ""],
  ["remote_ip", (report) => report.remote?.address ?? ""],
  ["remote_port", (report) => String(report.remote?.port ?? 0)],
  ["local_ip", (report) => report.local?.address ?? ""],
  ["local_port", (report) => String(report.local?.port ?? 0)],
  ["num_connects", (report) => String(report.connects)],
  ["num_redirects", (report) => String(report.redirects)],
  ["num_headers", (report) => String(report.headerCount)],
  ["size_download", (report) => String(report.downloaded)],
  ["size_upload", (report) => String(report.uploaded)],
  ["size_header", (report) => String(report.headerBytes)],
  ["size_request", (report) => String(report.requestBytes)],
  ["time_namelookup", (report) => toSeconds(report.times.nameLookup).toFixed(6)],
  ["time_connect", (report) => toSeconds(report.times.connect).toFixed(6)],
  ["time_appconnect", () => "0.000000"],
  ["time_pretransfer", (report) => toSeconds(report.times.preTransfer).toFixed(6)],
  ["time_starttransfer", (report) => toSeconds(report.times.startTransfer).toFixed(6)],
  ["time_redirect", (report) => toSeconds(report.times.redirect).toFixed(6)],
  ["time_total", (report) => toSeconds(report.times.total).toFixed(6)],
  ["exitcode", (report) => String(report.exitCode)],
  ["errormsg", (report) => report.errorText],
  ["urlnum", (report) => String(report.urlNumber)],
]);
