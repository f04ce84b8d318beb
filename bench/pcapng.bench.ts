import { Capture, type OutgoingPacket, PcapngWriter, readPcapng } from "../src/pcap/index.ts";

/** One line of the benchmark table. */
export interface BenchFigure {
  readonly name: string;
  readonly unit: string;
  readonly figure: number;
}

const FRAME_BYTES = 106;
const ROUNDS = 5;
const COMMENT =
  "nat PREROUTING, KUBE-NODEPORTS rule 1 (default/nodeport), DNAT: destination 10.240.0.5:31000 -> 10.180.1.136:8080";

/** Writing pcapng records, alone and through a capture: the median of some rounds. */
export function benchPcapng(): BenchFigure[] {
  return [
    measure("pcapng records with flags and packet id", 1_000_000, (count) => writeRecords(count, "")),
    measure("pcapng records with an ASCII comment too", 500_000, (count) => writeRecords(count, COMMENT)),
    measure("pcapng records with a comment beyond ASCII", 500_000, (count) => writeRecords(count, `${COMMENT} →`)),
    measure("frames recorded by a capture, 32 pending", 500_000, (count) => recordFrames(count, undefined)),
    measure("frames recorded and annotated", 300_000, (count) => recordFrames(count, COMMENT)),
    measureReading(200_000),
  ];
}

function measure(name: string, count: number, run: (count: number) => void): BenchFigure {
  run(count / 10);
  const rates: number[] = [];
  for (let round = 0; round < ROUNDS; round += 1) {
    const start = performance.now();
    run(count);
    rates.push((count / (performance.now() - start)) * 1000);
  }
  rates.sort((a, b) => a - b);
  return { name, unit: "records/s", figure: Math.round(rates[Math.floor(ROUNDS / 2)] ?? 0) };
}

function writeRecords(count: number, comment: string, sink: (chunk: Uint8Array) => void = () => {}): void {
  const writer = new PcapngWriter(sink);
  const bytes = new Uint8Array(256).fill(0xab);
  const interfaceId = writer.addInterface({ name: "node2/eth0" });
  const packet = {
    interfaceId,
    time: 0,
    direction: "in",
    packetId: 0,
    bytes,
    start: 66,
    end: 66 + FRAME_BYTES,
    comment,
  };
  for (let i = 0; i < count; i += 1) {
    packet.time = i * 1000;
    packet.packetId = i + 1;
    writer.writePacket(packet as OutgoingPacket);
  }
  writer.close(count * 1000);
}

function recordFrames(count: number, comment: string | undefined): void {
  let now = 0;
  const capture = new Capture({ target: { format: "pcapng", sink: () => {} }, now: () => now });
  const point = capture.addPoint({ name: "node2/eth0" });
  const bytes = new Uint8Array(256).fill(0xab);
  const frame = { bytes, start: 66, end: 66 + FRAME_BYTES, lineage: 0, at: 0 };
  for (let i = 0; i < count; i += 1) {
    now = i * 1000;
    frame.lineage = i + 1;
    // Every second frame is stamped ahead, as by a box on its way out.
    frame.at = now + (i % 2) * 32_000;
    const handle = capture.record(point, "in", frame);
    if (comment !== undefined) capture.annotate(handle, comment);
  }
  capture.finish();
}

function measureReading(count: number): BenchFigure {
  const chunks: Uint8Array[] = [];
  writeRecords(count, COMMENT, (chunk) => chunks.push(chunk.slice()));
  const file = new Uint8Array(chunks.reduce((sum, chunk) => sum + chunk.length, 0));
  let at = 0;
  for (const chunk of chunks) {
    file.set(chunk, at);
    at += chunk.length;
  }
  return measure("pcapng records read, with comment", count, () => readPcapng(file));
}
