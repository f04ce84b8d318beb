import type { DatagramHeader } from "./ip.ts";
import type { Ipv4Address } from "./ipv4-address.ts";
import type { Packet } from "./packet.ts";
import { type Segment, type SegmentTrain, segmentLength, writeSegment } from "./tcp/index.ts";
import type { TcpEndpoint, TcpSocket } from "./tcp-socket.ts";
import { IpProtocol } from "./wire/ipv4.ts";
import { setTcpChecksum, TcpFlag } from "./wire/tcp.ts";

/** What TCP needs of the layers around it. */
export interface TcpNeighbours {
  create(header: DatagramHeader, length: number, train?: SegmentTrain): Packet;
  send(packet: Packet): void;
  pathMtu(destination: Ipv4Address): number;
  /** Whether segments to there may leave several as one. */
  mayJoin(destination: Ipv4Address): boolean;
  /** See `PacketHook.attach`. */
  attach(answer: Packet, packet: Packet): void;
}

/** The two ends of a connection. */
export interface TcpEnds {
  readonly local: TcpEndpoint;
  readonly remote: TcpEndpoint;
}

/** Puts a segment, or several as one, into a packet from `local` to `remote`. */
export function packSegment(ip: TcpNeighbours, segment: Segment, ends: TcpEnds, identification: number): Packet {
  const { address: source, port: sourcePort } = ends.local;
  const { address: destination, port: destinationPort } = ends.remote;
  const typeOfService = segment.codepoint ?? 0;
  const header = { protocol: IpProtocol.tcp, source, destination, dontFragment: true, identification, typeOfService };
  const packet = ip.create(header, segmentLength(segment), segment.train);
  const { bytes, transport } = packet;
  writeSegment(segment, { sourcePort, destinationPort }, bytes, transport);
  // A train's checksums are written when it is cut.
  if (segment.train !== undefined) return packet;
  setTcpChecksum(bytes, transport, packet.transportSum());
  packet.frame.sumKnownAt = transport;
  return packet;
}

/** The IP identification of a socket's next segment, as on Linux: a counter for each connection; 0 where no full socket stands behind it, for SYN-ACK and in TIME-WAIT. */
export function identify(socket: TcpSocket, segment: Segment): number {
  const isSynAck = (segment.flags & (TcpFlag.syn | TcpFlag.ack)) === (TcpFlag.syn | TcpFlag.ack);
  if (isSynAck || socket.state === "time-wait") return 0;
  const identification = socket.identification;
  socket.identification = (identification + (segment.train?.count ?? 1)) & 0xffff;
  return identification;
}
