/**
 * Capture files: pcapng and classic pcap, written and read, and the collection of frames on their way through a network.
 *
 * The writers are bytes and times in, bytes out. They give what they write to a sink, a function; opening files, standard output
 * or a download is the caller's. Times are nanoseconds since the run's start, to which the file adds a fixed start date: the
 * same run gives the same bytes. The readers take a whole file and never throw; they return what was whole, and say where and
 * why they stopped.
 *
 * This folder knows link types by number and nothing of what a frame contains; who captures, and what a comment says, is the
 * caller's business. `Capture` sorts and annotates; `tap` puts it around a device.
 *
 * ```ts
 * const capture = new Capture({ target: { format: "pcapng", sink }, now: () => simulator.now() });
 * const point = capture.addPoint({ name: "node2/eth0", mac: 0x0a58_0af0_0005 });
 * capture.addName(0x0af0_0005, "node2");
 * const device = tap(link.a, capture, point);
 * // … the run; while a frame's record waits for the clock to pass, it takes comments:
 * capture.annotateLatest(frame.lineage, "dropped: ttl-expired", point);
 * capture.finish();
 * ```
 *
 * @module
 */

export {
  Capture,
  type CaptureCounters,
  type CaptureOptions,
  type CapturePoint,
  type CapturePointDescription,
  type CaptureTarget,
  NOT_RECORDED,
  type PacketFilter,
  type RecordHandle,
} from "./capture.ts";
export { readCapture } from "./capture-reader.ts";
export {
  type CapturedInterface,
  type CapturedNames,
  type CapturedPacket,
  type CaptureFile,
  type CaptureFileError,
  type Direction,
  LinkType,
} from "./captured-packet.ts";
export type { ByteSink } from "./chunk-writer.ts";
export { PcapWriter, type PcapWriterOptions, readPcap } from "./pcap.ts";
export {
  DEFAULT_START_DATE,
  type InterfaceDescription,
  type OutgoingPacket,
  PcapngWriter,
  type PcapngWriterOptions,
  type SectionInfo,
} from "./pcapng.ts";
export { type CapturedSection, type CapturedStatistics, type PcapngFile, readPcapng } from "./pcapng-reader.ts";
export type { CapturableFrame } from "./pending-records.ts";
export { tap } from "./tap.ts";
