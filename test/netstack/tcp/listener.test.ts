import { describe, expect, it } from "vitest";
import {
  type Heard,
  LINUX_TCP,
  type Segment,
  type Seq,
  seq,
  seqAdd,
  type TcpConnection,
  TcpListener,
  type TcpSettings,
} from "../../../src/netstack/tcp/index.ts";
import { TcpFlag } from "../../../src/netstack/wire/tcp.ts";
import { after, Random, START, seconds, type Time } from "../../../src/sim/index.ts";

const PATH = { mtu: 1500, flow: 1 };

function listening(backlog: number, onConnection?: () => void, settings: TcpSettings = LINUX_TCP): TcpListener {
  const options = { random: new Random(1), settings, backlog };
  return new TcpListener(onConnection === undefined ? options : { ...options, onConnection });
}

function segment(flags: number, sequence: number, acknowledgment: Seq = seq(0)): Segment {
  const payload = { bytes: new Uint8Array(0), at: 0, length: 0 };
  return { sequence: seq(sequence), acknowledgment, flags, window: 65_535, options: { mss: 1460 }, ...payload };
}

function syn(listener: TcpListener, number: number): Heard {
  return listener.receive(segment(TcpFlag.syn, number), START, PATH);
}

/** A peer's whole handshake; `undefined` when the listener did not take the SYN. */
function connect(listener: TcpListener, number: number): TcpConnection | undefined {
  const heard = syn(listener, number);
  if (heard.kind !== "connection") return undefined;
  finishHandshake(heard.connection, number);
  return heard.connection;
}

function finishHandshake(connection: TcpConnection, number: number): string | undefined {
  const answer = connection.poll(START);
  if (answer === undefined) throw new TypeError("Cannot finish the handshake: there is no SYN-ACK");
  return connection.receive(segment(TcpFlag.ack, number + 1, seqAdd(answer.sequence, 1)), START);
}

describe("a listener", () => {
  it("makes a connection of a SYN and offers it to the program when the handshake is complete", () => {
    let calls = 0;
    const listener = listening(5, () => calls++);
    const heard = syn(listener, 100);
    expect(heard.kind).toBe("connection");
    expect([calls, listener.accept()]).toEqual([0, undefined]);
    if (heard.kind === "connection") finishHandshake(heard.connection, 100);
    expect([calls, listener.waiting]).toEqual([1, 1]);
    expect(listener.accept()?.state).toBe("established");
    expect(listener.accept()).toBeUndefined();
  });

  it("lets the program set upcalls before data is announced", () => {
    const seen: string[] = [];
    const listener = listening(5, () => {
      const connection = listener.accept();
      if (connection !== undefined) connection.upcalls = { onReadable: () => seen.push("readable") };
    });
    const heard = syn(listener, 100);
    if (heard.kind !== "connection") throw new TypeError("no connection");
    const iss = heard.connection.poll(START)?.sequence ?? seq(0);
    const data = { ...segment(TcpFlag.ack | TcpFlag.psh, 101, seqAdd(iss, 1)), bytes: new Uint8Array(5), length: 5 };
    heard.connection.receive(data, START);
    expect(seen).toEqual(["readable"]);
  });

  it("answers an ACK that belongs to nothing with RST", () => {
    const heard = listening(5).receive(segment(TcpFlag.ack, 7, seq(42)), START, PATH);
    expect(heard).toMatchObject({ kind: "reset", segment: { sequence: 42, flags: TcpFlag.rst } });
  });

  it.each([
    ["a RST", TcpFlag.rst, "tcp-reset"],
    ["a SYN that closes as well", TcpFlag.syn | TcpFlag.fin, "tcp-bad-handshake"],
    ["data without ACK", TcpFlag.psh, "tcp-without-ack"],
  ])("ignores %s", (_, flags, reason) => {
    expect(listening(5).receive(segment(flags, 7), START, PATH)).toEqual({ kind: "dropped", reason });
  });

  it("without cookies takes no more SYNs than its backlog until a handshake is complete or has failed", () => {
    const listener = listening(2, undefined, { ...LINUX_TCP, synCookies: "off" });
    expect(syn(listener, 1).kind).toBe("connection");
    const second = syn(listener, 2);
    expect(syn(listener, 3)).toEqual({ kind: "dropped", reason: "tcp-syn-queue-full" });
    if (second.kind === "connection") second.connection.receive(segment(TcpFlag.rst, 3), START);
    expect(syn(listener, 3).kind).toBe("connection");
  });

  it("drops SYNs and last ACKs while the program does not accept: one more than the backlog waits", () => {
    const listener = listening(1);
    const slow = syn(listener, 50);
    expect(connect(listener, 1)).toBeUndefined();
    if (slow.kind === "connection") finishHandshake(slow.connection, 50);
    const second = connect(listener, 2);
    expect([listener.waiting, second?.state]).toEqual([2, "established"]);
    expect(syn(listener, 3)).toEqual({ kind: "dropped", reason: "tcp-accept-queue-full" });
    listener.accept();
    expect(syn(listener, 3).kind).toBe("connection");
  });

  it("leaves a handshake that would overflow the queue waiting until there is room", () => {
    const listener = listening(2);
    connect(listener, 1);
    connect(listener, 2);
    const third = syn(listener, 3);
    const fourth = syn(listener, 4);
    if (third.kind !== "connection" || fourth.kind !== "connection") throw new TypeError("no connection");
    finishHandshake(third.connection, 3);
    const iss = fourth.connection.poll(START)?.sequence ?? seq(0);
    const ack = segment(TcpFlag.ack, 5, seqAdd(iss, 1));
    expect(fourth.connection.receive(ack, START)).toBe("tcp-accept-queue-full");
    expect(fourth.connection.state).toBe("syn-received");
    listener.accept();
    expect(fourth.connection.receive(ack, START)).toBeUndefined();
    expect(fourth.connection.state).toBe("established");
  });

  it("resets a handshake that would overflow the queue where it is told to (tcp_abort_on_overflow)", () => {
    const listener = listening(2, undefined, { ...LINUX_TCP, resetsOverflow: true });
    connect(listener, 1);
    connect(listener, 2);
    const [third, fourth] = [syn(listener, 3), syn(listener, 4)];
    if (third.kind !== "connection" || fourth.kind !== "connection") throw new TypeError("no connection");
    finishHandshake(third.connection, 3);
    finishHandshake(fourth.connection, 4);
    expect(fourth.connection.state).toBe("closed");
    expect(fourth.connection.poll(START)?.flags).toBe(TcpFlag.rst | TcpFlag.ack);
  });

  it("aborts what nobody accepted when it closes", () => {
    const listener = listening(5);
    const complete = connect(listener, 1);
    const underWay = syn(listener, 2);
    const abandoned = listener.close(START);
    expect(abandoned.length).toBe(2);
    expect(complete?.state).toBe("closed");
    expect(complete?.poll(START)?.flags).toBe(TcpFlag.rst | TcpFlag.ack);
    expect(underWay.kind === "connection" && underWay.connection.state).toBe("closed");
  });

  it("starts a connection that replaces one in TIME-WAIT at the number given", () => {
    const heard = listening(5).receive(segment(TcpFlag.syn, 9), START, { ...PATH, iss: seq(77) });
    expect(heard.kind === "connection" && heard.connection.poll(START)?.sequence).toBe(77);
  });
});

describe("SYN cookies", () => {
  const OFFER = { mss: 1450, windowScale: 7, sackPermitted: true, timestamps: { value: 5000, echo: 0 } };
  const FLOOD = { mtu: 1500, flow: 99 };

  /** A listener whose queue is full, and the SYN-ACK that answers one SYN more. */
  function overflowing(options: Segment["options"], at: Time = START): { listener: TcpListener; answer: Segment } {
    const listener = listening(1);
    listener.receive(segment(TcpFlag.syn, 1), at, FLOOD);
    const heard = listener.receive({ ...segment(TcpFlag.syn, 700), options }, at, PATH);
    if (heard.kind !== "cookie") throw new TypeError(`no cookie: ${heard.kind}`);
    return { listener, answer: heard.segment };
  }

  function ackOf(answer: Segment): Segment {
    const { timestamps } = answer.options;
    const options = timestamps === undefined ? {} : { timestamps: { value: 5001, echo: timestamps.value } };
    return { ...segment(TcpFlag.ack, 701, seqAdd(answer.sequence, 1)), window: 5000, options };
  }

  it("answer when the queue is full, and the ACK brings the connection with what was agreed on", () => {
    const { listener, answer } = overflowing(OFFER);
    expect(answer).toMatchObject({ flags: TcpFlag.syn | TcpFlag.ack, acknowledgment: 701, window: 65_535 });
    expect(answer.options).toMatchObject({ mss: 1460, sackPermitted: true, windowScale: 10 });
    const heard = listener.receive(ackOf(answer), START, PATH);
    if (heard.kind !== "resumed") throw new TypeError(`not resumed: ${heard.kind}`);
    expect(heard.connection.poll(START)).toBeUndefined();
    expect(heard.connection.receive(ackOf(answer), START)).toBeUndefined();
    // 1440 of the table, without timestamps; the window of the ACK, scaled.
    expect(heard.connection.info).toMatchObject({ state: "established", sendMss: 1428, sendWindow: 5000 << 7 });
    expect(listener.accept()).toBe(heard.connection);
  });

  it("without timestamps agree on the MSS alone", () => {
    const { listener, answer } = overflowing({ mss: 1300, windowScale: 7, sackPermitted: true });
    expect(answer.options).toEqual({ mss: 1460 });
    const heard = listener.receive(ackOf(answer), START, PATH);
    if (heard.kind !== "resumed") throw new TypeError(`not resumed: ${heard.kind}`);
    heard.connection.receive(ackOf(answer), START);
    expect(heard.connection.info).toMatchObject({ sendMss: 1300, sendWindow: 5000 });
  });

  it("count for two minutes, for their own endpoints and numbers only", () => {
    const { listener, answer } = overflowing(OFFER, after(START, seconds(59)));
    const hear = (ack: Segment, at: number, flow: number): string =>
      listener.receive(ack, after(START, seconds(at)), { mtu: 1500, flow }).kind;
    const ack = ackOf(answer);
    expect(hear(ack, 61, 1)).toBe("resumed");
    expect(hear(ack, 121, 1)).toBe("reset");
    expect(hear(ack, 61, 2)).toBe("reset");
    expect(hear({ ...ack, acknowledgment: seqAdd(ack.acknowledgment, 64) }, 61, 1)).toBe("reset");
    expect(hear({ ...ack, sequence: seqAdd(ack.sequence, 64) }, 61, 1)).toBe("reset");
  });

  it("are believed after an overflow only", () => {
    const { answer } = overflowing(OFFER);
    expect(listening(1).receive(ackOf(answer), START, PATH).kind).toBe("reset");
  });
});
