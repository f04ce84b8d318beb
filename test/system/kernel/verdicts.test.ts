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
  formatIpv4,
  getU8,
  getU16,
  IpProtocol,
  isIcmpError,
  type MacAddress,
  mac,
  Packet,
  parseMac,
  parseTcp,
  readIpv4Header,
  setU16,
  TcpFlag,
} from "../../../src/netstack/index.ts";
import { FramePool } from "../../../src/sim/index.ts";
import { KernelLab, whatTheLabLacks } from "../../support/kernel-lab.ts";
import { differences, type Naming, pointLines, type SeenFrame } from "../../support/kernel-lab-lines.ts";
import {
  DESTINATIONS,
  junkCase,
  PORTS,
  SETS,
  SOURCES,
  type VerdictAnswer,
  type VerdictCase,
  type VerdictPacket,
  verdictCase,
} from "../../support/kernel-lab-verdicts.ts";
import { type Topology, TranscriptWorld } from "../../support/kernel-transcript.ts";
import { icmpEcho, icmpError, otherPacket, tcpPacket, udpPacket } from "../../support/packets.ts";

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
/** What rules translate to, apart from those. */
const TRANSLATED = [5, 8, 10, 11, 12, 13, 17, 18, 19].map((last) => `10.2.0.${last}`);
/** Neighbours that answer nothing: what is sent to them is only looked at. */
const NEIGHBOURS: readonly { readonly on: string; readonly host: string; readonly neighbour: string }[] = [
  ...SOURCES.map((neighbour) => ({ on: "in0", host: "a", neighbour })),
  ...[...DESTINATIONS, ...TRANSLATED].map((neighbour) => ({ on: "out0", host: "b", neighbour })),
];

/** A window scale of 7, and timestamps. */
const MODERN = [1, 3, 3, 7, 1, 1, 8, 10, 0, 0, 0, 9, 0, 0, 0, 0];

function build(packet: VerdictPacket, number: number): Packet {
  const { from, to, sourcePort, destinationPort, flags, ttl, length } = packet;
  const ends = { from: `${from}:${sourcePort}`, to: `${to}:${destinationPort}`, ttl };
  const payload = "x".repeat(length);
  return packet.protocol === "tcp"
    ? tcpPacket({
        ...ends,
        flags,
        seq: 1000 * (number + 1),
        ack: flags === "S" ? 0 : 1,
        payload,
        options: [
          ...(packet.mss === 0 ? [] : [2, 4, packet.mss >> 8, packet.mss & 0xff]),
          ...(packet.isModern ? MODERN : []),
        ],
      })
    : packet.protocol === "udp"
      ? udpPacket({ ...ends, payload })
      : packet.protocol === "icmp"
        ? icmpEcho({ from, to, ttl, id: 7, seq: number, payload })
        : otherPacket({ from, to, ttl, protocol: 50, payload: payload.padEnd(8, "y") });
}

/** What an end says to a packet that reached it; `undefined` to an ICMP error. */
function answerTo(bytes: Uint8Array, answer: VerdictAnswer, number: number): Packet | undefined {
  const { source, destination, headerLength: at, totalLength, protocol } = readIpv4Header(bytes, 0);
  const [from, to] = [formatIpv4(destination), formatIpv4(source)];
  if (protocol === IpProtocol.icmp && isIcmpError(getU8(bytes, at))) return undefined;
  // Linux will have drawn another.
  if (portsOf(bytes, protocol, at).some((port) => !NAMING.ports.has(port))) return undefined;
  if (answer.protocol === "error") {
    const frame = new FramePool().create(ETHERNET_HEADER_LENGTH + totalLength);
    frame.bytes.set(bytes.subarray(0, totalLength), frame.start + ETHERNET_HEADER_LENGTH);
    const about = new Packet(frame, frame.start + ETHERNET_HEADER_LENGTH);
    return icmpError({ from: answer.from ?? from, to, about, type: answer.type, code: answer.code });
  }
  const payload = "z".repeat(answer.length);
  if (protocol === IpProtocol.icmp) {
    const isReply = getU8(bytes, at) === 8;
    return icmpEcho({ from, to, id: getU16(bytes, at + 4), seq: getU16(bytes, at + 6), reply: isReply, payload });
  }
  if (protocol !== IpProtocol.tcp && protocol !== IpProtocol.udp)
    return otherPacket({ from, to, protocol, payload: payload.padEnd(8, "z") });
  const ends = { from: `${from}:${getU16(bytes, at + 2)}`, to: `${to}:${getU16(bytes, at)}` };
  if (protocol === IpProtocol.udp) return udpPacket({ ...ends, payload });
  const { sequence, acknowledgment, headerLength, flags } = parseTcp(bytes, at, totalLength)!;
  const counted = (flags & (TcpFlag.syn | TcpFlag.fin)) === 0 ? 0 : 1;
  return tcpPacket({
    ...ends,
    flags: answer.flags,
    seq: (acknowledgment > 1 ? acknowledgment : 500_000 + 1000 * number) + answer.astray,
    ack: sequence + totalLength - at - headerLength + counted + answer.ackAstray,
    window: answer.window,
    payload,
  });
}

function portsOf(bytes: Uint8Array, protocol: number, at: number): number[] {
  if (protocol === IpProtocol.icmp) return [getU16(bytes, at + 4)];
  if (protocol !== IpProtocol.tcp && protocol !== IpProtocol.udp) return [];
  return [getU16(bytes, at), getU16(bytes, at + 2)];
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

/** A packet as it is sent, and by which end. */
interface Sent {
  readonly host: "a" | "b";
  readonly ip: Uint8Array;
}

function emulate({ rules, packets }: VerdictCase): { readonly ours: string[]; readonly sent: readonly Sent[] } {
  const world = new TranscriptWorld({ topology: TOPOLOGY, rules: { r: rules.split("\n") } });
  const { stack, netfilter } = world.host("r");
  if (netfilter !== undefined) fillSets(netfilter.sets);
  Object.assign(stack.host.sysctls, { icmpRateLimitMs: 0, icmpMessagesPerSecond: 100_000 });
  for (const { on, neighbour } of NEIGHBOURS) {
    const own = stack.interface(on)!;
    stack.link.neighbours.setPermanent(own, address(neighbour), mac(2));
  }
  const { simulator } = world.network;
  const sent: Sent[] = [];
  for (const [number, packet] of packets.entries()) {
    const host = "on" in packet ? packet.on : "a";
    const last =
      "on" in packet
        ? world.seen().findLast(({ at, direction }) => at === `${host}/eth0` && direction === "in")
        : undefined;
    const built = "on" in packet ? last && answerTo(last.ip, packet, number) : build(packet, number);
    if (built === undefined) continue;
    const { bytes, ip, end } = built;
    setU16(bytes, ip + 4, number + 1);
    fillIpv4Checksum(bytes, ip);
    sent.push({ host, ip: bytes.slice(ip, end) });
    const to = stack.interface(host === "a" ? "in0" : "out0")!.mac;
    const frame = simulator.frames.create(ETHERNET_HEADER_LENGTH + end - ip);
    frame.bytes.set(framed(bytes.subarray(ip, end), to), frame.start);
    frame.at = simulator.now();
    world.host(host).stack.interface("eth0")!.device.send(frame);
    simulator.runUntilQuiet();
  }
  return { ours: received(world.seen()), sent };
}

/** A packet in a frame for the router. */
function framed(ip: Uint8Array, destination: MacAddress): Uint8Array {
  const frame = new Uint8Array(ETHERNET_HEADER_LENGTH + ip.length);
  frame.set(ip, ETHERNET_HEADER_LENGTH);
  emitEthernet({ destination, source: mac(2), type: EtherType.ipv4 }, frame, 0);
  return frame;
}

const missing = whatTheLabLacks();
if (missing !== undefined) {
  if (process.env.CI) throw new Error(missing);
  console.warn(`test/system/kernel/verdicts.test.ts is skipped: ${missing}`);
}

describe.skipIf(missing !== undefined)("random rules", () => {
  let lab: KernelLab | undefined;
  const routers = { in0: mac(0), out0: mac(0) };

  beforeAll(async () => {
    lab = await KernelLab.build(TOPOLOGY, {});
    const macs = new Map<string, string>();
    for (const [host, name] of [
      ["a", "eth0"],
      ["b", "eth0"],
      ["r", "in0"],
      ["r", "out0"],
    ] as const) {
      const { stdout } = await lab.run(host, `cat /sys/class/net/${name}/address || ip -o link show ${name}`);
      const found = /[\da-f]{2}(:[\da-f]{2}){5}/.exec(stdout)?.[0] ?? "";
      if (name === "eth0") macs.set(host, found);
      else routers[name] = parseMac(found)!;
    }
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

  let loads = 0;

  async function ask(linux: KernelLab, rules: string, sent: readonly Sent[]): Promise<string[]> {
    loads += 1;
    // The kernel takes its time to forget the lists of rules that are gone: each rule set has its own.
    linux.load(
      "r",
      rules.replace(/(?<=--(?:hashlimit-)?name )\S+/g, (name) => `${name}-${loads}`),
    );
    await linux.seen(QUIET_MS);
    const frames = sent.map(({ host, ip }) => {
      const frame = framed(ip, host === "a" ? routers.in0 : routers.out0);
      return `${linux.namespace(host)}/eth0/${Buffer.from(frame).toString("hex")}`;
    });
    await linux.agent("r", "frames", ...frames);
    return received(await linux.seen(QUIET_MS));
  }

  it.each([
    ["what becomes of packets", CASES, verdictCase],
    ["what becomes of junk in a connection", Math.ceil(CASES / 4), junkCase],
  ] as const)(
    "decide %s as the kernel does, %i times",
    async (_, count, arbitrary) => {
      const cases = fc.sample(arbitrary, { numRuns: count, seed: SEED });
      let asked = 0;
      let packets = 0;
      const wrong: string[] = [];
      for (const [number, each] of cases.entries()) {
        const { ours, sent } = emulate(each);
        let theirs = await ask(lab!, each.rules, sent);
        asked += sent.length;
        // A busy machine may be late with what it has captured.
        if (differences(theirs, ours).length > 0) theirs = await ask(lab!, each.rules, sent);
        packets += theirs.length;
        const found = differences(theirs, ours);
        if (found.length > 0) wrong.push(`rule set ${number}:\n${each.rules}${found.join("\n")}`);
        if (wrong.length >= 5) break;
      }
      console.log(
        `${cases.length} rule sets, ${asked} packets sent, ${packets} came out, ${wrong.length} rule sets with differences`,
      );
      expect(wrong.join("\n\n")).toBe("");
    },
    600_000,
  );
});
