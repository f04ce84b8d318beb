import { readFileSync } from "node:fs";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { formatInspection, type InspectedHop, type Inspection, inspectCaptures } from "../../src/explain/index.ts";
import { PcapWriter, readCapture } from "../../src/pcap/index.ts";
import { after, ms, nanoseconds, START } from "../../src/sim/index.ts";
import { golden, PLAIN } from "./explained.ts";

function capture(name: string): Uint8Array {
  return new Uint8Array(readFileSync(new URL(`../../captures/${name}.pcapng`, import.meta.url)));
}

function inspectOne(bytes: Uint8Array): Inspection {
  return inspectCaptures([{ name: "capture", bytes }]);
}

/** The same packets as classic pcap: no ids, no directions, no comments; one file a point, or all of them in one. */
function stripped(bytes: Uint8Array, how: "by point" | "together"): { name: string; bytes: Uint8Array }[] {
  const writers = new Map<string, { writer: PcapWriter; chunks: Uint8Array[] }>();
  const { packets } = readCapture(bytes);
  const start = packets[0]?.time ?? 0n;
  for (const packet of packets) {
    const point = how === "together" ? "all" : (packet.interface.name ?? "");
    let file = writers.get(point);
    if (file === undefined) {
      const chunks: Uint8Array[] = [];
      file = { writer: new PcapWriter((chunk) => void chunks.push(chunk.slice())), chunks };
      writers.set(point, file);
    }
    const at = after(START, nanoseconds(Number((packet.time ?? start) - start)));
    file.writer.writePacket({ time: at, bytes: packet.bytes, start: 0, end: packet.bytes.length });
  }
  return [...writers].map(([name, { writer, chunks }]) => {
    writer.flush();
    return { name, bytes: new Uint8Array(Buffer.concat(chunks)) };
  });
}

function changedFields({ connections }: Inspection): string[] {
  return connections.flatMap(({ ways }) =>
    ways.flatMap(({ packets, hops }) =>
      hops.flatMap(({ point, changes }) =>
        changes.map(({ field, from, to }) => `${packets.length} × ${point}: ${field} ${from} → ${to}`),
      ),
    ),
  );
}

describe("a capture of natscope's own", () => {
  it("is told point by point, with the comments that say which rule it was", () => {
    const inspection = inspectCaptures([{ name: "nodeport-local.pcapng", bytes: capture("nodeport-local") }]);
    expect(formatInspection(inspection, PLAIN)).toBe(golden("inspect-nodeport-local.txt"));
  });

  it("is paired by lineage, all connections and both ways", () => {
    const { connections, pairedBy, points, others } = inspectOne(capture("nodeport"));
    expect(pairedBy).toBe("lineage");
    expect(points).toContain("source-ip-app-826191075-qehz4/eth0");
    // ARP
    expect(others).toBeGreaterThan(0);
    expect(
      connections.map(({ ways }) => ways.map(({ direction, packets }) => `${direction} ${packets.length}`)),
    ).toEqual([
      ["original 6", "reply 4"],
      ["original 6", "reply 4"],
      ["original 6", "reply 4"],
    ]);
  });

  it("shows a packet whole when a filter holds for one of its records", () => {
    const bytes = capture("nodeport");
    const filter = ({ point }: { readonly point: string }): boolean => point === "kubernetes-node-jj1t/eth0";
    const { connections } = inspectCaptures([{ name: "capture", bytes }], { filter });
    expect(connections).toHaveLength(1);
    expect(connections[0]?.asked.destination).toBe("203.0.113.3:31000");
    expect(connections[0]?.ways[0]?.hops[0]?.point).toBe("client/eth0");
  });
});

describe("a foreign capture", () => {
  it.each(["nodeport", "nodeport-local", "clusterip"])(
    "of %s, one file a point, is paired by what the packets hold",
    (name) => {
      const own = inspectOne(capture(name));
      const foreign = inspectCaptures(stripped(capture(name), "by point"));
      expect(foreign.pairedBy).toBe("content");
      expect(changedFields(foreign)).toEqual(changedFields(own));
    },
  );

  it("of one interface that stands for all shows the same changes", () => {
    const own = inspectOne(capture("nodeport"));
    const foreign = inspectCaptures(stripped(capture("nodeport"), "together"));
    const plain = (lines: readonly string[]): string[] => lines.map((line) => line.replace(/ × [^:]+:/, "")).sort();
    expect(plain(changedFields(foreign))).toEqual(plain(changedFields(own)));
  });
});

/** A UDP datagram in a raw IPv4 packet. */
function datagram({ ttl, source, id = 7 }: { ttl: number; source: number; id?: number }): Uint8Array {
  return new Uint8Array([
    ...[0x45, 0, 0, 30, 0, id, 0, 0, ttl, 17, 0, 0, 10, 0, 0, source, 10, 0, 0, 99],
    ...[0x13, 0x88, 0, 53, 0, 10, 0, 0, 0x68, 0x69],
  ]);
}

/** Packets as a raw-IP pcap, by their times in milliseconds. */
function rawPcap(packets: readonly (readonly [atMs: number, bytes: Uint8Array])[]): Uint8Array {
  const chunks: Uint8Array[] = [];
  const writer = new PcapWriter((chunk) => void chunks.push(chunk.slice()), { linkType: 101 });
  for (const [atMs, bytes] of packets)
    writer.writePacket({ time: after(START, ms(atMs)), bytes, start: 0, end: bytes.length });
  writer.flush();
  return new Uint8Array(Buffer.concat(chunks));
}

function waysOf(bytes: Uint8Array): InspectedHop["changes"][][] {
  return inspectOne(bytes).connections.flatMap(({ ways }) =>
    ways.map(({ hops }) => hops.map(({ changes }) => changes)),
  );
}

describe("pairing by content", () => {
  it("takes a lower TTL and another source for one packet that was forwarded and masqueraded", () => {
    const ways = waysOf(
      rawPcap([
        [0, datagram({ ttl: 64, source: 1 })],
        [1, datagram({ ttl: 63, source: 2 })],
      ]),
    );
    expect(ways).toEqual([
      [
        [],
        [
          { field: "source", from: "10.0.0.1", to: "10.0.0.2" },
          { field: "TTL", from: "64", to: "63" },
        ],
      ],
    ]);
  });

  it.each([
    ["a higher TTL", datagram({ ttl: 65, source: 1 }), 1],
    ["another IP ID", datagram({ ttl: 63, source: 1, id: 8 }), 1],
    ["a long time between", datagram({ ttl: 63, source: 1 }), 6000],
    ["a repetition", datagram({ ttl: 64, source: 1 }), 200],
  ])("takes %s for another packet", (_, second, atMs) => {
    const { connections } = inspectOne(
      rawPcap([
        [0, datagram({ ttl: 64, source: 1 })],
        [atMs, second],
      ]),
    );
    expect(connections.flatMap(({ ways }) => ways.flatMap(({ packets }) => packets))).toEqual([1, 2]);
  });

  it("gives a packet cut short by the snap length as far as it goes", () => {
    const chunks: Uint8Array[] = [];
    const writer = new PcapWriter((chunk) => void chunks.push(chunk.slice()), { linkType: 101, snapLength: 24 });
    const bytes = datagram({ ttl: 64, source: 1 });
    writer.writePacket({ time: START, bytes, start: 0, end: bytes.length });
    writer.flush();
    const { connections } = inspectOne(new Uint8Array(Buffer.concat(chunks)));
    expect(connections[0]?.asked).toEqual({ source: "10.0.0.1:5000", destination: "10.0.0.99:53" });
  });
});

it("keeps a foreign file's control characters from the terminal", () => {
  const bytes = rawPcap([[0, datagram({ ttl: 64, source: 1 })]]);
  const text = formatInspection(inspectCaptures([{ name: "a\x1b[31m\x07", bytes }]), PLAIN);
  expect(text).toContain("    a·[31m·");
});

/** Captures of natscope's as other programs would have made them. */
interface Remade {
  readonly linkType?: number;
  readonly snapLength?: number;
  /** The record's bytes, from those of the Ethernet frame. */
  readonly frame?: (bytes: Uint8Array, point: number, direction: string | undefined) => Uint8Array;
}

/** All records of a capture in one classic pcap. */
function remade(name: string, { linkType = 1, snapLength = 0, frame = (bytes) => bytes }: Remade): Uint8Array {
  const chunks: Uint8Array[] = [];
  const writer = new PcapWriter((chunk) => void chunks.push(chunk.slice()), { linkType, snapLength });
  const { packets, interfaces } = readCapture(capture(name));
  const start = packets[0]?.time ?? 0n;
  for (const { bytes, time, interface: source, direction } of packets) {
    const record = frame(bytes, interfaces.indexOf(source) + 1, direction);
    const at = after(START, nanoseconds(Number((time ?? start) - start)));
    writer.writePacket({ time: at, bytes: record, start: 0, end: record.length });
  }
  writer.flush();
  return new Uint8Array(Buffer.concat(chunks));
}

/** What the changes are, wherever: how many packets of a way had each. */
function changesAnywhere(inspection: Inspection): string[] {
  return changedFields(inspection)
    .map((line) => line.replace(/ × [^:]+:/, ""))
    .sort();
}

describe("a capture that tcpdump made", () => {
  const own = changesAnywhere(inspectOne(capture("home-nat")));

  it("on all interfaces, cooked: the machine's own direction is known, the interface is not", () => {
    const sll = (bytes: Uint8Array, _: number, direction: string | undefined): Uint8Array =>
      new Uint8Array([
        0,
        direction === "out" ? 4 : 0,
        0,
        1,
        0,
        6,
        ...bytes.subarray(6, 12),
        0,
        0,
        ...bytes.subarray(12),
      ]);
    const inspection = inspectOne(remade("home-nat", { linkType: 113, frame: sll }));
    expect(inspection.points).toEqual(["capture"]);
    const directions = new Set(
      inspection.connections.flatMap(({ ways }) => ways.flatMap(({ hops }) => hops.map((hop) => hop.direction))),
    );
    expect(directions).toEqual(new Set(["in", "out"]));
    expect(changesAnywhere(inspection)).toEqual(own);
  });

  it("cooked in the second version: each interface is a point by its number", () => {
    const sll2 = (bytes: Uint8Array, point: number, direction: string | undefined): Uint8Array =>
      new Uint8Array([
        ...[...bytes.subarray(12, 14), 0, 0, 0, 0, 0, point, 0, 1, direction === "out" ? 4 : 0, 6],
        ...[...bytes.subarray(6, 12), 0, 0, ...bytes.subarray(14)],
      ]);
    const inspection = inspectOne(remade("home-nat", { linkType: 276, frame: sll2 }));
    const { points } = inspectOne(capture("home-nat"));
    expect(inspection.points).toHaveLength(points.length);
    expect(inspection.points[0]).toBe("capture interface 1");
    expect(changesAnywhere(inspection)).toEqual(own);
  });

  it("in a VLAN, and in one within another", () => {
    const tagged = (bytes: Uint8Array): Uint8Array =>
      new Uint8Array([...bytes.subarray(0, 12), 0x88, 0xa8, 0, 7, 0x81, 0, 0, 42, ...bytes.subarray(12)]);
    expect(changesAnywhere(inspectOne(remade("home-nat", { frame: tagged })))).toEqual(own);
  });

  it("with IPv6 in between: that is counted, and is in nobody's way", () => {
    const arp = inspectOne(capture("home-nat")).others;
    const mixed = (bytes: Uint8Array): Uint8Array =>
      bytes[13] === 6
        ? new Uint8Array([...bytes.subarray(0, 12), 0x86, 0xdd, 0x60, ...new Array<number>(39).fill(0)])
        : bytes;
    const inspection = inspectOne(remade("home-nat", { frame: mixed }));
    expect(inspection.others).toBe(arp);
    expect(changesAnywhere(inspection)).toEqual(own);
  });

  it("of the first 54 bytes of each frame: TCP's options are cut off, and its packets found all the same", () => {
    const whole = inspectOne(capture("nodeport"));
    const cut = inspectOne(remade("nodeport", { snapLength: 54 }));
    expect(cut.connections.map(({ asked }) => asked)).toEqual(whole.connections.map(({ asked }) => asked));
    expect(changesAnywhere(cut)).toEqual(changesAnywhere(whole));
    expect(cut.connections[0]?.ways[0]?.what).toMatch(/^\[S\] seq \d+$/);
  });

  it("of few bytes at one point and of all at the others is compared in what all have", () => {
    const files = stripped(capture("nodeport"), "by point");
    const own = inspectCaptures(files);
    const [first, ...others] = files;
    const short = first && { ...first, bytes: cutTo(80, first.bytes) };
    const mixed = inspectCaptures(short === undefined ? others : [short, ...others]);
    expect(changedFields(mixed)).toEqual(changedFields(own));
  });
});

/** The same file with a snap length. */
function cutTo(snapLength: number, bytes: Uint8Array): Uint8Array {
  const chunks: Uint8Array[] = [];
  const { packets } = readCapture(bytes);
  const startDate = 0n;
  const writer = new PcapWriter((chunk) => void chunks.push(chunk.slice()), { snapLength, startDate });
  for (const packet of packets) {
    const at = after(START, nanoseconds(Number(packet.time)));
    writer.writePacket({ time: at, bytes: packet.bytes, start: 0, end: packet.bytes.length });
  }
  writer.flush();
  return new Uint8Array(Buffer.concat(chunks));
}

describe("fragments", () => {
  /** Of one UDP datagram; only the first has the ports. */
  const fragment = (offset: number, more: boolean, ttl: number, source: number): Uint8Array =>
    new Uint8Array([
      ...[0x45, 0, 0, 28, 0, 9, more ? 0x20 : 0, offset, ttl, 17, 0, 0, 10, 0, 0, source, 10, 0, 0, 99],
      ...(offset === 0 ? [0x13, 0x88, 0, 53, 0, 24, 0, 0] : [1, 2, 3, 4, 5, 6, 7, offset]),
    ]);

  it("belong to the connection of the first one, which has the ports", () => {
    const { connections } = inspectOne(
      rawPcap([
        [0, fragment(0, true, 64, 1)],
        [1, fragment(1, true, 64, 1)],
        [2, fragment(2, false, 64, 1)],
      ]),
    );
    expect(connections.map(({ asked }) => asked)).toEqual([{ source: "10.0.0.1:5000", destination: "10.0.0.99:53" }]);
    expect(connections[0]?.ways.flatMap(({ packets }) => packets)).toEqual([1, 2, 3]);
  });
});

describe("a broken capture", () => {
  it("gives what was whole, and where it ends", () => {
    const bytes = capture("nodeport");
    const { files, connections } = inspectOne(bytes.subarray(0, bytes.length - 500));
    expect(files[0]?.error?.kind).toBe("truncated");
    expect(files[0]?.records).toBe(readCapture(bytes.subarray(0, bytes.length - 500)).packets.length);
    expect(connections).toHaveLength(3);
  });

  it.each([
    ["nothing", new Uint8Array()],
    ["a text", new TextEncoder().encode("version: 1\nname: lab\ntitle: no capture\n")],
  ])("that is %s has an error and no connections", (_, bytes) => {
    const { files, connections } = inspectOne(bytes);
    expect(files[0]?.error).toBeDefined();
    expect(connections).toEqual([]);
  });

  it("never throws, whatever its bytes are", () => {
    const whole = capture("clusterip").subarray(0, 20_000);
    const flips = fc.array(fc.tuple(fc.nat(whole.length - 1), fc.integer({ min: 0, max: 255 })), { maxLength: 60 });
    fc.assert(
      fc.property(flips, fc.nat(whole.length), fc.boolean(), (changes, end, asPcap) => {
        const bytes = asPcap ? stripped(whole, "together")[0]!.bytes.slice() : whole.slice();
        for (const [at, value] of changes) if (at < bytes.length) bytes[at] = value;
        formatInspection(inspectOne(bytes.subarray(0, end)), PLAIN);
      }),
      { numRuns: 150 },
    );
  });

  it("never throws for frames of any bytes", () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ maxLength: 120 }), { maxLength: 8 }), (frames) => {
        formatInspection(inspectOne(rawPcap(frames.map((frame, index) => [index, frame] as const))), PLAIN);
      }),
      { numRuns: 200 },
    );
  });
});

it("JSON has the documented keys", () => {
  const inspection = inspectOne(capture("nodeport"));
  expect(Object.keys(inspection)).toEqual(["files", "pairedBy", "points", "connections", "others"]);
  expect(Object.keys(inspection.connections[0]!.ways[0]!)).toEqual([
    "direction",
    "packets",
    "what",
    "time",
    "from",
    "hops",
  ]);
  expect(JSON.parse(JSON.stringify(inspection))).toEqual(inspection);
});
