import type { Device, Frame, FramePool } from "../sim/index.ts";
import { Packet } from "./packet.ts";
import { ETHERNET_HEADER_LENGTH } from "./wire/ethernet.ts";
import { advanceIpv4 } from "./wire/ipv4.ts";
import { advanceTcp, setTcpChecksum, TcpFlag, tcpHeaderLength } from "./wire/tcp.ts";

/*
 * Trains: TCP segments that travel as one (`Frame.segments`), so that rules, routes and bridges are asked once for all of them. They are cut where somebody
 * looks, or where the wire treats each frame by itself, into the very frames that would have travelled one by one (`skb_gso_segment`, net/core/gso.c).
 */

/** Gives `frame` to `device`: whole where that takes trains, else as the frames of the wire (`validate_xmit_skb`, net/core/dev.c). */
export function sendThrough(device: Device, frame: Frame, frames: FramePool): void {
  if (frame.segments === 1 || device.takesTrains) return device.send(frame);
  for (const segment of cutTrain(frame, frames)) device.send(segment);
}

/** Bytes behind the Ethernet header of the longest frame that `frame` is on the wire. */
export function payloadOnWire(frame: Frame): number {
  if (frame.segments === 1) return frame.length - ETHERNET_HEADER_LENGTH;
  return new Packet(frame, frame.start + ETHERNET_HEADER_LENGTH).longestOnWire;
}

/** The frames that a train stands for, in their order; the train is released. */
export function cutTrain(train: Frame, frames: FramePool): Frame[] {
  const ip = train.start + ETHERNET_HEADER_LENGTH;
  const whole = new Packet(train, ip);
  const payload = whole.transport + tcpHeaderLength(train.bytes, whole.transport);
  const cut: Frame[] = [];
  for (let number = 0; number < train.segments; number++) {
    const from = payload + number * train.segmentSize;
    cut.push(cutOne(whole, { number, payload, from, to: Math.min(from + train.segmentSize, whole.end) }, frames));
  }
  train.release();
  return cut;
}

/** {@link cutTrain} for a packet inside a host: each segment keeps what the host knows about the train. */
export function cutTrainPacket(train: Packet, frames: FramePool): Packet[] {
  return cutTrain(train.frame, frames).map((frame) => train.continuedIn(frame));
}

interface Part {
  readonly number: number;
  /** Where the train's payload begins, and this segment's part of it. */
  readonly payload: number;
  readonly from: number;
  readonly to: number;
}

function cutOne(whole: Packet, { number, payload, from, to }: Part, frames: FramePool): Frame {
  const train = whole.frame;
  const headers = payload - train.start;
  const frame = frames.derive(train, headers + to - from);
  const { bytes, start } = frame;
  bytes.set(train.bytes.subarray(train.start, payload), start);
  bytes.set(train.bytes.subarray(from, to), start + headers);
  frame.lineage = train.lineage + number;
  const ip = start + whole.ip - train.start;
  const transport = start + whole.transport - train.start;
  advanceIpv4(bytes, ip, number, frame.end - ip);
  advanceTcp(bytes, transport, from - payload, notOf(number, train.segments));
  setTcpChecksum(bytes, transport, 0);
  setTcpChecksum(bytes, transport, new Packet(frame, ip).transportSum());
  frame.sumKnownAt = transport;
  return frame;
}

/** FIN and PSH belong to the last segment, CWR to the first (`tcp_gso_segment`, net/ipv4/tcp_offload.c). */
function notOf(number: number, segments: number): number {
  return (number < segments - 1 ? TcpFlag.fin | TcpFlag.psh : 0) | (number > 0 ? TcpFlag.cwr : 0);
}
