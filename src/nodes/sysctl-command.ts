import type { Process } from "../apps/index.ts";
import type { Host } from "./host.ts";
import { SYSCTLS } from "./sysctls.ts";

/** `sysctl` of procps: `-a`, `NAME` prints, `NAME=VALUE` sets, with or without `-w`; `-n` prints values alone, `-q` nothing that was set. */
export function sysctl(process: Process, host: Host): void {
  const args = process.argv.slice(1);
  const flags = new Set(args.filter((arg) => arg.startsWith("-")));
  const operands = flags.has("-a") ? [...SYSCTLS.keys()] : args.filter((arg) => !arg.startsWith("-"));
  const unknown = [...flags].find((flag) => !["-a", "-n", "-q", "-w"].includes(flag));
  if (unknown !== undefined || operands.length === 0) {
    process.writeError("sysctl: expected [-n] [-q] NAME … or NAME=VALUE …, or -a\n");
    return process.exit(1);
  }
  let failed = false;
  for (const operand of operands) {
    const done = show(host, operand, flags);
    if (done.text !== "") process.write(`${done.text}\n`);
    if (done.fault === undefined) continue;
    process.writeError(`sysctl: ${done.fault}\n`);
    failed = true;
  }
  process.exit(failed ? 1 : 0);
}

function show(host: Host, operand: string, flags: ReadonlySet<string>): { text: string; fault?: string } {
  const equals = operand.indexOf("=");
  const name = (equals < 0 ? operand : operand.slice(0, equals)).trim().replaceAll("/", ".");
  const parameter = SYSCTLS.get(name);
  if (parameter === undefined)
    return { text: "", fault: `cannot stat /proc/sys/${name.replaceAll(".", "/")}: No such file or directory` };
  if (equals < 0 && flags.has("-w")) return { text: "", fault: `"${operand}" must be of the form name=value` };
  if (equals >= 0) {
    const value = parameter.normal(operand.slice(equals + 1).trim());
    if (value === undefined) return { text: "", fault: `setting key "${name}": Invalid argument` };
    parameter.write(host, value);
    if (flags.has("-q")) return { text: "" };
  }
  const value = parameter.read(host);
  return { text: flags.has("-n") ? value : `${name} = ${value}` };
}
