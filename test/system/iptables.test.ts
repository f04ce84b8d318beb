import { execFileSync, spawnSync } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { formatRule, formatRuleset } from "../../src/nat/iptables-format.ts";
import { parseIptablesSave } from "../../src/nat/iptables-parse.ts";
import { NFT_LINES, RULE_LINES } from "../support/rule-lines.ts";
import { REFUSED_RULES, RULE_SETS } from "../support/rule-sets.ts";
import { IPSETS, OTHER_CHAIN, type RulePlace, ruleArbitrary } from "../support/rules.ts";

/*
 * The law of printing: for a text that a kernel takes, what natscope prints of it is what iptables-save prints after iptables-restore.
 * Each test has a network namespace to itself, which is gone when its shell is.
 */

type Backend = "nft" | "legacy";

const DUMP_DIRECTORY = new URL("../support/dumps/", import.meta.url);
const DUMPS = readdirSync(DUMP_DIRECTORY).map(
  (file) => [file, readFileSync(new URL(file, DUMP_DIRECTORY), "utf8")] as const,
);

const missing = whatIsMissing();
if (missing !== undefined) {
  if (process.env.CI) throw new Error(missing);
  console.warn(`test/system/iptables.test.ts is skipped: ${missing}`);
}

const PLACES: RulePlace[] = ["filter FORWARD", "mangle FORWARD", "raw PREROUTING", "nat PREROUTING", "nat POSTROUTING"];

describe.skipIf(missing !== undefined).each<Backend>(["nft", "legacy"])(
  "iptables-restore and iptables-save, %s backend",
  (backend) => {
    test.each(Object.entries(RULE_LINES))("rule lines of %s come back as natscope prints them", (place, lines) => {
      const [table, chain] = place.split(" ");
      const own = backend === "nft" ? [...lines, ...(NFT_LINES[place] ?? [])] : lines;
      const text = `*${table}\n:X - [0:0]\n${own.map((line) => `-A ${chain} ${line}\n`).join("")}COMMIT\n`;
      expect(natscope(text)).toEqual(linux(backend, text));
    });

    test.each(PLACES)("any 300 rules for %s come back as natscope prints them", (place) => {
      const [table, chain] = place.split(" ");
      const rules = fc.sample(ruleArbitrary(place), { numRuns: 300, seed: 20_250_101 });
      const own = rules.filter(({ target }) => backend === "nft" || target?.kind !== "trace" || table === "raw");
      const body = own.map((rule) => `-A ${chain} ${formatRule(rule)}\n`).join("");
      const text = `*${table}\n:${OTHER_CHAIN} - [0:0]\n${body}COMMIT\n`;
      const printed = linux(backend, text);
      expect(printed.filter((line) => line.startsWith("-A")).join("\n")).toBe(body.replace(/ *\n/g, "\n").trimEnd());
      expect(natscope(text)).toEqual(printed);
    });

    test.each(Object.entries(RULE_SETS))("the whole rule set of %s comes back as natscope prints it", (_, text) => {
      expect(natscope(text)).toEqual(linux(backend, text));
    });

    test.each(DUMPS)("what natscope models of the dump of %s comes back as it prints it", (_, dump) => {
      const text = formatRuleset(parseIptablesSave(dump, { lenient: true }).ruleset);
      expect(byTable(text)).toEqual(linux(backend, text, setsFor(text)));
    });

    test.each(REFUSED_RULES)("both refuse %s: %s", (place, line) => {
      const [table, chain] = place.split(" ");
      const text = `*${table}\n:X - [0:0]\n-A ${chain} ${line}\nCOMMIT\n`;
      expect(() => linux(backend, text)).toThrow();
      expect(() => natscope(text)).toThrow(/^line 3, column/);
    });
  },
);

/** The sets that rules name, each of a type that has as many parts as the rules ask for. */
function setsFor(text: string): string[] {
  const types = ["hash:net", "hash:ip,port", "hash:ip,port,ip"];
  const asked = text.matchAll(/--match-set (\S+) (\S+)/g);
  const parts = new Map(Array.from(asked, ([, name = "", flags = ""]) => [name, flags.split(",").length] as const));
  return [...parts].map(([name, count]) => `'${name}' ${types[count - 1]}`);
}

/** Tables by name and lines in order: the legacy backend prints tables in the order in which the kernel loaded them. */
function byTable(text: string): string[] {
  const sections = text.split(/(?<=^COMMIT\n)/m).filter((section) => section !== "");
  return sections.sort().flatMap((section) => section.trimEnd().split("\n"));
}

function natscope(text: string): string[] {
  return byTable(formatRuleset(parseIptablesSave(text).ruleset));
}

function linux(backend: Backend, text: string, named: readonly string[] = IPSETS): string[] {
  const sets = named.map((set) => `ipset create ${set}`).join("\n");
  const script = `set -e\n${sets}\niptables-${backend}-restore\niptables-${backend}-save`;
  const saved = execFileSync("unshare", ["--net", "sh", "-c", script], {
    input: text,
    encoding: "utf8",
    stdio: "pipe",
    maxBuffer: 64 << 20,
  });
  return byTable(saved.replace(/^#.*\n/gm, ""));
}

function whatIsMissing(): string | undefined {
  const programs = ["unshare", "ipset", "iptables-nft-restore", "iptables-legacy-restore"];
  const absent = programs.filter((program) => spawnSync(program, ["--version"]).error !== undefined);
  if (absent.length > 0) return `${absent.join(" and ")} not found: apt-get install iptables ipset util-linux`;
  const alone = spawnSync("unshare", ["--net", "true"]);
  return alone.status === 0 ? undefined : "no network namespace can be made here: run it as root";
}
