import { Capture, type OutgoingPacket, PcapngWriter, readPcapng } from "../src/pcap/index.ts";

const FRAME_BYTES = 106;
export const COMMENT =
  "nat PREROUTING, KUBE-NODEPORTS rule 1 (default/nodeport), DNAT: destination 10.240.0.5:31000 -> 10.180.1.136:8080";

/** Records a second of `run`, which handles so many. */
export function recordRate(count: number, run: (count: number) => void): number {
  const start = performance.now();
  run(count);
  return (count / (performance.now() - start)) * 1000;
}

/** Writes records with direction and packet id, and a comment where it is not empty. */
export function writeRecords(count: number, comment: string, sink: (chunk: Uint8Array) => void = (): void => {}): void {
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

/** Records frames through a capture, as a running network does: some pending, every second one stamped ahead. */
export function recordFrames(count: number, comment: string | undefined): void {
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

/** A file of so many records with comments, as {@link readPcapng} takes it. */
export function fileOf(count: number, comment: string): Uint8Array {
  const chunks: Uint8Array[] = [];
  writeRecords(count, comment, (chunk) => chunks.push(chunk.slice()));
  const file = new Uint8Array(chunks.reduce((sum, chunk) => sum + chunk.length, 0));
  let at = 0;
  for (const chunk of chunks) {
    file.set(chunk, at);
    at += chunk.length;
  }
  return file;
}

export { readPcapng };
