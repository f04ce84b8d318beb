import { describe, expect, it } from "vitest";
import { formatRuleset, parseIptablesSave, type Ruleset, tableNamesList } from "../../src/nat/index.ts";
import { joinRulesets } from "../../src/nodes/index.ts";

function rules(...lines: readonly string[]): Ruleset {
  return parseIptablesSave(`*filter\n:INPUT DROP [0:0]\n:OWN - [0:0]\n${lines.join("\n")}\nCOMMIT\n`).ruleset;
}

const FIRST = rules("-A INPUT -j OWN", "-A OWN -m recent --set --name first --rsource -j ACCEPT");
const SECOND = parseIptablesSave(
  "*filter\n:INPUT ACCEPT [0:0]\n:OTHER - [0:0]\n-A INPUT -j OTHER\n-A OTHER -m recent --set --name second --rsource\nCOMMIT\n",
).ruleset;

describe("joinRulesets()", () => {
  it("puts the second's rules behind the first's in each chain, and keeps the first's policies", () => {
    expect(
      formatRuleset(joinRulesets(FIRST, SECOND))
        .split("\n")
        .filter((line) => /^[:-]/.test(line)),
    ).toEqual([
      ":INPUT DROP [0:0]",
      ":FORWARD ACCEPT [0:0]",
      ":OUTPUT ACCEPT [0:0]",
      ":OTHER - [0:0]",
      ":OWN - [0:0]",
      "-A INPUT -j OWN",
      "-A INPUT -j OTHER",
      "-A OTHER -m recent --set --name second --mask 255.255.255.255 --rsource",
      "-A OWN -m recent --set --name first --mask 255.255.255.255 --rsource -j ACCEPT",
    ]);
  });

  it("gives the same Ruleset again for the same two, with one chain the same whichever way it is asked for", () => {
    const joined = joinRulesets(FIRST, SECOND);
    expect(joinRulesets(FIRST, SECOND)).toBe(joined);
    const chains = joined.get("filter")?.chains;
    const input = chains?.get("INPUT");
    expect(new Map(chains).get("INPUT")).toBe(input);
    expect(input?.rules).toHaveLength(2);
  });

  it("knows which lists rules of either name", () => {
    const table = joinRulesets(FIRST, SECOND).get("filter") ?? { name: "filter", chains: new Map() };
    const named = ["first", "second", "third"].map((name) => tableNamesList(table, "recent", name));
    expect(named).toEqual([true, true, false]);
    expect(tableNamesList(table, "hashlimit", "first")).toBe(false);
  });
});
