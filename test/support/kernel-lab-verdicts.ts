import fc from "fast-check";

/*
 * Random rule sets over a small world, so that rules match often: a router between 10.1.0.0/24 (in0) and 10.2.0.0/24 (out0). Rules are lines of text, so that what is tested does not
 * depend on how natscope holds them.
 */

/** A rule set and the packets that are sent through it. */
export interface VerdictCase {
  readonly rules: string;
  readonly packets: readonly (VerdictPacket | VerdictAnswer)[];
}

export interface VerdictPacket {
  readonly protocol: "tcp" | "udp" | "icmp" | "other";
  readonly from: string;
  readonly to: string;
  readonly sourcePort: number;
  readonly destinationPort: number;
  readonly flags: string;
  readonly ttl: number;
  readonly length: number;
  /** TCP's option of that name; 0 for none. */
  readonly mss: number;
  /** More of TCP's options: a window scale and timestamps. */
  readonly isModern: boolean;
}

/** What an end says to the last packet that reached it, as it reached it: an answer with its addresses and ports exchanged, or an ICMP error about it. */
export interface VerdictAnswer {
  readonly protocol: "answer" | "error";
  /** The end that answers. */
  readonly on: "a" | "b";
  readonly flags: string;
  readonly length: number;
  /** How far TCP's sequence number is from the one that is due. */
  readonly astray: number;
  /** The same for its acknowledgment. */
  readonly ackAstray: number;
  readonly window: number;
  /** Of an error. */
  readonly type: number;
  readonly code: number;
  /** An error may come from a router on the way. */
  readonly from: string | undefined;
}

export const SOURCES: readonly string[] = ["10.1.0.2", "10.1.0.3", "10.1.0.130"];
export const DESTINATIONS: readonly string[] = ["10.2.0.2", "10.2.0.3", "10.2.0.4", "10.2.0.200"];
/** The router's own. */
export const OWN: readonly string[] = ["10.1.0.1", "10.2.0.1"];
export const PORTS: readonly number[] = [53, 80, 443, 1000, 1024, 8080, 40000];

/** What the sets hold that rules ask for, as `ipset restore` reads it. */
export const SETS: readonly string[] = [
  "create hosts hash:ip",
  "add hosts 10.1.0.2",
  "add hosts 10.2.0.3",
  "create nets hash:net",
  "add nets 10.2.0.0/30",
  "add nets 10.2.0.200",
  "create services hash:ip,port",
  "add services 10.2.0.2,tcp:80",
  "add services 10.2.0.3,udp:53",
  "add services 10.2.0.4,tcp:8080",
  "create ports bitmap:port range 0-65535",
  "add ports 80",
  "add ports 53",
  "create triples hash:ip,port,ip",
  "add triples 10.1.0.3,tcp:443,10.2.0.4",
  "add triples 10.1.0.2,udp:53,10.2.0.2",
];

const pick = <T>(...values: readonly T[]): fc.Arbitrary<T> => fc.constantFrom(...values);
const maybe = (options: readonly string[], weight = 2): fc.Arbitrary<string> =>
  fc.oneof({ weight, arbitrary: fc.constant("") }, { weight: 1, arbitrary: pick(...options) });

const SOURCE_OPTIONS = ["-s 10.1.0.2/32", "! -s 10.1.0.3/32", "-s 10.1.0.0/25", "-s 10.1.0.0/24"];
const DESTINATION_OPTIONS = [
  "-d 10.2.0.2/32",
  "! -d 10.2.0.3/32",
  "-d 10.2.0.0/29",
  "-d 10.2.0.0/24",
  "-d 10.1.0.1/32",
];
const TCP_OPTIONS = [
  "--dport 80",
  "! --dport 80",
  "--sport 1000:1100",
  "--dport :1023",
  "--syn",
  "! --syn",
  "--tcp-flags SYN,ACK,FIN,RST RST",
  "--tcp-flags ALL NONE",
  "--tcp-flags FIN,SYN,RST,PSH,ACK,URG SYN",
  "! --tcp-flags SYN,ACK SYN,ACK",
  "--tcp-option 2",
  "! --tcp-option 2",
  "--tcp-option 8",
  "! --tcp-option 3",
  "--sport 1024: --dport 1:1023",
  "! --sport 1024:65535",
  "--tcp-flags FIN,ACK FIN,ACK",
  "! --tcp-flags SYN,RST SYN",
  "--tcp-flags ALL ALL",
  "--tcp-flags SYN,RST SYN -m tcpmss --mss 1000:1460",
  "--tcp-flags SYN,RST SYN -m tcpmss ! --mss 0:600",
];
const UDP_OPTIONS = ["--dport 53", "! --sport 1000", "--dport 80:8080"];
const ICMP_OPTIONS = [
  "--icmp-type 3/3",
  "--icmp-type 3",
  "! --icmp-type 11/0",
  "--icmp-type 0",
  "--icmp-type 8",
  "! --icmp-type 0",
  "--icmp-type any",
];
const MODULES = [
  "-m mark --mark 0x1/0x1",
  "-m mark ! --mark 0x2/0x3",
  "-m conntrack --ctstate NEW",
  "-m conntrack --ctstate ESTABLISHED,RELATED",
  "-m conntrack --ctstate INVALID",
  "-m conntrack ! --ctstate NEW",
  "-m conntrack --ctorigdst 10.2.0.0/29",
  "-m state --state NEW,INVALID",
  "-m length --length 0:40",
  "-m length ! --length 60:100",
  "-m ttl --ttl-gt 10",
  "-m ttl --ttl-lt 3",
  "-m addrtype --dst-type LOCAL",
  "-m addrtype ! --dst-type LOCAL",
  "-m addrtype --src-type UNICAST",
  "-m iprange --src-range 10.1.0.2-10.1.0.100",
  "-m iprange ! --dst-range 10.2.0.3-10.2.0.4",
  "-m statistic --mode nth --every 2 --packet 0",
  "-m statistic --mode nth --every 3 --packet 1",
  "-m recent --set --name seen --mask 255.255.255.255 --rsource",
  "-m recent --rcheck --name seen --mask 255.255.255.255 --rsource",
  "-m recent --update --hitcount 3 --name seen --mask 255.255.255.255 --rsource",
  "-m recent --remove --name seen --mask 255.255.255.255 --rsource",
  "-m connmark --mark 0x1",
  '-m comment --comment "a rule"',
  "-m connmark ! --mark 0x2/0x3",
  "-m conntrack --ctstatus SEEN_REPLY",
  "-m conntrack --ctstatus CONFIRMED",
  "-m conntrack ! --ctstatus ASSURED,CONFIRMED",
  "-m conntrack --ctdir ORIGINAL",
  "-m conntrack --ctdir REPLY",
  "-m conntrack --ctproto 6",
  "-m conntrack ! --ctproto 17",
  "-m conntrack --ctorigsrc 10.1.0.0/25",
  "-m conntrack --ctreplsrc 10.2.0.4",
  "-m conntrack ! --ctrepldst 10.1.0.2",
  "-m conntrack --ctproto 6 --ctorigdstport 80:443",
  "-m conntrack --ctproto 6 --ctreplsrcport 8080",
  "-m conntrack --ctproto 17 ! --ctorigsrcport 1000",
  "-m conntrack --ctexpire 25:31",
  "-m conntrack --ctstate SNAT",
  "-m conntrack --ctstate DNAT",
  "-m conntrack --ctstate UNTRACKED",
  "-m conntrack ! --ctstate INVALID,UNTRACKED",
  "-m recent --rcheck --hitcount 2 --rttl --name seen --mask 255.255.255.255 --rsource",
  "-m recent --set --name target --mask 255.255.255.0 --rdest",
  "-m recent --update --seconds 60 --reap --hitcount 2 --name target --mask 255.255.255.0 --rdest",
  "-m recent ! --rcheck --seconds 60 --name seen --mask 255.255.255.255 --rsource",
  "-m limit --limit 1/hour --limit-burst 2",
  "-m limit --limit 1/day",
  "-m hashlimit --hashlimit-upto 1/hour --hashlimit-burst 2 --hashlimit-mode srcip --hashlimit-name by-source",
  "-m hashlimit --hashlimit-above 1/hour --hashlimit-burst 3 --hashlimit-mode dstip --hashlimit-name by-target --hashlimit-dstmask 30",
  "-m hashlimit --hashlimit-upto 1/hour --hashlimit-burst 1 --hashlimit-mode srcip,srcport,dstip,dstport --hashlimit-name by-flow",
  "-m set --match-set hosts src",
  "-m set ! --match-set hosts dst",
  "-m set --match-set nets dst",
  "-m set --match-set services dst,dst",
  "-m set ! --match-set services dst,dst",
  "-m set --match-set ports dst",
  "-m set --match-set triples src,dst,dst",
  "-m mac --mac-source 00:00:00:00:00:02",
  "-m mac ! --mac-source 00:00:00:00:00:03",
  "-m mark --mark 0x0",
  "-m length --length 100:65535",
  "-m ttl ! --ttl-eq 64",
  "-m addrtype --src-type LOCAL,UNSPEC",
  "-m addrtype --dst-type UNICAST --src-type UNICAST",
  "-m conntrack --ctstate RELATED",
  "-m conntrack --ctstate ESTABLISHED --ctdir REPLY",
  "-m conntrack --ctstate NEW,ESTABLISHED ! --ctorigdst 10.2.0.2 --ctdir ORIGINAL",
  "-m conntrack --ctstatus NONE",
  "-m conntrack --ctstatus EXPECTED",
  "-m connmark --mark 0x1/0x3",
  "-m statistic --mode nth --every 4 --packet 3",
  "-m statistic --mode nth ! --every 3 --packet 0",
  "-m statistic --mode random --probability 1.00000000000",
  "-m recent --rcheck --seconds 60 --hitcount 4 --name seen --mask 255.255.255.255 --rsource",
  "-m recent --set --name half --mask 255.255.255.128 --rsource",
  "-m recent --update --name half --mask 255.255.255.128 --rsource",
  "-m recent ! --update --rttl --name target --mask 255.255.255.0 --rdest",
  "-m hashlimit --hashlimit-above 1/hour --hashlimit-burst 2 --hashlimit-mode srcip,dstport --hashlimit-name both --hashlimit-srcmask 24",
  "-m hashlimit --hashlimit-upto 1/hour --hashlimit-burst 5 --hashlimit-name all",
  "-m hashlimit --hashlimit-upto 1/hour --hashlimit-burst 4 --hashlimit-mode dstip --hashlimit-name wide --hashlimit-dstmask 0",
  "-m set --match-set services src,src",
  "-m set --match-set ports src",
  "-m set --match-set nets src -m set ! --match-set hosts src",
  "-m set ! --match-set triples src,dst,dst",
  "-m set --match-set triples dst,src,src",
  "-m iprange --src-range 10.2.0.2-10.2.0.3 --dst-range 10.1.0.0-10.1.0.255",
  "-m iprange ! --src-range 10.1.0.3-10.1.0.3",
  "-m ttl --ttl-eq 63",
  "-m length --length 40",
  "-m mark --mark 0x3",
  "-m physdev --physdev-is-bridged",
  "-m physdev ! --physdev-is-in",
];
/** Of these the interface has to be known. */
const ADDRESS_TYPES = [
  "-m addrtype --dst-type LOCAL --limit-iface-in",
  "-m addrtype ! --src-type LOCAL --limit-iface-in",
  "-m addrtype ! --dst-type LOCAL --limit-iface-in",
  "-m addrtype --dst-type UNICAST --limit-iface-in",
];
const PORT_MODULES = [
  "-m multiport --dports 80,443",
  "-m multiport ! --ports 53,1000:1100",
  "-m multiport --sports 1000,40000",
  "-m multiport --dports 1:80,443,1024:65535",
  "-m multiport ! --sports 53:1000",
  "-m multiport --ports 80:443,8080",
  "-m multiport ! --dports 80,1000:1024,40000",
];

const COMMON_TARGETS = [
  "-j ACCEPT",
  "-j DROP",
  "-j RETURN",
  "-j MARK --set-xmark 0x1/0x1",
  "-j MARK --set-xmark 0x2/0xffffffff",
  "-j CONNMARK --set-xmark 0x1/0xffffffff",
  "-j CONNMARK --restore-mark",
  "-j CONNMARK --save-mark",
  "-j CONNMARK --save-mark --nfmask 0x3 --ctmask 0xf",
  "-j CONNMARK --restore-mark --nfmask 0x1 --ctmask 0x3",
  "-j CONNMARK --set-xmark 0x2/0x2",
  "-j MARK --set-xmark 0x0/0x2",
  "-j MARK --set-xmark 0x3/0x0",
  "-j OTHER",
  "-g OTHER",
  "-j DEEPER",
  "-g DEEPER",
  "-j LOG --log-prefix seen",
  "-j CONNMARK --set-xmark 0x1/0x3",
  "-j CONNMARK --save-mark --nfmask 0xff --ctmask 0x1",
  "-j CONNMARK --restore-mark --nfmask 0xffffffff --ctmask 0x2",
  "-j MARK --set-xmark 0x1/0x0",
  "",
];
const TARGETS: Readonly<Record<string, readonly string[]>> = {
  "raw PREROUTING": [
    ...COMMON_TARGETS.filter((target) => !target.includes("CONNMARK")),
    "-j NOTRACK",
    "-j CT --notrack",
  ],
  "mangle PREROUTING": [
    ...COMMON_TARGETS,
    "-j TTL --ttl-set 20",
    "-j TTL --ttl-dec 5",
    "-j TTL --ttl-inc 3",
    "-j TTL --ttl-dec 64",
  ],
  "mangle FORWARD": [...COMMON_TARGETS, "-j TTL --ttl-dec 1"],
  "mangle POSTROUTING": COMMON_TARGETS,
  "filter FORWARD": [
    ...COMMON_TARGETS,
    "-j REJECT --reject-with icmp-port-unreachable",
    "-j REJECT --reject-with icmp-host-prohibited",
    "-j REJECT --reject-with icmp-host-unreachable",
    "-j REJECT --reject-with icmp-proto-unreachable",
    "-j REJECT --reject-with icmp-net-prohibited",
    "-j REJECT --reject-with icmp-admin-prohibited",
  ],
  "filter INPUT": [
    ...COMMON_TARGETS,
    "-j REJECT --reject-with icmp-net-unreachable",
    "-j REJECT --reject-with icmp-host-prohibited",
  ],
  "raw OUTPUT": [...COMMON_TARGETS.filter((target) => !target.includes("CONNMARK")), "-j CT --notrack"],
  "mangle INPUT": COMMON_TARGETS,
  "mangle OUTPUT": [...COMMON_TARGETS, "-j TTL --ttl-set 33"],
  "nat INPUT": ["-j ACCEPT", "-j RETURN", "-j OTHER", "-j SNAT --to-source 10.2.0.12", "-j SNAT --to-source 10.1.0.3"],
  "nat OUTPUT": ["-j ACCEPT", "-j OTHER", "-j DNAT --to-destination 10.2.0.3"],
  "filter OUTPUT": COMMON_TARGETS,
  "nat PREROUTING": [
    "-j ACCEPT",
    "-j RETURN",
    "-j OTHER",
    "-j DNAT --to-destination 10.2.0.4",
    "-j DNAT --to-destination 10.2.0.2-10.2.0.3",
    "-j NETMAP --to 10.2.0.0/28",
    "-j DNAT --to-destination 10.2.0.2-10.2.0.4 --persistent",
    "-j DNAT --to-destination 10.2.0.3 --random",
    "-j NETMAP --to 10.2.0.2/32",
    "-j DEEPER",
    "-j MARK --set-xmark 0x1/0x1",
  ],
  "nat POSTROUTING": [
    "-j ACCEPT",
    "-j RETURN",
    "-j OTHER",
    "-j SNAT --to-source 10.2.0.1",
    "-j SNAT --to-source 10.2.0.10-10.2.0.13",
    "-j MASQUERADE",
    "-j SNAT --to-source 10.2.0.10-10.2.0.13 --persistent",
    "-j NETMAP --to 10.2.0.16/28",
    "-j SNAT --to-source 10.2.0.1 --random-fully",
    "-j MASQUERADE --random",
    "-j DEEPER",
    "-j CONNMARK --set-xmark 0x3/0x3",
  ],
};
/** These chains are called from several hooks: what belongs to one of them stays out. The second calls nobody. */
const INNER_TARGETS = COMMON_TARGETS.filter((target) => !/OTHER|DEEPER|CONNMARK/.test(target));
const OTHER_TARGETS = [...INNER_TARGETS, "-j RETURN", "-j DEEPER", "-g DEEPER"];
const PORT_TARGETS: Readonly<Record<string, readonly string[]>> = {
  "nat PREROUTING": [
    "-j DNAT --to-destination 10.2.0.3:8080",
    "-j DNAT --to-destination :443",
    "-j REDIRECT",
    "-j REDIRECT --to-ports 1024",
    "-j DNAT --to-destination 10.2.0.3:1000-1100/1000",
    "-j DNAT --to-destination 10.2.0.2-10.2.0.3:8080 --persistent",
    "-j DNAT --to-destination 10.2.0.4:20000-60000 --random",
    "-j REDIRECT --to-ports 20000-60000 --random",
    "-j REDIRECT --to-ports 443",
  ],
  "nat POSTROUTING": [
    "-j SNAT --to-source 10.2.0.1:20000-60000",
    "-j SNAT --to-source 10.2.0.10-10.2.0.13:40000",
    "-j MASQUERADE --to-ports 20000-60000 --random",
    "-j SNAT --to-source 10.2.0.1:20000-60000 --random-fully",
    "-j SNAT --to-source 10.2.0.1:1024",
    "-j MASQUERADE --to-ports 40000",
  ],
};
const SYN_TARGETS: Readonly<Record<string, readonly string[]>> = {
  "mangle FORWARD": ["-j TCPMSS --set-mss 500", "-j TCPMSS --clamp-mss-to-pmtu", "-j TCPMSS --set-mss 1400"],
  "mangle POSTROUTING": ["-j TCPMSS --set-mss 536"],
};

function ruleLine(place: string): fc.Arbitrary<string> {
  const [table = "", chain = ""] = place.split(" ");
  const isInner = chain === "OTHER" || chain === "DEEPER";
  const hasIn = chain !== "OUTPUT" && chain !== "POSTROUTING" && !isInner;
  const hasOut = chain !== "PREROUTING" && chain !== "INPUT" && !isInner;
  const interfaces = [...(hasIn ? ["-i in0", "! -i in0"] : []), ...(hasOut ? ["-o out0", "! -o out0"] : [])];
  // A packet has no connection before conntrack has seen it, and marks of connections belong elsewhere.
  const known = hasIn ? [...MODULES, ...ADDRESS_TYPES] : MODULES.filter((module) => !module.includes("-m mac"));
  const modules = table === "raw" ? known.filter((module) => !/conntrack|state|connmark/.test(module)) : known;
  const inner = chain === "OTHER" ? OTHER_TARGETS : INNER_TARGETS;
  const target = (extra: readonly string[]): fc.Arbitrary<string> =>
    pick(...(TARGETS[place] ?? inner).filter((each) => table !== "nat" || each !== "-j DROP"), ...extra);
  const ports = PORT_TARGETS[place] ?? [];
  const reset = place === "filter FORWARD" || place === "filter INPUT" ? ["-j REJECT --reject-with tcp-reset"] : [];
  const matching = fc.oneof(
    { weight: 3, arbitrary: fc.tuple(fc.constant(""), maybe(modules, 1), target([])) },
    {
      weight: 4,
      arbitrary: fc.tuple(
        maybe(TCP_OPTIONS, 1).map((own) => `-p tcp -m tcp ${own}`),
        maybe([...modules, ...PORT_MODULES], 1),
        target([...ports, ...reset]),
      ),
    },
    {
      weight: SYN_TARGETS[place] === undefined ? 0 : 1,
      arbitrary: fc.tuple(
        fc.constant("-p tcp -m tcp --tcp-flags SYN,RST SYN"),
        maybe(modules, 1),
        pick(...(SYN_TARGETS[place] ?? [""])),
      ),
    },
    {
      weight: 2,
      arbitrary: fc.tuple(
        maybe(UDP_OPTIONS, 1).map((own) => `-p udp -m udp ${own}`),
        maybe([...modules, ...PORT_MODULES], 1),
        target(ports),
      ),
    },
    {
      weight: 1,
      arbitrary: fc.tuple(
        maybe(ICMP_OPTIONS, 1).map((own) => `-p icmp ${own === "" ? "" : `-m icmp ${own}`}`),
        maybe(modules, 1),
        target([]),
      ),
    },
  );
  return fc
    .tuple(maybe(SOURCE_OPTIONS), maybe(DESTINATION_OPTIONS), maybe(["", ...interfaces], 4), matching)
    .map(([source, destination, through, [protocol, module, end]]) =>
      [`-A ${chain}`, source, destination, through, protocol, module, end].filter((part) => part !== "").join(" "),
    );
}

const LAYOUT: Readonly<Record<string, readonly string[]>> = {
  raw: ["PREROUTING", "OUTPUT"],
  mangle: ["PREROUTING", "INPUT", "FORWARD", "OUTPUT", "POSTROUTING"],
  nat: ["PREROUTING", "INPUT", "OUTPUT", "POSTROUTING"],
  filter: ["INPUT", "FORWARD", "OUTPUT"],
};

function table(name: string): fc.Arbitrary<string> {
  const chains = LAYOUT[name] ?? [];
  const rules = fc.tuple(...chains.map((chain) => fc.array(ruleLine(`${name} ${chain}`), { maxLength: 4 })));
  const inner = (chain: string): fc.Arbitrary<string[]> =>
    fc.array(ruleLine(`${name} ${chain}`), { maxLength: 4, minLength: 1 });
  const policies = pick("", "", "", ...(name === "filter" ? [":FORWARD DROP [0:0]\n", ":INPUT DROP [0:0]\n"] : []));
  return fc
    .tuple(policies, rules, inner("OTHER"), inner("DEEPER"))
    .map(([policy, own, other, deeper]) =>
      [
        `*${name}\n${policy}:OTHER - [0:0]\n:DEEPER - [0:0]\n`,
        ...[...own.flat(), ...other, ...deeper].map((line) => `${line}\n`),
        "COMMIT\n",
      ].join(""),
    );
}

const packet: fc.Arbitrary<VerdictPacket> = fc.record({
  protocol: pick("tcp", "tcp", "tcp", "udp", "udp", "icmp", "other"),
  from: pick(...SOURCES),
  to: pick(...DESTINATIONS, ...DESTINATIONS, ...OWN),
  sourcePort: pick(...PORTS),
  destinationPort: pick(...PORTS),
  flags: pick("S", "S", "S", ".", "R", "F.", "S.", "P."),
  ttl: pick(64, 64, 64, 2, 1, 5),
  length: pick(0, 1, 30, 100),
  mss: pick(0, 0, 500, 1460),
  isModern: fc.boolean(),
});

const answer: fc.Arbitrary<VerdictAnswer> = fc.record({
  protocol: pick("answer", "answer", "answer", "error"),
  on: pick("b", "b", "a"),
  flags: pick("S.", "S.", ".", ".", "P.", "F.", "R", "R.", "S"),
  length: pick(0, 0, 1, 100),
  astray: pick(0, 0, 0, 0, 1, -1, 100_000_000),
  ackAstray: pick(0, 0, 0, 0, 0, 1, -1, 70_000),
  window: pick(65_535, 65_535, 65_535, 0, 500),
  type: pick(3, 3, 3, 11, 12),
  code: pick(0, 1, 3, 0),
  from: pick(undefined, undefined, "10.2.0.200"),
});

/** Rule sets with some tables, and packets in the order in which they are sent. */
export const verdictCase: fc.Arbitrary<VerdictCase> = fc
  .tuple(
    fc.subarray(["raw", "mangle", "nat", "filter"], { minLength: 1 }).chain((names) => fc.tuple(...names.map(table))),
    fc.array(
      fc.oneof(
        { weight: 3, arbitrary: packet as fc.Arbitrary<VerdictPacket | VerdictAnswer> },
        { weight: 2, arbitrary: answer },
      ),
      { minLength: 24, maxLength: 24 },
    ),
  )
  .map(([tables, packets]) => {
    const rules = tables.join("");
    // Who answers to a port that chance drew would have to be told which.
    const isDrawn = /random|20000-60000/.test(rules);
    return { rules, packets: isDrawn ? packets.filter(({ protocol }) => !/answer|error/.test(protocol)) : packets };
  });

const FAR = [
  1, -1, 100, -100, 65_534, 65_535, 65_536, 66_000, -66_001, 131_070, 131_071, 200_000, 0x4000_0000, -0x3000_0000,
];
const junk: fc.Arbitrary<VerdictAnswer> = fc.record({
  protocol: pick("answer"),
  on: pick("a", "b"),
  flags: pick(".", ".", "P.", "P.", "F.", "F.", "U.", "", "R", "R."),
  length: pick(0, 0, 1, 100),
  astray: pick(0, 0, 0, 0, 0, ...FAR),
  ackAstray: pick(0, 0, 0, 0, 0, ...FAR),
  window: pick(65_535, 65_535, 0, 1, 500),
  type: fc.constant(3),
  code: fc.constant(0),
  from: fc.constant(undefined),
});

const opening = {
  protocol: "tcp",
  from: "10.1.0.2",
  to: "10.2.0.200",
  sourcePort: 40000,
  destinationPort: 80,
} as const;
const TRANSLATING = [
  "-A PREROUTING -d 10.2.0.200/32 -p tcp -j DNAT --to-destination 10.2.0.2:8080",
  "-A POSTROUTING -s 10.1.0.2/32 -p tcp -j SNAT --to-source 10.2.0.10:1024",
];

/** A translated connection, opened or not, and junk from both ends with its own addresses and ports. */
export const junkCase: fc.Arbitrary<VerdictCase> = fc
  .record({
    isModern: fc.boolean(),
    opened: fc.constant(true),
    drops: fc.boolean(),
    junk: fc.array(junk, { minLength: 20, maxLength: 20 }),
  })
  .map(({ isModern, opened, drops, junk }) => {
    const syn: VerdictPacket = { ...opening, flags: "S", ttl: 64, length: 0, mss: 1460, isModern };
    const orderly = {
      protocol: "answer",
      length: 0,
      astray: 0,
      ackAstray: 0,
      window: 65_535,
      type: 3,
      code: 0,
    } as const;
    const rest: readonly VerdictAnswer[] = [
      { ...orderly, on: "b", flags: "S.", from: undefined },
      { ...orderly, on: "a", flags: ".", from: undefined },
    ];
    const filter = drops ? "*filter\n-A FORWARD -m conntrack --ctstate INVALID -j DROP\nCOMMIT\n" : "";
    return {
      rules: `*nat\n${TRANSLATING.join("\n")}\nCOMMIT\n${filter}`,
      packets: [syn, ...(opened ? rest : []), ...junk],
    };
  });
