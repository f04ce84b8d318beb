import type { Hook, PacketEvent, PacketField, RewriteCause, RuleReference } from "../netstack/index.ts";
import { type Flow, flowOfSummary, readPacket, type SeenPacket, withField } from "./flow.ts";

/** A rule that matched, with what it decided. */
export interface SeenRule {
  readonly hook: Hook;
  readonly rule: RuleReference;
  readonly verdict: string;
  /** The packet as the rule saw it. */
  readonly flow: Flow | undefined;
}

export interface FieldChange {
  readonly field: PacketField;
  readonly from: number;
  readonly to: number;
}

/** Fields of one side of a packet that one cause rewrote in one hook. */
export interface StoryChange {
  readonly hook: Hook;
  readonly fields: readonly FieldChange[];
  readonly cause: RewriteCause;
  readonly quoted: boolean;
  /** The rules that led there, the built-in chain's first. */
  readonly path: readonly SeenRule[];
}

export type StoryEnd =
  | { readonly kind: "delivered"; readonly to: string }
  | {
      readonly kind: "dropped";
      readonly reason: Extract<PacketEvent, { kind: "dropped" }>["reason"];
      readonly rule: RuleReference | undefined;
      readonly path: readonly SeenRule[];
      readonly hook: Hook | undefined;
      /** The built-in chain whose policy it was. */
      readonly policy: { readonly table: string; readonly chain: string } | undefined;
    };

/** What happened to a packet in one box. */
export interface StoryHop {
  readonly box: string;
  readonly time: number;
  in: string | undefined;
  out: string | undefined;
  nextHop: number | undefined;
  before: Flow | undefined;
  after: Flow | undefined;
  /** The connection's state when the packet came. */
  state: string | undefined;
  readonly changes: StoryChange[];
  /** Rules that ended a table's look at the packet: RETURN and ACCEPT included. */
  readonly decisions: SeenRule[];
  /** Jumps to the marking for MASQUERADE that did not match. */
  readonly nearMisses: RuleReference[];
  readonly notes: string[];
  end: StoryEnd | undefined;
}

interface OpenHop extends StoryHop {
  destination: number | undefined;
  hook: Hook | undefined;
  table: string;
  path: SeenRule[];
  policy: { readonly table: string; readonly chain: string } | undefined;
  hasLeft: boolean;
}

type Kind<K extends PacketEvent["kind"]> = Extract<PacketEvent, { kind: K }>;

/** Boxes a packet may pass and rules that are kept for each: a packet in a ring passes few more before its TTL is over. */
const HOP_LIMIT = 600;
const RULE_LIMIT = 200;
const MARKING_JUMP = /-[jg] (?:KUBE-MARK-MASQ|mark-for-masquerade)$/;

/** One packet's way through the boxes, put together from its events. */
export class PacketStory {
  readonly lineage: number;
  readonly hops: OpenHop[] = [];
  /** Conntrack's lines about it, by box. */
  readonly entries: { readonly box: string; readonly text: string }[] = [];
  /** As it was first seen in bytes. */
  packet: SeenPacket | undefined;

  constructor(lineage: number) {
    this.lineage = lineage;
  }

  /** True when the packet has come to its end. */
  get isOver(): boolean {
    return this.hops.at(-1)?.end !== undefined;
  }

  /** The packet as its sender made it. Of one that never left its sender only the destination may be known. */
  get first(): { readonly box: string; readonly flow: Flow } | undefined {
    const [hop] = this.hops;
    if (hop === undefined) return undefined;
    const { box, before, destination } = hop;
    if (before !== undefined) return { box, flow: before };
    return destination === undefined || hop.end === undefined ? undefined : { box, flow: unsent(destination) };
  }

  read(event: PacketEvent): void {
    if (event.kind === "conntrack") {
      if (event.change !== "DESTROY") this.entries.push({ box: event.node, text: event.text });
      return;
    }
    const hop = this.#hopAt(event);
    if (hop !== undefined) this.#tell(hop, event);
  }

  /** Takes a box back that only looked at a copy of a flooded frame. */
  forget(box: string): void {
    const place = this.hops.findLastIndex((hop) => hop.box === box);
    if (place >= 0) this.hops.splice(place, 1);
  }

  #tell(hop: OpenHop, event: PacketEvent): void {
    switch (event.kind) {
      case "arrived":
      case "sent":
        return this.#see(hop, event);
      case "hook":
        return enterHook(hop, event);
      case "rule":
        return event.matched ? follow(hop, event) : noteNearMiss(hop, event);
      case "policy":
        if (event.verdict === "DROP") hop.policy = { table: event.table, chain: event.chain };
        return;
      case "rewritten":
        return rewrite(hop, event);
      case "routed":
        hop.destination = event.destination;
        hop.out = event.out;
        hop.nextHop = event.nextHop;
        return;
      case "delivered":
        hop.end = { kind: "delivered", to: event.to };
        return;
      case "dropped":
        hop.end ??= endOf(hop, event);
        return;
      default:
        return note(hop, event);
    }
  }

  #see(hop: OpenHop, event: Kind<"arrived" | "sent">): void {
    const packet = readPacket(event.bytes);
    this.packet ??= packet;
    if (event.kind === "arrived") hop.in ??= event.interface;
    else hop.out ??= event.interface;
    // Later fragments have no ports.
    if (packet?.header.fragmentOffset === 0) {
      hop.before ??= packet.flow;
      hop.after = packet.flow;
    }
    if (event.kind === "sent") hop.hasLeft = true;
  }

  /** A packet that comes back to a box that it has left passes it once more. */
  #hopAt(event: PacketEvent): OpenHop | undefined {
    const known = this.hops.findLast((hop) => hop.box === event.node);
    if (known !== undefined && !(known.hasLeft && event.kind === "arrived")) return known;
    if (this.hops.length >= HOP_LIMIT) return undefined;
    const hop = newHop(event);
    this.hops.push(hop);
    return hop;
  }
}

function unsent(destination: number): Flow {
  return { protocol: 0, source: 0, sourcePort: 0, destination, destinationPort: 0 };
}

function newHop({ node, time }: PacketEvent): OpenHop {
  const unknown = { in: undefined, out: undefined, nextHop: undefined, before: undefined, after: undefined };
  const lists = { changes: [], decisions: [], nearMisses: [], notes: [], path: [] };
  const place = {
    state: undefined,
    end: undefined,
    hook: undefined,
    table: "",
    policy: undefined,
    hasLeft: false,
    destination: undefined,
  };
  return { box: node, time, ...unknown, ...lists, ...place };
}

function enterHook(hop: OpenHop, event: Kind<"hook">): void {
  hop.hook = event.hook;
  hop.path = [];
  hop.policy = undefined;
  hop.state ??= event.state;
  const flow = flowOfSummary(event.packet);
  hop.before ??= flow;
  hop.after = flow;
  hop.in ??= event.in;
  hop.out = event.out ?? hop.out;
}

/** A rule of a chain that is on the path already means that the chains behind it have returned. */
function follow(hop: OpenHop, event: Kind<"rule">): void {
  const { hook, rule, verdict } = event;
  if (rule.table !== hop.table) hop.path = [];
  hop.table = rule.table;
  const place = hop.path.findIndex((each) => each.rule.chain === rule.chain);
  if (place >= 0) hop.path.length = place;
  const seen = { hook, rule, verdict, flow: hop.after };
  if (hop.path.length < RULE_LIMIT) hop.path.push(seen);
  const goesOn = verdict.startsWith("JUMP ") || verdict.startsWith("GOTO ") || verdict === "CONTINUE";
  if (!goesOn && hop.decisions.length < RULE_LIMIT) hop.decisions.push(seen);
}

/** An endpoint's rule against talking to itself fails for everybody else, and tells nothing. */
function noteNearMiss(hop: OpenHop, { rule }: Kind<"rule">): void {
  if (!MARKING_JUMP.test(rule.text) || /^(?:KUBE-SEP-|endpoint-)/.test(rule.chain)) return;
  if (hop.nearMisses.length < RULE_LIMIT) hop.nearMisses.push(rule);
}

function rewrite(hop: OpenHop, event: Kind<"rewritten">): void {
  const { hook, field, from, to, cause } = event;
  const quoted = event.quoted === true;
  if (!quoted && hop.after !== undefined) hop.after = withField(hop.after, field, to);
  const change: FieldChange = { field, from, to };
  const place = hop.changes.findIndex(
    (each) =>
      each.hook === hook &&
      each.quoted === quoted &&
      each.cause.kind === cause.kind &&
      sideOf(field) === each.fields.map((one) => sideOf(one.field))[0] &&
      each.fields.every((one) => one.field !== field),
  );
  const joined = hop.changes[place];
  if (joined !== undefined) hop.changes[place] = { ...joined, fields: [...joined.fields, change] };
  else hop.changes.push({ hook, fields: [change], cause, quoted, path: cause.kind === "rule" ? [...hop.path] : [] });
}

/** Address and port of one end are one side. */
export function sideOf(field: PacketField): "source" | "destination" | "ttl" | "mark" | "mss" {
  if (field === "sourcePort") return "source";
  return field === "destinationPort" ? "destination" : field;
}

function endOf(hop: OpenHop, event: Kind<"dropped">): StoryEnd {
  const { reason } = event;
  const byRule = reason === "rule-drop" || reason === "rule-reject";
  const policy = byRule ? hop.policy : undefined;
  const last = hop.path.at(-1)?.rule;
  const rule = event.rule ?? (byRule && policy === undefined ? last : undefined);
  const path = byRule && policy === undefined ? [...hop.path] : [];
  return { kind: "dropped", reason, rule, path, hook: hop.hook, policy };
}

function note(hop: OpenHop, event: PacketEvent): void {
  if (hop.notes.length >= RULE_LIMIT) return;
  if (event.kind === "fragmented") hop.notes.push(`cut into ${event.into} fragments`);
  else if (event.kind === "reassembled") hop.notes.push(`put together from ${event.from} fragments`);
  else if (event.kind === "balanced") hop.notes.push(`${event.service} → ${event.backend}: ${event.reason}`);
  else if (event.kind === "encapsulated") hop.notes.push(`put into an ${event.in.toUpperCase()} packet`);
  else if (event.kind === "decapsulated") hop.notes.push(`taken out of an ${event.in.toUpperCase()} packet`);
}
