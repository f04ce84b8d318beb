import type { AddressMatch, Match, Rule, Ruleset, TableName } from "../../src/nat/index.ts";
import { address, formatIpv4, type Ipv4Address } from "../../src/netstack/index.ts";

/*
 * Walks a connection's first packet through a node's rules, on paper: which addresses it may end up at, whether it is masqueraded, and
 * whether it is refused. Draws are not drawn: every outcome that is possible is followed.
 */

/** The node on which the rules stand, and what of it they can ask for. */
export interface TracedNode {
  /** Every address that is the node's own. 127.0.0.0/8 is anyway. */
  readonly addresses: readonly string[];
  /** Addresses behind it that packets are forwarded to and from, by the interface they come in at. */
  readonly interfaces?: Readonly<Record<string, string>>;
  /** Endpoint chains that remember the packet's source. */
  readonly remembered?: readonly string[];
}

/** The first packet: `10.180.1.9 > 10.0.0.1:80/tcp`. */
export interface TracedPacket {
  readonly source: string;
  readonly destination: string;
  readonly port: number;
  readonly protocol: "tcp" | "udp" | "sctp";
}

/** What may become of it. */
export interface Traced {
  /** Translated destinations, sorted; the original one when nothing rewrote it. */
  readonly destinations: readonly string[];
  /** Those of the destinations for which the source is replaced. */
  readonly masqueraded: readonly string[];
  readonly verdict: "accept" | "drop" | "reject";
  /** Comments and targets of the rules that matched, for a failing test to print. */
  readonly matched: readonly string[];
}

const PROTOCOLS = { tcp: 6, udp: 17, sctp: 132 } as const;

interface State {
  readonly source: Ipv4Address;
  readonly destination: Ipv4Address;
  readonly port: number;
  readonly protocol: number;
  readonly mark: number;
  readonly translated: boolean;
  readonly masqueraded: boolean;
  readonly inInterface: string;
}

type Step = "continue" | "return" | "accept" | "drop" | "reject";

interface Outcome {
  readonly step: Step;
  readonly state: State;
}

/** Follows a packet that comes in from outside the node, or, when its source is the node's own, one that the node sends. */
export function traceRules(ruleset: Ruleset, node: TracedNode, packet: TracedPacket): Traced {
  const walk: Walk = { ruleset, node, matched: new Set() };
  const first: State = {
    source: address(packet.source),
    destination: address(packet.destination),
    port: packet.port,
    protocol: PROTOCOLS[packet.protocol],
    mark: 0,
    translated: false,
    masqueraded: false,
    inInterface: node.interfaces?.[packet.source] ?? "eth0",
  };
  const outcomes = isLocal(node, first.source) ? sentByNode(walk, first) : arriving(walk, first);
  return summarize(outcomes, walk);
}

interface Walk {
  readonly ruleset: Ruleset;
  readonly node: TracedNode;
  readonly matched: Set<string>;
}

function arriving(walk: Walk, first: State): readonly Outcome[] {
  return translating(walk, "PREROUTING", first).flatMap((outcome) =>
    isLocal(walk.node, outcome.state.destination)
      ? then(outcome, (state) => through(walk, "filter", "INPUT", state))
      : then(outcome, (state) =>
          through(walk, "filter", "FORWARD", state).flatMap((next) => then(next, (last) => leaving(walk, last))),
        ),
  );
}

/** What a node sends to an address of its own comes back in over lo; the nat table has been asked by then. */
function sentByNode(walk: Walk, first: State): readonly Outcome[] {
  const sent = translating(walk, "OUTPUT", { ...first, inInterface: "" })
    .flatMap((outcome) => then(outcome, (state) => through(walk, "filter", "OUTPUT", state)))
    .flatMap((outcome) => then(outcome, (state) => leaving(walk, state)));
  return sent.flatMap((outcome) =>
    isLocal(walk.node, outcome.state.destination)
      ? then(outcome, (state) => through(walk, "filter", "INPUT", { ...state, inInterface: "lo" }))
      : [outcome],
  );
}

/** mangle comes before nat, and so sees the destination as it was sent. */
function translating(walk: Walk, chain: string, state: State): readonly Outcome[] {
  const before: readonly Outcome[] = walk.ruleset.get("mangle")?.chains.has(chain)
    ? through(walk, "mangle", chain, state)
    : [{ step: "accept", state }];
  return before.flatMap((outcome) => then(outcome, (kept) => through(walk, "nat", chain, kept)));
}

function leaving(walk: Walk, state: State): readonly Outcome[] {
  return through(walk, "nat", "POSTROUTING", state);
}

function then(outcome: Outcome, next: (state: State) => readonly Outcome[]): readonly Outcome[] {
  return outcome.step === "accept" ? next(outcome.state) : [outcome];
}

/** A built-in chain: who reaches its end, or returns from it, is accepted. */
function through(walk: Walk, table: TableName, chain: string, state: State): readonly Outcome[] {
  const outcomes = runChain(walk, table, chain, state, 0);
  return outcomes.map(({ step, state }) => ({
    step: step === "continue" || step === "return" ? "accept" : step,
    state,
  }));
}

function runChain(walk: Walk, table: TableName, name: string, state: State, depth: number): readonly Outcome[] {
  const chain = walk.ruleset.get(table)?.chains.get(name);
  if (chain === undefined) throw new Error(`${table} has no chain ${name}`);
  if (depth > 20) throw new Error(`${table} ${name}: chains call each other without end`);
  let running: readonly State[] = [state];
  const done: Outcome[] = [];
  for (const rule of chain.rules) {
    const next: State[] = [];
    for (const current of running) {
      const verdict = matches(walk, rule, current);
      if (verdict !== "yes") next.push(current);
      if (verdict === "no") continue;
      walk.matched.add(`${table} ${name}: ${describe(rule)}`);
      for (const outcome of runTarget(walk, table, rule, current, depth)) {
        if (outcome.step === "continue") next.push(outcome.state);
        else done.push(outcome);
      }
    }
    running = next;
  }
  return [...done, ...running.map((left) => ({ step: "continue" as const, state: left }))].map((outcome) =>
    outcome.step === "return" ? { ...outcome, step: "continue" as const } : outcome,
  );
}

function runTarget(walk: Walk, table: TableName, rule: Rule, state: State, depth: number): readonly Outcome[] {
  const { target } = rule;
  if (target === undefined) return [{ step: "continue", state }];
  switch (target.kind) {
    case "jump":
      return runChain(walk, table, target.chain, state, depth + 1);
    case "goto":
      // Who comes to the end there does not come back here.
      return runChain(walk, table, target.chain, state, depth + 1).map((outcome) =>
        outcome.step === "continue" ? { ...outcome, step: "return" as const } : outcome,
      );
    case "accept":
    case "drop":
    case "return":
      return [{ step: target.kind, state }];
    case "reject":
      return [{ step: "reject", state }];
    case "mark":
      return [{ step: "continue", state: { ...state, mark: ((state.mark & ~target.mask) ^ target.value) >>> 0 } }];
    case "dnat": {
      if (target.addresses === undefined || target.ports === undefined)
        throw new Error("DNAT without address and port");
      const moved = { destination: target.addresses.from, port: target.ports.from, translated: true };
      return [{ step: "accept", state: { ...state, ...moved } }];
    }
    case "masquerade":
      return [{ step: "accept", state: { ...state, masqueraded: true } }];
    default:
      throw new Error(`The tracer does not know the target ${target.kind}`);
  }
}

/** `maybe` where chance decides. */
function matches(walk: Walk, rule: Rule, state: State): "yes" | "no" | "maybe" {
  const fixed =
    inRange(rule.source, state.source) &&
    inRange(rule.destination, state.destination) &&
    (rule.protocol === undefined || (rule.protocol.protocol === state.protocol) !== (rule.protocol.not === true)) &&
    (rule.inInterface === undefined ||
      isNamed(rule.inInterface.name, state.inInterface) !== (rule.inInterface.not === true));
  if (!fixed) return "no";
  const answers = rule.matches.map((match) => matchModule(walk, match, state));
  if (answers.includes("no")) return "no";
  return answers.includes("maybe") ? "maybe" : "yes";
}

function matchModule(walk: Walk, match: Match, state: State): "yes" | "no" | "maybe" {
  switch (match.kind) {
    case "comment":
      return "yes";
    case "tcp":
    case "udp":
    case "sctp": {
      const range = match.destinationPort?.range;
      return yesOrNo(range === undefined || (state.port >= range.from && state.port <= range.to));
    }
    case "mark":
      return yesOrNo(((state.mark & match.mask) >>> 0 === match.value) !== (match.not === true));
    case "conntrack": {
      const now = state.translated ? ["NEW", "DNAT"] : ["NEW"];
      const wanted = match.state;
      return yesOrNo(wanted === undefined || wanted.states.some((s) => now.includes(s)) !== (wanted.not === true));
    }
    case "addrtype": {
      const source = match.source === undefined || isLocal(walk.node, state.source);
      const destination = match.destination === undefined || isLocal(walk.node, state.destination);
      return yesOrNo(source && destination);
    }
    case "statistic":
      return "maybe";
    case "recent":
      return yesOrNo(match.action === "set" || (walk.node.remembered ?? []).includes(match.name));
    default:
      throw new Error(`The tracer does not know the match ${match.kind}`);
  }
}

function summarize(outcomes: readonly Outcome[], walk: Walk): Traced {
  const verdicts = new Set(outcomes.map((outcome) => outcome.step));
  if (verdicts.size !== 1) throw new Error(`Chance decides between ${[...verdicts].join(" and ")}`);
  const [step] = verdicts;
  if (step !== "accept" && step !== "drop" && step !== "reject") throw new Error(`A packet ended as ${step}`);
  const texts = (wanted: readonly Outcome[]) =>
    [...new Set(wanted.map(({ state }) => `${formatIpv4(state.destination)}:${state.port}`))].sort();
  return {
    destinations: texts(outcomes),
    masqueraded: texts(outcomes.filter((outcome) => outcome.state.masqueraded)),
    verdict: step,
    matched: [...walk.matched],
  };
}

function describe(rule: Rule): string {
  const comments = rule.matches.flatMap((match) => (match.kind === "comment" ? [`"${match.text}"`] : []));
  const target = rule.target === undefined ? "no target" : JSON.stringify(rule.target);
  return [...comments, target].join(" ");
}

function isLocal(node: TracedNode, where: Ipv4Address): boolean {
  return where >>> 24 === 127 || node.addresses.some((own) => address(own) === where);
}

function inRange(range: AddressMatch | undefined, where: Ipv4Address): boolean {
  if (range === undefined) return true;
  return (((where ^ range.address) & range.mask) === 0) !== (range.not === true);
}

function isNamed(pattern: string, name: string): boolean {
  return pattern.endsWith("+") ? name.startsWith(pattern.slice(0, -1)) : pattern === name;
}

function yesOrNo(answer: boolean): "yes" | "no" {
  return answer ? "yes" : "no";
}
