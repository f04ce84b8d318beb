import { seconds, type Timer } from "../sim/index.ts";
import type { Addressing } from "./addressing.ts";
import { getU16, getU32 } from "./bytes.ts";
import type { HostContext } from "./context.ts";
import type { IcmpErrorMessage } from "./icmp.ts";
import { icmpErrorKind } from "./icmp-error-kind.ts";
import { ANY_ADDRESS, type Ipv4Address, isLoopback } from "./ipv4-address.ts";
import type { Packet } from "./packet.ts";
import { CrowdedPorts, chooseLocalPort } from "./ports.ts";
import { cutTrainPacket } from "./segment-train.ts";
import {
  hearInTimeWait,
  type KeepAlive,
  LINUX_TCP,
  reopenSequence,
  resetFor,
  type Segment,
  type Seq,
  segmentFromWire,
  TcpConnection,
  TcpListener,
  type TcpSettings,
  type TimeWait,
  takeApart,
} from "./tcp/index.ts";
import { TcpCensus } from "./tcp-census.ts";
import { flowOf, TcpConnectionTable } from "./tcp-connection-table.ts";
import { identify, packSegment, type TcpNeighbours } from "./tcp-output.ts";
import { type TcpEndpoint, TcpSocket, type TcpSocketEvents } from "./tcp-socket.ts";
import { type Resting, TimeWaitTable } from "./time-wait-table.ts";
import { IcmpType, UnreachableCode } from "./wire/icmp.ts";

/** What most servers ask for; the host's settings bound it. */
const DEFAULT_BACKLOG = 4096;
/** net.ipv4.tcp_tw_reuse_delay: as long as peers' timestamps may need to have moved on. */
const REUSE_DELAY = seconds(1);
/** Of the type of service (RFC 3168 §5). */
const ECN_BITS = 3;

/** Where to connect, and from where. */
export interface TcpConnectOptions {
  readonly to: Ipv4Address;
  readonly port: number;
  /** The local address; by the route when left out. */
  readonly from?: Ipv4Address;
  /** The local port; a free one when left out. */
  readonly fromPort?: number;
}

/** Where to listen, and what to do with who connects. */
export interface TcpListenOptions {
  readonly address?: Ipv4Address;
  readonly port: number;
  readonly backlog?: number;
  /** Connections are probed when they are idle: see {@link TcpSocket.setKeepAlive}. */
  readonly keepAlive?: Partial<KeepAlive>;
}

/** A listening port, until it is closed. */
export interface TcpServer {
  readonly port: number;
  /** Stops listening; connections that were accepted go on. */
  close(): void;
}

interface Listening {
  readonly address: Ipv4Address;
  readonly listener: TcpListener;
  readonly onConnection: (socket: TcpSocket) => void;
  readonly keepAlive: Partial<KeepAlive> | undefined;
}

/** TCP of one host: which connection a segment belongs to, and the frames around what connections say. */
export class TcpLayer {
  settings: TcpSettings = LINUX_TCP;
  readonly #host: HostContext;
  readonly #addressing: Addressing;
  readonly #ip: TcpNeighbours;
  readonly #sockets = new TcpConnectionTable();
  readonly #timeWaits: TimeWaitTable;
  readonly #ports = new CrowdedPorts();
  readonly #census = new TcpCensus();
  readonly #listening = new Map<number, Listening[]>();

  constructor(host: HostContext, addressing: Addressing, ip: TcpNeighbours) {
    this.#host = host;
    this.#addressing = addressing;
    this.#ip = ip;
    this.#timeWaits = new TimeWaitTable(host.clock, ({ local, remote }) => this.#ports.free(local, remote));
  }

  /** Begins a connection; why it cannot even begin, otherwise. */
  connect(options: TcpConnectOptions, events: TcpSocketEvents): TcpSocket | "no-route" | "no-free-port" {
    const remote = { address: options.to, port: options.port };
    const from = options.from ?? this.#addressing.sourceFor(options.to);
    if (from === undefined || this.#addressing.hop(options.to) === undefined) return "no-route";
    const asked = options.fromPort;
    const isFree = (port: number): boolean =>
      !this.#listening.has(port) && this.#mayTake({ address: from, port }, remote, asked);
    const port = asked ?? this.#choosePort(from, remote, isFree);
    if (port === undefined || !isFree(port)) return "no-free-port";
    const local = { address: from, port };
    const before = this.#timeWaits.find(local, remote);
    if (before !== undefined) this.#timeWaits.remove(before);
    const successorOf = before === undefined ? {} : { successorOf: before.left };
    const connection = new TcpConnection({ ...this.#environment(options.to), now: this.#host.now(), ...successorOf });
    const socket = this.#addSocket(connection, local, remote, events);
    connection.open(this.#host.now());
    this.#flush(socket);
    return socket;
  }

  /** Listens; each finished handshake gives a socket. @throws RangeError when the port is in use. */
  listen(options: TcpListenOptions, onConnection: (socket: TcpSocket) => void): TcpServer {
    const { port } = options;
    const address = options.address ?? ANY_ADDRESS;
    const others = this.#listening.get(port) ?? [];
    const clash = (other: Listening): boolean =>
      other.address === address || other.address === ANY_ADDRESS || address === ANY_ADDRESS;
    if (others.some(clash))
      throw new RangeError(`Cannot listen on TCP port ${port} of ${this.#host.name}: it is in use`);
    const current = (): TcpSettings => this.settings;
    const listener = new TcpListener({
      random: this.#host.random,
      get settings() {
        return current();
      },
      backlog: Math.min(options.backlog ?? DEFAULT_BACKLOG, this.settings.mostBacklog),
      onConnection: () => this.#accept(listening),
    });
    const listening: Listening = { address, listener, onConnection, keepAlive: options.keepAlive };
    this.#listening.set(port, [...others, listening]);
    return { port, close: () => this.#stopListening(port, listening) };
  }

  /** Ends whoever listens on `port`, as if its program were killed, so that another may; connections it has accepted go on. */
  endListening(port: number): void {
    for (const listening of this.#listening.get(port) ?? []) this.#stopListening(port, listening);
  }

  /** Closes every socket, as the kernel does for programs that have ended: what was written is delivered, nobody listens any more. */
  closeAll(): void {
    for (const port of [...this.#listening.keys()]) this.endListening(port);
    for (const socket of this.list()) socket.close();
  }

  receive(packet: Packet): void {
    const { bytes, transport, end, source, destination } = packet;
    const segment = segmentFromWire(bytes, transport, end, packet.typeOfService & ECN_BITS);
    if (segment === undefined) return this.#host.drop(packet, "tcp-malformed");
    if (!packet.isSumRight()) return this.#host.drop(packet, "bad-checksum");
    if (!this.#addressing.isLocal(destination)) return this.#host.drop(packet, "no-listener");
    const local = { address: destination, port: packet.destinationPort };
    const remote = { address: source, port: packet.sourcePort };
    const socket = this.#sockets.find(local, remote);
    if (packet.frame.segments > 1) return this.#trainArrived(packet, socket, segment);
    const iss = socket?.connection.reopenSequence(segment);
    if (socket !== undefined && (iss === undefined || this.#listeningAt(local) === undefined)) {
      return this.#arrived(packet, socket, segment);
    }
    if (socket !== undefined) this.#forget(socket);
    const resting = socket === undefined ? this.#timeWaits.find(local, remote) : undefined;
    if (resting === undefined) this.#hear(packet, segment, { local, remote, iss });
    else this.#hearResting(packet, segment, resting);
  }

  /** An ICMP error that quotes a segment of this host. */
  onIcmpError(error: IcmpErrorMessage): void {
    const { bytes, transport, quoted } = error;
    const local = { address: quoted.source, port: getU16(bytes, transport) };
    const remote = { address: quoted.destination, port: getU16(bytes, transport + 2) };
    const socket = this.#sockets.find(local, remote);
    if (socket === undefined) return;
    const sequence = getU32(bytes, transport + 4);
    const now = this.#host.now();
    if (error.type === IcmpType.unreachable && error.code === UnreachableCode.fragmentationNeeded) {
      socket.connection.onFragmentationNeeded(error.rest & 0xffff, sequence, now);
    } else {
      const kind = icmpErrorKind(error.type, error.code);
      if (kind !== undefined) socket.connection.onIcmpError(kind, sequence, now);
    }
    this.#flush(socket);
  }

  /** Answers the segment in `packet` with a RST from its destination, whether or not that is an address of this host. */
  answerWithReset(packet: Packet): void {
    const { bytes, transport, end, source, destination } = packet;
    if (packet.isLaterFragment) return;
    const segment = segmentFromWire(bytes, transport, end);
    if (segment === undefined || !packet.isSumRight()) return;
    const reset = resetFor(segment);
    if (reset === undefined) return;
    const local = { address: destination, port: packet.destinationPort };
    const answer = packSegment(this.#ip, reset, { local, remote: { address: source, port: packet.sourcePort } }, 0);
    this.#ip.attach(answer, packet);
    this.#ip.send(answer);
  }

  /** Sockets that are open, for `ss` and tests. */
  list(): TcpSocket[] {
    return this.#sockets.list();
  }

  /** Connections in TIME-WAIT, whose sockets are gone. */
  get timeWaits(): number {
    return this.#timeWaits.count;
  }

  #arrived(packet: Packet, socket: TcpSocket, segment: Segment): void {
    this.#tellDelivered(packet);
    const discard = socket.connection.receive(segment, this.#host.now());
    if (discard === undefined) packet.frame.release();
    else this.#host.drop(packet, "tcp-refused-segment");
    this.#flush(socket);
  }

  /** Segments that came as one are received one by one. */
  #trainArrived(packet: Packet, socket: TcpSocket | undefined, whole: Segment): void {
    const { frame } = packet;
    if (socket === undefined || socket.connection.state !== "established") {
      for (const segment of cutTrainPacket(packet, this.#host.frames)) this.receive(segment);
      return;
    }
    for (const segment of takeApart(whole, { count: frame.segments, size: frame.segmentSize })) {
      const discard = socket.connection.receive(segment, this.#host.now());
      if (discard !== undefined) this.#host.drops.add("tcp-refused-segment");
      this.#flush(socket);
    }
    frame.release();
  }

  /** For a connection in TIME-WAIT: a SYN may open a new one in its place. */
  #hearResting(packet: Packet, segment: Segment, resting: Resting): void {
    const { local, remote, left } = resting;
    const iss = reopenSequence(left, segment);
    if (iss !== undefined && this.#listeningAt(local) !== undefined) {
      this.#timeWaits.remove(resting);
      return this.#hear(packet, segment, { local, remote, iss });
    }
    this.#tellDelivered(packet);
    const { since } = left;
    const { answer, isOver } = hearInTimeWait(left, segment, this.#host.now());
    this.#host.drop(packet, "tcp-refused-segment");
    if (left.since !== since) this.#timeWaits.moveBack(resting);
    if (answer !== undefined) this.#ip.send(packSegment(this.#ip, answer, resting, 0));
    if (isOver !== true) return;
    this.#timeWaits.remove(resting);
    this.#ports.free(local, remote);
  }

  /** Ports that are free again after a while although connections are in TIME-WAIT cannot be noted as taken. */
  #choosePort(from: Ipv4Address, remote: TcpEndpoint, isFree: (port: number) => boolean): number | undefined {
    const { sysctls, random } = this.#host;
    if (this.#reuses(from, remote.address)) return chooseLocalPort(sysctls, random, isFree);
    return this.#ports.choose(sysctls, random, { from, remote, isFree });
  }

  /**
   * May a connection of ours begin between these endpoints? In place of one in TIME-WAIT only if its port is not asked for, which bind(2) refuses
   * (`__inet_check_established`, `tcp_twsk_unique`).
   */
  #mayTake(local: TcpEndpoint, remote: TcpEndpoint, asked: number | undefined): boolean {
    if (this.#sockets.find(local, remote) !== undefined) return false;
    const before = this.#timeWaits.find(local, remote);
    if (before === undefined) return true;
    if (asked !== undefined || !this.#reuses(local.address, remote.address) || before.left.stampOffset === undefined)
      return false;
    return this.#host.now() - before.left.since > REUSE_DELAY;
  }

  #reuses(from: Ipv4Address, to: Ipv4Address): boolean {
    const { timeWaitReuse } = this.settings;
    return timeWaitReuse === "on" || (timeWaitReuse === "loopback" && (isLoopback(from) || isLoopback(to)));
  }

  /** A segment for which there is no connection: a listener's, or answered with RST. */
  #hear(packet: Packet, segment: Segment, at: { local: TcpEndpoint; remote: TcpEndpoint; iss: Seq | undefined }): void {
    const { local, remote, iss } = at;
    const listening = this.#listeningAt(local);
    if (listening === undefined) {
      this.#reset(resetFor(segment), local, remote);
      return this.#host.drop(packet, "no-listener");
    }
    const mtu = this.#ip.pathMtu(remote.address);
    const heard = listening.listener.receive(segment, this.#host.now(), {
      mtu,
      iss,
      flow: flowOf(local, remote) >>> 0,
    });
    if (heard.kind === "dropped") {
      const full = heard.reason === "tcp-accept-queue-full" || heard.reason === "tcp-syn-queue-full";
      return this.#host.drop(packet, full ? "listen-overflow" : "tcp-refused-segment");
    }
    if (heard.kind === "reset") {
      this.#reset(heard.segment, local, remote);
      return this.#host.drop(packet, "tcp-refused-segment");
    }
    if (heard.kind === "resumed") {
      return this.#arrived(packet, this.#addSocket(heard.connection, local, remote, {}), segment);
    }
    this.#tellDelivered(packet);
    packet.frame.release();
    if (heard.kind === "cookie") return this.#ip.send(packSegment(this.#ip, heard.segment, { local, remote }, 0));
    this.#flush(this.#addSocket(heard.connection, local, remote, {}));
  }

  #accept(listening: Listening): void {
    const connection = listening.listener.accept();
    const socket = connection && this.#sockets.of(connection);
    if (socket === undefined) return;
    if (listening.keepAlive !== undefined) socket.setKeepAlive(listening.keepAlive);
    listening.onConnection(socket);
  }

  #stopListening(port: number, listening: Listening): void {
    const left = (this.#listening.get(port) ?? []).filter((other) => other !== listening);
    if (left.length > 0) this.#listening.set(port, left);
    else this.#listening.delete(port);
    for (const connection of listening.listener.close(this.#host.now())) {
      const socket = this.#sockets.of(connection);
      if (socket !== undefined) this.#flush(socket);
    }
  }

  #addSocket(connection: TcpConnection, local: TcpEndpoint, remote: TcpEndpoint, events: TcpSocketEvents): TcpSocket {
    const socket = new TcpSocket({
      owner: { now: () => this.#host.now(), flush: (flushed) => this.#flush(flushed) },
      connection,
      timer: (timed): Timer => this.#host.clock.timer(() => this.#flush(timed), "protocol"),
      local,
      remote,
      identification: this.#host.random.below(0x10000),
      events,
    });
    this.#sockets.add(socket);
    this.#ports.take(local, remote);
    return socket;
  }

  /** Sends what the connection has to say, then sets its timer: the rule for owners in tcp/index.ts. */
  #flush(socket: TcpSocket): void {
    const { connection } = socket;
    const asTrains = this.#ip.mayJoin(socket.remote.address);
    if (this.#census.isOneTooMany(socket, this.settings)) connection.abort(this.#host.now());
    for (
      let segment = connection.poll(this.#host.now(), asTrains);
      segment !== undefined;
      segment = connection.poll(this.#host.now(), asTrains)
    ) {
      this.#ip.send(packSegment(this.#ip, segment, socket, identify(socket, segment)));
    }
    const { timeWait } = connection;
    if (timeWait !== undefined) return this.#rest(socket, timeWait);
    const deadline = connection.deadline();
    if (deadline === undefined) socket.timer.cancel();
    else if (deadline !== socket.timer.deadline) socket.timer.set(deadline);
    if (connection.state === "closed") this.#forget(socket);
  }

  #forget(socket: TcpSocket): void {
    socket.timer.cancel();
    this.#census.forget(socket);
    if (this.#sockets.remove(socket)) this.#ports.free(socket.local, socket.remote);
  }

  /** In TIME-WAIT a few numbers stand for the socket (`tcp_time_wait`); its program, should it still hold it, has nothing more to do with it. */
  #rest(socket: TcpSocket, timeWait: TimeWait): void {
    const { local, remote } = socket;
    if (this.#timeWaits.count >= this.settings.mostTimeWaits) return this.#forget(socket);
    socket.timer.cancel();
    this.#census.forget(socket);
    if (this.#sockets.remove(socket)) this.#timeWaits.add(local, remote, timeWait);
  }

  #reset(reset: Segment | undefined, local: TcpEndpoint, remote: TcpEndpoint): void {
    if (reset !== undefined) this.#ip.send(packSegment(this.#ip, reset, { local, remote }, 0));
  }

  #listeningAt(local: TcpEndpoint): Listening | undefined {
    const here = this.#listening.get(local.port);
    return (
      here?.find(({ address }) => address === local.address) ?? here?.find(({ address }) => address === ANY_ADDRESS)
    );
  }

  #environment(to: Ipv4Address): { random: HostContext["random"]; settings: TcpSettings; mtu: number } {
    return { random: this.#host.random, settings: this.settings, mtu: this.#ip.pathMtu(to) };
  }

  #tellDelivered(packet: Packet): void {
    if (!this.#host.events.active) return;
    this.#host.emit(packet.lineage, { kind: "delivered", to: `tcp ${packet.destinationPort}` });
  }
}
