import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { formatIpv4 } from "../src/netstack/index.ts";
import { kubeRulesText } from "./kube-rules.ts";
import { CLIENT_ADDRESSES } from "./path.ts";
import { FLOWS_PER_ADDRESS } from "./udp-path.bench.ts";

/**
 * The kernel's own way from client to server: three network namespaces, veth pairs, and the same rules loaded by iptables-restore. The namespaces are
 * this process' own by name, and gone after {@link LinuxPath.close}, which also runs when the process is interrupted.
 */
export class LinuxPath {
  readonly #names: Readonly<Record<"client" | "router" | "server", string>>;
  readonly #folder: string = mkdtempSync(join(tmpdir(), "natscope-bench-"));
  readonly #program: string = join(this.#folder, "linux-path");

  /** Why there can be no such path here; `undefined` when there can. */
  static obstacle(): string | undefined {
    if (process.platform !== "linux") return "not on Linux";
    if (process.getuid?.() !== 0) return "not root";
    for (const tool of ["ip", "iptables-restore", "cc"])
      if (spawnSync(tool, ["--version"]).error !== undefined) return `${tool} is not there`;
    return undefined;
  }

  /** @throws Error when the kernel or a tool refuses. */
  constructor(options: { readonly services: number }) {
    const prefix = `natscope-bench-${process.pid}`;
    this.#names = { client: `${prefix}-client`, router: `${prefix}-router`, server: `${prefix}-server` };
    process.once("exit", () => this.close());
    for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => process.exit(130));
    try {
      this.#build(options.services);
    } catch (error) {
      this.close();
      throw error;
    }
  }

  /** Packets a second, of so many packets over so many flows. */
  run(flows: number, packets: number): number {
    const { client, server } = this.#names;
    const output = run([this.#program, client, server, `${flows}`, `${FLOWS_PER_ADDRESS}`, `${packets}`]);
    return Number(output);
  }

  close(): void {
    for (const name of Object.values(this.#names)) spawnSync("ip", ["netns", "delete", name]);
    rmSync(this.#folder, { recursive: true, force: true });
  }

  #build(services: number): void {
    const { client, router, server } = this.#names;
    run(["cc", "-O2", "-o", this.#program, new URL("../../bench/linux-path.c", import.meta.url).pathname]);
    for (const name of [client, router, server]) {
      run(["ip", "netns", "add", name]);
      run(["ip", "-n", name, "link", "set", "lo", "up"]);
    }
    connect(client, router, 1);
    connect(server, router, 2);
    for (const own of CLIENT_ADDRESSES.slice(1))
      run(["ip", "-n", client, "address", "add", `${formatIpv4(own)}/32`, "dev", "eth0"]);
    run(["ip", "netns", "exec", router, "sysctl", "-qw", "net.ipv4.ip_forward=1"]);
    run(["ip", "netns", "exec", router, "iptables-restore"], kubeRulesText(services));
  }
}

/** Network `number` of bench/path.ts. */
function connect(host: string, router: string, number: number): void {
  const [end, own, other] = [`eth${number - 1}`, `10.${number}.0.2`, `10.${number}.0.1`];
  run(["ip", "-n", host, "link", "add", "eth0", "type", "veth", "peer", "name", end, "netns", router]);
  run(["ip", "-n", host, "address", "add", `${own}/24`, "dev", "eth0"]);
  run(["ip", "-n", router, "address", "add", `${other}/24`, "dev", end]);
  run(["ip", "-n", host, "link", "set", "eth0", "up"]);
  run(["ip", "-n", router, "link", "set", end, "up"]);
  run(["ip", "-n", host, "route", "add", "default", "via", other]);
}

function run(command: readonly string[], input = ""): string {
  const [program = "", ...args] = command;
  const { status, stdout, stderr, error } = spawnSync(program, args, { input, encoding: "utf8" });
  if (status !== 0) throw new Error(`${command.join(" ")}: ${error?.message ?? stderr.trim()}`);
  return stdout;
}
