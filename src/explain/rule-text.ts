import { parseRule, type Rule, RuleSyntaxError } from "../nat/index.ts";
import type { RuleReference } from "../netstack/index.ts";

/** A rule's `--comment`; empty when it has none. */
export function commentOf({ text }: RuleReference): string {
  const [, quoted, plain] = /--comment (?:"((?:[^"\\]|\\.)*)"|(\S+))/.exec(text) ?? [];
  return (quoted ?? plain ?? "").replace(/\\(.)/g, "$1");
}

/** The target's name behind `-j` or `-g`; empty when the rule has none. */
export function targetOf({ text }: RuleReference): string {
  return / ?-[jg] (\S+)/.exec(text.replace(/--comment (?:"(?:[^"\\]|\\.)*"|\S+)/, ""))?.[1] ?? "";
}

const NAME = "[a-z0-9.-]+/[a-z0-9.-]+(?::[a-z0-9.-]+)?";
const SERVICE = new RegExp(
  `^(?:masquerade (?:LOCAL )?traffic for |route LOCAL traffic for |pod traffic for |other traffic to )?(${NAME})(?:$| )`,
);
const NFT_SERVICE =
  /^(?:service|local|external|firewall|endpoint)-[A-Z0-9]{8}-([^/]+\/[^/]+)\/(?:tcp|udp|sctp)\/([^_]*)/;

/** The Service port (`ns/name:port`) that a rule of kube-proxy's is about: its comment names it, or its chain. */
export function serviceOf(rule: RuleReference): string | undefined {
  const [, name, port] = NFT_SERVICE.exec(rule.chain) ?? [];
  if (name !== undefined) return port ? `${name}:${port}` : name;
  return SERVICE.exec(commentOf(rule))?.[1];
}

/** Compiled texts that are remembered. */
const KNOWN_LIMIT = 10_000;

/** Reads rules back from their texts, each once. */
export class RuleReader {
  readonly #known = new Map<string, Rule | undefined>();

  /** `undefined` for a text that no `iptables-restore` would take, such as one with nftables' long chain names. */
  read(text: string): Rule | undefined {
    if (this.#known.has(text)) return this.#known.get(text);
    const rule = tryParse(text);
    if (this.#known.size < KNOWN_LIMIT) this.#known.set(text, rule);
    return rule;
  }
}

function tryParse(text: string): Rule | undefined {
  try {
    return parseRule(text);
  } catch (error) {
    if (error instanceof RuleSyntaxError) return undefined;
    throw error;
  }
}
