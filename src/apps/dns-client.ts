import {
  type CloseReason,
  type IcmpErrorMessage,
  IcmpType,
  type Ipv4Address,
  type Stack,
  type TcpSocket,
  UnreachableCode,
} from "../netstack/index.ts";
import {
  DNS_QUERY,
  type DnsMessage,
  type DnsQuestion,
  DnsStreamReader,
  emitDns,
  emitDnsStream,
  parseDns,
  sameName,
} from "../protocols/index.ts";
import { after, type Duration } from "../sim/index.ts";

/** Where DNS servers listen. */
export const DNS_PORT = 53;

/** One question to one server. */
export interface DnsRequest {
  readonly server: Ipv4Address;
  readonly port?: number;
  readonly question: DnsQuestion;
  readonly timeout: Duration;
  /** UDP first and TCP when the answer is truncated, unless told. */
  readonly transport?: "udp-then-tcp" | "udp" | "tcp";
  readonly recursionDesired?: boolean;
  /** What EDNS offers to take over UDP; without EDNS when left out. */
  readonly udpSize?: number;
}

/** What came of a question. `refused` is an ICMP port unreachable, a RST, or a stream that ended without an answer. */
export type DnsOutcome =
  | { readonly kind: "answer"; readonly message: DnsMessage; readonly bytes: number; readonly transport: "udp" | "tcp" }
  | { readonly kind: "timeout" | "refused" | "host-unreachable" | "network-unreachable" };

/**
 * Asks, and calls `done` once. Answers that do not belong to the question (other id, name or type) are ignored, as
 * resolvers do. The returned function gives up without calling `done`.
 */
export function askDns(stack: Stack, request: DnsRequest, done: (outcome: DnsOutcome) => void): () => void {
  const asking = new DnsExchange(stack, request, done);
  asking.begin();
  return () => asking.stop();
}

class DnsExchange {
  readonly #stack: Stack;
  readonly #request: DnsRequest;
  readonly #done: (outcome: DnsOutcome) => void;
  readonly #id: number;
  #release: () => void = () => {};
  #finished = false;

  constructor(stack: Stack, request: DnsRequest, done: (outcome: DnsOutcome) => void) {
    this.#stack = stack;
    this.#request = request;
    this.#done = done;
    this.#id = stack.random.below(65536);
  }

  begin(): void {
    if (this.#request.transport === "tcp") this.#askOverTcp();
    else this.#askOverUdp();
  }

  stop(): void {
    this.#finished = true;
    this.#release();
  }

  #askOverUdp(): void {
    const { server, port = DNS_PORT, transport } = this.#request;
    const socket = this.#stack.udp.open({
      onDatagram: (datagram) => {
        if (datagram.from !== server || datagram.fromPort !== port) return;
        const message = answerTo(this.#id, this.#request.question, datagram.payload);
        if (message === undefined) return;
        const bytes = datagram.payload.length;
        if (message.truncated && transport !== "udp") this.#restartOverTcp();
        else this.#finish({ kind: "answer", message, bytes, transport: "udp" });
      },
      onError: (error) => this.#finish({ kind: outcomeOf(error) }),
    });
    const timer = this.#startTimer();
    this.#release = () => {
      timer.cancel();
      socket.close();
    };
    const fault = socket.send({
      to: server,
      port,
      payload: emitQuestion(this.#id, this.#request),
      dontFragment: false,
    });
    if (fault !== undefined) this.#finish({ kind: "network-unreachable" });
  }

  #restartOverTcp(): void {
    this.#release();
    this.#askOverTcp();
  }

  #askOverTcp(): void {
    const { server, port = DNS_PORT } = this.#request;
    const reader = new DnsStreamReader();
    const socket: TcpSocket | string = this.#stack.tcp.connect(
      { to: server, port },
      {
        onConnect: () => {
          if (typeof socket !== "string") socket.write(emitDnsStream(emitQuestion(this.#id, this.#request)));
        },
        onData: (bytes) => this.#takeFromStream(reader, bytes),
        onEnd: () => this.#finish({ kind: "refused" }),
        onClose: (reason) => this.#finish({ kind: outcomeOfClose(reason) }),
      },
    );
    if (typeof socket === "string") return this.#finish({ kind: "network-unreachable" });
    const timer = this.#startTimer();
    this.#release = () => {
      timer.cancel();
      socket.close();
    };
  }

  #takeFromStream(reader: DnsStreamReader, bytes: Uint8Array): void {
    for (const piece of reader.push(bytes)) {
      const message = answerTo(this.#id, this.#request.question, piece);
      if (message !== undefined) this.#finish({ kind: "answer", message, bytes: piece.length, transport: "tcp" });
    }
  }

  #startTimer(): { cancel(): void } {
    const { clock } = this.#stack;
    const timer = clock.timer(() => this.#finish({ kind: "timeout" }), "program");
    timer.set(after(clock.now(), this.#request.timeout));
    return timer;
  }

  #finish(outcome: DnsOutcome): void {
    if (this.#finished) return;
    this.stop();
    this.#done(outcome);
  }
}

/** A query as a resolver sends it. */
export function emitQuestion(
  id: number,
  { question, recursionDesired = true, udpSize }: Pick<DnsRequest, "question" | "recursionDesired" | "udpSize">,
): Uint8Array {
  const edns = udpSize === undefined ? {} : { edns: { udpSize, version: 0, dnssecOk: false, options: [] } };
  const empty = { answers: [], authorities: [], additionals: [] };
  return emitDns({ ...DNS_QUERY, id, recursionDesired, questions: [question], ...empty, ...edns });
}

/** The answer in `bytes`, if it is one to this question. */
export function answerTo(id: number, question: DnsQuestion, bytes: Uint8Array): DnsMessage | undefined {
  const message = parseDns(bytes);
  const [echoed] = message?.questions ?? [];
  if (message === undefined || !message.response || message.id !== id || echoed === undefined) return undefined;
  return echoed.type === question.type && sameName(echoed.name, question.name) ? message : undefined;
}

/** What an ICMP error says of a question. */
export function outcomeOf(error: IcmpErrorMessage): "refused" | "host-unreachable" | "network-unreachable" {
  if (error.type === IcmpType.unreachable && error.code === UnreachableCode.port) return "refused";
  return error.code === UnreachableCode.network ? "network-unreachable" : "host-unreachable";
}

function outcomeOfClose(reason: CloseReason): Exclude<DnsOutcome["kind"], "answer"> {
  if (reason === "timed-out") return "timeout";
  return reason === "host-unreachable" || reason === "network-unreachable" ? reason : "refused";
}
