/** Counts and round-trip times of one ping, in iputils' arithmetic: whole microseconds. */
export class PingStatistics {
  transmitted = 0;
  received = 0;
  duplicates = 0;
  errors = 0;
  /** Most requests that were under way at once. */
  #pipe = 0;
  #least = Number.MAX_SAFE_INTEGER;
  #most = 0;
  #sum = 0;
  #sumOfSquares = 0;

  get longestUs(): number {
    return this.#most;
  }

  /** An answer or an error settles the request with this sequence number. */
  settle(sequence: number): void {
    this.#pipe = Math.max(this.#pipe, this.transmitted - sequence + 1);
  }

  addRoundTrip(us: number): void {
    this.#least = Math.min(this.#least, us);
    this.#most = Math.max(this.#most, us);
    this.#sum += us;
    this.#sumOfSquares += us * us;
  }

  /** The lines at the end. `timed` is false when the packets were too short to carry a time. */
  summary(host: string, elapsedMs: number, timed: boolean): string {
    const { transmitted, received, duplicates, errors } = this;
    const loss = transmitted === 0 ? 0 : ((transmitted - received) * 100) / transmitted;
    const counts = [
      `${transmitted} packets transmitted, ${received} received`,
      duplicates > 0 ? `+${duplicates} duplicates` : "",
      errors > 0 ? `+${errors} errors` : "",
      `${shortNumber(loss)}% packet loss`,
      `time ${elapsedMs}ms`,
    ];
    const details = [
      received > 0 && timed ? `rtt min/avg/max/mdev = ${this.#roundTrips()} ms` : "",
      this.#pipe > 1 ? `pipe ${this.#pipe}` : "",
    ];
    const filled = (parts: readonly string[]): string => parts.filter((part) => part !== "").join(", ");
    return `\n--- ${host} ping statistics ---\n${filled(counts)}\n${filled(details)}\n`;
  }

  #roundTrips(): string {
    const count = this.received + this.duplicates;
    const average = Math.floor(this.#sum / count);
    const variance = Math.max(0, Math.floor(this.#sumOfSquares / count) - average * average);
    const values = [this.#least, average, this.#most, Math.floor(Math.sqrt(variance))];
    return values.map(formatUs).join("/");
  }
}

function formatUs(us: number): string {
  return `${Math.floor(us / 1000)}.${String(us % 1000).padStart(3, "0")}`;
}

/** A percentage as `%g` prints it. */
function shortNumber(value: number): string {
  return String(Number(value.toPrecision(6)));
}

/** A round trip as in `time=0.355 ms`: three digits and more. */
export function formatRoundTrip(us: number): string {
  if (us >= 100_000 - 50) return String(Math.floor((us + 500) / 1000));
  if (us >= 10_000 - 5) return `${Math.floor((us + 50) / 1000)}.${Math.floor(((us + 50) % 1000) / 100)}`;
  if (us >= 1000) {
    const rounded = us + 5;
    return `${Math.floor(rounded / 1000)}.${String(Math.floor((rounded % 1000) / 10)).padStart(2, "0")}`;
  }
  return `0.${String(us).padStart(3, "0")}`;
}
