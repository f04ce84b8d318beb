import { formatIpv4, IpProtocol, type PacketEvent, type PacketSummary, type RuleReference } from "../netstack/index.ts";
import { MOST_WAYS, type RuleTrace, type TraceOutcomes } from "./rule-trace.ts";
import { type Choice, type Fraction, formatFraction, toNumber } from "./rule-trace-chance.ts";
import type { WalkEnd } from "./rule-trace-host.ts";
import { describeCause, describeSummary, FIELD_NAMES, formatField } from "./trace.ts";

/** How much of a trace is printed. */
export interface TraceTextOptions {
  /** Every rule that was tried; else long runs of rules that did not match are told by their number. */
  readonly everyRule: boolean;
}

/** Runs of rules tried without a match that are longer than this are cut short. */
const SHOWN_MISSES = 6;

/** One way through the rules, hook by hook and chain by chain. */
export function describeRuleTrace(trace: RuleTrace, options: TraceTextOptions): string {
  const text = new TraceText(options);
  for (const event of trace.events) text.event(event, trace.tracks);
  const notes = trace.notes.map((note) => `note: ${note}\n`).join("");
  return `${text.finish()}\n${describeEnd(trace)}\n${describeChoices(trace)}${notes}`;
}

class TraceText {
  readonly #options: TraceTextOptions;
  readonly #lines: string[] = [];
  /** Rules that were tried in a row without a match, all of one chain. */
  #misses: RuleReference[] = [];
  #chain = "";

  constructor(options: TraceTextOptions) {
    this.#options = options;
  }

  event(event: PacketEvent, tracks: boolean): void {
    if (event.kind === "rule") return this.#rule(event.rule, event.matched, event.verdict);
    this.#endMisses();
    switch (event.kind) {
      case "hook": {
        const through = [event.in && `in ${event.in}`, event.out && `out ${event.out}`].filter(Boolean).join(" ");
        const state = tracks ? `  ${event.state}` : "";
        this.#chain = "";
        this.#lines.push(`${event.hook.toUpperCase()}  ${describeSummary(event.packet)}  ${through}${state}`);
        return;
      }
      case "policy":
        this.#enter(event.table, event.chain);
        this.#lines.push(`    end of chain: policy ${event.verdict}`);
        return;
      case "rewritten":
        if (event.field === "ttl" && event.cause.kind === "forwarding")
          this.#lines.push(`TTL ${event.from} -> ${event.to}`);
        else {
          const change = `${formatField(event.field, event.from)} -> ${formatField(event.field, event.to)}`;
          this.#lines.push(`  ${FIELD_NAMES[event.field]} ${change}, ${describeCause(event.cause)}`);
        }
        return;
      case "routed": {
        const by = event.nextHop === undefined ? "" : ` to ${formatIpv4(event.nextHop)}`;
        this.#lines.push(`route to ${formatIpv4(event.destination)}: by ${event.out}${by}`);
        return;
      }
      default:
        return;
    }
  }

  finish(): string {
    this.#endMisses();
    return this.#lines.join("\n");
  }

  #rule(rule: RuleReference, matched: boolean, verdict: string): void {
    if (this.#misses[0] !== undefined && this.#misses[0].chain !== rule.chain) this.#endMisses();
    if (!matched) {
      this.#misses.push(rule);
      return;
    }
    this.#endMisses();
    this.#enter(rule.table, rule.chain);
    const then = verdict === "CONTINUE" ? "goes on" : verdict;
    this.#lines.push(`  * ${rule.number}  ${rule.text}  => ${then}`);
  }

  #endMisses(): void {
    const misses = this.#misses;
    this.#misses = [];
    const [first] = misses;
    const last = misses.at(-1);
    if (first === undefined || last === undefined) return;
    this.#enter(first.table, first.chain);
    if (misses.length > SHOWN_MISSES && !this.#options.everyRule) {
      this.#lines.push(`    ${first.number}–${last.number}  ${misses.length} rules tried, none matches`);
      return;
    }
    for (const rule of misses) this.#lines.push(`    ${rule.number}  ${rule.text}`);
  }

  #enter(table: string, chain: string): void {
    const place = `${table} ${chain}`;
    if (this.#chain === place) return;
    this.#chain = place;
    this.#lines.push(`  ${place}`);
  }
}

/** The verdict in one line. */
export function describeEnd({ end, events }: RuleTrace): string {
  const packet = describeLast(end);
  const mark = end.mark === 0 ? "" : `, mark 0x${end.mark.toString(16)}`;
  switch (end.kind) {
    case "delivered":
      return `ACCEPT: delivered to the node itself as ${packet}${mark}`;
    case "forwarded":
      return `ACCEPT: forwarded by ${end.out} as ${packet}, TTL ${end.ttl}${mark}`;
    case "sent":
      return `ACCEPT: sent by ${end.out} as ${packet}${mark}`;
    case "dropped": {
      const answers = end.answers.map((answer) => `; answered with ${answer}`).join("");
      return `${DROPS[end.reason ?? ""] ?? `DROP: ${end.reason ?? "nobody takes it"}`}${describeDroppedBy(end, events)}: ${packet}${mark}${answers}`;
    }
  }
}

const DROPS: Readonly<Record<string, string>> = {
  "rule-drop": "DROP",
  "rule-reject": "REJECT",
  "no-route": "DROP: no route to the destination",
  "ttl-expired": "DROP: the TTL is used up",
  "forwarding-off": "DROP: net.ipv4.ip_forward is 0",
  "martian-source": "DROP: a packet with this source cannot have come this way (martian)",
  "martian-destination":
    "DROP: a packet to this destination cannot have come this way (net.ipv4.conf.all.route_localnet is 0)",
  "reverse-path-filter": "DROP: by the reverse path filter",
  "nat-no-address": "DROP: the interface has no address to translate to",
  "nat-no-free-port": "DROP: no port is free to translate to",
};

function describeDroppedBy(end: WalkEnd, events: readonly PacketEvent[]): string {
  if (end.reason !== "rule-drop" && end.reason !== "rule-reject") return "";
  const last = endedBy(end, events);
  if (last === undefined) return " by a match that finds the packet malformed";
  return last.kind === "policy"
    ? ` by the policy of ${last.table} ${last.chain}`
    : ` by ${last.rule.table} ${last.rule.chain} rule ${last.rule.number}`;
}

/** The rule or the policy that decided that a packet is dropped. */
export function endedBy(
  end: WalkEnd,
  events: readonly PacketEvent[],
): Extract<PacketEvent, { kind: "rule" | "policy" }> | undefined {
  if (end.reason !== "rule-drop" && end.reason !== "rule-reject") return undefined;
  const last = events.findLast((event) => event.kind === "policy" || (event.kind === "rule" && event.matched));
  if (last?.kind === "policy") return last.verdict === "DROP" ? last : undefined;
  return last?.kind === "rule" && (last.verdict === "DROP" || last.verdict === "REJECT") ? last : undefined;
}

/** As it leaves; a port that chance chose by what it may be. */
function describeLast({ packet, drawnPort }: WalkEnd): string {
  if (drawnPort === undefined) return describeSummary(packet);
  const word = packet.protocol === IpProtocol.icmp ? "an identifier drawn at random" : "a port drawn at random";
  const side = drawnPort === "sourcePort" ? "source" : "destination";
  return `${describeSummary({ ...packet, [drawnPort]: 0 } satisfies PacketSummary)} (${side}: ${word}, here ${packet[drawnPort]})`;
}

function describeChoices({ choices, probability }: RuleTrace): string {
  if (choices.length === 0) return "";
  const lines = choices.map((choice) => `  ${describeChoice(choice)}`);
  return `chance: this way has probability ${describeFraction(probability)}; --all lists the others\n${lines.join("\n")}\n`;
}

function describeChoice({ rule, isBelow, probability }: Choice): string {
  const how = isBelow ? "drawn" : "not drawn";
  return `${rule.table} ${rule.chain} rule ${rule.number}: ${how}, ${describeFraction(probability)}`;
}

/** Every outcome with its probability, the likeliest first. */
export function describeOutcomes({ outcomes, unfollowed }: TraceOutcomes): string {
  const blocks = outcomes.map(({ trace, probability, ways }) => {
    const by = trace.choices.map((choice) => `      ${describeChoice(choice)}\n`).join("");
    const more = ways > 1 ? `      (${ways} ways end like this; the first one is shown)\n` : "";
    return `${describeFraction(probability)}  ${describeEnd(trace)}\n${by}${more}`;
  });
  const notes = new Set(outcomes.flatMap(({ trace }) => trace.notes));
  const rest =
    unfollowed.numerator === 0n
      ? ""
      : `${describeFraction(unfollowed)}  not followed: there are more than ${MOST_WAYS} ways\n`;
  return `${blocks.join("")}${rest}${[...notes].map((note) => `note: ${note}\n`).join("")}`;
}

/** `0.33333333349 (715827883/2147483648)` */
function describeFraction(fraction: Fraction): string {
  if (fraction.denominator === 1n) return String(fraction.numerator);
  return `${Number(toNumber(fraction).toFixed(11))} (${formatFraction(fraction)})`;
}
