import type {
  Stack,
  TcpConnectOptions,
  TcpSocket,
  TcpSocketEvents,
  UdpSocket,
  UdpSocketOptions,
} from "../netstack/index.ts";
import type { Timer } from "../sim/index.ts";
import { OutputBuffer } from "./output-buffer.ts";
import type { Resolver } from "./resolver.ts";

/** What a program sees of the host it runs on. */
export interface ProgramHost {
  readonly name: string;
  readonly stack: Stack;
  readonly resolver: Resolver;
  readonly environment: ReadonlyMap<string, string>;
  /** The numbers `ip` shows before interfaces; 1, 2, 3, … in their order where left out. */
  readonly interfaceIndexes?: ReadonlyMap<string, number>;
  /** Programs that this host has beside those that every host has, by name; they go before those. */
  readonly commands?: ReadonlyMap<string, Program>;
}

/** A program: begins its work with the call and ends it, then or later, with `process.exit`. */
export type Program = (process: Process) => void;

/** Most bytes a process may write to stdout and stderr together. */
const OUTPUT_LIMIT = 16 * 1024 * 1024;
const ENCODER = new TextEncoder();
/** 128 + SIGXFSZ, 128 + SIGKILL: what a shell reports for a process that a signal ended. */
const EXIT_TOO_MUCH_OUTPUT = 153;
const EXIT_KILLED = 137;

/**
 * A running command. Its sockets and timers end with it, as they do on Linux; what it wrote stays. A process is never
 * reused, and after its exit code is set nothing of it runs any more.
 */
export class Process {
  readonly host: ProgramHost;
  /** The program's name, then its arguments. */
  readonly argv: readonly string[];
  /** What was piped into it; `undefined` when nothing was. */
  readonly stdin: Uint8Array | undefined;
  readonly #stdout = new OutputBuffer();
  readonly #stderr = new OutputBuffer();
  readonly #cleanups = new Set<() => void>();
  readonly #exitHandlers: ((code: number) => void)[] = [];
  #exiting = false;
  #exitCode: number | undefined;

  constructor(host: ProgramHost, argv: readonly string[], stdin?: Uint8Array) {
    this.host = host;
    this.argv = argv;
    this.stdin = stdin;
  }

  /** `undefined` while the process runs. */
  get exitCode(): number | undefined {
    return this.#exitCode;
  }

  /** True from the first call of {@link exit} on: what is being cleaned up must not begin anything new. */
  get isEnding(): boolean {
    return this.#exiting;
  }

  /** What was written to stdout, read as UTF-8. */
  get stdout(): string {
    return this.#stdout.text();
  }

  get stderr(): string {
    return this.#stderr.text();
  }

  /** What was written to stdout. */
  get stdoutBytes(): Uint8Array {
    return this.#stdout.bytes();
  }

  /** Writes to stdout. Bytes are copied. */
  write(output: string | Uint8Array): void {
    this.#writeTo(this.#stdout, output);
  }

  /** Writes to stderr. */
  writeError(output: string): void {
    this.#writeTo(this.#stderr, output);
  }

  /** Ends the process; later calls have no effect. */
  exit(code: number): void {
    if (this.#exiting) return;
    this.#exiting = true;
    for (const cleanup of [...this.#cleanups].reverse()) cleanup();
    this.#cleanups.clear();
    this.#exitCode = code;
    for (const handler of this.#exitHandlers) handler(code);
  }

  /** Ends the process from outside, as SIGKILL does. */
  kill(): void {
    this.exit(EXIT_KILLED);
  }

  /** Calls `handler` when the process ends; at once when it has ended. */
  onExit(handler: (code: number) => void): void {
    if (this.#exitCode === undefined) this.#exitHandlers.push(handler);
    else handler(this.#exitCode);
  }

  /** Has `cleanup` called when the process ends, the last one first, or at once; the returned function takes it back. */
  atExit(cleanup: () => void): () => void {
    if (this.#exitCode === undefined) this.#cleanups.add(cleanup);
    else cleanup();
    return () => this.#cleanups.delete(cleanup);
  }

  /** A disarmed timer that is cancelled when the process ends. */
  timer(action: () => void): Timer {
    const timer = this.host.stack.clock.timer(action, "program");
    this.atExit(() => timer.cancel());
    return timer;
  }

  /** Opens a TCP connection that is closed when the process ends. */
  connect(options: TcpConnectOptions, events: TcpSocketEvents): TcpSocket | "no-route" | "no-free-port" {
    const socket = this.host.stack.tcp.connect(options, events);
    if (typeof socket !== "string") this.atExit(() => socket.close());
    return socket;
  }

  /** Opens a UDP socket that is closed when the process ends. @throws RangeError when the port is taken. */
  openUdp(options: UdpSocketOptions): UdpSocket {
    const socket = this.host.stack.udp.open(options);
    this.atExit(() => socket.close());
    return socket;
  }

  #writeTo(buffer: OutputBuffer, output: string | Uint8Array): void {
    if (this.#exitCode !== undefined) return;
    const bytes = typeof output === "string" ? ENCODER.encode(output) : output.slice();
    if (this.#stdout.length + this.#stderr.length + bytes.length <= OUTPUT_LIMIT) return buffer.append(bytes);
    if (this.#exiting) return;
    this.#stderr.append(ENCODER.encode(`${this.argv[0]}: more than 16 MiB of output\n`));
    this.exit(EXIT_TOO_MUCH_OUTPUT);
  }
}
