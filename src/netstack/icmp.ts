import type { Addressing } from "./addressing.ts";
import { getU8, getU16, getU32, setU8, setU32 } from "./bytes.ts";
import type { HostContext } from "./context.ts";
import { IcmpRateLimit } from "./icmp-rate-limit.ts";
import type { DatagramHeader } from "./ip.ts";
import { type Ipv4Address, isMulticast, isZeroNet } from "./ipv4-address.ts";
import type { Packet } from "./packet.ts";
import {
  emitIcmp,
  fillIcmpChecksum,
  ICMP_HEADER_LENGTH,
  IcmpType,
  isIcmpChecksumRight,
  isIcmpError,
  UnreachableCode,
} from "./wire/icmp.ts";
import { IPV4_HEADER_LENGTH, IpProtocol, type Ipv4Header, readIpv4Header } from "./wire/ipv4.ts";

/** An error message is at most this long, IP header included (RFC 1812 §4.3.2.3). */
const LONGEST_ERROR = 576;
/** DSCP CS6, "internetwork control": what Linux adds to the quoted packet's type of service. */
const INTERNETWORK_CONTROL = 0xc0;
const TOS_MASK = 0x1e;

export interface IcmpNeighbours {
  create(header: DatagramHeader, length: number): Packet;
  send(packet: Packet): void;
  /** Makes `answer` part of the connection that `packet` belongs to. */
  attach(answer: Packet, packet: Packet): void;
  /** An error about a packet of this host arrived. */
  onError(error: IcmpErrorMessage): void;
}

/** An ICMP error that arrived, with the header it quotes. */
export interface IcmpErrorMessage {
  readonly type: number;
  readonly code: number;
  /** The second word of the ICMP header: the next hop's MTU when the type says so. */
  readonly rest: number;
  /** Who sent it. */
  readonly from: Ipv4Address;
  readonly ttl: number;
  readonly quoted: Ipv4Header;
  readonly bytes: Uint8Array;
  /** Where the quoted transport header begins: at least 8 bytes are there. */
  readonly transport: number;
  readonly end: number;
}

export interface EchoReply {
  readonly from: Ipv4Address;
  readonly identifier: number;
  readonly sequence: number;
  readonly ttl: number;
  /** Bytes of the ICMP message. */
  readonly length: number;
  readonly duplicate: boolean;
}

/** A run begins at midnight, for who asks for the time of day. */
const DAY_MS = 86_400_000;

/** An echo request to send. */
export interface EchoRequest {
  readonly source: Ipv4Address;
  readonly destination: Ipv4Address;
  readonly identifier: number;
  readonly sequence: number;
  /** Bytes of data behind the ICMP header. */
  readonly length: number;
  readonly ttl?: number | undefined;
  /** True when left out, as ping sets it; the identification is then 0. */
  readonly dontFragment?: boolean;
}

export type EchoHandler = (reply: EchoReply) => void;
export type IcmpErrorHandler = (error: IcmpErrorMessage) => void;

/** ICMP of one host: answers echo requests, sends errors as Linux does, passes on what arrives. */
export class IcmpLayer {
  readonly #host: HostContext;
  readonly #addressing: Addressing;
  readonly #ip: IcmpNeighbours;
  readonly #limit: IcmpRateLimit;
  readonly #echoHandlers = new Map<number, EchoHandler>();

  constructor(host: HostContext, addressing: Addressing, ip: IcmpNeighbours) {
    this.#host = host;
    this.#addressing = addressing;
    this.#ip = ip;
    this.#limit = new IcmpRateLimit(host.clock, host.sysctls);
  }

  receive(packet: Packet): void {
    const { bytes, transport, end } = packet;
    if (end - transport < ICMP_HEADER_LENGTH) return this.#host.drop(packet, "icmp-malformed");
    if (!isIcmpChecksumRight(bytes, transport, end)) return this.#host.drop(packet, "bad-checksum");
    const type = getU8(bytes, transport);
    if (type === IcmpType.echoRequest) return this.#answerEcho(packet);
    if (type === IcmpType.timestampRequest) return this.#answerTimestamp(packet);
    if (type === IcmpType.echoReply) return this.#takeReply(packet);
    if (isIcmpError(type)) return this.#takeError(packet);
    this.#host.drop(packet, "icmp-ignored");
  }

  /** Sends an echo request as ping and traceroute do. Its data counts up from 0, where a real ping has the time in front. */
  sendEcho(request: EchoRequest): void {
    const { source, destination, ttl, dontFragment = true } = request;
    const header = { protocol: IpProtocol.icmp, source, destination, dontFragment, ...(ttl !== undefined && { ttl }) };
    const packet = this.#ip.create(header, ICMP_HEADER_LENGTH + request.length);
    const { bytes, transport, end } = packet;
    const rest = request.identifier * 0x10000 + request.sequence;
    emitIcmp({ type: IcmpType.echoRequest, code: 0, checksum: 0, rest }, bytes, transport);
    for (let i = 0; i < request.length; i++) setU8(bytes, transport + ICMP_HEADER_LENGTH + i, i);
    fillIcmpChecksum(bytes, transport, end);
    this.#ip.send(packet);
  }

  /** Takes replies with `identifier` until the returned function is called. */
  onEchoReply(identifier: number, handler: EchoHandler): () => void {
    this.#echoHandlers.set(identifier, handler);
    return () => this.#echoHandlers.delete(identifier);
  }

  /** Sends an error about `about`, unless RFC 1122 §3.2.2 forbids it or the rate limit is reached. `rest` is the next hop's MTU. */
  sendError(about: Packet, type: number, code: number, rest = 0): void {
    const to = about.source;
    if (!this.#mayComplain(about)) return;
    const isFragmentationNeeded = type === IcmpType.unreachable && code === UnreachableCode.fragmentationNeeded;
    if (!isFragmentationNeeded && !this.#limit.allows(to)) return;
    const own = this.#addressing.isLocal(about.destination) ? about.destination : this.#addressing.sourceFor(to);
    if (own === undefined) return;
    this.#host.follow(about.frame);
    const quote = Math.min(about.length, LONGEST_ERROR - IPV4_HEADER_LENGTH - ICMP_HEADER_LENGTH);
    const typeOfService = (about.typeOfService & TOS_MASK) | INTERNETWORK_CONTROL;
    const header = { protocol: IpProtocol.icmp, source: own, destination: to, dontFragment: false, typeOfService };
    const error = this.#ip.create(header, ICMP_HEADER_LENGTH + quote);
    emitIcmp({ type, code, checksum: 0, rest }, error.bytes, error.transport);
    error.bytes.set(about.bytes.subarray(about.ip, about.ip + quote), error.transport + ICMP_HEADER_LENGTH);
    fillIcmpChecksum(error.bytes, error.transport, error.end);
    // `icmp_glue_bits` (net/ipv4/icmp.c): what prerouting has translated in the quote is translated back, though the connection may end here.
    this.#ip.attach(error, about);
    this.#ip.send(error);
  }

  #mayComplain(about: Packet): boolean {
    const { source, destination } = about;
    if (about.isLaterFragment || isMulticast(source) || isZeroNet(source) || this.#addressing.isBroadcast(source))
      return false;
    if (isMulticast(destination) || this.#addressing.isBroadcast(destination)) return false;
    if (about.protocol !== IpProtocol.icmp) return true;
    return about.end - about.transport >= 1 && !isIcmpError(getU8(about.bytes, about.transport));
  }

  #answerEcho(packet: Packet): void {
    if (this.#host.sysctls.ignoreEcho || !this.#addressing.isLocal(packet.destination)) {
      return this.#host.drop(packet, "icmp-ignored");
    }
    const { bytes, transport, end, source, destination, typeOfService } = packet;
    const header = {
      protocol: IpProtocol.icmp,
      source: destination,
      destination: source,
      dontFragment: false,
      typeOfService,
    };
    const reply = this.#ip.create(header, end - transport);
    reply.bytes.set(bytes.subarray(transport, end), reply.transport);
    setU32(reply.bytes, reply.transport, 0);
    fillIcmpChecksum(reply.bytes, reply.transport, reply.end);
    this.#delivered(packet, "echo");
    this.#ip.send(reply);
  }

  /** RFC 792, as `icmp_timestamp` (net/ipv4/icmp.c) does: when the question was sent, when it came and when the answer leaves, in ms of the day. */
  #answerTimestamp(packet: Packet): void {
    const { bytes, transport, end, source, destination, typeOfService } = packet;
    if (end - transport < ICMP_HEADER_LENGTH + 4 || !this.#addressing.isLocal(destination))
      return this.#host.drop(packet, "icmp-ignored");
    const ends = { source: destination, destination: source };
    const header = { protocol: IpProtocol.icmp, ...ends, dontFragment: false, typeOfService };
    const reply = this.#ip.create(header, ICMP_HEADER_LENGTH + 12);
    const at = reply.transport;
    emitIcmp(
      { type: IcmpType.timestampReply, code: 0, checksum: 0, rest: getU32(bytes, transport + 4) },
      reply.bytes,
      at,
    );
    const now = Math.floor(this.#host.now() / 1e6) % DAY_MS;
    setU32(reply.bytes, at + ICMP_HEADER_LENGTH, getU32(bytes, transport + ICMP_HEADER_LENGTH));
    setU32(reply.bytes, at + ICMP_HEADER_LENGTH + 4, now);
    setU32(reply.bytes, at + ICMP_HEADER_LENGTH + 8, now);
    fillIcmpChecksum(reply.bytes, at, reply.end);
    this.#delivered(packet, "timestamp");
    this.#ip.send(reply);
  }

  #takeReply(packet: Packet): void {
    const { bytes, transport, end, source: from, ttl } = packet;
    const identifier = getU16(bytes, transport + 4);
    const handler = this.#echoHandlers.get(identifier);
    if (handler === undefined) return this.#host.drop(packet, "no-listener");
    const sequence = getU16(bytes, transport + 6);
    this.#delivered(packet, "ping");
    handler({ from, identifier, sequence, ttl, length: end - transport, duplicate: false });
  }

  #takeError(packet: Packet): void {
    const quotedAt = packet.transport + ICMP_HEADER_LENGTH;
    if (packet.end - quotedAt < IPV4_HEADER_LENGTH + 8) return this.#host.drop(packet, "icmp-malformed");
    const quoted = readIpv4Header(packet.bytes, quotedAt);
    const transport = quotedAt + quoted.headerLength;
    if (quoted.headerLength < IPV4_HEADER_LENGTH || packet.end - transport < 8)
      return this.#host.drop(packet, "icmp-malformed");
    const { bytes, end, ttl, source: from } = packet;
    const error: IcmpErrorMessage = {
      type: getU8(bytes, packet.transport),
      code: getU8(bytes, packet.transport + 1),
      rest: getU32(bytes, packet.transport + 4),
      from,
      ttl,
      quoted,
      bytes,
      transport,
      end,
    };
    if (this.#host.events.active) this.#host.emit(packet.lineage, { kind: "delivered", to: "icmp" });
    this.#ip.onError(error);
    packet.frame.release();
  }

  #delivered(packet: Packet, to: string): void {
    if (this.#host.events.active) this.#host.emit(packet.lineage, { kind: "delivered", to });
    packet.frame.release();
  }
}
