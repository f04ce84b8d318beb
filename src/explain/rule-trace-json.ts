import { formatIpv4, type PacketEvent, type PacketSummary, type RuleReference } from "../netstack/index.ts";
import type { RuleTrace, TraceOutcomes } from "./rule-trace.ts";
import { type Choice, type Fraction, formatFraction, toNumber } from "./rule-trace-chance.ts";
import type { WalkEnd } from "./rule-trace-host.ts";
import { endedBy } from "./rule-trace-text.ts";
import { formatField, protocolName } from "./trace.ts";

/** A value for `JSON.stringify`. */
export type JsonObject = Readonly<Record<string, unknown>>;

/** One way through the rules, as docs/json.md says. */
export function ruleTraceJson(trace: RuleTrace): JsonObject {
  return {
    ...endJson(trace),
    probability: probabilityJson(trace.probability),
    choices: trace.choices.map(choiceJson),
    hooks: hooksJson(trace),
    notes: trace.notes,
  };
}

/** Every outcome, as docs/json.md says. */
export function outcomesJson({ outcomes, unfollowed }: TraceOutcomes): JsonObject {
  return {
    outcomes: outcomes.map(({ trace, probability, ways }) => ({
      ...endJson(trace),
      probability: probabilityJson(probability),
      ways,
      choices: trace.choices.map(choiceJson),
      notes: trace.notes,
    })),
    unfollowed: probabilityJson(unfollowed),
  };
}

function endJson({ end, events }: RuleTrace): JsonObject {
  const by = endedBy(end, events);
  return {
    verdict: verdictOf(end),
    end: end.kind,
    ...(end.hook && { hook: end.hook.toUpperCase() }),
    ...(end.reason && { reason: end.reason }),
    ...(by?.kind === "rule" && { rule: ruleJson(by.rule) }),
    ...(by?.kind === "policy" && { policy: { table: by.table, chain: by.chain } }),
    packet: { ...packetJson(end.packet), ttl: end.ttl, mark: end.mark },
    ...(end.drawnPort && { drawn: end.drawnPort }),
    ...(end.out && { out: end.out }),
    answers: end.answers,
  };
}

function verdictOf({ kind, reason }: WalkEnd): "ACCEPT" | "DROP" | "REJECT" {
  if (kind !== "dropped") return "ACCEPT";
  return reason === "rule-reject" ? "REJECT" : "DROP";
}

function packetJson({ protocol, source, sourcePort, destination, destinationPort }: PacketSummary): JsonObject {
  return {
    protocol: protocolName(protocol).toLowerCase(),
    source: formatIpv4(source),
    sourcePort,
    destination: formatIpv4(destination),
    destinationPort,
  };
}

function ruleJson({ table, chain, number, text }: RuleReference): JsonObject {
  return { table, chain, number, text };
}

function probabilityJson(fraction: Fraction): JsonObject {
  return { value: toNumber(fraction), exact: formatFraction(fraction) };
}

function choiceJson({ rule, isBelow, probability }: Choice): JsonObject {
  return { rule: ruleJson(rule), drawn: isBelow, probability: probabilityJson(probability) };
}

/** Each hook with the packet as it came into it, and what was done there. What happens between hooks stands with the one before. */
function hooksJson({ events, tracks }: RuleTrace): JsonObject[] {
  const hooks: (JsonObject & { readonly steps: JsonObject[] })[] = [];
  for (const event of events) {
    if (event.kind === "hook") {
      const { hook, in: from, out, packet, state } = event;
      const known = { ...(from && { in: from }), ...(out && { out }), ...(tracks && { state }) };
      hooks.push({ hook: hook.toUpperCase(), ...known, packet: packetJson(packet), steps: [] });
    } else {
      const step = stepJson(event);
      if (step === undefined) continue;
      // A packet that the node sends is routed before its first hook.
      if (hooks.length === 0) hooks.push({ steps: [] });
      hooks.at(-1)?.steps.push(step);
    }
  }
  return hooks;
}

function stepJson(event: PacketEvent): JsonObject | undefined {
  switch (event.kind) {
    case "rule":
      return {
        step: "rule",
        ...ruleJson(event.rule),
        matched: event.matched,
        ...(event.matched && { verdict: event.verdict }),
      };
    case "policy":
      return { step: "policy", table: event.table, chain: event.chain, verdict: event.verdict };
    case "rewritten": {
      const { field, from, to, cause } = event;
      const rule = cause.kind === "rule" ? { rule: ruleJson(cause.rule) } : {};
      return {
        step: "rewrite",
        field,
        from: formatField(field, from),
        to: formatField(field, to),
        cause: cause.kind,
        ...rule,
      };
    }
    case "routed": {
      const via = event.nextHop === undefined ? {} : { via: formatIpv4(event.nextHop) };
      return { step: "route", destination: formatIpv4(event.destination), out: event.out, ...via };
    }
    default:
      return undefined;
  }
}
