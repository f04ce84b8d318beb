import type { Process } from "../process.ts";
import { isUsageFault, parseCurlArguments } from "./options.ts";
import { CURL_VERSION } from "./request.ts";
import { CurlRun } from "./run.ts";

/**
 * curl 7.88.1 for http: its request bytes, messages and exit codes. It prints no progress meter, as on a terminal, and no
 * `[n bytes data]` lines with -v.
 */
export function curl(process: Process): void {
  const args = process.argv.slice(1);
  if (args.includes("--version") || args.includes("-V")) {
    process.write(`curl ${CURL_VERSION} (natscope)\nProtocols: http\n`);
    return process.exit(0);
  }
  const options = parseCurlArguments(args);
  if (isUsageFault(options)) {
    process.writeError(options.usage);
    return process.exit(options.exitCode);
  }
  new CurlRun(process, options).begin();
}
