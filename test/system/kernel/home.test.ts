import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { formatRuleset, parseIptablesSave } from "../../../src/nat/index.ts";
import { KernelLab, whatTheLabLacks } from "../../support/kernel-lab.ts";
import { KernelReport } from "../../support/kernel-lab-report.ts";
import type { LabScenario } from "../../support/kernel-lab-scenario.ts";
import { HOME } from "../../support/kernel-lab-topologies.ts";
import { icmpError, tcpPacket, udpPacket } from "../../support/packets.ts";

/* A home router: masquerading, port forwarding, errors and odd segments through NAT, in a real kernel and in natscope. */

const SERVERS = { srv: 80, pc1: 8080 };
const CURL = "curl -q -s -S -A probe --noproxy '*' --connect-timeout 0.5 -m 5";
const SRV = "198.51.100.79";
const HOME_ADDRESS = "203.0.113.7";

/** Rules in short, one line each with its table, as natscope prints them. */
function rules(...lines: readonly string[]): string {
  const tables = new Map<string, string[]>();
  for (const line of lines) {
    const [table = "", ...rest] = line.split(" ");
    tables.set(table, [...(tables.get(table) ?? []), `-A ${rest.join(" ")}`]);
  }
  const text = [...tables].map(([table, own]) => `*${table}\n${own.join("\n")}\nCOMMIT\n`).join("");
  return formatRuleset(parseIptablesSave(text).ruleset);
}

const MASQUERADE = "nat POSTROUTING -o wan0 -j MASQUERADE";
const FORWARD = `nat PREROUTING -d ${HOME_ADDRESS} -p tcp --dport 8000 -j DNAT --to-destination 192.168.1.10:8080`;
/** Where packets are made by hand, the hosts' own TCP must not answer. */
const SILENT = rules("raw PREROUTING -p tcp -j DROP");
const SILENT_ON_BOTH = { pc1: SILENT, srv: SILENT };

function masquerading(...more: readonly string[]): Record<string, string> {
  return { home: rules(MASQUERADE, ...more) };
}

const OUT = { from: "192.168.1.10:40010", to: `${SRV}:80` };
const BACK = { from: `${SRV}:80`, to: `${HOME_ADDRESS}:40010` };

function byHand(
  on: "pc1" | "srv",
  ...packets: readonly Omit<Parameters<typeof tcpPacket>[0], "from" | "to">[]
): LabScenario["steps"][number] {
  const way = on === "pc1" ? OUT : BACK;
  return { on, raw: () => packets.map((packet) => tcpPacket({ ...way, ...packet })) };
}

/** A connection made by hand, up to its first data from each side. */
const OPENED = [
  byHand("pc1", { flags: "S", seq: 1000 }),
  byHand("srv", { flags: "S.", seq: 5000, ack: 1001 }),
  byHand("pc1", { flags: ".", seq: 1001, ack: 5001 }),
  byHand("pc1", { flags: "P.", seq: 1001, ack: 5001, payload: 100 }),
  byHand("srv", { flags: ".", seq: 5001, ack: 1101 }),
];

const SCENARIOS: readonly LabScenario[] = [
  { name: "masquerade", rules: masquerading(), steps: [{ on: "pc1", run: `${CURL} http://${SRV}/` }] },
  {
    name: "masquerade, two hosts with one port, one server",
    rules: masquerading(),
    steps: ["pc1", "pc2"].map((on) => ({ on, run: `${CURL} --local-port 40020 http://${SRV}/` })),
    ports: [40020],
  },
  {
    name: "masquerade, two hosts with one port, two servers",
    rules: masquerading(),
    steps: [
      { on: "pc1", run: `${CURL} --local-port 40021 http://${SRV}/` },
      { on: "pc2", run: `${CURL} --local-port 40021 http://198.51.100.80/` },
    ],
    ports: [40021],
  },
  {
    name: "SNAT to a port range",
    rules: { home: rules(`nat POSTROUTING -o wan0 -p tcp -j SNAT --to-source ${HOME_ADDRESS}:50000-50000`) },
    steps: [
      { on: "pc1", run: `${CURL} http://${SRV}/` },
      { on: "pc2", run: `${CURL} http://${SRV}/` },
    ],
    ports: [50000],
    // The second connection takes the port of the first, which is over, if its sequence numbers are ahead (nf_seq_has_advanced).
    draws: true,
  },
  {
    name: "UDP masquerade with port clash",
    rules: masquerading(),
    steps: ["pc1", "pc2"].map((on) => ({ on, udp: `${SRV}:5353`, from: 40022, size: 30 })),
    ports: [40022],
  },
  {
    name: "port forward",
    rules: { home: rules(MASQUERADE, FORWARD) },
    steps: [{ on: "srv", run: `${CURL} http://${HOME_ADDRESS}:8000/` }],
    ports: [8000],
  },
  {
    name: "port forward, hairpin with SNAT",
    rules: {
      home: rules(
        MASQUERADE,
        FORWARD,
        "nat POSTROUTING -s 192.168.1.0/24 -d 192.168.1.10 -p tcp --dport 8080 -j MASQUERADE",
      ),
    },
    steps: [{ on: "pc2", run: `${CURL} http://${HOME_ADDRESS}:8000/` }],
    ports: [8000],
  },
  {
    name: "port forward, hairpin without SNAT",
    rules: { home: rules(MASQUERADE, FORWARD) },
    steps: [{ on: "pc2", run: `${CURL} http://${HOME_ADDRESS}:8000/` }],
    ports: [8000],
  },
  {
    name: "unasked packets to the router",
    rules: masquerading(),
    steps: [
      { on: "srv", udp: `${HOME_ADDRESS}:9999`, from: 40023, size: 10 },
      { on: "srv", run: `${CURL} http://${HOME_ADDRESS}:9998/` },
    ],
    ports: [9998, 9999, 40023],
  },
  { name: "ping through NAT", rules: masquerading(), steps: [{ on: "pc1", run: `ping -c 2 -i 0.2 -W 1 ${SRV}` }] },
  {
    name: "traceroute through NAT",
    rules: masquerading(),
    steps: [{ on: "pc1", run: `traceroute -n -q 1 -N 1 -w 0.5 -m 5 ${SRV}` }],
    ports: [33434, 33435, 33436, 33437, 33438],
  },
  {
    name: "traceroute by ICMP through NAT",
    rules: masquerading(),
    steps: [{ on: "pc1", run: `traceroute -I -n -q 1 -N 1 -w 0.5 -m 5 ${SRV}` }],
  },
  {
    name: "port unreachable through NAT",
    rules: masquerading(),
    steps: [{ on: "pc1", udp: `${SRV}:9997`, from: 40024, size: 60 }],
    ports: [9997, 40024],
  },
  {
    name: "time exceeded through DNAT",
    rules: { home: rules(`nat PREROUTING -d ${HOME_ADDRESS} -p udp -j DNAT --to-destination 192.168.1.10`) },
    steps: [{ on: "srv", run: `traceroute -n -q 1 -N 1 -w 0.5 -m 5 -p 33500 ${HOME_ADDRESS}` }],
    ports: [33500, 33501, 33502, 33503, 33504],
  },
  {
    name: "path MTU through NAT, upload",
    rules: masquerading(),
    steps: [{ on: "pc1", run: `${CURL} -o /dev/null -X POST --data-binary ${"x".repeat(2753)} http://${SRV}/` }],
    crosses: true,
  },
  {
    name: "path MTU through NAT, download",
    rules: masquerading(),
    steps: [{ on: "pc1", run: `${CURL} -o /dev/null http://${SRV}/2855` }],
    crosses: true,
  },
  {
    name: "path MTU through NAT, UDP",
    rules: masquerading(),
    steps: [
      { on: "pc1", udp: `${SRV}:5353`, from: 40025, size: 1450, isWhole: true },
      { on: "pc1", udp: `${SRV}:5353`, from: 40026, size: 1450 },
    ],
    ports: [40025, 40026],
  },
  {
    name: "MSS clamped to the path",
    rules: masquerading("mangle FORWARD -p tcp --tcp-flags SYN,RST SYN -j TCPMSS --set-mss 1300"),
    steps: [{ on: "pc1", run: `${CURL} -o /dev/null http://${SRV}/3000` }],
  },
  {
    name: "fragments through SNAT and DNAT",
    rules: {
      home: rules(
        MASQUERADE,
        `nat PREROUTING -d ${HOME_ADDRESS} -p udp --dport 9000 -j DNAT --to-destination 192.168.1.10:5353`,
      ),
    },
    steps: [
      { on: "pc1", udp: `${SRV}:5353`, from: 40027, size: 4000 },
      { on: "srv", udp: `${HOME_ADDRESS}:9000`, from: 40028, size: 4000 },
    ],
    ports: [9000, 40027, 40028],
  },
  {
    name: "REJECT with each answer",
    rules: masquerading(
      "filter FORWARD -p tcp --dport 81 -j REJECT --reject-with tcp-reset",
      "filter FORWARD -p tcp --dport 82 -j REJECT --reject-with icmp-host-prohibited",
      "filter FORWARD -p udp -j REJECT --reject-with icmp-admin-prohibited",
    ),
    steps: [
      { on: "pc1", run: `${CURL} http://${SRV}:81/` },
      { on: "pc1", run: `${CURL} http://${SRV}:82/` },
      { on: "pc1", udp: `${SRV}:5353`, from: 40029, size: 10 },
    ],
    ports: [81, 82, 40029],
  },
  {
    name: "REDIRECT to the router's own port",
    rules: { home: rules(MASQUERADE, "nat PREROUTING -i lan0 -p tcp --dport 80 -j REDIRECT --to-ports 3128") },
    steps: [{ on: "pc1", run: `${CURL} http://${SRV}/` }],
    ports: [3128],
  },
  {
    name: "NETMAP of a whole network",
    rules: { home: rules("nat POSTROUTING -o wan0 -s 192.168.1.0/24 -j NETMAP --to 203.0.113.0/24") },
    steps: [{ on: "pc1", udp: `${SRV}:5353`, from: 40030, size: 10 }],
    ports: [40030],
  },
  {
    name: "reset at the right number ends the connection",
    rules: { ...masquerading(), ...SILENT_ON_BOTH },
    steps: [...OPENED, byHand("srv", { flags: "R", seq: 5001 }), byHand("pc1", { flags: ".", seq: 1101, ack: 5001 })],
    ports: [40010],
    keepsAcks: true,
  },
  {
    name: "reset elsewhere in the window, and outside",
    rules: { ...masquerading(), ...SILENT_ON_BOTH },
    steps: [...OPENED, byHand("srv", { flags: "R", seq: 5101 }), byHand("srv", { flags: "R", seq: 900_000 })],
    ports: [40010],
    keepsAcks: true,
  },
  {
    name: "data beyond the window is INVALID and not translated",
    rules: { ...masquerading(), ...SILENT_ON_BOTH },
    steps: [
      ...OPENED,
      byHand("srv", { flags: "P.", seq: 5001 + 400_000, ack: 1101, payload: 20 }),
      byHand("pc1", { flags: "P.", seq: 1101 + 400_000, ack: 5001, payload: 20 }),
      byHand("pc1", { flags: ".", seq: 1101, ack: 5001 + 400_000 }),
    ],
    ports: [40010],
    keepsAcks: true,
  },
  {
    name: "data a little beyond the window passes, and its answer too",
    rules: { ...masquerading(), ...SILENT_ON_BOTH },
    steps: [
      ...OPENED,
      byHand("srv", { flags: "P.", seq: 5001 + 66_000, ack: 1101, payload: 20 }),
      byHand("pc1", { flags: ".", seq: 1101, ack: 5001 + 66_020 }),
      byHand("srv", { flags: "R", seq: 5001 + 67_000 }),
      byHand("srv", { flags: "P.", seq: 5001, ack: 1101, payload: 20 }),
    ],
    ports: [40010],
    keepsAcks: true,
  },
  {
    name: "INVALID is dropped where a rule says so",
    rules: { ...masquerading("filter FORWARD -m conntrack --ctstate INVALID -j DROP"), ...SILENT_ON_BOTH },
    steps: [...OPENED, byHand("srv", { flags: "P.", seq: 5001 + 400_000, ack: 1101, payload: 20 })],
    ports: [40010],
    keepsAcks: true,
  },
  {
    name: "segments of no connection",
    rules: { ...masquerading(), ...SILENT_ON_BOTH },
    steps: [
      byHand("pc1", { flags: "S.", seq: 1, ack: 1 }),
      byHand("pc1", { flags: "R", seq: 1 }),
      byHand("pc1", { flags: "F.", seq: 1, ack: 1 }),
      byHand("pc1", { flags: "SF", seq: 1 }),
      byHand("pc1", { flags: ".", seq: 7000, ack: 9000 }),
      byHand("srv", { flags: ".", seq: 9000, ack: 7000 }),
    ],
    ports: [40010],
    keepsAcks: true,
  },
  {
    name: "closing by hand, and a new SYN in TIME_WAIT",
    rules: { ...masquerading(), ...SILENT_ON_BOTH },
    steps: [
      ...OPENED,
      byHand("pc1", { flags: "F.", seq: 1101, ack: 5001 }),
      byHand("srv", { flags: "F.", seq: 5001, ack: 1102 }),
      byHand("pc1", { flags: ".", seq: 1102, ack: 5002 }),
      byHand("pc1", { flags: "S", seq: 900_000 }),
    ],
    ports: [40010],
    keepsAcks: true,
  },
  {
    name: "an error about a connection of somebody else",
    rules: masquerading(),
    steps: [
      {
        on: "srv",
        raw: () => [
          icmpError({
            from: SRV,
            to: HOME_ADDRESS,
            about: udpPacket({ from: `${HOME_ADDRESS}:40031`, to: `${SRV}:53` }),
          }),
        ],
      },
      {
        on: "srv",
        raw: () => [
          icmpError({
            from: SRV,
            to: HOME_ADDRESS,
            type: 3,
            code: 4,
            rest: 1200,
            about: tcpPacket({ from: `${HOME_ADDRESS}:40032`, to: `${SRV}:80` }),
          }),
        ],
      },
    ],
    ports: [53, 40031, 40032],
  },
].map((scenario) => ({ ...scenario, ports: [80, 8080, ...(scenario.ports ?? [])] }));

const missing = whatTheLabLacks();
if (missing !== undefined) {
  if (process.env.CI) throw new Error(missing);
  console.warn(`test/system/kernel/home.test.ts is skipped: ${missing}`);
}

describe.skipIf(missing !== undefined)("a home router does what the kernel does", () => {
  const report = new KernelReport();
  let lab: KernelLab | undefined;

  beforeAll(async () => {
    lab = await KernelLab.build(HOME, SERVERS);
  });
  afterAll(async () => {
    await lab?.close();
    console.log(report.table());
  });

  it.each(SCENARIOS)("$name", async (scenario) => {
    expect(await report.compare(lab!, SERVERS, scenario)).toEqual([]);
  });
});
