import {
  type EchoReply,
  formatIpv4,
  type IcmpErrorMessage,
  IcmpType,
  type Ipv4Address,
  UnreachableCode,
} from "../netstack/index.ts";
import { after, between, type Duration, type Time, toMs } from "../sim/index.ts";
import { echoSequenceIn } from "./icmp-echo.ts";
import { parseOptions } from "./options.ts";
import type { Process } from "./process.ts";
import { IP_HEADER, PROBE_HEADER, readTracePlan, type TracePlan } from "./traceroute-plan.ts";

const SYNTAX = {
  options: {
    n: "flag",
    I: "flag",
    F: "flag",
    q: "value",
    m: "value",
    f: "value",
    w: "value",
    p: "value",
    N: "value",
    s: "value",
    "4": "flag",
    U: "flag",
    T: "flag",
  },
  aliases: {
    icmp: "I",
    tcp: "T",
    udp: "U",
    "dont-fragment": "F",
    queries: "q",
    "max-hops": "m",
    first: "f",
    wait: "w",
    port: "p",
    "sim-queries": "N",
    source: "s",
  },
} as const;

const EXIT_USAGE = 2;

/**
 * traceroute 2.1.2, as Debian has it: UDP probes or, with -I, ICMP echo requests, 16 at a time. A probe is waited for the
 * whole -w; the real one waits less once a probe of the same hop or of the next one was answered.
 */
export function traceroute(process: Process): void {
  const options = parseOptions(process.argv.slice(1), SYNTAX);
  if ("fault" in options) {
    const problem = options.fault === "unknown" ? "Bad option" : "Option requires an argument";
    return fail(process, `${problem} \`${options.option}'`);
  }
  const [target, size, ...more] = options.operands;
  if (target === undefined)
    return fail(
      process,
      "Usage:\n  traceroute [ -FInU ] [ -f first_ttl ] [ -m max_ttl ] [ -N squeries ] [ -p port ] [ -q nqueries ] [ -s src_addr ] [ -w MAX ] host [ packetlen ]",
    );
  if (more.length > 0) return fail(process, `Extra arg \`${more[0]}' on position 3`);
  if (options.has("T") || options.has("U")) {
    return fail(process, "only the default method and -I are supported here, not -T and -U");
  }
  const plan = readTracePlan(process.host, options, size);
  if (typeof plan === "string") return fail(process, plan);
  const cancel = process.host.resolver.resolve(target, (resolution) => {
    if (process.isEnding) return;
    const [address] = resolution.kind === "found" ? resolution.addresses : [];
    if (address !== undefined) return new Tracing(process, plan, address).begin(target);
    const why = resolution.kind === "not-found" ? "Name or service not known" : "Temporary failure in name resolution";
    fail(process, `${target}: ${why}\nCannot handle "host" cmdline arg \`${target}' on position 1 (argc 1)`);
  });
  process.atExit(cancel);
}

function fail(process: Process, text: string): void {
  process.writeError(`${text}\n`);
  process.exit(EXIT_USAGE);
}

/** One probe: sent, then answered or given up. */
interface Probe {
  readonly ttl: number;
  sent: Time | undefined;
  isDone: boolean;
  from: Ipv4Address | undefined;
  roundTrip: Duration;
  /** Such as `!H`. */
  mark: string;
  /** Whether the answer ends the way: the target's own, or an unreachable. */
  isFinal: boolean;
  close: () => void;
}

class Tracing {
  readonly #process: Process;
  readonly #plan: TracePlan;
  readonly #target: Ipv4Address;
  readonly #probes: Probe[] = [];
  readonly #identifier: number;
  #printed = 0;
  #underWay = 0;
  #isNaming = false;
  #names = new Map<Ipv4Address, string>();

  constructor(process: Process, plan: TracePlan, target: Ipv4Address) {
    this.#process = process;
    this.#plan = plan;
    this.#target = target;
    this.#identifier = process.host.stack.random.below(65536);
    const count = (plan.lastTtl - plan.firstTtl + 1) * plan.queries;
    for (let index = 0; index < count; index++)
      this.#probes.push(newProbe(plan.firstTtl + Math.floor(index / plan.queries)));
  }

  begin(typed: string): void {
    const { stack } = this.#process.host;
    const { lastTtl, length, usesIcmp } = this.#plan;
    if (stack.addressing.sourceFor(this.#target) === undefined)
      return fail(this.#process, "connect: Network is unreachable");
    this.#process.write(
      `traceroute to ${typed} (${formatIpv4(this.#target)}), ${lastTtl} hops max, ${length} byte packets`,
    );
    if (usesIcmp) {
      this.#process.atExit(stack.icmp.onEchoReply(this.#identifier, (reply) => this.#takeEcho(reply)));
      this.#process.atExit(stack.onIcmpError((error) => this.#takeEchoError(error)));
    }
    this.#advance();
  }

  /** Sends what may be under way, prints what is known in order, and ends behind the last hop. */
  #advance(): void {
    if (this.#process.isEnding) return;
    for (const [index, probe] of this.#probes.entries()) {
      if (this.#underWay >= this.#plan.simultaneous || probe.ttl > this.#lastTtl()) break;
      if (probe.sent === undefined) this.#send(probe, index);
    }
    this.#print();
  }

  /** The last hop to ask: the first one with a final answer. */
  #lastTtl(): number {
    return this.#probes.find((probe) => probe.isFinal)?.ttl ?? this.#plan.lastTtl;
  }

  #send(probe: Probe, index: number): void {
    const { clock } = this.#process.host.stack;
    probe.sent = clock.now();
    this.#underWay += 1;
    const timer = this.#process.timer(() => this.#finish(probe, undefined, "", false));
    timer.set(after(probe.sent, this.#plan.wait));
    if (this.#plan.usesIcmp) this.#sendEcho(probe, index);
    else this.#sendDatagram(probe, index);
    const close = probe.close;
    probe.close = () => {
      timer.cancel();
      close();
    };
  }

  /** A socket for each probe, so that its port tells the answers apart. */
  #sendDatagram(probe: Probe, index: number): void {
    const { port, length, dontFragment, source } = this.#plan;
    const socket = this.#process.openUdp({
      ...(source !== undefined && { address: source }),
      onDatagram: ({ from }) => this.#finish(probe, from, "", true),
      onError: (error) => this.#takeError(probe, error),
    });
    probe.close = () => socket.close();
    const payload = new Uint8Array(length - IP_HEADER - PROBE_HEADER).map((_, at) => 0x40 + (at & 0x3f));
    const to = { to: this.#target, port: (port + index) & 0xffff || 1 };
    socket.send({ ...to, payload, ttl: probe.ttl, dontFragment });
  }

  #sendEcho(probe: Probe, index: number): void {
    const { stack } = this.#process.host;
    const { port, length, dontFragment } = this.#plan;
    stack.icmp.sendEcho({
      source: this.#plan.source ?? stack.addressing.sourceFor(this.#target) ?? this.#target,
      destination: this.#target,
      identifier: this.#identifier,
      sequence: (port + index) & 0xffff,
      length: length - IP_HEADER - PROBE_HEADER,
      ttl: probe.ttl,
      dontFragment,
    });
  }

  #takeEcho(reply: EchoReply): void {
    const probe = this.#probeOf(reply.sequence);
    if (probe !== undefined) this.#finish(probe, reply.from, "", true);
  }

  #takeEchoError(error: IcmpErrorMessage): void {
    const sequence = echoSequenceIn(error, this.#identifier);
    const probe = sequence === undefined ? undefined : this.#probeOf(sequence);
    if (probe !== undefined) this.#takeError(probe, error);
  }

  #probeOf(sequence: number): Probe | undefined {
    return this.#probes[(sequence - this.#plan.port) & 0xffff];
  }

  #takeError(probe: Probe, error: IcmpErrorMessage): void {
    if (error.type === IcmpType.timeExceeded && error.code === 0) this.#finish(probe, error.from, "", false);
    else if (error.type === IcmpType.unreachable) this.#finish(probe, error.from, unreachableMark(error), true);
  }

  #finish(probe: Probe, from: Ipv4Address | undefined, mark: string, isFinal: boolean): void {
    if (probe.isDone || probe.sent === undefined) return;
    probe.isDone = true;
    probe.from = from;
    probe.roundTrip = between(probe.sent, this.#process.host.stack.clock.now());
    probe.mark = mark;
    probe.isFinal = isFinal;
    probe.close();
    this.#underWay -= 1;
    this.#advance();
  }

  #print(): void {
    for (;;) {
      const probe = this.#probes[this.#printed];
      if (probe === undefined || probe.ttl > this.#lastTtl()) return this.#end();
      if (!probe.isDone || this.#isNaming) return;
      if (probe.from !== undefined && !this.#plan.isNumeric && !this.#names.has(probe.from))
        return this.#name(probe.from);
      this.#process.write(this.#textOf(probe));
      this.#printed += 1;
    }
  }

  #name(address: Ipv4Address): void {
    this.#isNaming = true;
    const cancel = this.#process.host.resolver.nameOf(address, (name) => {
      this.#isNaming = false;
      this.#names.set(address, name ?? formatIpv4(address));
      this.#print();
    });
    this.#process.atExit(cancel);
  }

  #textOf(probe: Probe): string {
    const inHop = this.#printed % this.#plan.queries;
    const start = inHop === 0 ? `\n${String(probe.ttl).padStart(2)} ` : "";
    if (probe.from === undefined) return `${start} *`;
    const earlier = this.#probes.slice(this.#printed - inHop, this.#printed).findLast((one) => one.from !== undefined);
    const text = formatIpv4(probe.from);
    const named = this.#plan.isNumeric ? ` ${text}` : ` ${this.#names.get(probe.from)} (${text})`;
    const who = earlier?.from === probe.from ? "" : named;
    return `${start}${who}  ${toMs(probe.roundTrip).toFixed(3)} ms${probe.mark === "" ? "" : ` ${probe.mark}`}`;
  }

  #end(): void {
    if (this.#process.isEnding) return;
    this.#process.write("\n");
    this.#process.exit(0);
  }
}

function newProbe(ttl: number): Probe {
  const nothing = { sent: undefined, from: undefined, roundTrip: 0 as Duration };
  return { ttl, ...nothing, isDone: false, mark: "", isFinal: false, close: () => {} };
}

/** What stands behind the time for an unreachable, by its code; nothing for a port: that is the target itself. */
const MARKS: Readonly<Record<number, string>> = {
  0: "!N",
  1: "!H",
  2: "!P",
  3: "",
  5: "!S",
  6: "!N",
  7: "!H",
  8: "!N",
  9: "!X",
  10: "!X",
  11: "!N",
  12: "!H",
  13: "!X",
  14: "!V",
  15: "!C",
};

function unreachableMark(error: IcmpErrorMessage): string {
  if (error.code === UnreachableCode.fragmentationNeeded) return `!F-${error.rest & 0xffff}`;
  return MARKS[error.code] ?? `!<${error.code}>`;
}
