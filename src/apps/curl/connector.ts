import { formatIpv4, type Ipv4Address, parseIpv4, type TcpSocket } from "../../netstack/index.ts";
import { after, between, type Duration, type Time } from "../../sim/index.ts";
import type { Process } from "../process.ts";
import { describeCloseReason } from "../sockets.ts";
import { CurlExit, type CurlFailure, wholeMs } from "./failure.ts";
import type { CurlOptions } from "./options.ts";
import type { CurlUrl } from "./url.ts";

/** What a connector needs of the run it works for. */
export interface ConnectorContext {
  readonly process: Process;
  readonly options: CurlOptions;
  /** Prints a `* ` line with -v. */
  info(line: string): void;
}

/** A connection, or why there is none. */
export type ConnectOutcome =
  | { readonly kind: "connected"; readonly socket: TcpSocket; readonly address: Ipv4Address }
  | { readonly kind: "failed"; readonly failure: CurlFailure };

/** Port choice when `--local-port` is not given. */
const ANY_PORT = [undefined] as const;

/** Tries the addresses of a host one after the other. While there are more, one may take half of the time left. */
export class Connector {
  readonly #context: ConnectorContext;
  readonly #url: CurlUrl;
  readonly #addresses: readonly Ipv4Address[];
  readonly #deadline: Time;
  readonly #began: Time;
  readonly #done: (outcome: ConnectOutcome) => void;
  readonly #timer: ReturnType<Process["timer"]>;
  #index = 0;
  #socket: TcpSocket | undefined;
  #timedOut = false;
  #allowed: Duration = 0 as Duration;

  constructor(
    context: ConnectorContext,
    goal: { url: CurlUrl; addresses: readonly Ipv4Address[]; began: Time; deadline: Time },
    done: (outcome: ConnectOutcome) => void,
  ) {
    this.#context = context;
    this.#url = goal.url;
    this.#addresses = goal.addresses;
    this.#began = goal.began;
    this.#deadline = goal.deadline;
    this.#done = done;
    this.#timer = context.process.timer(() => this.#giveUpAddress());
  }

  begin(): void {
    const address = this.#addresses[this.#index];
    if (address === undefined) return this.#fail();
    const { info } = this.#context;
    info(`  Trying ${formatIpv4(address)}:${this.#url.port}...`);
    const from = this.#bindAddress();
    if (typeof from === "string")
      return this.#finish({ kind: "failed", failure: { exitCode: CurlExit.interface, text: from } });
    const socket = this.#connect(address, from?.address);
    if (socket === "in-use") return this.#failBinding("bind failed with errno 98: Address already in use");
    if (typeof socket === "string") {
      info(`Immediate connect fail for ${formatIpv4(address)}: ${socket}`);
      return this.#tryNext();
    }
    this.#socket = socket;
    const now = this.#now();
    const left = between(now, this.#deadline);
    this.#allowed = (this.#index + 1 < this.#addresses.length ? Math.floor(left / 2) : left) as Duration;
    this.#timer.set(after(now, this.#allowed));
  }

  /** Ends the attempt without an outcome. */
  cancel(): void {
    this.#timer.cancel();
    this.#abandon();
  }

  #connect(to: Ipv4Address, from: Ipv4Address | undefined): TcpSocket | string {
    const { process, options, info } = this.#context;
    const { port } = this.#url;
    const events = {
      onConnect: () => this.#connected(to),
      onClose: (reason: Parameters<typeof describeCloseReason>[0]) => {
        info(`connect to ${formatIpv4(to)} port ${port} failed: ${describeCloseReason(reason)}`);
        this.#timedOut = reason === "timed-out";
        this.#tryNext();
      },
    };
    for (const fromPort of portsOf(options.localPorts)) {
      const place = { ...(from !== undefined && { from }), ...(fromPort !== undefined && { fromPort }) };
      const socket = process.connect({ to, port, ...place }, events);
      if (socket === "no-route") return "Network is unreachable";
      if (socket !== "no-free-port") {
        socket.setKeepAlive(options.keepAlive);
        if (fromPort !== undefined || from !== undefined) info(`Local port: ${fromPort ?? 0}`);
        return socket;
      }
      if (fromPort !== undefined) info(`Bind to local port ${fromPort} failed, trying next`);
    }
    return options.localPorts === undefined ? "Cannot assign requested address" : "in-use";
  }

  /** The address `--interface` names; a text when it cannot be bound to. */
  #bindAddress(): { readonly address: Ipv4Address } | undefined | string {
    const { options, process, info } = this.#context;
    if (options.interface === undefined) return undefined;
    const { stack } = process.host;
    const address = parseIpv4(options.interface);
    const found = address ?? stack.interface(options.interface)?.addresses[0]?.address;
    let problem: string | undefined;
    if (address !== undefined) {
      const text = formatIpv4(address);
      info(`Name '${text}' family 2 resolved to '${text}' family 2`);
      if (!stack.addressing.isLocal(address)) problem = "bind failed with errno 99: Cannot assign requested address";
    } else if (found === undefined) {
      info(`Could not resolve host: ${options.interface}`);
      problem = `Couldn't bind to '${options.interface}'`;
    }
    if (problem !== undefined || found === undefined) return this.#bindingFailed(problem ?? "");
    return { address: found };
  }

  #bindingFailed(problem: string): string {
    const { info } = this.#context;
    info(problem);
    info(this.#failedText("Failed binding local connection end"));
    return problem;
  }

  #failBinding(problem: string): void {
    this.#finish({ kind: "failed", failure: { exitCode: CurlExit.interface, text: this.#bindingFailed(problem) } });
  }

  #connected(address: Ipv4Address): void {
    if (this.#socket !== undefined) this.#finish({ kind: "connected", socket: this.#socket, address });
  }

  #giveUpAddress(): void {
    this.#context.info(`ipv4 connect timeout after ${wholeMs(this.#allowed)}ms, move on!`);
    this.#abandon();
    this.#index += 1;
    if (this.#index < this.#addresses.length) return this.begin();
    this.#finish({ kind: "failed", failure: this.#failure(CurlExit.timeout, "Timeout was reached") });
  }

  #tryNext(): void {
    this.#socket = undefined;
    this.#timer.cancel();
    this.#index += 1;
    this.begin();
  }

  /** All addresses failed before the time was over. A timeout of the kernel's has curl's exit code for timeouts, but not its text. */
  #fail(): void {
    const exitCode = this.#timedOut ? CurlExit.timeout : CurlExit.connect;
    this.#finish({ kind: "failed", failure: this.#failure(exitCode, "Couldn't connect to server") });
  }

  #failure(exitCode: number, why: string): CurlFailure {
    const text = this.#failedText(why);
    this.#context.info(text);
    return { exitCode, text };
  }

  #failedText(why: string): string {
    const took = wholeMs(between(this.#began, this.#now()));
    return `Failed to connect to ${this.#url.host} port ${this.#url.port} after ${took} ms: ${why}`;
  }

  #abandon(): void {
    const socket = this.#socket;
    this.#socket = undefined;
    if (socket === undefined) return;
    socket.events = {};
    socket.destroy();
  }

  #finish(outcome: ConnectOutcome): void {
    this.#timer.cancel();
    this.#done(outcome);
  }

  #now(): Time {
    return this.#context.process.host.stack.clock.now();
  }
}

function* portsOf(range: readonly [low: number, high: number] | undefined): Iterable<number | undefined> {
  if (range === undefined) yield* ANY_PORT;
  else for (let port = range[0]; port <= range[1]; port++) yield port;
}
