import type { Ipv4Address, Stack, UdpSocket } from "../netstack/index.ts";
import { DnsClass, type DnsMessage, type DnsQuestion } from "../protocols/index.ts";
import { after, type Duration, type Timer } from "../sim/index.ts";
import { answerTo, askDns, DNS_PORT, type DnsOutcome, emitQuestion, outcomeOf } from "./dns-client.ts";

/** How the two questions are asked, resolv.conf(5): both at once; the second when the first is answered; that from a socket of its own; over TCP. */
export type PairMode = "parallel" | "single-request" | "single-request-reopen" | "use-vc";

/** A name, and whom to ask for it. */
export interface PairRequest {
  readonly server: Ipv4Address;
  readonly name: string;
  readonly timeout: Duration;
  readonly mode: PairMode;
}

/**
 * Asks for a name's A and AAAA records as glibc does where a host has an IPv6 address, if only a link-local one: both from one socket, one right behind the other. It is done when
 * both are answered; what comes of the A question is the outcome. As in glibc, a server that has answered one of the two is asked again one at a time when the time is up, and
 * then from two sockets. The returned function gives up.
 */
export function askPair(stack: Stack, request: PairRequest, done: (outcome: DnsOutcome) => void): () => void {
  if (request.mode === "single-request-reopen" || request.mode === "use-vc") return askApart(stack, request, done);
  const pair = new SocketPair(stack, request, done);
  pair.begin();
  return () => pair.stop();
}

function question(name: string, type: "A" | "AAAA"): DnsQuestion {
  return { name, type, class: DnsClass.in };
}

/** One question after the other, each from its own socket. */
function askApart(stack: Stack, request: PairRequest, done: (outcome: DnsOutcome) => void): () => void {
  const { server, name, timeout, mode } = request;
  const transport = mode === "use-vc" ? "tcp" : "udp-then-tcp";
  let cancel = askDns(stack, { server, question: question(name, "A"), timeout, transport }, (first) => {
    if (first.kind !== "answer") return done(first);
    cancel = askDns(stack, { server, question: question(name, "AAAA"), timeout, transport }, (second) =>
      done(second.kind === "answer" ? first : second),
    );
  });
  return () => cancel();
}

interface Asked {
  readonly id: number;
  readonly question: DnsQuestion;
  answer: { readonly message: DnsMessage; readonly bytes: number } | undefined;
}

class SocketPair {
  readonly #stack: Stack;
  readonly #request: PairRequest;
  readonly #done: (outcome: DnsOutcome) => void;
  readonly #socket: UdpSocket;
  readonly #timer: Timer;
  #asked: readonly Asked[];
  #oneByOne: boolean;
  #cancelApart: () => void = () => {};
  #finished = false;

  constructor(stack: Stack, request: PairRequest, done: (outcome: DnsOutcome) => void) {
    this.#stack = stack;
    this.#request = request;
    this.#done = done;
    this.#oneByOne = request.mode === "single-request";
    this.#asked = this.#questions();
    this.#timer = stack.clock.timer(() => this.#timeIsUp(), "program");
    this.#socket = stack.udp.open({
      onDatagram: ({ from, fromPort, payload }) => {
        if (from === request.server && fromPort === DNS_PORT) this.#take(payload);
      },
      onError: (error) => this.#finish({ kind: outcomeOf(error) }),
    });
  }

  begin(): void {
    this.#timer.set(after(this.#stack.clock.now(), this.#request.timeout));
    for (const each of this.#oneByOne ? this.#asked.slice(0, 1) : this.#asked) this.#send(each);
  }

  stop(): void {
    this.#finished = true;
    this.#timer.cancel();
    this.#socket.close();
    this.#cancelApart();
  }

  #questions(): readonly Asked[] {
    const { name } = this.#request;
    return (["A", "AAAA"] as const).map((type) => {
      return { id: this.#stack.random.below(65_536), question: question(name, type), answer: undefined };
    });
  }

  #send({ id, question: asked }: Asked): void {
    if (this.#finished) return;
    const payload = emitQuestion(id, { question: asked });
    const fault = this.#socket.send({ to: this.#request.server, port: DNS_PORT, payload, dontFragment: false });
    if (fault !== undefined) this.#finish({ kind: "network-unreachable" });
  }

  #take(payload: Uint8Array): void {
    for (const each of this.#asked) {
      const message = answerTo(each.id, each.question, payload);
      if (message === undefined || each.answer !== undefined) continue;
      each.answer = { message, bytes: payload.length };
      const [first, second] = this.#asked;
      if (this.#oneByOne && each === first && second !== undefined) this.#send(second);
    }
    const [first, second] = this.#asked;
    if (first?.answer === undefined || second?.answer === undefined) return;
    this.#finish({ kind: "answer", ...first.answer, transport: "udp" });
  }

  #timeIsUp(): void {
    const { server, name, timeout } = this.#request;
    if (!this.#asked.some(({ answer }) => answer !== undefined)) return this.#finish({ kind: "timeout" });
    this.#asked = this.#questions();
    if (!this.#oneByOne) {
      this.#oneByOne = true;
      return this.begin();
    }
    const apart = { server, name, timeout, mode: "single-request-reopen" } as const;
    this.#cancelApart = askApart(this.#stack, apart, (outcome) => this.#finish(outcome));
  }

  #finish(outcome: DnsOutcome): void {
    if (this.#finished) return;
    this.stop();
    this.#done(outcome);
  }
}
