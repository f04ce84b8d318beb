import type { Addressing } from "./addressing.ts";
import { getU16 } from "./bytes.ts";
import type { HostContext } from "./context.ts";
import type { IcmpErrorMessage } from "./icmp.ts";
import type { DatagramHeader } from "./ip.ts";
import { ANY_ADDRESS, type Ipv4Address } from "./ipv4-address.ts";
import type { Packet } from "./packet.ts";
import { chooseLocalPort } from "./ports.ts";
import { IcmpType, UnreachableCode } from "./wire/icmp.ts";
import { IPV4_HEADER_LENGTH, IpProtocol } from "./wire/ipv4.ts";
import { emitUdp, parseUdp, setUdpChecksum, UDP_HEADER_LENGTH } from "./wire/udp.ts";

const LONGEST_PAYLOAD = 65535 - IPV4_HEADER_LENGTH - UDP_HEADER_LENGTH;

export interface UdpNeighbours {
  create(header: DatagramHeader, length: number): Packet;
  send(packet: Packet): void;
  icmpError(about: Packet, type: number, code: number): void;
}

/** A datagram that arrived. `payload` is a view: valid only during the call. */
export interface UdpDatagram {
  readonly from: Ipv4Address;
  readonly fromPort: number;
  /** Which of the host's addresses it came to. */
  readonly to: Ipv4Address;
  readonly ttl: number;
  readonly payload: Uint8Array;
}

/** Where a socket is bound, and who is told what comes in. */
export interface UdpSocketOptions {
  /** The address to receive at and send from; any when left out. */
  readonly address?: Ipv4Address;
  /** The port; a free one is chosen when left out. */
  readonly port?: number;
  /** Told of each datagram. */
  readonly onDatagram: (datagram: UdpDatagram) => void;
  /** An ICMP error about a datagram of this socket. */
  readonly onError?: (error: IcmpErrorMessage) => void;
}

/** A datagram to be sent: where to, and if it matters, from where. */
export interface UdpSend {
  readonly to: Ipv4Address;
  readonly port: number;
  readonly payload: Uint8Array;
  readonly ttl?: number;
  /** False lets routers fragment it. True by default, as Linux sets DF on sockets that discover the path MTU. */
  readonly dontFragment?: boolean;
  /** Overrides the socket's address: a server answers from where it was called. */
  readonly from?: Ipv4Address;
}

/** The receiving end of a tunnel over UDP: takes the packet and owns it, or leaves it to the next by returning false. */
export type UdpTunnel = (packet: Packet) => boolean;

/** A bound UDP socket. */
export class UdpSocket {
  readonly address: Ipv4Address;
  readonly port: number;
  /** Told of each datagram. */
  readonly onDatagram: (datagram: UdpDatagram) => void;
  /** Told of ICMP errors about what was sent. */
  readonly onError: ((error: IcmpErrorMessage) => void) | undefined;
  readonly #layer: UdpLayer;

  constructor(layer: UdpLayer, port: number, options: UdpSocketOptions) {
    this.#layer = layer;
    this.address = options.address ?? ANY_ADDRESS;
    this.port = port;
    this.onDatagram = options.onDatagram;
    this.onError = options.onError;
  }

  /** Sends one datagram; why it could not be sent, or `undefined`. */
  send(datagram: UdpSend): "no-route" | "too-long" | undefined {
    return this.#layer.sendFrom(this, datagram);
  }

  /** Gives the port back. */
  close(): void {
    this.#layer.close(this);
  }
}

/** UDP of one host (RFC 768). */
export class UdpLayer {
  readonly #host: HostContext;
  readonly #addressing: Addressing;
  readonly #ip: UdpNeighbours;
  readonly #sockets = new Map<number, UdpSocket[]>();
  /** Tunnels, by the port at which they take whole packets. */
  readonly #tunnels = new Map<number, UdpTunnel[]>();

  constructor(host: HostContext, addressing: Addressing, ip: UdpNeighbours) {
    this.#host = host;
    this.#addressing = addressing;
    this.#ip = ip;
  }

  /** Opens a socket. @throws RangeError when the port is taken or none is free. */
  open(options: UdpSocketOptions): UdpSocket {
    const address = options.address ?? ANY_ADDRESS;
    const isFree = (port: number): boolean => this.#conflict(address, port) === undefined;
    const port = options.port ?? chooseLocalPort(this.#host.sysctls, this.#host.random, isFree);
    if (port === undefined) throw new RangeError(`Cannot open a UDP socket on ${this.#host.name}: no port is free`);
    if (!isFree(port)) throw new RangeError(`Cannot bind UDP port ${port} on ${this.#host.name}: it is in use`);
    const socket = new UdpSocket(this, port, options);
    this.#sockets.set(port, [...(this.#sockets.get(port) ?? []), socket]);
    return socket;
  }

  close(socket: UdpSocket): void {
    const left = (this.#sockets.get(socket.port) ?? []).filter((other) => other !== socket);
    if (left.length > 0) this.#sockets.set(socket.port, left);
    else this.#sockets.delete(socket.port);
  }

  /** Hands whole packets that come to `port` to a tunnel (`encap_rcv` of a kernel's socket). @throws RangeError when a socket has the port. */
  openTunnel(port: number, tunnel: UdpTunnel): void {
    const others = this.#tunnels.get(port) ?? [];
    if (others.length === 0 && this.#conflict(ANY_ADDRESS, port) !== undefined)
      throw new RangeError(`Cannot bind UDP port ${port} on ${this.#host.name}: it is in use`);
    this.#tunnels.set(port, [...others, tunnel]);
  }

  /** Closes every socket; tunnels, which are the kernel's, stay. */
  closeAll(): void {
    this.#sockets.clear();
  }

  receive(packet: Packet): void {
    const { bytes, transport, end } = packet;
    const header = parseUdp(bytes, transport, end);
    if (header === undefined) return this.#host.drop(packet, "udp-malformed");
    if (header.checksum !== 0 && !packet.isSumRight(transport + header.length))
      return this.#host.drop(packet, "bad-checksum");
    const tunnels = this.#tunnels.get(header.destinationPort);
    if (tunnels !== undefined) return this.#receiveTunnelled(packet, tunnels);
    const socket = this.#find(packet.destination, header.destinationPort);
    if (socket === undefined) {
      // `__udp4_lib_rcv` (net/ipv4/udp.c) calls `nf_reset_ct` before: the error finds its connection by itself, or not.
      packet.tracking = undefined;
      this.#ip.icmpError(packet, IcmpType.unreachable, UnreachableCode.port);
      return this.#host.drop(packet, "no-listener");
    }
    if (this.#host.events.active) this.#host.emit(packet.lineage, { kind: "delivered", to: `udp ${socket.port}` });
    socket.onDatagram({
      from: packet.source,
      fromPort: header.sourcePort,
      to: packet.destination,
      ttl: packet.ttl,
      payload: bytes.subarray(transport + UDP_HEADER_LENGTH, transport + header.length),
    });
    packet.frame.release();
  }

  /** An ICMP error that quotes a UDP datagram of this host. */
  onIcmpError(error: IcmpErrorMessage): void {
    const port = getU16(error.bytes, error.transport);
    this.#find(error.quoted.source, port)?.onError?.(error);
  }

  sendFrom(socket: UdpSocket, datagram: UdpSend): "no-route" | "too-long" | undefined {
    if (datagram.payload.length > LONGEST_PAYLOAD) return "too-long";
    const named = datagram.from ?? (socket.address === ANY_ADDRESS ? undefined : socket.address);
    const source = named ?? this.#addressing.sourceFor(datagram.to);
    const out = this.#addressing.hop(datagram.to)?.out;
    if (source === undefined || out === undefined) return "no-route";
    const length = UDP_HEADER_LENGTH + datagram.payload.length;
    const fits = IPV4_HEADER_LENGTH + length <= out.mtu;
    const header: DatagramHeader = {
      protocol: IpProtocol.udp,
      source,
      destination: datagram.to,
      // A datagram longer than the MTU goes out in fragments, without DF (`__ip_append_data`, net/ipv4/ip_output.c).
      dontFragment: (datagram.dontFragment ?? true) && fits,
      ...(datagram.ttl !== undefined && { ttl: datagram.ttl }),
    };
    const packet = this.#ip.create(header, length);
    const { bytes, transport } = packet;
    emitUdp({ sourcePort: socket.port, destinationPort: datagram.port, length, checksum: 0 }, bytes, transport);
    bytes.set(datagram.payload, transport + UDP_HEADER_LENGTH);
    setUdpChecksum(bytes, transport, packet.transportSum());
    packet.frame.sumKnownAt = transport;
    this.#ip.send(packet);
    return undefined;
  }

  #receiveTunnelled(packet: Packet, tunnels: readonly UdpTunnel[]): void {
    for (const tunnel of tunnels) if (tunnel(packet)) return;
    this.#host.drop(packet, "tunnel-unknown");
  }

  #find(address: Ipv4Address, port: number): UdpSocket | undefined {
    const sockets = this.#sockets.get(port | 0);
    if (sockets === undefined) return undefined;
    let any: UdpSocket | undefined;
    for (let i = 0; i < sockets.length; i++) {
      const socket = sockets[i] as UdpSocket;
      if (socket.address === address) return socket;
      if (socket.address === ANY_ADDRESS) any ??= socket;
    }
    return any;
  }

  #conflict(address: Ipv4Address, port: number): UdpSocket | UdpTunnel | undefined {
    const socket = this.#sockets
      .get(port)
      ?.find((other) => other.address === address || other.address === ANY_ADDRESS || address === ANY_ADDRESS);
    return socket ?? this.#tunnels.get(port)?.[0];
  }
}
