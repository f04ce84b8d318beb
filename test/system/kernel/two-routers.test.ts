import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { formatRuleset, parseIptablesSave } from "../../../src/nat/index.ts";
import { KernelLab, whatTheLabLacks } from "../../support/kernel-lab.ts";
import { KernelReport } from "../../support/kernel-lab-report.ts";
import type { LabScenario } from "../../support/kernel-lab-scenario.ts";
import { TWO_ROUTERS } from "../../support/kernel-lab-topologies.ts";
import { icmpEcho, icmpError, tcpPacket, udpPacket } from "../../support/packets.ts";

/* Two routers in a row, each with a NAT or a firewall of its own, and a way back around the second: in a real kernel and in natscope. */

const SERVERS = { srv: 80, pc: 8080 };
const CURL = "curl -q -s -S -A probe --noproxy '*' --connect-timeout 0.5 -m 5";
const TRACEROUTE = "traceroute -n -q 1 -N 1 -w 0.5 -m 5";
const SRV = "203.0.113.79";
/** Where the way back goes around the outer router. */
const SRV_ASIDE = "100.65.0.79";
const OUTER = "203.0.113.7";
const INNER = "100.64.0.2";
const PC = "192.168.1.10";

/** Rules in short, one line each with its table, as natscope prints them. */
function rules(...lines: readonly string[]): string {
  const tables = new Map<string, string[]>();
  for (const line of lines) {
    const [table = "", ...rest] = line.split(" ");
    const own = rest[0] === ":FORWARD" ? rest.join(" ") : `-A ${rest.join(" ")}`;
    tables.set(table, [...(tables.get(table) ?? []), own]);
  }
  const text = [...tables].map(([table, own]) => `*${table}\n${own.join("\n")}\nCOMMIT\n`).join("");
  return formatRuleset(parseIptablesSave(text).ruleset);
}

const MASQUERADE = { inner: "nat POSTROUTING -o up0 -j MASQUERADE", outer: "nat POSTROUTING -o wan0 -j MASQUERADE" };
const BOTH = { inner: rules(MASQUERADE.inner), outer: rules(MASQUERADE.outer) };
const SILENT = rules("raw PREROUTING -p tcp -j DROP");
const SILENT_ENDS = { pc: SILENT, srv: SILENT };
const STATEFUL = [
  "filter :FORWARD DROP [0:0]",
  "filter FORWARD -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT",
  "filter FORWARD -i dn0 -m conntrack --ctstate NEW -j ACCEPT",
];

type Segment = Omit<Parameters<typeof tcpPacket>[0], "from" | "to">;

/** Segments made by hand between the same two ports. */
function byHand(
  on: "pc" | "srv",
  ends: { from: string; to: string },
  ...segments: readonly Segment[]
): LabScenario["steps"][number] {
  return { on, raw: () => segments.map((segment) => tcpPacket({ ...ends, ...segment })) };
}

const OUT = { from: `${PC}:40010`, to: `${SRV}:80` };
const BACK = { from: `${SRV}:80`, to: `${OUTER}:40010` };

const SCENARIOS: readonly LabScenario[] = [
  { name: "two NATs in a row", rules: BOTH, steps: [{ on: "pc", run: `${CURL} http://${SRV}/` }] },
  { name: "ping through two NATs", rules: BOTH, steps: [{ on: "pc", run: `ping -c 2 -i 0.2 -W 1 ${SRV}` }] },
  {
    name: "traceroute through two NATs",
    rules: BOTH,
    steps: [{ on: "pc", run: `${TRACEROUTE} -p 33600 ${SRV}` }],
    ports: [33600, 33601, 33602, 33603, 33604],
  },
  { name: "traceroute by ICMP through two NATs", rules: BOTH, steps: [{ on: "pc", run: `${TRACEROUTE} -I ${SRV}` }] },
  {
    name: "port unreachable through two NATs",
    rules: BOTH,
    steps: [{ on: "pc", udp: `${SRV}:9997`, from: 40040, size: 700 }],
    ports: [9997, 40040],
  },
  {
    name: "fragments both ways through two NATs",
    rules: BOTH,
    steps: [{ on: "pc", udp: `${SRV}:5353`, from: 40041, size: 4000 }],
    ports: [40041],
  },
  {
    name: "path MTU behind two NATs, UDP",
    rules: BOTH,
    steps: [
      { on: "pc", udp: `${SRV}:5353`, from: 40042, size: 1450, isWhole: true },
      { on: "pc", udp: `${SRV}:5353`, from: 40043, size: 1450 },
    ],
    ports: [40042, 40043],
  },
  {
    name: "path MTU behind two NATs, ping",
    rules: BOTH,
    steps: [
      { on: "pc", run: `ping -c 1 -W 1 -M do -s 1450 ${SRV}` },
      { on: "pc", run: `ping -c 1 -W 1 -M do -s 1300 ${SRV}` },
    ],
  },
  {
    name: "a path MTU black hole, cured by clamping the MSS",
    rules: {
      inner: rules(MASQUERADE.inner, "filter FORWARD -p icmp -j DROP"),
      outer: rules(MASQUERADE.outer, "mangle FORWARD -p tcp --tcp-flags SYN,RST SYN -j TCPMSS --clamp-mss-to-pmtu"),
    },
    steps: [{ on: "pc", run: `${CURL} -o /dev/null -X POST --data-binary ${"x".repeat(2000)} http://${SRV}/` }],
  },
  {
    name: "no port is left",
    rules: { outer: rules(`nat POSTROUTING -o wan0 -p udp -j SNAT --to-source ${OUTER}:50000-50001`) },
    steps: [40060, 40061, 40062].map((from) => ({ on: "pc", udp: `${SRV}:5353`, from, size: 20 })),
    ports: [40060, 40061, 40062],
  },
  {
    name: "a port forwarded twice",
    rules: {
      outer: rules(
        MASQUERADE.outer,
        `nat PREROUTING -d ${OUTER} -p tcp --dport 8000 -j DNAT --to-destination ${INNER}:8001`,
      ),
      inner: rules(
        MASQUERADE.inner,
        `nat PREROUTING -d ${INNER} -p tcp --dport 8001 -j DNAT --to-destination ${PC}:8080`,
      ),
    },
    steps: [{ on: "srv", run: `${CURL} http://${OUTER}:8000/` }],
    ports: [8000, 8001],
  },
  {
    name: "a closed port behind two DNATs",
    rules: {
      outer: rules(
        MASQUERADE.outer,
        `nat PREROUTING -d ${OUTER} -p udp --dport 9000 -j DNAT --to-destination ${INNER}:9001`,
      ),
      inner: rules(
        MASQUERADE.inner,
        `nat PREROUTING -d ${INNER} -p udp --dport 9001 -j DNAT --to-destination ${PC}:9002`,
      ),
    },
    steps: [{ on: "srv", udp: `${OUTER}:9000`, from: 40044, size: 40 }],
    ports: [9000, 9001, 9002, 40044],
  },
  {
    name: "TTL runs out where DNAT is done, and behind it",
    rules: {
      outer: rules(`nat PREROUTING -d ${OUTER} -p udp -j DNAT --to-destination ${PC}`),
      inner: rules(MASQUERADE.inner),
    },
    steps: [{ on: "srv", run: `${TRACEROUTE} -p 33700 ${OUTER}` }],
    ports: [33700, 33701, 33702, 33703, 33704],
  },
  {
    name: "TTL set to 1 on the way in",
    rules: {
      outer: rules(MASQUERADE.outer, "mangle PREROUTING -i dn0 -j TTL --ttl-set 1"),
      inner: rules(MASQUERADE.inner),
    },
    steps: [{ on: "pc", udp: `${SRV}:5353`, from: 40045, size: 20 }],
    ports: [40045],
  },
  {
    name: "only answers come in",
    rules: { outer: rules(MASQUERADE.outer, ...STATEFUL) },
    steps: [
      { on: "pc", run: `${CURL} http://${SRV}/` },
      { on: "pc", udp: `${SRV}:9996`, from: 40046, size: 20 },
      { on: "srv", udp: `${INNER}:9995`, from: 40047, size: 20 },
      { on: "srv", run: `ping -c 1 -W 1 ${INNER}` },
    ],
    ports: [9995, 9996, 40046, 40047],
  },
  {
    name: "the way back goes around the outer router",
    rules: { outer: rules("filter FORWARD -m conntrack --ctstate INVALID -j DROP") },
    steps: [
      { on: "pc", run: `${CURL} http://${SRV_ASIDE}/` },
      { on: "pc", udp: `${SRV_ASIDE}:5353`, from: 40048, size: 20 },
      { on: "pc", run: `ping -c 1 -W 1 ${SRV_ASIDE}` },
    ],
    ports: [40048],
  },
  {
    name: "NAT on one way, the other way around it",
    rules: {
      outer: rules(`nat POSTROUTING -o wan0 -p udp -j SNAT --to-source ${OUTER}`),
      inner: rules("filter FORWARD -m conntrack --ctstate NEW"),
    },
    steps: [
      { on: "pc", run: `${CURL} http://${SRV_ASIDE}/` },
      { on: "pc", udp: `${SRV_ASIDE}:5353`, from: 40049, size: 20 },
    ],
    ports: [40049],
  },
  {
    name: "out of tracking there, and translated here",
    rules: {
      inner: rules(MASQUERADE.inner),
      outer: rules(
        "raw PREROUTING -p udp -m udp --dport 5353 -j NOTRACK",
        "raw PREROUTING -p udp -m udp --sport 5353 -j CT --notrack",
        MASQUERADE.outer,
        "filter FORWARD -m conntrack --ctstate UNTRACKED -j ACCEPT",
        "filter FORWARD -p udp -j REJECT",
      ),
    },
    steps: [
      { on: "pc", udp: `${SRV}:5353`, from: 40050, size: 20 },
      { on: "pc", udp: `${SRV}:5354`, from: 40051, size: 20 },
    ],
    ports: [5354, 40050, 40051],
  },
  {
    name: "each REJECT, seen through another NAT",
    rules: {
      inner: rules(MASQUERADE.inner),
      outer: rules(
        "filter FORWARD -p udp -m udp --dport 1 -j REJECT --reject-with icmp-net-unreachable",
        "filter FORWARD -p udp -m udp --dport 2 -j REJECT --reject-with icmp-host-unreachable",
        "filter FORWARD -p udp -m udp --dport 3 -j REJECT --reject-with icmp-proto-unreachable",
        "filter FORWARD -p udp -m udp --dport 4 -j REJECT --reject-with icmp-net-prohibited",
        "filter FORWARD -p tcp -m tcp --dport 80 -j REJECT --reject-with tcp-reset",
        "filter INPUT -p udp -j REJECT",
        "filter OUTPUT -p icmp -m icmp --icmp-type 5 -j REJECT",
      ),
    },
    steps: [
      { on: "pc", udp: `${SRV}:1`, from: 40052, size: 20 },
      { on: "pc", udp: `${SRV}:2`, from: 40053, size: 20 },
      { on: "pc", udp: `${SRV}:3`, from: 40054, size: 20 },
      { on: "pc", udp: `${SRV}:4`, from: 40055, size: 2000 },
      { on: "pc", run: `${CURL} http://${SRV}/` },
      { on: "pc", udp: "100.64.0.1:7", from: 40056, size: 20 },
    ],
    ports: [1, 2, 3, 4, 7, 40052, 40053, 40054, 40055, 40056],
  },
  {
    name: "the router's own traffic, with DNAT in OUTPUT and SNAT in INPUT",
    rules: {
      outer: rules(
        `nat OUTPUT -d 192.0.2.1 -p tcp -j DNAT --to-destination ${SRV}:80`,
        "nat INPUT -p udp -j SNAT --to-source 100.64.0.77",
        MASQUERADE.outer,
      ),
    },
    steps: [
      { on: "outer", run: `${CURL} http://192.0.2.1:81/` },
      { on: "pc", udp: "100.64.0.1:9994", from: 40057, size: 20 },
    ],
    ports: [81, 9994, 40057],
  },
  {
    name: "both ends open at once",
    rules: { ...BOTH, ...SILENT_ENDS },
    steps: [
      byHand("pc", OUT, { flags: "S", seq: 1000 }),
      byHand("srv", BACK, { flags: "S", seq: 5000 }),
      byHand("pc", OUT, { flags: "S.", seq: 1000, ack: 5001 }),
      byHand("srv", BACK, { flags: "S.", seq: 5000, ack: 1001 }),
      byHand("pc", OUT, { flags: ".", seq: 1001, ack: 5001 }, { flags: "P.", seq: 1001, ack: 5001, payload: 10 }),
      byHand("srv", BACK, { flags: ".", seq: 5001, ack: 1011 }),
    ],
    ports: [40010],
    keepsAcks: true,
  },
  {
    name: "in TIME_WAIT the server's side calls again",
    rules: { ...BOTH, ...SILENT_ENDS },
    steps: [
      byHand("pc", OUT, { flags: "S", seq: 1000 }),
      byHand("srv", BACK, { flags: "S.", seq: 5000, ack: 1001 }),
      byHand("pc", OUT, { flags: ".", seq: 1001, ack: 5001 }, { flags: "F.", seq: 1001, ack: 5001 }),
      byHand("srv", BACK, { flags: "F.", seq: 5001, ack: 1002 }),
      byHand("pc", OUT, { flags: ".", seq: 1002, ack: 5002 }),
      byHand("srv", BACK, { flags: "S", seq: 900_000 }),
      byHand("pc", OUT, { flags: "S", seq: 800_000 }),
    ],
    ports: [40010],
    keepsAcks: true,
  },
  {
    name: "two connections to one tuple, and the retransmitted SYN of one",
    rules: { ...BOTH, ...SILENT_ENDS },
    steps: [
      byHand("pc", OUT, { flags: "S", seq: 1000 }, { flags: "S", seq: 1000 }),
      byHand("pc", { ...OUT, from: "192.168.1.11:40010" }, { flags: "S", seq: 2000 }, { flags: "S", seq: 2000 }),
    ],
    ports: [40010],
    keepsAcks: true,
  },
  {
    name: "an error about an error, and one about an answer",
    rules: BOTH,
    steps: [
      {
        on: "pc",
        raw: () => [udpPacket({ from: `${PC}:40058`, to: `${SRV}:9993` }), icmpEcho({ from: PC, to: SRV, id: 77 })],
      },
      {
        on: "srv",
        raw: () => {
          const about = udpPacket({ from: `${OUTER}:40058`, to: `${SRV}:9993` });
          const error = icmpError({ from: SRV, to: OUTER, about });
          const reply = icmpEcho({ from: SRV, to: OUTER, id: 77, reply: true });
          return [
            error,
            icmpError({ from: SRV, to: OUTER, about: error }),
            icmpError({ from: SRV, to: OUTER, about: reply }),
          ];
        },
      },
    ],
    ports: [77, 9993, 40058],
  },
  {
    name: "questions of ICMP other than echo",
    rules: BOTH,
    steps: [
      { on: "pc", raw: () => [13, 17, 15].map((type) => icmpEcho({ from: PC, to: SRV, id: 78, type })) },
      {
        on: "srv",
        raw: () => [
          icmpEcho({ from: SRV, to: OUTER, id: 78, type: 14 }),
          icmpEcho({ from: SRV, to: OUTER, id: 79, type: 14 }),
        ],
      },
    ],
    ports: [78, 79],
  },
].map((scenario) => ({ ...scenario, ports: [80, 8080, ...(scenario.ports ?? [])] }));

const missing = whatTheLabLacks();
if (missing !== undefined) {
  if (process.env.CI) throw new Error(missing);
  console.warn(`test/system/kernel/two-routers.test.ts is skipped: ${missing}`);
}

describe.skipIf(missing !== undefined)("two routers do what the kernel does", () => {
  const report = new KernelReport();
  let lab: KernelLab | undefined;

  beforeAll(async () => {
    lab = await KernelLab.build(TWO_ROUTERS, SERVERS);
  });
  afterAll(async () => {
    await lab?.close();
    console.log(report.table());
  });

  it.each(SCENARIOS)("$name", async (scenario) => {
    expect(await report.compare(lab!, SERVERS, scenario)).toEqual([]);
  });
});
