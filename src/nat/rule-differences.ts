import type { Rule } from "./rule.ts";

/** Rules from number `from` up to but not including `to` are gone, and these are in their place. */
export interface Hunk {
  readonly from: number;
  readonly to: number;
  readonly added: readonly Rule[];
}

/** So far ahead is looked for the next rule that both have. */
const HORIZON = 32;

/**
 * What has to be done to the rules of one version of a chain to get the next. A rule that has stayed is the same object. Few changes are found as such,
 * wherever they are; where too much is different, the rest is one hunk up to what both end with.
 */
export function differences(before: readonly { readonly rule: Rule }[], rules: readonly Rule[]): Hunk[] {
  const hunks: Hunk[] = [];
  let [old, now] = [0, 0];
  while (old < before.length || now < rules.length) {
    if (old < before.length && before[old]?.rule === rules[now]) {
      old += 1;
      now += 1;
      continue;
    }
    const [gone, come] = nextCommon(before, rules, old, now) ?? untilCommonEnd(before, rules, old, now);
    hunks.push({ from: old, to: old + gone, added: rules.slice(now, now + come) });
    old += gone;
    now += come;
  }
  return hunks;
}

/** How many rules are gone and have come until both have the same one again. */
function nextCommon(
  before: readonly { readonly rule: Rule }[],
  rules: readonly Rule[],
  old: number,
  now: number,
): readonly [gone: number, come: number] | undefined {
  for (let distance = 1; distance <= HORIZON; distance++) {
    for (let gone = 0; gone <= distance; gone++) {
      const rule = before[old + gone]?.rule;
      if (rule !== undefined && rule === rules[now + distance - gone]) return [gone, distance - gone];
    }
  }
  return undefined;
}

function untilCommonEnd(
  before: readonly { readonly rule: Rule }[],
  rules: readonly Rule[],
  old: number,
  now: number,
): readonly [gone: number, come: number] {
  let [end, last] = [before.length, rules.length];
  while (end > old && last > now && before[end - 1]?.rule === rules[last - 1]) {
    end -= 1;
    last -= 1;
  }
  return [end - old, last - now];
}
