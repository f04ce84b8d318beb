/**
 * Readers of the event stream: what happened to packets, told for people.
 *
 * Everything that happens to a packet is one `PacketEvent` (src/netstack/events.ts). A reader turns the stream into an answer; it changes nothing,
 * evaluates no rule a second time, and knows of the network only what the events say. {@link explainRun} runs a scenario and gives an
 * {@link Explanation}: connections, the journeys of their packets, and each change with the rule that made it, why it matched and what would have
 * prevented it. Why is a table by what a rule is (change-causes.ts, marking-causes.ts, drop-causes.ts). {@link inspectCaptures} does what can be
 * done without events: it pairs a capture's packets and says what changed between two capture points. {@link reportRun} keeps a
 * run whole, every packet with its bytes before and after each box, for the page of `natscope report`.
 *
 * ```ts
 * const explanation = await explainRun(scenario, { seed: 1 });
 * print(formatWhyMarkdown(explanation));
 * network.events.read((event) => print(describeEvent(event)));
 * // 0.000154000 kubernetes-node-cx31 #3 matched: nat KUBE-SERVICES rule 2 (…): KUBE-NODEPORTS
 * ```
 */

export { asEthernet, ipv4At } from "./captured-fields.ts";
export { type ExplainOptions, explainNetwork, explainRun, type NetworkExplainer } from "./explain-run.ts";
export type * from "./explanation.ts";
export { formatInspection } from "./inspect-text.ts";
export {
  type CaptureBytes,
  type InspectedConnection,
  type InspectedFile,
  type InspectedHop,
  type InspectedWay,
  type Inspection,
  type InspectOptions,
  inspectCaptures,
} from "./inspection.ts";
export type { Sighting } from "./pairing.ts";
export { reportRun } from "./report.ts";
export type * from "./report-data.ts";
export {
  describeEntry,
  MOST_WAYS,
  type RuleTrace,
  type TraceOutcome,
  type TraceOutcomes,
  type TraceQuestion,
  traceAllWays,
  traceRules,
} from "./rule-trace.ts";
export type { Choice, Fraction } from "./rule-trace-chance.ts";
export type { Entry, SketchedNode, WalkEnd } from "./rule-trace-host.ts";
export { type JsonObject, outcomesJson, ruleTraceJson } from "./rule-trace-json.ts";
export { formatTcpFlags, type PacketSketch, parsePacketSketch, parseTcpFlags } from "./rule-trace-packet.ts";
export { describeOutcomes, describeRuleTrace, type TraceTextOptions } from "./rule-trace-text.ts";
export { describeEvent } from "./trace.ts";
export { formatWhyMarkdown } from "./why-markdown.ts";
export { formatWhyMermaid } from "./why-mermaid.ts";
export { formatWhyText, type TextStyle } from "./why-text.ts";
export { type WrapOptions, wrap } from "./wrap.ts";
