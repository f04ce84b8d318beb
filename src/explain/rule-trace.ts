import type { Ruleset } from "../nat/index.ts";
import { formatIpv4, IcmpType, IpProtocol, type PacketEvent, TcpFlag } from "../netstack/index.ts";
import { Random } from "../sim/index.ts";
import {
  add,
  CERTAIN,
  ChancyRules,
  type Choice,
  complement,
  type Fraction,
  multiply,
  NEVER,
  ScriptedDraws,
} from "./rule-trace-chance.ts";
import { type Entry, RuleWalker, type SketchedNode, type WalkEnd } from "./rule-trace-host.ts";
import type { PacketSketch } from "./rule-trace-packet.ts";

/** Which packet is to be walked through which rules. */
export interface TraceQuestion {
  readonly rules: Ruleset;
  readonly node: SketchedNode;
  readonly packet: PacketSketch;
  readonly entry: Entry;
  readonly mark?: number;
  /** "established" for a later packet of a connection that went the same way, "invalid" for one that conntrack finds malformed. */
  readonly state: "new" | "established" | "invalid";
  /** Not the packet itself, but the first answer to it. */
  readonly isReply?: boolean;
}

/** One way that a packet may take. */
export interface RuleTrace {
  /** What happened, in order: hooks, rules tried and taken, policies, rewriting, routing. */
  readonly events: readonly PacketEvent[];
  readonly end: WalkEnd;
  /** What was left to chance, in order, and how it went. */
  readonly choices: readonly Choice[];
  /** Of this way among all. */
  readonly probability: Fraction;
  /** Whether these rules have connections tracked: without, a packet has no state and is not translated. */
  readonly tracks: boolean;
  /** What had to be taken for granted. */
  readonly notes: readonly string[];
}

/** Ways that end alike. */
export interface TraceOutcome {
  /** The first of them. */
  readonly trace: RuleTrace;
  readonly probability: Fraction;
  readonly ways: number;
}

/** Every way that chance allows, with its probability. */
export interface TraceOutcomes {
  /** The likeliest first. */
  readonly outcomes: readonly TraceOutcome[];
  /** What the ways that were not followed, being too many, have together. */
  readonly unfollowed: Fraction;
}

/** More ways than these are not followed. */
export const MOST_WAYS = 1000;

const FIRST_SEQUENCE = 1000;
const FIRST_ANSWER_SEQUENCE = 5000;

/** Walks the packet through the rules once; what is left to chance is drawn from `seed`. */
export function traceRules(question: TraceQuestion, seed: number): RuleTrace {
  const rules = new ChancyRules(question.rules);
  return walkOnce(question, rules, new ScriptedDraws([], new Random(seed)));
}

/** Walks the packet through the rules in every way that chance allows, and adds up the ways that end alike. */
export function traceAllWays(question: TraceQuestion): TraceOutcomes {
  const rules = new ChancyRules(question.rules);
  const outcomes = new Map<string, TraceOutcome>();
  let followed = NEVER;
  let script: readonly boolean[] | undefined = [];
  for (let ways = 0; ways < MOST_WAYS && script !== undefined; ways++) {
    const trace: RuleTrace = walkOnce(question, rules, new ScriptedDraws(script));
    script = nextScript(trace.choices);
    if (trace.probability.numerator === 0n) continue;
    followed = add(followed, trace.probability);
    const key = keyOf(trace);
    const known = outcomes.get(key);
    const probability = add(known?.probability ?? NEVER, trace.probability);
    outcomes.set(key, { trace: known?.trace ?? trace, probability, ways: (known?.ways ?? 0) + 1 });
  }
  const sorted = [...outcomes.values()].sort((a, b) => compare(b.probability, a.probability));
  return { outcomes: sorted, unfollowed: script === undefined ? NEVER : complement(followed) };
}

/** The way that is next when ways are counted through, the last choice first. */
function nextScript(choices: readonly Choice[]): boolean[] | undefined {
  const taken = choices.map(({ isBelow }) => isBelow);
  while (taken.length > 0 && !taken.at(-1)) taken.pop();
  return taken.length === 0 ? undefined : [...taken.slice(0, -1), false];
}

function compare(a: Fraction, b: Fraction): number {
  const difference = a.numerator * b.denominator - b.numerator * a.denominator;
  return difference > 0n ? 1 : difference < 0n ? -1 : 0;
}

/** Where the packet ended and what it was then; ports that chance chose are all alike. */
function keyOf({ end }: RuleTrace): string {
  const packet = end.drawnPort === undefined ? end.packet : { ...end.packet, [end.drawnPort]: "any" };
  return JSON.stringify({ ...end, packet });
}

function walkOnce(question: TraceQuestion, rules: ChancyRules, draws: ScriptedDraws): RuleTrace {
  const walker = new RuleWalker(rules, question.node, draws);
  const { seen } = question.node;
  if (seen !== undefined && seen.length > 0) walker.remember(seen, question.packet);
  const notes: string[] = [];
  const end = walkLast(question, walker, notes);
  const { choices, events, tracks } = walker;
  const probability = choices.reduce((product, choice) => multiply(product, choice.probability), CERTAIN);
  return { events, end, choices, probability, tracks, notes };
}

/** Walks the packets that come before the one in question, and then that one, which is recorded. */
function walkLast(question: TraceQuestion, walker: RuleWalker, notes: string[]): WalkEnd {
  const { packet, entry, state, mark } = question;
  if (state !== "established" && !question.isReply) {
    walker.records = true;
    return walker.walk({ ...packet, isCorrupt: state === "invalid" }, entry, mark);
  }
  const first = {
    ...packet,
    ...(packet.protocol === IpProtocol.tcp && { flags: TcpFlag.syn, sequence: FIRST_SEQUENCE }),
  };
  const firstMark = question.isReply ? 0 : mark;
  let opened = walker.walk(first, entry, firstMark);
  if (opened.kind === "dropped") {
    notes.push("these rules do not let such a connection begin: it is taken to be there already, without translation");
    walker.load("tracking-only");
    opened = walker.walk(first, entry, firstMark);
    walker.load("rules");
    if (opened.kind === "dropped") return opened;
  }
  const back: Entry =
    opened.kind === "delivered" || opened.out === undefined
      ? { kind: "sent" }
      : { kind: "arrives", interface: opened.out };
  walker.records = question.isReply === true;
  const answered = walker.walk(answerTo(opened, packet), back, question.isReply ? mark : 0);
  if (question.isReply) return answered;
  walker.records = true;
  const numbers = { sequence: FIRST_SEQUENCE + 1, acknowledgment: FIRST_ANSWER_SEQUENCE + 1 };
  return walker.walk({ ...packet, ...numbers }, entry, mark);
}

/** The first packet that comes back from where the first one went. */
function answerTo({ packet }: WalkEnd, asked: PacketSketch): PacketSketch {
  const { source, destination, sourcePort, destinationPort } = packet;
  const isEcho = asked.icmp?.type === IcmpType.echoRequest;
  return {
    protocol: packet.protocol,
    source: destination,
    destination: source,
    sourcePort: isEcho ? sourcePort : destinationPort,
    destinationPort: isEcho ? 0 : sourcePort,
    ...(isEcho && { icmp: { type: IcmpType.echoReply, code: 0 } }),
    flags: TcpFlag.syn | TcpFlag.ack,
    sequence: FIRST_ANSWER_SEQUENCE,
    acknowledgment: FIRST_SEQUENCE + 1,
    ttl: 64,
  };
}

/** Where the packet comes in, for people. */
export function describeEntry(entry: Entry, packet: PacketSketch): string {
  return entry.kind === "sent"
    ? `sent by the node from ${formatIpv4(packet.source)}`
    : `comes in by ${entry.interface}`;
}
