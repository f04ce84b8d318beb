import { formatIpv4 } from "../netstack/index.ts";
import { after, seconds } from "../sim/index.ts";
import type { Process, ProgramHost } from "./process.ts";
import { formatResolverConfig } from "./resolver.ts";

/** Prints its arguments; `-n` leaves out the line end. */
export function echo(process: Process): void {
  const args = process.argv.slice(1);
  const bare = args[0] === "-n";
  process.write((bare ? args.slice(1) : args).join(" ") + (bare ? "" : "\n"));
  process.exit(0);
}

/** Ends after the time given: seconds, or with `m` or `h` behind it. */
export function sleep(process: Process): void {
  const match = /^(\d{1,9}(?:\.\d{1,9})?)([smh]?)$/.exec(process.argv[1] ?? "");
  const unit = { "": 1, s: 1, m: 60, h: 3600 }[match?.[2] ?? ""] ?? 1;
  const length = Number(match?.[1]) * unit;
  // Longer than any run.
  if (match === null || process.argv.length > 2 || length > 1_000_000) {
    process.writeError(`sleep: invalid time interval '${process.argv.slice(1).join(" ")}'\n`);
    return process.exit(1);
  }
  const { clock } = process.host.stack;
  process.timer(() => process.exit(0)).set(after(clock.now(), seconds(length)));
}

/** Prints the environment. */
export function env(process: Process): void {
  process.write([...process.host.environment].map(([name, value]) => `${name}=${value}\n`).join(""));
  process.exit(0);
}

/** Prints the host's name. */
export function hostname(process: Process): void {
  process.write(`${process.host.name}\n`);
  process.exit(0);
}

/** The command `true`. */
export function succeed(process: Process): void {
  process.exit(0);
}

/** The command `false`. */
export function refuse(process: Process): void {
  process.exit(1);
}

/** The files a host has, each made from what the host knows. */
const FILES: ReadonlyMap<string, (host: ProgramHost) => string> = new Map([
  ["/etc/hostname", (host) => `${host.name}\n`],
  ["/etc/hosts", hostsFile],
  ["/etc/resolv.conf", (host) => formatResolverConfig(host.resolver.config)],
]);

/** Prints one of the host's few files. */
export function cat(process: Process): void {
  let exitCode = 0;
  for (const path of process.argv.slice(1)) {
    const file = FILES.get(path);
    if (file !== undefined) {
      process.write(file(process.host));
    } else {
      process.writeError(`cat: ${path}: No such file or directory\n`);
      exitCode = 1;
    }
  }
  process.exit(exitCode);
}

function hostsFile(host: ProgramHost): string {
  return host.resolver.hosts.map((entry) => `${formatIpv4(entry.address)}\t${entry.names.join("\t")}\n`).join("");
}
