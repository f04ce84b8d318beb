/**
 * TCP without I/O: RFC 9293 with the timing and options of Linux 6.18. Segments, calls and the time go in; segments, upcalls and the next
 * deadline come out. There are no addresses, ports, checksums or clocks here: the stack knows which connection a segment belongs to, and draws
 * up the frames.
 *
 * ```ts
 * const connection = new TcpConnection({ random, settings: LINUX_TCP, mtu: 1500, now });
 * connection.upcalls = { onEstablished: () => connection.write(request, clock.now()), onReadable: … };
 * connection.open(now);
 * for (let segment = connection.poll(now); segment !== undefined; segment = connection.poll(now)) send(segment);
 * timer.set(connection.deadline());
 * ```
 *
 * It does not do Accurate ECN, TCP Fast Open, path MTU probing (RFC 4821) or compression of SACKs, and pays no attention to urgent data.
 *
 * The rule for owners is in the last two lines: after each call that may have changed something (`open`, `receive`, `write`, `read`, `close`,
 * `release`, `abort`, an ICMP error) and when the timer is due, drain `poll`, then arm the timer. A connection in state `closed` is forgotten; one
 * in `time-wait` gives way to a new one when `reopenSequence` says so. A segment that belongs to nothing is answered with `resetFor`.
 */
export { type PassiveOpener, TcpConnection, type TcpInfo } from "./connection.ts";
export type { IcmpErrorKind } from "./icmp-errors.ts";
export { type Heard, type ListenerDrop, type SegmentPath, TcpListener, type TcpListenerOptions } from "./listener.ts";
export type { Discard } from "./receive.ts";
export {
  copyPayload,
  type Ports,
  resetFor,
  type Segment,
  type SegmentTrain,
  segmentFromWire,
  segmentLength,
  sequenceLength,
  takeApart,
  writeSegment,
} from "./segment.ts";
export { SendQueue } from "./send-queue.ts";
export { isAfter, isBefore, type Seq, seq, seqAdd, seqDiff } from "./seq.ts";
export { type BufferLimits, type KeepAlive, LINUX_TCP, type TcpSettings } from "./settings.ts";
export { isSynchronized, nextState, type State, type StateEvent } from "./state.ts";
export type { TcpConnectionOptions } from "./tcb.ts";
export { hearInTimeWait, reopenSequence, type TimeWait, type TimeWaitAnswer } from "./time-wait.ts";
export type { CloseReason, TcpUpcalls } from "./upcalls.ts";
