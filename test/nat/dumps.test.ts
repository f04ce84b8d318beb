import { readdirSync, readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { formatRuleset, parseIptablesSave, RuleSyntaxError } from "../../src/nat/index.ts";

/* What iptables-save prints where other programs write the rules: all of it is read, or said by line what is not modelled. */

const DIRECTORY = new URL("../support/dumps/", import.meta.url);
const DUMPS = new Map(
  readdirSync(DIRECTORY).map((file) => [file.replace(".rules", ""), readFileSync(new URL(file, DIRECTORY), "utf8")]),
);

/** The lines that are skipped, and why. */
const SKIPPED: Readonly<Record<string, readonly string[]>> = {
  calico: ["18: skipped: the rpfilter match is not modelled"],
  cilium: [
    "21: skipped: the socket match is not modelled: it asks for a local socket of the packet's, which rules are not told of",
    "22: skipped: the TPROXY target is not modelled",
  ],
  firewalld: ["19: skipped: the security table (SELinux marks) is not modelled"],
  istio: [20, 21, 22, 23, 24, 25].map(
    (line) =>
      `${line}: skipped: the owner match is not modelled: it asks which process sent the packet, and emulated hosts have no users or processes`,
  ),
  k3s: ["28: skipped: the NFLOG target is not modelled"],
  libvirt: ["10: skipped: the CHECKSUM target is not modelled"],
  "wireguard-tailscale": [
    "15: skipped: the dscp match is not modelled",
    "17: skipped: the DSCP target is not modelled",
  ],
};

describe.each([...DUMPS])("the dump of %s", (name, text) => {
  it("is read, but for what is not modelled", () => {
    const { warnings } = parseIptablesSave(text, { lenient: true });
    expect(warnings.map(({ line, message }) => `${line}: ${message}`)).toEqual(SKIPPED[name] ?? []);
  });

  it("is refused as a whole at the first line that is not modelled, unless told to skip it", () => {
    const [first] = SKIPPED[name] ?? [];
    const read = (): unknown => parseIptablesSave(text, { file: name });
    if (first === undefined) expect(read).not.toThrow();
    else {
      const line = first.slice(0, first.indexOf(":"));
      expect(read).toThrow(RuleSyntaxError);
      expect(read).toThrow(`${name}:${line}, column `);
    }
  });

  it("comes back the same when it is printed and read again", () => {
    const { ruleset } = parseIptablesSave(text, { lenient: true });
    const printed = formatRuleset(ruleset);
    expect(formatRuleset(parseIptablesSave(printed).ruleset)).toBe(printed);
  });
});
