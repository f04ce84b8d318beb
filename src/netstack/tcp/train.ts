import { seconds, us } from "../../sim/index.ts";
import { type Seq, seqAdd, seqDiff } from "./seq.ts";
import type { Tcb } from "./tcb.ts";

/*
 * Linux hands data down in packets of many segments, which are cut apart only behind the last place where rules see them or in the network card (GSO, TSO).
 * On the wire that shows in two ways: the last segment of such a packet has PSH (`__tcp_transmit_skb`, net/ipv4/tcp_output.c), and when segments have to become shorter, the
 * packet is cut anew as a whole. Here segments are told apart at once, and this is what they remember of it, also where they leave one by one because
 * somebody looks.
 */

/** Segments that leave together. */
export interface Train {
  start: Seq;
  end: Seq;
}

/** `sk_gso_max_size`: 64 KiB without room for headers. */
const LONGEST = 65_215;
/** net.ipv4.tcp_min_tso_segs, tcp_tso_rtt_log, and the rates of tcp_pacing_ss_ratio and tcp_pacing_ca_ratio. */
const LEAST_SEGMENTS = 2;
const RTT_LOG = 9;
const SLOW_START_RATIO = 2;
const AVOIDANCE_RATIO = 1.2;
/** `sk_pacing_shift`: about a millisecond's worth. */
const PER_SECOND = 1024;

/** Begins a train at `start`, of segments with `room` bytes, if the one before has left. */
export function joinTrain(tcb: Tcb, start: Seq, room: number): void {
  const { train, snd, sendQueue } = tcb;
  if (seqDiff(start, train.end) < 0) return;
  const unsent = seqDiff(sendQueue.end, start);
  const open = Math.floor(seqDiff(seqAdd(snd.una, snd.wnd), start) / room);
  const segments = Math.max(1, Math.min(open, windowShare(tcb), paced(tcb, room)));
  train.start = start;
  train.end = seqAdd(start, Math.max(0, Math.min(segments * room, unsent)));
}

/** At least two trains make up a window (`tcp_cwnd_test`). */
function windowShare({ congestion, flight }: Tcb): number {
  return Math.min(Math.max(congestion.window >>> 1, 1), congestion.window - flight.inNetwork);
}

/** What the pacing rate sends in a millisecond, and on short paths more (`tcp_tso_autosize`, `tcp_update_pacing_rate`). */
function paced({ congestion, flight, rtt }: Tcb, room: number): number {
  const { smoothed } = rtt;
  if (smoothed === undefined) return Math.floor(LONGEST / room);
  const ratio = congestion.window < congestion.threshold / 2 ? SLOW_START_RATIO : AVOIDANCE_RATIO;
  const inWindow = room * Math.max(congestion.window, flight.count);
  const rate = (ratio * inWindow * seconds(1)) / Math.max(smoothed, us(1));
  const halvings = Math.floor(rtt.least / us(1)) >> RTT_LOG;
  const bytes = Math.min(rate / PER_SECOND + (halvings < 32 ? LONGEST >> halvings : 0), LONGEST);
  return Math.max(Math.floor(bytes / room), LEAST_SEGMENTS);
}
