import type { Ipv4Address, Stack } from "../netstack/index.ts";
import { after, type Duration, nanoseconds, seconds, type Time, type Timer } from "../sim/index.ts";
import type { Backend, BackendPool } from "./backend-pool.ts";
import { type HealthProbe, type ProbeResult, ProbeRun } from "./health-probe.ts";

/** When backends are asked, and how many equal answers in a row change their state. */
export interface HealthCheckTiming {
  readonly interval: Duration;
  /** At most the interval: one question at a time. */
  readonly timeout: Duration;
  readonly healthyThreshold: number;
  readonly unhealthyThreshold: number;
}

/** What older Kubernetes releases set on Google Compute Engine: nodes leave after 5 × 2 = 10 s, as the tutorial says (cloudprovider/providers/gce). */
export const GCE_HEALTH_CHECK: HealthCheckTiming = {
  interval: seconds(2),
  timeout: seconds(1),
  healthyThreshold: 1,
  unhealthyThreshold: 5,
};

/** What later releases set there: 3 × 8 = 24 s. */
export const GCE_HEALTH_CHECK_LATER: HealthCheckTiming = {
  interval: seconds(8),
  timeout: seconds(1),
  healthyThreshold: 1,
  unhealthyThreshold: 3,
};

export interface HealthCheckerOptions {
  /** The host that asks: the balancer's. */
  readonly stack: Stack;
  readonly pool: BackendPool;
  readonly probe: HealthProbe;
  readonly timing: HealthCheckTiming;
  /** How long after the start, or after a backend was added, its first question comes; none unless told. */
  readonly phase?: Duration;
  /** The source address; by the route when left out. */
  readonly from?: Ipv4Address;
  /** Told of every answer. */
  readonly onResult?: (status: HealthStatus) => void;
}

/** What is known about one backend. */
export interface HealthStatus {
  readonly backend: Backend;
  readonly checks: number;
  readonly failures: number;
  /** Equal answers in a row, the last one included. */
  readonly inARow: number;
  readonly last: (ProbeResult & { readonly at: Time }) | undefined;
}

/** Asks every backend of a pool again and again, and tells the pool who is healthy. Every question is packets on the network. */
export class HealthChecker {
  readonly #options: HealthCheckerOptions;
  readonly #checks = new Map<string, BackendCheck>();
  #unobserve: (() => void) | undefined;

  /** @throws RangeError when the timing cannot be kept. */
  constructor(options: HealthCheckerOptions) {
    const { interval, timeout, healthyThreshold, unhealthyThreshold } = options.timing;
    if (timeout <= 0 || timeout > interval) {
      throw new RangeError("Cannot check health: the timeout must be positive and at most the interval");
    }
    if (!(healthyThreshold >= 1) || !(unhealthyThreshold >= 1)) {
      throw new RangeError("Cannot check health: thresholds are at least 1");
    }
    this.#options = options;
  }

  /** Begins to ask; backends that come and go later are followed. */
  start(): void {
    if (this.#unobserve !== undefined) return;
    const { pool } = this.#options;
    for (const backend of pool.backends) this.#add(backend);
    this.#unobserve = pool.observe(({ backend, from, to }) => {
      if (from === undefined || from === "draining") this.#add(backend);
      if (to === "removed" || to === "draining") this.#remove(backend.name);
    });
  }

  /** Asks no more; the pool stays as it is. */
  stop(): void {
    this.#unobserve?.();
    this.#unobserve = undefined;
    for (const name of [...this.#checks.keys()]) this.#remove(name);
  }

  status(name: string): HealthStatus | undefined {
    return this.#checks.get(name);
  }

  /** `GET :32122/healthz every 2 s, 1 s to answer, unhealthy after 5, healthy after 1`, then a line for each backend. */
  describe(): readonly string[] {
    const { probe, timing } = this.#options;
    const port = probe.port === undefined ? "" : `:${probe.port}`;
    const question = probe.kind === "tcp" ? `TCP ${port || "connect"}` : `GET ${port}${probe.path}`;
    const { interval, timeout, healthyThreshold, unhealthyThreshold } = timing;
    const when = `every ${interval / 1e9} s, ${timeout / 1e9} s to answer`;
    return [
      `${question} ${when}, unhealthy after ${unhealthyThreshold}, healthy after ${healthyThreshold}`,
      ...[...this.#checks.values()].map(describeStatus),
    ];
  }

  #add(backend: Backend): void {
    if (backend.state === "removed" || this.#checks.has(backend.name)) return;
    this.#checks.set(backend.name, new BackendCheck(backend, this.#options));
  }

  #remove(name: string): void {
    this.#checks.get(name)?.stop();
    this.#checks.delete(name);
  }
}

function describeStatus(status: HealthStatus): string {
  const { backend, checks, failures, inARow, last } = status;
  const seen = last === undefined ? "not asked yet" : `last ${last.reason}, ${inARow} in a row`;
  return `  ${backend.name} ${backend.state}: ${seen}; ${failures} of ${checks} failed`;
}

/** The questions to one backend. */
class BackendCheck implements HealthStatus {
  readonly backend: Backend;
  checks = 0;
  failures = 0;
  inARow = 0;
  last: HealthStatus["last"];
  readonly #options: HealthCheckerOptions;
  readonly #next: Timer;
  #running: ProbeRun | undefined;

  constructor(backend: Backend, options: HealthCheckerOptions) {
    this.backend = backend;
    this.#options = options;
    const { clock } = options.stack;
    this.#next = clock.timer(() => this.#ask());
    this.#next.set(after(clock.now(), options.phase ?? nanoseconds(0)));
  }

  stop(): void {
    this.#next.cancel();
    this.#running?.cancel();
  }

  #ask(): void {
    const { stack, probe, timing, from } = this.#options;
    this.#next.set(after(stack.clock.now(), timing.interval));
    const port = probe.port ?? this.backend.port;
    if (port === undefined) return this.#take({ healthy: false, reason: "no port to ask at" });
    this.#running = new ProbeRun({
      stack,
      probe,
      target: { address: this.backend.address, port },
      timeout: timing.timeout,
      from,
      report: (result) => this.#take(result),
    });
  }

  #take(result: ProbeResult): void {
    const { stack, pool, timing, onResult } = this.#options;
    this.inARow = this.last?.healthy === result.healthy ? this.inARow + 1 : 1;
    this.last = { ...result, at: stack.clock.now() };
    this.checks += 1;
    if (!result.healthy) this.failures += 1;
    const wanted = result.healthy ? timing.healthyThreshold : timing.unhealthyThreshold;
    const times = this.inARow === 1 ? "" : `, ${this.inARow} in a row`;
    if (this.inARow >= wanted)
      pool.setHealth(this.backend.name, result.healthy ? "healthy" : "unhealthy", `${result.reason}${times}`);
    onResult?.(this);
  }
}
