import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import type { CommandIo } from "../../src/cli/io.ts";
import { type ReplayFlags, replay } from "../../src/cli/replay.ts";
import { type CapturedPacket, LinkType, PcapWriter, readCapture } from "../../src/pcap/index.ts";
import { tcpFrame, udpFrame } from "../tun/kernel-packets.ts";
import { inDirectory } from "./command-line.ts";

interface Replayed {
  readonly said: string;
  /** IP packets that left the client, at milliseconds since the first of them. */
  readonly sent: readonly { readonly at: number; readonly protocol: number; readonly ip: number[] }[];
}

/** Replays frames, each at so many milliseconds, from the client of nodeport, before its first step. */
async function replayed(
  frames: readonly (readonly [number, Uint8Array])[],
  flags: Partial<ReplayFlags> = {},
  linkType: number = LinkType.ethernet,
): Promise<Replayed> {
  return inDirectory(async (directory) => {
    const file = join(directory, "in.pcap");
    writeFileSync(file, captureOf(frames, linkType));
    const pcap = join(directory, "out.pcapng");
    let said = "";
    const say = (text: string | Uint8Array): void => {
      said += String(text);
    };
    const io: CommandIo = {
      ...{ out: say, err: say, readInput: () => new Uint8Array(), readLine: async () => undefined },
      ...{ inputIsTerminal: false, showsProgress: false, colours: false, columns: undefined, now: () => 0 },
      isInterrupted: async () => false,
    };
    await replay(file, "nodeport", { from: "client", seed: 1, at: "0", pcap, only: ["client/eth0"], ...flags }, io);
    const { packets } = readCapture(new Uint8Array(readFileSync(pcap)));
    return { said: said.replaceAll(`${directory}/`, ""), sent: leaving(packets) };
  });
}

function captureOf(frames: readonly (readonly [number, Uint8Array])[], linkType: number): Uint8Array {
  const chunks: Uint8Array[] = [];
  const writer = new PcapWriter((chunk) => chunks.push(chunk.slice()), { linkType });
  for (const [at, bytes] of frames) writer.writePacket({ time: at * 1e6, bytes, start: 0, end: bytes.length });
  writer.flush();
  return Buffer.concat(chunks);
}

function leaving(packets: readonly CapturedPacket[]): Replayed["sent"] {
  const sent = packets.filter(({ direction, bytes }) => direction === "out" && bytes[12] === 8 && bytes[13] === 0);
  const first = sent[0]?.time ?? 0n;
  return sent.map(({ time = 0n, bytes }) => ({
    at: Math.round(Number(time - first) / 1e6),
    protocol: bytes[23] ?? 0,
    ip: [...bytes.subarray(14)],
  }));
}

const SYN = tcpFrame({ payload: new Uint8Array(), flags: 2 });
const DATAGRAM = udpFrame(Uint8Array.of(1, 2, 3));

describe("natscope replay", () => {
  it("sends the IP packets as they are, from the host that was named, at the distances they have in the file", async () => {
    const { sent } = await replayed([
      [0, SYN],
      [250, DATAGRAM],
      [1000, DATAGRAM],
    ]);
    expect(sent.map(({ at, protocol }) => [at, protocol])).toEqual([
      [0, 6],
      [250, 17],
      [1000, 17],
    ]);
    expect(sent[1]?.ip).toEqual([...DATAGRAM.subarray(14)]);
  });

  it("sends them at once with --fast", async () => {
    const { sent } = await replayed(
      [
        [0, DATAGRAM],
        [5000, DATAGRAM],
      ],
      { fast: true },
    );
    expect(sent.map(({ at }) => at)).toEqual([0, 0]);
  });

  it("leaves out what is no IPv4 packet, and says so", async () => {
    const ipv6 = SYN.slice();
    ipv6.set([0x86, 0xdd], 12);
    const cut = SYN.slice(0, 30);
    const { said, sent } = await replayed([
      [0, DATAGRAM],
      [1, ipv6],
      [2, cut],
    ]);
    expect(sent.length).toBe(1);
    expect(said.split(";").slice(0, 2)).toEqual(["1 packet sent", " left out: 1 not-ipv4, 1 malformed"]);
  });

  const IP = [...DATAGRAM.subarray(14)];
  const links: [string, number, number[], string][] = [
    ["raw IP", 101, [], "1 packet sent"],
    ["raw IPv4", 228, [], "1 packet sent"],
    ["a loopback interface of macOS", 0, [2, 0, 0, 0], "1 packet sent"],
    ["OpenBSD's loopback", 108, [0, 0, 0, 2], "1 packet sent"],
    ["IPv6 on it", 0, [30, 0, 0, 0], "0 packets sent; left out: 1 not-ipv4"],
    ["tcpdump -i any", 113, [0, 0, 0, 1, 0, 6, 2, 2, 2, 2, 2, 2, 0, 0, 8, 0], "1 packet sent"],
    ["its second form", 276, [8, 0, 0, 0, 0, 0, 0, 2, 0, 1, 0, 6, 2, 2, 2, 2, 2, 2, 0, 0], "1 packet sent"],
    ["a wireless interface", 105, [...DATAGRAM.subarray(0, 14)], "0 packets sent; left out: 1 not-ipv4"],
  ];
  it.each(links)("understands what was captured on %s, or leaves it out", async (_, linkType, header, expected) => {
    const { said } = await replayed([[0, Uint8Array.from([...header, ...IP])]], {}, linkType);
    expect(said.split("; dropped")[0]).toBe(expected);
  });

  it("refuses a file that is no capture, and an unknown host", async () => {
    await expect(replayed([[0, SYN]], { from: "clent" })).rejects.toThrow(
      '--from clent: there is no such host; did you mean "client"?',
    );
    const io = {} as CommandIo;
    await expect(replay("package.json", "nodeport", { from: "client", seed: 1 }, io)).rejects.toThrow(
      "package.json: not a capture file",
    );
  });
});
