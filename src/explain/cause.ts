import type { RuleReference } from "../netstack/index.ts";
import type { Flow } from "./flow.ts";
import type { StoryChange } from "./packet-story.ts";
import { commentOf, targetOf } from "./rule-text.ts";

/** What a row of a table may say a change with. */
export interface ChangeContext {
  readonly box: string;
  readonly change: StoryChange;
  /** The changed side, port included where it changed. */
  readonly from: string;
  readonly to: string;
  /** The packet when it left the box. */
  readonly after: Flow | undefined;
  readonly out: string | undefined;
  readonly hasNextHop: boolean;
  /** The Service port that the chains on the path are about. */
  readonly service: string | undefined;
  /** The change that marked the packet for MASQUERADE, in the same box. */
  readonly marking: StoryChange | undefined;
  /** What the change turns back, of the way there. */
  readonly undoes: { readonly target: string; readonly from: string; readonly to: string } | undefined;
  /** The rule that decided it for an earlier packet of the connection. */
  readonly remembered: RuleReference | undefined;
}

/** Why something happened, and what would have prevented it. */
export interface Reason {
  readonly because: string;
  /** How a value was chosen, or what it is for. */
  readonly detail?: string;
  readonly unless: readonly string[];
}

/** How a rule is known for what it is. What is left out does not matter. */
export interface RulePattern {
  readonly chain?: RegExp;
  readonly comment?: RegExp;
  readonly target?: RegExp;
  /** The rule's whole text. */
  readonly text?: RegExp;
}

/** Which rule it is: the first row that fits counts. */
export function fits({ chain, comment, target, text }: RulePattern, rule: RuleReference): boolean {
  if (text !== undefined && !text.test(rule.text)) return false;
  if (chain !== undefined && !chain.test(rule.chain)) return false;
  if (comment !== undefined && !comment.test(commentOf(rule))) return false;
  return target === undefined || target.test(targetOf(rule));
}

/** A Service as sentences have it: by its name where the rules tell it, and as kubectl's arguments. */
export interface NamedService {
  readonly said: string;
  readonly kubectl: string;
}

export function namedService(service: string | undefined): NamedService {
  if (service === undefined) return { said: "the Service", kubectl: "NAME" };
  const [namespace = "", name = ""] = (service.split(":")[0] ?? "").split("/");
  return { said: `Service ${service}`, kubectl: namespace === "default" ? name : `${name} -n ${namespace}` };
}

/** A reason whose sentence begins with a Service that has no name. */
export function asSentence(reason: Reason): Reason {
  return { ...reason, because: reason.because.replace(/^the /, "The ") };
}
