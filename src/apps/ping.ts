import {
  type EchoReply,
  formatIpv4,
  type IcmpErrorMessage,
  IcmpType,
  type Ipv4Address,
  ipv4,
  parseIpv4,
} from "../netstack/index.ts";
import { after, between, ms, seconds, type Time, type Timer } from "../sim/index.ts";
import { echoSequenceIn } from "./icmp-echo.ts";
import { parseOptions } from "./options.ts";
import { describePingError } from "./ping-errors.ts";
import { type PingPlan, readPingPlan } from "./ping-plan.ts";
import { formatRoundTrip, PingStatistics } from "./ping-statistics.ts";
import type { Process } from "./process.ts";

const SYNTAX = {
  options: {
    c: "value",
    i: "value",
    I: "value",
    M: "value",
    n: "flag",
    q: "flag",
    s: "value",
    t: "value",
    w: "value",
    W: "value",
    "4": "flag",
  },
} as const;

/** Of IP and ICMP. */
const HEADERS = 28;
/** Data must have room for a time stamp, or there are no round-trip times. */
const TIMESTAMP_LENGTH = 16;
const EXIT_NO_ANSWER = 1;
const EXIT_ERROR = 2;

/** ping of iputils 20221126. Without -c and -w it sends four requests. */
export function ping(process: Process): void {
  const options = parseOptions(process.argv.slice(1), SYNTAX);
  if ("fault" in options) {
    const problem = options.fault === "unknown" ? "invalid option" : "option requires an argument";
    return fail(process, `${problem} -- '${options.option.replace(/^-+/, "")}'`);
  }
  const [target, ...more] = options.operands;
  if (target === undefined || more.length > 0) {
    process.writeError("ping: usage error: Destination address required\n");
    return process.exit(1);
  }
  const plan = readPingPlan(options);
  if (typeof plan === "string") {
    process.writeError(`ping: ${plan}\n`);
    return process.exit(1);
  }
  const cancel = process.host.resolver.resolve(target, (resolution) => {
    if (process.isEnding) return;
    const [address] = resolution.kind === "found" ? resolution.addresses : [];
    if (resolution.kind === "found" && address !== undefined) {
      const isNumeric = options.has("n") || parseIpv4(target) !== undefined;
      return new Pinging(process, plan, { address, name: resolution.canonicalName, isNumeric }).begin(
        options.value("I"),
      );
    }
    const why = resolution.kind === "not-found" ? "Name or service not known" : "Temporary failure in name resolution";
    fail(process, `${target}: ${why}`);
  });
  process.atExit(cancel);
}

function fail(process: Process, text: string): void {
  process.writeError(`ping: ${text}\n`);
  process.exit(EXIT_ERROR);
}

interface PingTarget {
  readonly address: Ipv4Address;
  readonly name: string;
  readonly isNumeric: boolean;
}

/** One ping under way. */
class Pinging {
  readonly #process: Process;
  readonly #plan: PingPlan;
  readonly #target: PingTarget;
  readonly #statistics = new PingStatistics();
  readonly #identifier: number;
  readonly #sent = new Map<number, Time>();
  readonly #settled = new Set<number>();
  readonly #sendTimer: Timer;
  readonly #endTimer: Timer;
  #source: Ipv4Address = ipv4(0);
  #firstSent: Time | undefined;
  #lastSent: Time | undefined;
  /** Lines that wait for the name of an address. */
  #unnamed = 0;
  #isOver = false;

  constructor(process: Process, plan: PingPlan, target: PingTarget) {
    this.#process = process;
    this.#plan = plan;
    this.#target = target;
    this.#identifier = process.host.stack.random.below(65536);
    this.#sendTimer = process.timer(() => this.#send());
    this.#endTimer = process.timer(() => this.#end());
  }

  begin(from: string | undefined): void {
    const { stack } = this.#process.host;
    const { address, name } = this.#target;
    const place = from === undefined ? undefined : this.#placeOf(from);
    if (place?.problem !== undefined) return fail(this.#process, place.problem);
    const source = place?.address ?? stack.addressing.sourceFor(address);
    if (source === undefined || stack.addressing.hop(address) === undefined) {
      return fail(this.#process, "connect: Network is unreachable");
    }
    this.#source = source;
    const { length, deadlineSeconds } = this.#plan;
    const via = place === undefined ? "" : ` from ${formatIpv4(source)} ${place.interface ?? ""}:`;
    this.#print(`PING ${name} (${formatIpv4(address)})${via} ${length}(${length + HEADERS}) bytes of data.`);
    this.#process.atExit(stack.icmp.onEchoReply(this.#identifier, (reply) => this.#takeReply(reply)));
    this.#process.atExit(stack.onIcmpError((error) => this.#takeError(error)));
    if (deadlineSeconds !== undefined) this.#endTimer.set(after(this.#now(), seconds(deadlineSeconds)));
    this.#send();
  }

  /** What `-I` names: an address of the host's, or an interface. */
  #placeOf(from: string): { address?: Ipv4Address; interface?: string; problem?: string } {
    const { stack } = this.#process.host;
    const address = parseIpv4(from);
    if (address !== undefined) {
      return stack.addressing.isLocal(address) ? { address } : { problem: "bind: Cannot assign requested address" };
    }
    const own = stack.interface(from)?.addresses[0]?.address;
    return own === undefined ? { problem: `unknown iface: ${from}` } : { address: own, interface: from };
  }

  #send(): void {
    const { stack } = this.#process.host;
    const { count, intervalMs, length, ttl, pathMtu } = this.#plan;
    const now = this.#now();
    this.#statistics.transmitted += 1;
    const sequence = this.#statistics.transmitted & 0xffff;
    this.#sent.set(sequence, now);
    this.#firstSent ??= now;
    this.#lastSent = now;
    const mtu = stack.pathMtu(this.#target.address);
    const fits = length + HEADERS <= mtu;
    if (fits || pathMtu !== "do") {
      const { address: destination } = this.#target;
      const dontFragment = pathMtu !== "dont" && fits;
      const { identifier, source } = { identifier: this.#identifier, source: this.#source };
      stack.icmp.sendEcho({ source, destination, identifier, sequence, length, ttl, dontFragment });
    } else {
      this.#statistics.errors += 1;
      this.#process.writeError(`ping: local error: message too long, mtu=${mtu}\n`);
    }
    if (count === undefined || this.#statistics.transmitted < count) this.#sendTimer.set(after(now, ms(intervalMs)));
    else this.#endIfSettled() || this.#linger();
  }

  /** After the last request: twice the longest round trip and at least the interval, or -W when nothing was answered. */
  #linger(): void {
    if (this.#plan.deadlineSeconds !== undefined) return;
    const { received, longestUs } = this.#statistics;
    const { intervalMs, lingerMs } = this.#plan;
    const wait = received > 0 ? Math.max((2 * longestUs) / 1000, intervalMs) : lingerMs;
    this.#endTimer.set(after(this.#now(), ms(wait)));
  }

  #takeReply(reply: EchoReply): void {
    const sent = this.#sent.get(reply.sequence);
    if (sent === undefined || reply.from === undefined) return;
    const isDuplicate = this.#settled.has(reply.sequence);
    const us = Math.floor(between(sent, this.#now()) / 1000);
    if (isDuplicate) {
      this.#statistics.duplicates += 1;
    } else {
      this.#settled.add(reply.sequence);
      this.#statistics.received += 1;
      this.#statistics.settle(reply.sequence);
    }
    const isTimed = this.#plan.length >= TIMESTAMP_LENGTH;
    if (isTimed) this.#statistics.addRoundTrip(us);
    const time = isTimed ? ` time=${formatRoundTrip(us)} ms` : "";
    const end = `icmp_seq=${reply.sequence} ttl=${reply.ttl}${time}${isDuplicate ? " (DUP!)" : ""}`;
    this.#printFrom(reply.from, (who) => `${reply.length} bytes from ${who}: ${end}`);
    this.#endIfSettled();
  }

  #takeError(error: IcmpErrorMessage): void {
    const sequence = echoSequenceIn(error, this.#identifier);
    if (sequence === undefined || error.quoted.destination !== this.#target.address) return;
    if (error.type !== IcmpType.redirect) {
      this.#statistics.errors += 1;
      this.#statistics.settle(sequence);
    }
    this.#printFrom(error.from, (who) => `From ${who} icmp_seq=${sequence} ${describePingError(error)}`);
    this.#endIfSettled();
  }

  /** Prints a line about a host: by its address alone when the target was given as one. */
  #printFrom(address: Ipv4Address, line: (who: string) => string): void {
    if (this.#plan.quiet) return;
    const text = formatIpv4(address);
    if (this.#target.isNumeric) return this.#print(line(text));
    this.#unnamed += 1;
    const cancel = this.#process.host.resolver.nameOf(address, (name) => {
      this.#unnamed -= 1;
      this.#print(line(`${name ?? text} (${text})`));
      if (this.#isOver) this.#end();
    });
    this.#process.atExit(cancel);
  }

  /** Ends when every request has been answered one way or the other. */
  #endIfSettled(): boolean {
    const { count } = this.#plan;
    const { received, errors, transmitted } = this.#statistics;
    if (count === undefined || transmitted < count || received + errors < count) return false;
    this.#end();
    return true;
  }

  #end(): void {
    this.#isOver = true;
    this.#sendTimer.cancel();
    this.#endTimer.cancel();
    if (this.#unnamed > 0) return;
    const elapsed = Math.floor(between(this.#firstSent ?? this.#now(), this.#lastSent ?? this.#now()) / 1e6);
    const { received } = this.#statistics;
    this.#process.write(this.#statistics.summary(this.#target.name, elapsed, this.#plan.length >= TIMESTAMP_LENGTH));
    const { count, deadlineSeconds } = this.#plan;
    const tooFew = deadlineSeconds !== undefined && count !== undefined && received < count;
    this.#process.exit(received === 0 || tooFew ? EXIT_NO_ANSWER : 0);
  }

  #print(line: string): void {
    this.#process.write(`${line}\n`);
  }

  #now(): Time {
    return this.#process.host.stack.clock.now();
  }
}
