import type { Ipv4Address, TcpSocket } from "../netstack/index.ts";
import {
  type DnsEdns,
  type DnsMessage,
  type DnsQuestion,
  DnsRcode,
  type DnsRecord,
  DnsStreamReader,
  dnsUdpLimit,
  emitDns,
  emitDnsStream,
  parseDns,
  parseDnsHeader,
} from "../protocols/index.ts";
import { after, seconds } from "../sim/index.ts";
import type { Server, ServerHost } from "./http-server.ts";

/** What a DNS server says to a question. */
export interface DnsServerAnswer {
  /** NOERROR when left out. */
  readonly rcode?: number;
  readonly answers?: readonly DnsRecord[];
  readonly authorities?: readonly DnsRecord[];
  readonly additionals?: readonly DnsRecord[];
  /** Whether the server speaks for the zone itself; true when left out. */
  readonly authoritative?: boolean;
}

/** Where {@link dnsServer} listens and what it says. */
export interface DnsServerOptions {
  /** 53 unless told. */
  readonly port?: number;
  readonly address?: Ipv4Address;
  /** Answers a question that `from` asks; `undefined` refuses it. */
  readonly answer: (question: DnsQuestion, from: Ipv4Address) => DnsServerAnswer | undefined;
  /** Most bytes of a UDP answer, whatever the client offers. */
  readonly udpSize?: number;
}

/** What avoids fragments on nearly every path (DNS flag day 2020). */
const USUAL_UDP_SIZE = 1232;
const TCP_IDLE_TIMEOUT = seconds(10);
const MOST_TCP_CONNECTIONS = 256;

/**
 * A DNS server over UDP and TCP. What does not fit a datagram is cut, with TC set; questions it cannot read get FORMERR,
 * other operations NOTIMP.
 * @throws RangeError when the port is in use.
 */
export function dnsServer(host: ServerHost, options: DnsServerOptions): Server {
  const { port = 53, address, udpSize = USUAL_UDP_SIZE } = options;
  const place = { port, ...(address !== undefined && { address }) };
  const udp = host.stack.udp.open({
    ...place,
    onDatagram: ({ from, fromPort, to, payload }) => {
      const answer = respond(payload, from, options);
      if (answer === undefined) return;
      const bytes = emitDns(answer.message, dnsUdpLimit(answer.offered, udpSize));
      socketSend({ to: from, port: fromPort, payload: bytes, from: to, dontFragment: false });
    },
  });
  const socketSend: typeof udp.send = (datagram) => udp.send(datagram);
  const connections = new Set<TcpSocket>();
  const listener = host.stack.tcp.listen(place, (socket) => {
    if (connections.size >= MOST_TCP_CONNECTIONS) return socket.close();
    connections.add(socket);
    serveStream(host, socket, options, () => connections.delete(socket));
  });
  return {
    close: () => {
      udp.close();
      listener.close();
      for (const socket of connections) socket.close();
    },
  };
}

function serveStream(host: ServerHost, socket: TcpSocket, options: DnsServerOptions, onGone: () => void): void {
  const { clock } = host.stack;
  const reader = new DnsStreamReader();
  const end = (): void => {
    timer.cancel();
    onGone();
    socket.close();
  };
  const timer = clock.timer(end, "program");
  const rest = (): void => timer.set(after(clock.now(), TCP_IDLE_TIMEOUT));
  socket.events = {
    onData: (bytes) => {
      rest();
      for (const message of reader.push(bytes)) {
        const answer = respond(message, socket.remote.address, options);
        if (answer === undefined) return end();
        if (!socket.write(emitDnsStream(emitDns(answer.message)))) socket.pause();
      }
    },
    onDrain: () => socket.resume(),
    onEnd: end,
    onClose: () => {
      timer.cancel();
      onGone();
    },
  };
  rest();
}

/** The answer to a message, and what its sender offered by EDNS; `undefined` for what must not be answered. */
function respond(
  bytes: Uint8Array,
  from: Ipv4Address,
  options: DnsServerOptions,
): { readonly message: DnsMessage; readonly offered: DnsEdns | undefined } | undefined {
  const header = parseDnsHeader(bytes);
  if (header === undefined || header.response) return undefined;
  const query = parseDns(bytes);
  const offered = query?.edns;
  const empty = { answers: [], authorities: [], additionals: [] };
  const base = {
    ...header,
    response: true,
    authoritative: false,
    truncated: false,
    authenticData: false,
    recursionAvailable: header.recursionDesired,
    questions: query?.questions ?? [],
    ...empty,
    ...(offered !== undefined && {
      edns: { udpSize: options.udpSize ?? USUAL_UDP_SIZE, version: 0, dnssecOk: offered.dnssecOk, options: [] },
    }),
  };
  const [question, ...more] = base.questions;
  const failed = (rcode: number): { message: DnsMessage; offered: DnsEdns | undefined } => ({
    message: { ...base, rcode },
    offered,
  });
  if (header.opcode !== 0) return failed(DnsRcode.notImplemented);
  if (question === undefined || more.length > 0) return failed(DnsRcode.formatError);
  if (offered !== undefined && offered.version > 0) return failed(DnsRcode.badVersion);
  const said = options.answer(question, from);
  if (said === undefined) return failed(DnsRcode.refused);
  const { rcode = DnsRcode.noError, answers = [], authorities = [], additionals = [], authoritative = true } = said;
  return { message: { ...base, rcode, answers, authorities, additionals, authoritative }, offered };
}
