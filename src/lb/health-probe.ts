import { formatIpv4, type Ipv4Address, type Stack, type TcpSocket } from "../netstack/index.ts";
import { emitProxyV1, emitProxyV2, emitRequest, HttpResponseParser } from "../protocols/index.ts";
import { after, type Duration, type Timer, toMs } from "../sim/index.ts";

/** What is asked of a backend. The port is the backend's own when left out. */
export type HealthProbe =
  /** The handshake is enough. */
  | { readonly kind: "tcp"; readonly port?: number }
  /** A GET that must be answered with one of `expected`, 200 unless told. The body is not looked at. */
  | {
      readonly kind: "http";
      readonly port?: number;
      readonly path: string;
      /** The Host field: the backend's address unless told. */
      readonly host?: string;
      /** For servers that refuse to talk without a PROXY header: one that names nobody, HAProxy's `check-send-proxy`. */
      readonly sendProxy?: "v1" | "v2";
      readonly expected?: readonly (number | readonly [first: number, last: number])[];
    };

export interface ProbeTarget {
  readonly address: Ipv4Address;
  readonly port: number;
}

export interface ProbeResult {
  readonly healthy: boolean;
  /** `HTTP 503`, `connection refused`, …: what was seen. */
  readonly reason: string;
}

/** Bodies larger than this are no health answers. */
const BODY_LIMIT = 1_000_000;

/** One question to one backend over the network, answered once or cancelled. */
export class ProbeRun {
  readonly #timer: Timer;
  #socket: TcpSocket | undefined;
  #report: ((result: ProbeResult) => void) | undefined;

  constructor(options: {
    readonly stack: Stack;
    readonly probe: HealthProbe;
    readonly target: ProbeTarget;
    readonly timeout: Duration;
    readonly from?: Ipv4Address | undefined;
    readonly report: (result: ProbeResult) => void;
  }) {
    const { stack, probe, target, timeout, from } = options;
    this.#report = options.report;
    this.#timer = stack.clock.timer(() => this.#timedOut(timeout));
    this.#timer.set(after(stack.clock.now(), timeout));
    const to = { to: target.address, port: target.port, ...(from !== undefined && { from }) };
    const socket = stack.tcp.connect(to, {
      onConnect: () => this.#connected(probe, target),
      onClose: (reason) => this.#finish({ healthy: false, reason: `connection ${reason}` }),
    });
    if (typeof socket === "string") this.#finish({ healthy: false, reason: socket });
    else this.#socket = socket;
  }

  /** Ends the question without an answer. */
  cancel(): void {
    this.#report = undefined;
    this.#timer.cancel();
    this.#socket?.destroy();
  }

  #connected(probe: HealthProbe, target: ProbeTarget): void {
    if (probe.kind === "tcp") return this.#finish({ healthy: true, reason: "connected" });
    const socket = this.#socket;
    if (socket === undefined) return;
    socket.connection.noDelay = true;
    const parser = new HttpResponseParser({ body: BODY_LIMIT });
    const look = (events: ReturnType<HttpResponseParser["push"]>): void => {
      for (const event of events) {
        if (event.kind === "head") return this.#finish(judge(probe, event.head.status));
        if (event.kind === "error") return this.#finish({ healthy: false, reason: `no HTTP: ${event.error.fault}` });
      }
    };
    socket.events = {
      ...socket.events,
      onData: (bytes) => look(parser.push(bytes)),
      onEnd: () => look(parser.end()),
    };
    parser.expect("GET");
    if (probe.sendProxy === "v1") socket.write(emitProxyV1({ version: 1, family: "UNKNOWN" }));
    if (probe.sendProxy === "v2") socket.write(emitProxyV2({ version: 2, command: "local" }));
    socket.write(healthRequest(probe, target));
  }

  #timedOut(timeout: Duration): void {
    const socket = this.#socket;
    const where = socket?.state === "syn-sent" ? "no connection" : "no answer";
    this.#finish({ healthy: false, reason: `${where} within ${toMs(timeout)} ms` });
    socket?.destroy();
  }

  #finish(result: ProbeResult): void {
    const report = this.#report;
    if (report === undefined) return;
    this.#report = undefined;
    this.#timer.cancel();
    this.#socket?.close();
    report(result);
  }
}

function healthRequest(probe: Extract<HealthProbe, { kind: "http" }>, target: ProbeTarget): Uint8Array {
  const host = probe.host ?? formatIpv4(target.address);
  const headers = [
    ["Host", host],
    ["Connection", "close"],
  ] as const;
  return emitRequest({ method: "GET", target: probe.path, version: "1.1", headers });
}

function judge(probe: Extract<HealthProbe, { kind: "http" }>, status: number): ProbeResult {
  const expected = probe.expected ?? [200];
  const healthy = expected.some((each) =>
    typeof each === "number" ? each === status : each[0] <= status && status <= each[1],
  );
  return { healthy, reason: `HTTP ${status}` };
}
