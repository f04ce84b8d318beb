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
} from "../../../src/netstack/tcp/index.ts";
import { TcpFlag } from "../../../src/netstack/wire/tcp.ts";
import { Random, START } from "../../../src/sim/index.ts";

const PATH = { mtu: 1500 };

function listening(backlog: number, onConnection?: () => void): TcpListener {
  const options = { random: new Random(1), settings: LINUX_TCP, backlog };
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
    ["data without ACK", TcpFlag.psh, "tcp-without-ack"],
  ])("ignores %s", (_, flags, reason) => {
    expect(listening(5).receive(segment(flags, 7), START, PATH)).toEqual({ kind: "dropped", reason });
  });

  it("takes no more SYNs than its backlog until a handshake is complete or has failed", () => {
    const listener = listening(2);
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
    const heard = listening(5).receive(segment(TcpFlag.syn, 9), START, { mtu: 1500, iss: seq(77) });
    expect(heard.kind === "connection" && heard.connection.poll(START)?.sequence).toBe(77);
  });
});
