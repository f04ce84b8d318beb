import { formatIpv4, type Ipv4Address, parseIpv4, type TcpSocket } from "../netstack/index.ts";
import { after, seconds, type Timer } from "../sim/index.ts";
import { type Options, parseOptions, parseSeconds, parseWhole } from "./options.ts";
import type { Process } from "./process.ts";
import { describeCloseReason } from "./sockets.ts";

const SYNTAX = {
  options: {
    u: "flag",
    z: "flag",
    v: "flag",
    n: "flag",
    N: "flag",
    "4": "flag",
    w: "value",
    p: "value",
    s: "value",
  },
} as const;

const USAGE = "usage: nc [-4NnuvZz] [-p source_port] [-s sourceaddr] [-w timeout] [destination] [port]\n";
/** How long a UDP scan listens for an ICMP error. */
const UDP_SCAN_SECONDS = 3;
const MOST_PORTS = 1024;

interface NetcatPlan {
  readonly host: string;
  readonly ports: readonly number[];
  readonly overUdp: boolean;
  readonly scans: boolean;
  readonly verbose: boolean;
  /** -N: FIN when the input has ended. */
  readonly endsAfterInput: boolean;
  readonly timeoutSeconds: number | undefined;
  readonly from: Ipv4Address | undefined;
  readonly fromPort: number | undefined;
}

/**
 * nc of OpenBSD as a client: connects and sends what was piped into it, or only scans with -z. With -u it waits for answers
 * as long as -w says, one second without.
 */
export function netcat(process: Process): void {
  const options = parseOptions(process.argv.slice(1), SYNTAX);
  const plan = "fault" in options ? undefined : readPlan(options);
  if (plan === undefined) {
    process.writeError(USAGE);
    return process.exit(1);
  }
  if (typeof plan === "string") return fail(process, plan);
  const unknown = (why: string): void =>
    fail(process, `getaddrinfo for host "${plan.host}" port ${plan.ports[0]}: ${why}`);
  if (!("fault" in options) && options.has("n") && parseIpv4(plan.host) === undefined) {
    return unknown("Name or service not known");
  }
  const cancel = process.host.resolver.resolve(plan.host, (resolution) => {
    if (process.isEnding) return;
    const [address] = resolution.kind === "found" ? resolution.addresses : [];
    if (address !== undefined) new Netcat(process, plan, address).begin();
    else
      unknown(resolution.kind === "not-found" ? "Name or service not known" : "Temporary failure in name resolution");
  });
  process.atExit(cancel);
}

function fail(process: Process, text: string): void {
  process.writeError(`nc: ${text}\n`);
  process.exit(1);
}

function readPlan(options: Options): NetcatPlan | string | undefined {
  const [host, typedPorts, ...more] = options.operands;
  if (host === undefined || typedPorts === undefined || more.length > 0) return undefined;
  const range = /^(\d{1,5})(?:-(\d{1,5}))?$/.exec(typedPorts);
  const [low, high] = [Number(range?.[1]), Number(range?.[2] ?? range?.[1])];
  if (range === null || low < 1 || high > 65535 || low > high) return `port number invalid: ${typedPorts}`;
  if (high - low >= MOST_PORTS) return `port range too large: ${typedPorts}`;
  const typedTimeout = options.value("w");
  const timeoutSeconds = typedTimeout === undefined ? undefined : parseSeconds(typedTimeout, 86_400);
  if (typedTimeout !== undefined && !timeoutSeconds) return `timeout invalid: ${typedTimeout}`;
  const typedFrom = options.value("s");
  const from = typedFrom === undefined ? undefined : parseIpv4(typedFrom);
  if (typedFrom !== undefined && from === undefined) return `source address invalid: ${typedFrom}`;
  const typedPort = options.value("p");
  const fromPort = typedPort === undefined ? undefined : parseWhole(typedPort, 1, 65535);
  if (typedPort !== undefined && fromPort === undefined) return `port number invalid: ${typedPort}`;
  const ports = Array.from({ length: high - low + 1 }, (_, index) => low + index);
  const { overUdp, scans, verbose } = { overUdp: options.has("u"), scans: options.has("z"), verbose: options.has("v") };
  const endsAfterInput = options.has("N");
  return { host, ports, overUdp, scans, verbose, endsAfterInput, timeoutSeconds, from, fromPort };
}

/** Tries one port after the other; without -z the first that answers is talked to. */
class Netcat {
  readonly #process: Process;
  readonly #plan: NetcatPlan;
  readonly #address: Ipv4Address;
  readonly #timer: Timer;
  #onTimeout: () => void = () => {};
  #index = 0;
  #exitCode = 1;

  constructor(process: Process, plan: NetcatPlan, address: Ipv4Address) {
    this.#process = process;
    this.#plan = plan;
    this.#address = address;
    this.#timer = process.timer(() => this.#onTimeout());
  }

  begin(): void {
    const port = this.#plan.ports[this.#index];
    if (port === undefined) this.#process.exit(this.#exitCode);
    else if (this.#plan.overUdp) this.#tryUdp(port);
    else this.#tryTcp(port);
  }

  #tryTcp(port: number): void {
    const { from, fromPort, timeoutSeconds } = this.#plan;
    const place = { ...(from !== undefined && { from }), ...(fromPort !== undefined && { fromPort }) };
    const socket: TcpSocket | string = this.#process.connect(
      { to: this.#address, port, ...place },
      {
        onConnect: () => {
          this.#timer.cancel();
          if (typeof socket !== "string") this.#connected(port, socket);
        },
        onClose: (reason) => this.#failed(port, `failed: ${describeCloseReason(reason)}`),
      },
    );
    if (typeof socket === "string") {
      return this.#failed(
        port,
        socket === "no-route" ? "failed: Network is unreachable" : "failed: Address already in use",
      );
    }
    if (timeoutSeconds === undefined) return;
    this.#after(timeoutSeconds, () => {
      socket.events = {};
      socket.destroy();
      this.#failed(port, "timed out: Operation now in progress");
    });
  }

  #connected(port: number, socket: TcpSocket): void {
    this.#succeeded(port);
    if (this.#plan.scans) {
      socket.events = {};
      socket.end();
      return this.#next();
    }
    socket.events = {
      onData: (bytes) => this.#process.write(bytes),
      onEnd: () => this.#process.exit(0),
      onClose: (reason) => this.#process.exit(reason === "closed" ? 0 : 1),
    };
    const { stdin } = this.#process;
    if (stdin !== undefined) socket.write(stdin);
    if (this.#plan.endsAfterInput) socket.end();
    const { timeoutSeconds } = this.#plan;
    if (timeoutSeconds !== undefined) this.#after(timeoutSeconds, () => this.#process.exit(0));
  }

  #tryUdp(port: number): void {
    const { from, fromPort, scans, timeoutSeconds } = this.#plan;
    let isRefused = false;
    const socket = this.#process.openUdp({
      ...(from !== undefined && { address: from }),
      ...(fromPort !== undefined && { port: fromPort }),
      onDatagram: (datagram) => {
        if (datagram.from === this.#address && datagram.fromPort === port && !scans)
          this.#process.write(datagram.payload);
      },
      onError: () => {
        isRefused = true;
      },
    });
    const send = (payload: Uint8Array): unknown => socket.send({ to: this.#address, port, payload });
    if (!scans) {
      if (send(this.#process.stdin ?? new Uint8Array(0)) !== undefined)
        return this.#failed(port, "failed: Network is unreachable");
      return this.#after(timeoutSeconds ?? 1, () => this.#process.exit(isRefused ? 1 : 0));
    }
    // The second write fails if the first has already been refused; then one write a second.
    const probe = new TextEncoder().encode("X");
    send(probe);
    send(probe);
    this.#scanUdp(port, {
      left: timeoutSeconds ?? UDP_SCAN_SECONDS,
      send: () => send(probe),
      isRefused: () => isRefused,
    });
  }

  #scanUdp(port: number, scan: { left: number; send(): unknown; isRefused(): boolean }): void {
    if (scan.isRefused()) return this.#next();
    if (scan.left <= 0) {
      this.#succeeded(port);
      return this.#next();
    }
    this.#after(1, () => {
      if (!scan.isRefused()) scan.send();
      this.#scanUdp(port, { ...scan, left: scan.left - 1 });
    });
  }

  #succeeded(port: number): void {
    this.#exitCode = 0;
    if (!this.#plan.verbose) return;
    const protocol = this.#plan.overUdp ? "udp" : "tcp";
    const address = formatIpv4(this.#address);
    const who = this.#plan.host === address ? address : `${this.#plan.host} (${address})`;
    this.#process.writeError(`Connection to ${who} ${port} port [${protocol}/${SERVICES[port] ?? "*"}] succeeded!\n`);
  }

  #failed(port: number, how: string): void {
    if (this.#plan.verbose) {
      const { host, overUdp } = this.#plan;
      const address = formatIpv4(this.#address);
      const who = host === address ? address : `${host} (${address})`;
      this.#process.writeError(`nc: connect to ${who} port ${port} (${overUdp ? "udp" : "tcp"}) ${how}\n`);
    }
    this.#next();
  }

  #next(): void {
    this.#timer.cancel();
    this.#index += 1;
    this.begin();
  }

  #after(length: number, action: () => void): void {
    const { clock } = this.#process.host.stack;
    this.#onTimeout = action;
    this.#timer.set(after(clock.now(), seconds(length)));
  }
}

/** Names from /etc/services, of ports that occur in networks like these. */
const SERVICES: Readonly<Record<number, string>> = {
  7: "echo",
  22: "ssh",
  25: "smtp",
  53: "domain",
  80: "http",
  123: "ntp",
  443: "https",
  3306: "mysql",
  5432: "postgresql",
  6379: "redis",
  8080: "http-alt",
};
