import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { IpSetMember, IpSets, IpSetType } from "../../../src/nat/index.ts";
import {
  address,
  cidr,
  ETHERNET_HEADER_LENGTH,
  EtherType,
  emitEthernet,
  fillIpv4Checksum,
  type MacAddress,
  mac,
  type Packet,
  parseMac,
  setU16,
} from "../../../src/netstack/index.ts";
import { KernelLab, whatTheLabLacks } from "../../support/kernel-lab.ts";
import { differences, type Naming, pointLines, type SeenFrame } from "../../support/kernel-lab-lines.ts";
import {
  DESTINATIONS,
  PORTS,
  SETS,
  SOURCES,
  type VerdictCase,
  type VerdictPacket,
  verdictCase,
} from "../../support/kernel-lab-verdicts.ts";
import { type Topology, TranscriptWorld } from "../../support/kernel-transcript.ts";
import { icmpEcho, otherPacket, tcpPacket, udpPacket } from "../../support/packets.ts";

/*
 * Random rule sets and packets: what comes out of a router with the kernel's netfilter, and what comes back, must be what natscope's router sends, packet by packet. The number of
 * rule sets can be raised: NATSCOPE_VERDICTS=1000 npm run test:kernel.
 */

/** Packets come at once, and nothing answers late. */
const QUIET_MS = 25;
const CASES = Number(process.env.NATSCOPE_VERDICTS ?? 200);
const SEED = Number(process.env.NATSCOPE_VERDICTS_SEED ?? 20_261_121);

const TOPOLOGY: Topology = {
  a: { ifs: { eth0: { kind: "veth", peer: "r/in0", mtu: 1500, addrs: [] } } },
  r: {
    ifs: {
      in0: { kind: "veth", peer: "a/eth0", mtu: 1500, addrs: ["10.1.0.1/24"] },
      out0: { kind: "veth", peer: "b/eth0", mtu: 1500, addrs: ["10.2.0.1/24"] },
    },
    sysctl: {
      "net.ipv4.ip_forward": 1,
      "net.ipv4.icmp_ratelimit": 0,
      "net.ipv4.icmp_msgs_per_sec": 100_000,
      "net.ipv4.icmp_msgs_burst": 10_000,
    },
  },
  b: { ifs: { eth0: { kind: "veth", peer: "r/out0", mtu: 1500, addrs: [] } } },
};

const NAMING: Naming = { ports: new Set([0, ...PORTS, 7]), keepsAcks: true };
/** Neighbours that answer nothing: what is sent to them is only looked at. */
const NEIGHBOURS: readonly { readonly on: string; readonly host: string; readonly neighbour: string }[] = [
  ...SOURCES.map((neighbour) => ({ on: "in0", host: "a", neighbour })),
  ...[...DESTINATIONS, "10.2.0.5", "10.2.0.8"].map((neighbour) => ({ on: "out0", host: "b", neighbour })),
];

function build(packet: VerdictPacket, number: number): Packet {
  const { from, to, sourcePort, destinationPort, flags, ttl, length } = packet;
  const ends = { from: `${from}:${sourcePort}`, to: `${to}:${destinationPort}`, ttl };
  const payload = "x".repeat(length);
  const built =
    packet.protocol === "tcp"
      ? tcpPacket({
          ...ends,
          flags,
          seq: 1000 * (number + 1),
          ack: flags === "S" ? 0 : 1,
          payload,
          options: packet.mss === 0 ? [] : [2, 4, packet.mss >> 8, packet.mss & 0xff],
        })
      : packet.protocol === "udp"
        ? udpPacket({ ...ends, payload })
        : packet.protocol === "icmp"
          ? icmpEcho({ from, to, ttl, id: 7, seq: number, payload })
          : otherPacket({ from, to, ttl, protocol: 50, payload: payload.padEnd(8, "y") });
  setU16(built.bytes, built.ip + 4, number + 1);
  fillIpv4Checksum(built.bytes, built.ip);
  return built;
}

function fillSets(sets: IpSets): void {
  for (const line of SETS) {
    const [verb, name = "", what = ""] = line.split(" ");
    if (verb === "create") sets.create(name, what as IpSetType);
    else sets.get(name)!.add(memberOf(what));
  }
}

/** `10.2.0.2,tcp:80`, `10.2.0.0/30`, `10.1.0.2` or `80`. */
function memberOf(text: string): IpSetMember {
  const [first = "", port, second] = text.split(",");
  if (/^\d+$/.test(text)) return { port: Number(text) };
  const net = cidr(first.includes("/") ? first : `${first}/32`);
  if (port === undefined) return { address: net.network, net };
  const [protocol, number] = port.split(":");
  const combination = { address: net.network, protocol: protocol === "udp" ? 17 : 6, port: Number(number) };
  return second === undefined ? combination : { ...combination, second: address(second) };
}

/** All that came to a and b, sorted. */
function received(frames: readonly SeenFrame[]): string[] {
  const { points } = pointLines(
    frames.filter(({ at, direction }) => direction === "in" && at !== "r/in0" && at !== "r/out0"),
    NAMING,
  );
  return [...points]
    .flatMap(([at, connections]) => [...connections.values()].flatMap((lines) => lines.map((line) => `${at} ${line}`)))
    .sort();
}

function emulate({ rules, packets }: VerdictCase): string[] {
  const world = new TranscriptWorld({ topology: TOPOLOGY, rules: { r: rules.split("\n") } });
  const { stack, netfilter } = world.host("r");
  if (netfilter !== undefined) fillSets(netfilter.sets);
  Object.assign(stack.host.sysctls, { icmpRateLimitMs: 0, icmpMessagesPerSecond: 100_000 });
  for (const { on, neighbour } of NEIGHBOURS) {
    const own = stack.interface(on)!;
    stack.link.neighbours.setPermanent(own, address(neighbour), mac(2));
  }
  const entry = world.host("a").stack.interface("eth0")!;
  const { simulator } = world.network;
  packets.forEach((packet, number) => {
    const { bytes, ip, end } = build(packet, number);
    const frame = simulator.frames.create(ETHERNET_HEADER_LENGTH + end - ip);
    frame.bytes.set(bytes.subarray(ip, end), frame.start + ETHERNET_HEADER_LENGTH);
    emitEthernet(
      { destination: stack.interface("in0")!.mac, source: mac(2), type: EtherType.ipv4 },
      frame.bytes,
      frame.start,
    );
    frame.at = simulator.now();
    entry.device.send(frame);
    simulator.runUntilQuiet();
  });
  return received(world.seen());
}

const missing = whatTheLabLacks();
if (missing !== undefined) {
  if (process.env.CI) throw new Error(missing);
  console.warn(`test/system/kernel/verdicts.test.ts is skipped: ${missing}`);
}

describe.skipIf(missing !== undefined)("random rules", () => {
  let lab: KernelLab | undefined;
  let router: MacAddress | undefined;

  beforeAll(async () => {
    lab = await KernelLab.build(TOPOLOGY, {});
    const macs = new Map<string, string>();
    for (const [host, name] of [
      ["a", "eth0"],
      ["b", "eth0"],
      ["r", "in0"],
    ] as const) {
      const { stdout } = await lab.run(host, `cat /sys/class/net/${name}/address || ip -o link show ${name}`);
      macs.set(host, /[\da-f]{2}(:[\da-f]{2}){5}/.exec(stdout)?.[0] ?? "");
    }
    router = parseMac(macs.get("r") ?? "");
    const entries = NEIGHBOURS.map(
      ({ on, host, neighbour }) => `ip neighbour replace ${neighbour} lladdr ${macs.get(host)} nud permanent dev ${on}`,
    );
    await lab.run("r", entries.join("; "));
    const { exitCode } = await lab.run("r", SETS.map((line) => `ipset ${line}`).join(" && "));
    if (exitCode !== 0) throw new Error("The sets cannot be made: apt-get install ipset");
  });
  afterAll(async () => {
    await lab?.close();
  });

  let asked = 0;

  async function ask(linux: KernelLab, { rules, packets }: VerdictCase): Promise<string[]> {
    asked += 1;
    // The kernel takes its time to forget the lists of rules that are gone: each rule set has its own.
    linux.load(
      "r",
      rules.replace(/(?<=--(?:hashlimit-)?name )\S+/g, (name) => `${name}-${asked}`),
    );
    await linux.seen(QUIET_MS);
    const frames = packets.map((packet, number) => {
      const { bytes, ip, end } = build(packet, number);
      const frame = new Uint8Array(ETHERNET_HEADER_LENGTH + end - ip);
      frame.set(bytes.subarray(ip, end), ETHERNET_HEADER_LENGTH);
      emitEthernet({ destination: router!, source: mac(2), type: EtherType.ipv4 }, frame, 0);
      return Buffer.from(frame).toString("hex");
    });
    await linux.agent("a", "frames", "eth0", ...frames);
    return received(await linux.seen(QUIET_MS));
  }

  it(`decide ${24 * CASES} packets as the kernel decides them`, async () => {
    const cases = fc.sample(verdictCase, { numRuns: CASES, seed: SEED });
    let packets = 0;
    const wrong: string[] = [];
    for (const [number, each] of cases.entries()) {
      const ours = emulate(each);
      let theirs = await ask(lab!, each);
      // A busy machine may be late with what it has captured.
      if (differences(theirs, ours).length > 0) theirs = await ask(lab!, each);
      packets += theirs.length;
      const found = differences(theirs, ours);
      if (found.length > 0) wrong.push(`rule set ${number}:\n${each.rules}${found.join("\n")}`);
      if (wrong.length >= 5) break;
    }
    console.log(
      `${cases.length} rule sets, ${cases.length * 24} packets sent, ${packets} came out, ${wrong.length} rule sets with differences`,
    );
    expect(wrong.join("\n\n")).toBe("");
  }, 600_000);
});
