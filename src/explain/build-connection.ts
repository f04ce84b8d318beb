import { formatIpv4, type Hook, ipv4, type PacketField, type RuleReference } from "../netstack/index.ts";
import type { ChangeContext } from "./cause.ts";
import { explainChange } from "./change-causes.ts";
import { describeConditions } from "./conditions.ts";
import type { ConnectionRecord, CountedChange, Joined, RecordedHop, RecordedJourney } from "./connection-record.ts";
import { explainDrop } from "./drop-causes.ts";
import type {
  Change,
  Connection,
  Ending,
  FlowText,
  JoinedConnection,
  Journey,
  JourneyHop,
  PathStep,
  RuleText,
  TrackedEntry,
} from "./explanation.ts";
import { findingsOf } from "./findings.ts";
import { type Flow, formatEnd, protocolName } from "./flow.ts";
import { describeIcmpError } from "./icmp-words.ts";
import { outcomeOf, reachedBy } from "./outcome.ts";
import {
  type FieldChange,
  type SeenRule,
  type StoryChange,
  type StoryEnd,
  type StoryHop,
  sideOf,
} from "./packet-story.ts";
import { type RuleReader, serviceOf } from "./rule-text.ts";

/** Turns a connection's record into its explanation. */
export function buildConnection(record: ConnectionRecord, number: number, rules: RuleReader): Connection {
  const recorded = [...record.journeys.values()];
  const journeys = recorded.map((journey) => buildJourney(journey, record, rules));
  const count = (direction: Journey["direction"]): number =>
    recorded.reduce((sum, each) => sum + (each.direction === direction ? each.packets : 0), 0);
  const reached = reachedBy(recorded);
  const [first] = recorded.filter(({ direction }) => direction === "original");
  const facts = {
    number,
    protocol: record.asked.protocol === 0 ? "IP" : protocolName(record.asked.protocol),
    opener: record.opener,
    asked: flowText(record.asked),
    outcome: outcomeOf(record, recorded),
    ...(reached?.flow && { reached: { box: reached.box, to: reached.to, as: flowText(reached.flow) } }),
    joined: record.joined.map(joinedConnection),
    packets: { original: count("original"), reply: count("reply"), errors: count("error") },
    journeys,
    entries: [...record.entries.values()].map(trackedEntry),
  };
  const clues = {
    spared: first?.hops.flatMap(({ nearMisses }) => nearMisses) ?? [],
    decisions: first?.hops.flatMap(({ decisions }) => decisions.map(({ rule }) => rule)) ?? [],
  };
  return { ...facts, findings: findingsOf(facts, clues) };
}

function joinedConnection({ side, other, box, service, backend }: Joined): JoinedConnection {
  return { side, step: other.step, number: other.number, flow: flowText(other.asked), box, service, backend };
}

function buildJourney(journey: RecordedJourney, record: ConnectionRecord, rules: RuleReader): Journey {
  const { direction, packets, story, isReset, hops } = journey;
  const error = story.packet?.error;
  const what = isReset ? "TCP reset" : error && describeIcmpError(error.type, error.code);
  return {
    direction,
    packets,
    time: hops[0]?.time ?? 0,
    ...(what !== undefined && { what }),
    hops: tellingHops(hops).map((hop) => buildHop(hop, journey, { record, rules })),
  };
}

/** The boxes that did something with a packet: one that saw it and did nothing is a switch. */
export function tellingHops<Hop extends StoryHop | RecordedHop>(hops: readonly Hop[]): Hop[] {
  return hops.filter((hop, index) => index === 0 || isTelling(hop));
}

function isTelling(hop: StoryHop | RecordedHop): boolean {
  return hop.changes.length + hop.notes.length > 0 || (hop.state ?? hop.nextHop ?? hop.end) !== undefined;
}

/** What a passage through a box is told with. */
export interface Surroundings {
  readonly record: ConnectionRecord;
  readonly rules: RuleReader;
}

/** Tells a packet's passage through a box. */
export function buildHop(hop: RecordedHop, journey: RecordedJourney, about: Surroundings): JourneyHop {
  const before = hop.before ?? journey.story.first?.flow ?? about.record.asked;
  const at = { before, after: hop.after ?? before };
  return {
    box: hop.box,
    ...(hop.in !== undefined && { in: hop.in }),
    ...(hop.out !== undefined && hop.out !== "local" && { out: hop.out }),
    ...(hop.nextHop !== undefined && { nextHop: formatIpv4(ipv4(hop.nextHop)) }),
    before: flowText(at.before),
    after: flowText(at.after),
    ...(hop.state !== undefined && { state: hop.state }),
    changes: hop.changes.map((change) => buildChange(change, hop, about)),
    notes: hop.notes,
    ...(hop.end && { end: buildEnding(hop.end, hop, about.rules) }),
  };
}

function buildChange(counted: CountedChange, hop: RecordedHop, about: Surroundings): Change {
  const { change, packets, byRule } = counted;
  const { hook, fields, cause, quoted, path } = change;
  const side = sideOf(fields[0]?.field ?? "mark");
  const context: ChangeContext = {
    box: hop.box,
    change,
    from: sideText(fields, "from"),
    to: sideText(fields, "to"),
    after: hop.after,
    out: hop.out,
    hasNextHop: hop.nextHop !== undefined,
    service: serviceOn(path) ?? balancedService(hop),
    marking: hop.changes.map((each) => each.change).find(isMarking),
    undoes: cause.kind === "conntrack" ? undoneBy(change, hop, about.record) : undefined,
    remembered: cause.kind === "conntrack" ? rememberedRule(change, hop, about.record) : undefined,
  };
  const { remembered } = context;
  const { id, because, detail, unless } = explainChange(context);
  return {
    hook: HOOK_NAMES[hook],
    side,
    from: context.from,
    to: context.to,
    fields: fields.map(({ field, from, to }) => ({ field, from: fieldText(field, from), to: fieldText(field, to) })),
    quoted,
    packets,
    byRule,
    cause: id,
    target: cause.kind === "rule" ? cause.target : cause.kind,
    ...(cause.kind === "rule" && { rule: ruleText(cause.rule) }),
    ...(remembered && { remembered: ruleText(remembered) }),
    path: path.map((step) => pathStep(step, hop, about.rules)),
    because,
    ...(detail !== undefined && { detail }),
    unless,
  };
}

const HOOK_NAMES: Readonly<Record<Hook, Change["hook"]>> = {
  prerouting: "PREROUTING",
  input: "INPUT",
  forward: "FORWARD",
  output: "OUTPUT",
  postrouting: "POSTROUTING",
};

function isMarking({ fields, cause }: StoryChange): boolean {
  return fields[0]?.field === "mark" && fields[0].to !== 0 && cause.kind === "rule";
}

/** The change of the way there that this one, on the same box, turns back. */
function undoneBy(change: StoryChange, hop: RecordedHop, record: ConnectionRecord): ChangeContext["undoes"] {
  const journeys = [...record.journeys.values()].filter(({ direction }) => direction === "original");
  const there = journeys.flatMap(({ hops }) => hops).filter(({ box }) => box === hop.box);
  const undone = there.flatMap(({ changes }) => changes).find((each) => isMirror(each.change, change))?.change;
  if (undone === undefined) return undefined;
  const { cause, fields } = undone;
  const target = cause.kind === "rule" ? cause.target : "translation";
  return { target, from: sideText(fields, "from"), to: sideText(fields, "to") };
}

/** The rule that set up on this box, for an earlier packet, what connection tracking does to this one: the same again, or turned back. */
function rememberedRule(
  { fields }: StoryChange,
  { box }: RecordedHop,
  { journeys }: ConnectionRecord,
): RuleReference | undefined {
  const changes = [...journeys.values()]
    .flatMap(({ hops }) => hops.filter((hop) => hop.box === box))
    .flatMap((hop) => hop.changes);
  for (const { change } of changes) {
    if (change.cause.kind !== "rule" || change.quoted) continue;
    if (change.fields.some((there) => fields.some((here) => isSameExchange(there, here)))) return change.cause.rule;
  }
  return undefined;
}

/** Two values that stand for one another, whichever way the packet goes. */
function isSameExchange(one: FieldChange, other: FieldChange): boolean {
  if (isPort(one.field) !== isPort(other.field)) return false;
  const isSame = one.from === other.from && one.to === other.to;
  return isSame || (one.from === other.to && one.to === other.from);
}

function isMirror(there: StoryChange, back: StoryChange): boolean {
  const [one, other] = [there.fields[0], back.fields[0]];
  if (one === undefined || other === undefined || there.quoted) return false;
  const sides = [sideOf(one.field), sideOf(other.field)].sort().join(" ");
  return sides === "destination source" && one.from === other.to && one.to === other.from;
}

function buildEnding(end: StoryEnd, hop: RecordedHop, rules: RuleReader): Ending {
  if (end.kind === "delivered") return end;
  const path = end.path.map(({ rule }) => rule);
  const { because, unless } = explainDrop(end.reason, end.rule, { policy: end.policy, path });
  return {
    kind: "dropped",
    reason: end.reason,
    ...(end.rule && { rule: ruleText(end.rule) }),
    path: end.path.map((step) => pathStep(step, hop, rules)),
    because,
    unless,
  };
}

function pathStep({ rule, flow }: SeenRule, hop: RecordedHop, rules: RuleReader): PathStep {
  const parsed = rules.read(rule.text);
  const seen = flow && { box: hop.box, flow, in: hop.in, out: hop.out };
  const matched = parsed === undefined || seen === undefined ? [] : describeConditions(parsed, seen);
  return { chain: rule.chain, number: rule.number, text: rule.text, matched };
}

function serviceOn(path: readonly SeenRule[]): string | undefined {
  return path.map(({ rule }) => serviceOf(rule)).findLast((name) => name !== undefined);
}

/** Where no rule names the Service, a balancer that chose the endpoint may. */
function balancedService({ changes }: RecordedHop): string | undefined {
  const causes = changes.map(({ change }) => change.cause);
  const service = causes.find((cause) => cause.kind === "balancer")?.service;
  return service !== undefined && /^[a-z0-9.-]+\/[a-z0-9.-]+(?::|$)/.test(service) ? service : undefined;
}

/** Reads a line of connection tracking. */
export function trackedEntry({ box, text }: { readonly box: string; readonly text: string }): TrackedEntry {
  const tuples = [...text.matchAll(/src=(\S+) dst=(\S+)(?: sport=(\d+) dport=(\d+))?/g)].map(
    ([, source = "", destination = "", from, to]): FlowText => ({
      source: from === undefined ? source : `${source}:${from}`,
      destination: to === undefined ? destination : `${destination}:${to}`,
    }),
  );
  const nothing = { source: "", destination: "" };
  return { box, original: tuples[0] ?? nothing, reply: tuples[1] ?? nothing, text: text.replace(/ +/g, " ") };
}

function ruleText({ table, chain, number, text }: RuleReference): RuleText {
  return { table, chain, number, text };
}

function flowText(flow: Flow): FlowText {
  // A packet that never left has no source yet.
  const source = flow.protocol === 0 ? "?" : formatEnd(flow, "source");
  return { source, destination: formatEnd(flow, "destination") };
}

/** `10.0.0.1:80` where both changed, else what changed. */
function sideText(fields: readonly FieldChange[], which: "from" | "to"): string {
  return fields
    .toSorted((one, other) => Number(isPort(one.field)) - Number(isPort(other.field)))
    .map((change) => fieldText(change.field, change[which]))
    .join(":");
}

function isPort(field: PacketField): boolean {
  return field === "sourcePort" || field === "destinationPort";
}

function fieldText(field: PacketField, value: number): string {
  if (field === "source" || field === "destination") return formatIpv4(ipv4(value));
  return field === "mark" ? `0x${value.toString(16)}` : String(value);
}
