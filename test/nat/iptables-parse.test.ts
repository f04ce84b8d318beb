import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { RuleSyntaxError } from "../../src/nat/iptables-error.ts";
import { formatRule, formatRuleset } from "../../src/nat/iptables-format.ts";
import { parseIptablesSave } from "../../src/nat/iptables-parse.ts";
import { parseRule } from "../../src/nat/iptables-rule-parse.ts";
import { address } from "../../src/netstack/ipv4-address.ts";
import { NFT_LINES, RULE_LINES } from "../support/rule-lines.ts";
import { REFUSED_RULES, RULE_SETS } from "../support/rule-sets.ts";

/** Texts that people and programs write, and what iptables-save 1.8.9 prints of them. */
const SPELLINGS: [written: string, printed: string][] = [
  ["", ""],
  ["-s 10.0.0.1", "-s 10.0.0.1/32"],
  ["! -s 10.0.0.1/24", "! -s 10.0.0.0/24"],
  ["-s 10.1/16 -d 0/0", "-s 10.1.0.0/16"],
  ["-s 10.0.0.5/255.0.255.0", "-s 10.0.0.0/255.0.255.0"],
  ["--protocol tcp --source 1.1.1.1 --dst 2.2.2.2 --in-interface eth0", "-s 1.1.1.1/32 -d 2.2.2.2/32 -i eth0 -p tcp"],
  ["-p all -i +", ""],
  ["-p 89 --fragments", "-p ospf -f"],
  [
    '-m comment --comment "a b" -m tcp -p tcp -d 10.0.0.1 --dport 80 -j X',
    '-d 10.0.0.1/32 -p tcp -m comment --comment "a b" -m tcp --dport 80 -j X',
  ],
  ["-p tcp -m comment --comment x --dport http", "-p tcp -m comment --comment x -m tcp --dport 80"],
  ["-p tcp --dport :90 --sport 1024:", "-p tcp -m tcp --sport 1024:65535 --dport 0:90"],
  ["-p tcp --dport 0:65535", "-p tcp -m tcp"],
  ["-p tcp --destination-port=0x50", "-p tcp -m tcp --dport 80"],
  ["-p tcp ! --syn", "-p tcp -m tcp ! --tcp-flags FIN,SYN,RST,ACK SYN"],
  ["-p tcp --dport 80 -m tcp --sport 90", "-p tcp -m tcp --sport 90 --dport 80"],
  ["-p tcp -m multiport --dport ssh,https", "-p tcp -m multiport --dports 22,443"],
  ["-p icmp --icmp-type Fragmentation", "-p icmp -m icmp --icmp-type 3/4"],
  ["-p icmp --icmp-type ping", "-p icmp -m icmp --icmp-type 8"],
  ["-m mark --mark 0x00f0/0x0f", "-m mark --mark 0xf0/0xf"],
  ["-m conntrack --ctstate established,new,RELATED", "-m conntrack --ctstate NEW,RELATED,ESTABLISHED"],
  ["-m conntrack --ctproto udp --ctorigdst 10.0.0.1/8", "-m conntrack --ctproto 17 --ctorigdst 10.0.0.1/8"],
  ["-m recent --set", "-m recent --set --name DEFAULT --mask 255.255.255.255 --rsource"],
  ["-m limit", "-m limit --limit 3/hour"],
  ["-m limit --limit 300/s", "-m limit --limit 303/sec"],
  ["-m limit --limit 60/minute --limit-burst 5", "-m limit --limit 1/sec"],
  [
    "-m hashlimit ! --hashlimit 60/min --hashlimit-name n",
    "-m hashlimit --hashlimit-above 1/sec --hashlimit-burst 5 --hashlimit-name n --hashlimit-htable-expire 60000",
  ],
  ["-m statistic --mode random --probability .3333333333", "-m statistic --mode random --probability 0.33333333349"],
  ["-m mac --mac-source 0:1:2:A:B:C", "-m mac --mac-source 00:01:02:0a:0b:0c"],
  ["-j REJECT", "-j REJECT --reject-with icmp-port-unreachable"],
  ["-p tcp -j REJECT --reject-with tcp-rst", "-p tcp -j REJECT --reject-with tcp-reset"],
  ["-j MARK --or-mark 0x4000", "-j MARK --set-xmark 0x4000/0x4000"],
  ["-j MARK --xor-mark 0x4000", "-j MARK --set-xmark 0x4000/0x0"],
  ["-j MARK --and-mark 0x4000", "-j MARK --set-xmark 0x0/0xffffbfff"],
  ["-j MARK --set-mark 0x4000/0xff", "-j MARK --set-xmark 0x4000/0x40ff"],
  ["-j CONNMARK --save-mark", "-j CONNMARK --save-mark --nfmask 0xffffffff --ctmask 0xffffffff"],
  ["-j LOG --log-prefix a'b --log-level warning", String.raw`-j LOG --log-prefix "a\'b"`],
  ["-j LOG --log-prefix 123456789012345678901234567890", "-j LOG --log-prefix 12345678901234567890123456789"],
  ["-p tcp -j DNAT --to 10.0.0.1-10.0.0.1:80-80", "-p tcp -j DNAT --to-destination 10.0.0.1:80"],
  ["-j NETMAP --to 10.0.0.5/255.255.255.0", "-j NETMAP --to 10.0.0.0/24"],
  ["-g X -m mark --mark 4 -c 5 6", "-m mark --mark 0x4 -g X"],
];

/** Rules that cannot be taken, with the whole message. */
const FAULTS: [rule: string, message: string][] = [
  [
    "-j NFLOG",
    "line 1, column 4: the NFLOG target is not modelled; leave the rule out, or have such rules skipped with --lenient",
  ],
  [
    "-m owner --uid-owner 0",
    "line 1, column 4: the owner match is not modelled: it asks which process sent the packet, and emulated hosts have no users or processes; leave the rule out, or have such rules skipped with --lenient",
  ],
  [
    "-m socket -j ACCEPT",
    "line 1, column 4: the socket match is not modelled: it asks for a local socket of the packet's, which rules are not told of; leave the rule out, or have such rules skipped with --lenient",
  ],
  [
    "-m nope",
    'line 1, column 4: there is no match module "nope"; leave the rule out, or have such rules skipped with --lenient',
  ],
  [
    "-m set --match-set s src --return-nomatch",
    'line 1, column 26: the option "--return-nomatch" is not modelled; leave the rule out, or have such rules skipped with --lenient',
  ],
  [
    "--dport 80",
    'line 1, column 1: unknown option "--dport"; it belongs behind -m tcp or -m udp or -m sctp or -m multiport',
  ],
  [
    "-A INPUT -j DROP",
    'line 1, column 1: unknown option "-A"; write only what stands behind -A CHAIN; a line beginning with * names the table',
  ],
  ["-p tcp --dport", 'line 1, column 8: "--dport" needs an argument; write it behind the option'],
  ["-p tcp --dport ! 80", 'line 1, column 16: the ! stands behind "--dport"; write it before: ! --dport'],
  ["-p tcp --dport 90:80", 'line 1, column 16: the range "90:80" runs backwards; write the smaller number first'],
  [
    "-p tcp --dport gopher",
    'line 1, column 16: "gopher" is not a port or a service known here; write a number from 0 to 65535',
  ],
  ["-j ACCEPT ! -m", 'line 1, column 13: "-m" cannot be negated; leave the ! out'],
  [
    "-s example.com",
    'line 1, column 4: "example.com" is not an IPv4 address; write four numbers, like 10.0.0.1: names are not looked up',
  ],
  [
    "-s 10.0.0.0/33",
    'line 1, column 13: "33" is not a mask; write a prefix length from 0 to 32, or a mask like 255.255.0.0',
  ],
  [
    "-m comment --comment a b",
    'line 1, column 24: "b" stands alone; put an option before it, or quotation marks around a text with blanks',
  ],
  ['-m comment --comment "a b', 'line 1, column 22: the quotation mark is never closed; add the closing "'],
  [
    "-m conntrack --ctstate NEW,OLD",
    'line 1, column 28: "OLD" is not known here; write one of INVALID, NEW, RELATED, ESTABLISHED, UNTRACKED, SNAT, DNAT',
  ],
  [
    "-m multiport --dports 80",
    "line 1, column 4: multiport needs a protocol that has ports; add -p tcp, udp, sctp, dccp or udplite",
  ],
  ["-p udp -m tcp", "line 1, column 11: tcp matches only with -p tcp; add -p tcp to the rule"],
  [
    "-j DNAT --to-destination 10.0.0.1:80",
    "line 1, column 4: DNAT to a port needs a protocol that has ports; add -p tcp, udp, sctp or dccp",
  ],
  [
    "-j MARK",
    "line 1, column 4: MARK needs one of --set-xmark, --set-mark, --and-mark, --or-mark, --xor-mark; add one behind it",
  ],
  ["-j TTL --ttl-set 1 --ttl-inc 2", "line 1, column 20: --ttl-set and --ttl-inc exclude each other; keep one of them"],
  [
    "-p icmp --icmp-type echo",
    'line 1, column 21: "echo" could be echo-reply or echo-request; write the ICMP type\'s name in full',
  ],
  ["-s 1.1.1.1,2.2.2.2", "line 1, column 1: this text makes 2 rules; write one address behind -s and -d, and no -6"],
  [
    "-m hashlimit --hashlimit-upto 512kb/s --hashlimit-name x",
    "line 1, column 31: rates in bytes are not modelled; write a rate in packets, like 5/second",
  ],
  [`-m comment --comment ${"x".repeat(1024)}`, "line 1, column 22: this word has 1024 characters or more; shorten it"],
];

describe("parseRule", () => {
  test.each(SPELLINGS)("%j is printed %j", (written, printed) => {
    expect(formatRule(parseRule(written))).toBe(printed);
  });

  test.each(FAULTS)("%j is refused with its place and a remedy", (rule, message) => {
    expect(() => parseRule(rule)).toThrow(RuleSyntaxError);
    expect(() => parseRule(rule)).toThrow(message);
  });

  test("a rule is read into its value", () => {
    expect(
      parseRule(
        "-p tcp ! -s 10.0.0.0/8 --dport 80 -m statistic --mode nth --every 3 --packet 1 -j DNAT --to 10.1.0.1:8080",
      ),
    ).toEqual({
      source: { address: address("10.0.0.0"), mask: 0xff000000, not: true },
      protocol: { protocol: 6 },
      matches: [
        { kind: "tcp", destinationPort: { range: { from: 80, to: 80 } } },
        { kind: "statistic", mode: "nth", every: 3, packet: 1 },
      ],
      target: {
        kind: "dnat",
        addresses: { from: address("10.1.0.1"), to: address("10.1.0.1") },
        ports: { from: 8080, to: 8080 },
      },
    });
  });

  test("an option belongs to the module loaded last that knows it", () => {
    expect(parseRule("-m mark --mark 1 -m connmark --mark 2").matches).toEqual([
      { kind: "mark", value: 1, mask: 0xffffffff },
      { kind: "connmark", value: 2, mask: 0xffffffff },
    ]);
  });

  test("a comment is cut to 255 bytes, not through the middle of a character", () => {
    expect(parseRule(`-m comment --comment "${"x".repeat(254)}é!"`).matches).toEqual([
      { kind: "comment", text: "x".repeat(254) },
    ]);
  });
});

/** Texts with a line at fault, and the message. */
const BAD_SETS: [name: string, text: string, message: string][] = [
  [
    "an unknown table",
    "*filtre\nCOMMIT\n",
    'line 1, column 1: there is no table "filtre"; remove its section, or have it skipped with --lenient; tables are raw, mangle, nat and filter',
  ],
  [
    "the security table",
    "*security\nCOMMIT\n",
    "line 1, column 1: the security table (SELinux marks) is not modelled; remove its section, or have it skipped with --lenient; tables are raw, mangle, nat and filter",
  ],
  [
    "a missing COMMIT",
    "*nat\n-A OUTPUT -j ACCEPT\n",
    "line 3, column 1: the last table has no COMMIT; add a line COMMIT; the text may have been cut off",
  ],
  [
    "a table inside another",
    "*nat\n*filter\nCOMMIT\n",
    "line 2, column 1: the table before has no COMMIT; add a line COMMIT before this one",
  ],
  [
    "a rule outside a table",
    "# hello\n-A INPUT -j DROP\n",
    "line 2, column 1: this line belongs to no table; put a line like *nat before it; each table ends with COMMIT",
  ],
  [
    "prose",
    "*nat\n  hello\n",
    'line 2, column 3: "hello" is not a line of iptables-save; expected *TABLE, :CHAIN, -A CHAIN …, COMMIT or a # comment',
  ],
  [
    "a chain declared twice",
    "*nat\n:a - [0:0]\n:a - [0:0]\nCOMMIT",
    "line 3, column 1: the chain a is declared twice; keep one declaration",
  ],
  ["a chain without a policy", "*nat\n:a\nCOMMIT", 'line 2, column 1: the chain a has no policy; write ":a - [0:0]"'],
  [
    "a policy on a chain of one's own",
    "*nat\n:a DROP\nCOMMIT",
    'line 2, column 1: a is not a built-in chain, and has no policy; write ":a - [0:0]"',
  ],
  [
    "a policy that is none",
    "*nat\n:INPUT REJECT\nCOMMIT",
    'line 2, column 1: "REJECT" is not a policy; write ACCEPT or DROP',
  ],
  [
    "bad counters",
    "*nat\n:INPUT ACCEPT [1]\nCOMMIT",
    'line 2, column 1: "[1]" is not a pair of counters; write [packets:bytes], or leave it out',
  ],
  [
    "bad counters of a rule",
    "*nat\n[1] -A INPUT\nCOMMIT",
    "line 2, column 1: the counters in front cannot be read; write [packets:bytes], or leave them out",
  ],
  [
    "a chain named like a target",
    "*nat\n:LOG - [0:0]\nCOMMIT",
    "line 2, column 1: LOG is the name of a target; choose another name",
  ],
  [
    "a long chain name",
    `*nat\n:${"x".repeat(29)} - [0:0]\nCOMMIT`,
    `line 2, column 1: the chain name "${"x".repeat(29)}" is longer than 28 characters; choose another name`,
  ],
  [
    "a rule for a missing chain",
    "*nat\n-A a -j ACCEPT\nCOMMIT",
    'line 2, column 4: the nat table has no chain a; declare it above: ":a - [0:0]"',
  ],
  [
    "a jump to a missing chain",
    "*nat\n-A INPUT -j a\n:a - [0:0]\nCOMMIT",
    'line 2, column 13: there is no chain or target "a"; declare the chain above: ":a - [0:0]"',
  ],
  [
    "a jump to a built-in chain",
    "*nat\n-A INPUT -j OUTPUT\nCOMMIT",
    "line 2, column 13: OUTPUT is a built-in chain; jump to a chain of your own instead",
  ],
  [
    "a loop",
    "*nat\n:a -\n:b -\n-A a -j b\n-A b -g a\n-A OUTPUT -j a\nCOMMIT",
    "line 5, column 1: the jump to a makes a loop, or more than 16 chains deep; let no chain lead back to itself",
  ],
  [
    "a target at a wrong hook, through a chain",
    "*nat\n:a -\n-A a -j DNAT --to 1.1.1.1\n-A POSTROUTING -j a\nCOMMIT",
    "line 3, column 1: DNAT cannot be in POSTROUTING; keep it to what comes from PREROUTING or OUTPUT",
  ],
  [
    "a command of another kind",
    "*nat\n-D INPUT -j ACCEPT\nCOMMIT",
    'line 2, column 1: "-D" is not a command known here; use -A, -I, -N, -P, -F or -X',
  ],
  [
    "a chain deleted that has rules",
    "*nat\n:a -\n-A a\n-X a\nCOMMIT",
    "line 4, column 4: the chain a has rules; empty it first, with -F",
  ],
  [
    "a chain deleted that is led to",
    "*nat\n:a -\n-A INPUT -j a\n-X a\nCOMMIT",
    "line 4, column 4: a rule still leads to the chain a; remove that rule first",
  ],
  [
    "a rule put behind the end",
    "*nat\n-I INPUT 2\nCOMMIT",
    "line 2, column 10: the chain INPUT has 0 rules; write a number from 1 to 1",
  ],
  [
    "addresses without end",
    `*nat\n-A INPUT -s ${"1,".repeat(20)}1 -d ${"1,".repeat(20)}1\nCOMMIT`,
    "line 2, column 58: these addresses make more than 256 rules; use a set, or several lines",
  ],
];

describe("parseIptablesSave", () => {
  test.each(BAD_SETS)("refuses %s", (_, text, message) => {
    expect(() => parseIptablesSave(text)).toThrow(message);
  });

  test("names the file, and holds the place for a program", () => {
    let thrown: unknown;
    try {
      parseIptablesSave("*nat\n\n-A INPUT -j TEE --gateway 1.1.1.1\nCOMMIT\n", { file: "node2.rules" });
    } catch (error) {
      thrown = error;
    }
    expect(thrown).toBeInstanceOf(RuleSyntaxError);
    expect(thrown).toMatchObject({
      file: "node2.rules",
      line: 3,
      column: 13,
      word: "TEE",
      problem: "the TEE target is not modelled",
    });
    expect(String(thrown)).toContain("node2.rules:3, column 13: the TEE target");
  });

  test.each(REFUSED_RULES)("refuses what no kernel takes, %s: %s", (place, rule) => {
    const [table, chain] = place.split(" ");
    expect(() => parseIptablesSave(`*${table}\n:X - [0:0]\n-A ${chain} ${rule}\nCOMMIT\n`)).toThrow(RuleSyntaxError);
  });

  test("commands change the chains in the order of the lines", () => {
    const text = `*filter
-N a
-A a -j ACCEPT
-I a -j DROP
-I a 2 -j RETURN
-A INPUT -s 1.1.1.1,2.2.2.2 -d 3.3.3.3,4.4.4.4
-I INPUT -s 5.5.5.5,6.6.6.6
-A OUTPUT -j ACCEPT
-F OUTPUT
-N b
-X b
-P FORWARD DROP
-A FORWARD -6 -s 1.1.1.1 -j ACCEPT
[5:6] -A FORWARD -j a
COMMIT
`;
    expect(formatRuleset(parseIptablesSave(text.replaceAll("\n", "\r\n")).ruleset)).toBe(`*filter
:INPUT ACCEPT [0:0]
:FORWARD DROP [0:0]
:OUTPUT ACCEPT [0:0]
:a - [0:0]
-A INPUT -s 6.6.6.6/32
-A INPUT -s 5.5.5.5/32
-A INPUT -s 1.1.1.1/32 -d 3.3.3.3/32
-A INPUT -s 1.1.1.1/32 -d 4.4.4.4/32
-A INPUT -s 2.2.2.2/32 -d 3.3.3.3/32
-A INPUT -s 2.2.2.2/32 -d 4.4.4.4/32
-A FORWARD -j a
-A a -j DROP
-A a -j RETURN
-A a -j ACCEPT
COMMIT
`);
  });

  test("a table that comes twice is replaced, with a warning", () => {
    const { ruleset, warnings } = parseIptablesSave(
      "*raw\n-A OUTPUT -j TRACE\nCOMMIT\n*raw\n-A OUTPUT -j NOTRACK\nCOMMIT\n",
    );
    expect(ruleset.get("raw")?.chains.get("OUTPUT")?.rules).toEqual([{ matches: [], target: { kind: "notrack" } }]);
    expect(warnings).toEqual([
      { line: 4, message: "the raw table comes twice: as iptables-restore does, this one replaces the first" },
    ]);
  });

  test("with lenient, what cannot be taken is skipped and told", () => {
    const text = `*security
:INPUT ACCEPT [0:0]
-A INPUT -j SECMARK --selctx x
COMMIT
*filter
:INPUT DROP [0:0]
-A INPUT -m owner --uid-owner 0 -j ACCEPT
-A INPUT -p tcp --dport 22 -j ACCEPT
-A INPUT -j f2b-sshd
-A INPUT -j SNAT --to-source 1.1.1.1
`;
    const { ruleset, warnings } = parseIptablesSave(text, { lenient: true });
    expect(formatRuleset(ruleset)).toBe(`*filter
:INPUT DROP [0:0]
:FORWARD ACCEPT [0:0]
:OUTPUT ACCEPT [0:0]
-A INPUT -p tcp -m tcp --dport 22 -j ACCEPT
COMMIT
`);
    expect(warnings.map(({ line, message }) => `${line} ${message}`)).toEqual([
      "1 skipped: the security table (SELinux marks) is not modelled",
      "7 skipped: the owner match is not modelled: it asks which process sent the packet, and emulated hosts have no users or processes",
      '9 skipped: there is no chain or target "f2b-sshd"',
      "11 skipped: the last table has no COMMIT",
      "10 skipped: SNAT works only in the nat table",
    ]);
  });

  test("what it prints is read back into the same rule set", () => {
    for (const text of Object.values(RULE_SETS)) {
      const { ruleset, warnings } = parseIptablesSave(text);
      expect(warnings).toEqual([]);
      expect(parseIptablesSave(formatRuleset(ruleset)).ruleset).toEqual(ruleset);
    }
  });

  test("many chains in a row are no trouble until the kernel's depth is passed", () => {
    const chains = (count: number): string => {
      const names = Array.from({ length: count }, (_, number) => `c${number}`);
      const jumps = names.slice(1).map((name, number) => `-A c${number} -j ${name}\n`);
      return `*filter\n${names.map((name) => `:${name} -\n`).join("")}-A INPUT -j c0\n${jumps.join("")}COMMIT\n`;
    };
    expect(parseIptablesSave(chains(15)).ruleset.get("filter")?.chains.size).toBe(18);
    expect(() => parseIptablesSave(chains(16))).toThrow("the jump to c15 makes a loop");
    expect(() => parseIptablesSave(chains(20_000))).toThrow("the jump to c15 makes a loop");
  });
});

describe("any text", () => {
  const sections = Object.values(RULE_SETS);
  const lines = [...Object.values(RULE_LINES), ...Object.values(NFT_LINES)].flat();
  const words = [...new Set([...sections, ...lines].join(" ").split(/\s+/))];
  const wordSoup = fc
    .array(fc.oneof(fc.constantFrom(...words), fc.string()), { maxLength: 20 })
    .map((all) => all.join(" "));
  const mutated = fc
    .tuple(
      fc.constantFrom(...lines, ...sections),
      fc.nat(),
      fc.nat(5),
      fc.oneof(fc.string({ maxLength: 5 }), fc.constantFrom(...words)),
    )
    .map(([text, at, cut, put]) => {
      const place = at % (text.length + 1);
      return text.slice(0, place) + put + text.slice(place + cut);
    });

  function refusesOnlyWithItsOwnError(action: () => void): void {
    try {
      action();
    } catch (error) {
      expect(error).toBeInstanceOf(RuleSyntaxError);
    }
  }

  test("as a rule is read or refused, and what is read is printed so that it is read the same", () => {
    fc.assert(
      fc.property(fc.oneof(wordSoup, mutated), (text) => {
        refusesOnlyWithItsOwnError(() => {
          const printed = formatRule(parseRule(text));
          expect(formatRule(parseRule(printed))).toBe(printed);
        });
      }),
      { numRuns: 3000 },
    );
  });

  test("as a rule set is read or refused, and with lenient always read", () => {
    fc.assert(
      fc.property(
        fc.oneof(
          wordSoup.map((soup) => soup.replaceAll(" -A", "\n-A")),
          mutated,
        ),
        (text) => {
          refusesOnlyWithItsOwnError(() => formatRuleset(parseIptablesSave(`*filter\n${text}`).ruleset));
          formatRuleset(parseIptablesSave(text, { lenient: true }).ruleset);
        },
      ),
      { numRuns: 1000 },
    );
  });
});
