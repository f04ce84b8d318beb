import fc from "fast-check";

/*
 * Random rule sets over a small world, so that rules match often: a router between 10.1.0.0/24 (in0) and 10.2.0.0/24 (out0). Rules are lines of text, so that what is tested does not
 * depend on how natscope holds them.
 */

/** A rule set and the packets that are sent through it. */
export interface VerdictCase {
  readonly rules: string;
  readonly packets: readonly VerdictPacket[];
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
  "--tcp-flags SYN,RST SYN -m tcpmss --mss 1000:1460",
  "--tcp-flags SYN,RST SYN -m tcpmss ! --mss 0:600",
];
const UDP_OPTIONS = ["--dport 53", "! --sport 1000", "--dport 80:8080"];
const ICMP_OPTIONS = ["--icmp-type 8", "! --icmp-type 0", "--icmp-type any"];
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
];
/** Of these the interface has to be known. */
const ADDRESS_TYPES = [
  "-m addrtype --dst-type LOCAL --limit-iface-in",
  "-m addrtype ! --src-type LOCAL --limit-iface-in",
];
const PORT_MODULES = [
  "-m multiport --dports 80,443",
  "-m multiport ! --ports 53,1000:1100",
  "-m multiport --sports 1000,40000",
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
  "filter INPUT": [...COMMON_TARGETS, "-j REJECT --reject-with icmp-net-unreachable"],
  "filter OUTPUT": COMMON_TARGETS,
  "nat PREROUTING": [
    "-j ACCEPT",
    "-j RETURN",
    "-j OTHER",
    "-j DNAT --to-destination 10.2.0.4",
    "-j DNAT --to-destination 10.2.0.2-10.2.0.3",
    "-j NETMAP --to 10.2.0.0/28",
    "-j DNAT --to-destination 10.2.0.2-10.2.0.4 --persistent",
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
  ],
};
const PORT_TARGETS: Readonly<Record<string, readonly string[]>> = {
  "nat PREROUTING": [
    "-j DNAT --to-destination 10.2.0.3:8080",
    "-j DNAT --to-destination :443",
    "-j REDIRECT",
    "-j REDIRECT --to-ports 1024",
    "-j DNAT --to-destination 10.2.0.3:1000-1100/1000",
    "-j DNAT --to-destination 10.2.0.2-10.2.0.3:8080 --persistent",
  ],
  "nat POSTROUTING": ["-j SNAT --to-source 10.2.0.1:1024", "-j MASQUERADE --to-ports 40000"],
};
const SYN_TARGETS: Readonly<Record<string, readonly string[]>> = {
  "mangle FORWARD": ["-j TCPMSS --set-mss 500", "-j TCPMSS --clamp-mss-to-pmtu", "-j TCPMSS --set-mss 1400"],
  "mangle POSTROUTING": ["-j TCPMSS --set-mss 536"],
};

function ruleLine(place: string): fc.Arbitrary<string> {
  const [table = "", chain = ""] = place.split(" ");
  const hasIn = chain !== "OUTPUT" && chain !== "POSTROUTING";
  const hasOut = chain !== "PREROUTING" && chain !== "INPUT";
  const interfaces = [...(hasIn ? ["-i in0", "! -i in0"] : []), ...(hasOut ? ["-o out0", "! -o out0"] : [])];
  // A packet has no connection before conntrack has seen it, and marks of connections belong elsewhere.
  const known = hasIn ? [...MODULES, ...ADDRESS_TYPES] : MODULES.filter((module) => !module.includes("-m mac"));
  const modules = table === "raw" ? known.filter((module) => !/conntrack|state|connmark/.test(module)) : known;
  const target = (extra: readonly string[]): fc.Arbitrary<string> => pick(...(TARGETS[place] ?? []), ...extra);
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
    .tuple(maybe(SOURCE_OPTIONS), maybe(DESTINATION_OPTIONS), maybe(interfaces, 4), matching)
    .map(([source, destination, through, [protocol, module, end]]) =>
      [`-A ${chain}`, source, destination, through, protocol, module, end].filter((part) => part !== "").join(" "),
    );
}

const LAYOUT: Readonly<Record<string, readonly string[]>> = {
  raw: ["PREROUTING"],
  mangle: ["PREROUTING", "FORWARD", "POSTROUTING"],
  nat: ["PREROUTING", "POSTROUTING"],
  filter: ["INPUT", "FORWARD", "OUTPUT"],
};

function table(name: string): fc.Arbitrary<string> {
  const chains = LAYOUT[name] ?? [];
  const rules = fc.tuple(...chains.map((chain) => fc.array(ruleLine(`${name} ${chain}`), { maxLength: 4 })));
  const other = fc.array(ruleLine(`${name} ${chains.includes("FORWARD") ? "FORWARD" : (chains[0] ?? "")}`), {
    maxLength: 3,
  });
  return fc.tuple(rules, other).map(([own, inner]) => {
    // The other chain is called from several hooks: what belongs to one of them stays out, and it calls nobody.
    const safe = inner
      .filter(
        (line) =>
          !/OTHER|-[io] |-m mac|limit-iface|TCPMSS|j DNAT|j SNAT|MASQUERADE|REDIRECT|NETMAP|NOTRACK|REJECT|TTL/.test(
            line,
          ),
      )
      .map((line) => line.replace(/^-A \w+/, "-A OTHER"));
    return `*${name}\n:OTHER - [0:0]\n${[...own.flat(), ...safe].map((line) => `${line}\n`).join("")}COMMIT\n`;
  });
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
});

/** Rule sets with some tables, and packets in the order in which they are sent. */
export const verdictCase: fc.Arbitrary<VerdictCase> = fc
  .tuple(
    fc.subarray(["raw", "mangle", "nat", "filter"], { minLength: 1 }).chain((names) => fc.tuple(...names.map(table))),
    fc.array(packet, { minLength: 24, maxLength: 24 }),
  )
  .map(([tables, packets]) => ({ rules: tables.join(""), packets }));
