import { type Random, seconds, type Time } from "../../sim/index.ts";
import { TcpFlag } from "../wire/tcp.ts";
import type { TcpOptions } from "../wire/tcp-options.ts";
import { Codepoint, SETUP } from "./ecn.ts";
import { has, NO_BYTES, NO_OPTIONS, type Segment } from "./segment.ts";
import { DEFAULT_MSS, HEADERS } from "./segment-size.ts";
import { type Seq, seq, seqAdd } from "./seq.ts";
import type { TcpSettings } from "./settings.ts";
import { windowShift } from "./window.ts";

/** What a cookie can say about the peer's MSS (`msstab`, net/ipv4/syncookies.c). */
const MSS_CHOICES = [536, 1300, 1440, 1460] as const;
const COUNT_SHIFT = 24;
const DATA_MASK = 0xffffff;
/** MAX_SYNCOOKIE_AGE: a cookie holds for this minute and the next. */
const MOST_MINUTES = 2;
/** The low bits of the SYN-ACK's timestamp keep what the peer's SYN offered (`cookie_init_timestamp`). */
const STAMP_BITS = 6;
const STAMP_MASK = (1 << STAMP_BITS) - 1;
const SCALE_MASK = 0xf;
const SACK_BIT = 1 << 4;
const ECN_BIT = 1 << 5;
const MINUTE: number = seconds(60);
const TICK = 1e6;

/**
 * SYN cookies (RFC 4987 §3.6, net/ipv4/syncookies.c): when more handshakes are under way than a listener keeps, the SYN-ACK's number and timestamp
 * carry what has to be known, and the ACK that comes back brings the connection with it. The hash is keyed and fast, not cryptographic.
 */
export class SynCookies {
  readonly #host: { readonly random: Random; readonly settings: TcpSettings };
  #secret: number | undefined;
  #overflowAt: Time | undefined;

  /** Nothing is drawn before the first cookie. */
  constructor(host: { readonly random: Random; readonly settings: TcpSettings }) {
    this.#host = host;
  }

  /** The SYN-ACK that answers `syn`; `flow` stands for both endpoints. */
  answer(syn: Segment, path: { readonly mtu: number; readonly flow: number }, now: Time): Segment {
    this.#overflowAt = now;
    const mss = path.mtu - HEADERS;
    const offered = syn.options.mss ?? DEFAULT_MSS;
    const choice = MSS_CHOICES.findLastIndex((each) => each <= offered);
    const options = this.#options(syn.options, { mss, flow: path.flow, now, ecn: this.#agrees(syn) });
    return {
      sequence: this.#cookie(path.flow, syn.sequence, Math.floor(now / MINUTE), Math.max(choice, 0)),
      acknowledgment: seqAdd(syn.sequence, 1),
      flags: TcpFlag.syn | TcpFlag.ack | (options.timestamps !== undefined && this.#agrees(syn) ? TcpFlag.ece : 0),
      window: Math.min(this.#host.settings.receiveBuffer.initial >>> 1, 0xffff),
      options,
      bytes: NO_BYTES,
      at: 0,
      length: 0,
    };
  }

  /** The SYN that `ack` shows to have been answered with a cookie of ours, as far as the cookie tells; `undefined` when it was not. */
  synOf(ack: Segment, flow: number, now: Time): Segment | undefined {
    if (this.#overflowAt === undefined || now - this.#overflowAt > MOST_MINUTES * MINUTE) return undefined;
    const irs = seqAdd(ack.sequence, -1);
    const mss = MSS_CHOICES[this.#check(flow, irs, seqAdd(ack.acknowledgment, -1), Math.floor(now / MINUTE)) ?? -1];
    if (mss === undefined) return undefined;
    const { timestamps } = ack.options;
    const flags = TcpFlag.syn | (timestamps !== undefined && (timestamps.echo & ECN_BIT) !== 0 ? SETUP : 0);
    return { ...ack, sequence: irs, flags, codepoint: 0, options: offeredBy(ack, mss), bytes: NO_BYTES, length: 0 };
  }

  #agrees(syn: Segment): boolean {
    return this.#host.settings.ecn !== "off" && has(syn, SETUP) && (syn.codepoint ?? 0) === Codepoint.notEct;
  }

  /** What is added to the clock for timestamps: the same for all segments of a flow (`secure_tcp_ts_off`). */
  timestampOffset(flow: number): number {
    return this.#hash(flow, 0, 2);
  }

  #cookie(flow: number, irs: Seq, count: number, choice: number): Seq {
    const data = (this.#hash(flow, count, 1) + choice) & DATA_MASK;
    return seq(this.#hash(flow, 0, 0) + irs + ((count << COUNT_SHIFT) >>> 0) + data);
  }

  #check(flow: number, irs: Seq, cookie: Seq, count: number): number | undefined {
    const rest = seq(cookie - irs - this.#hash(flow, 0, 0));
    const age = (count - (rest >>> COUNT_SHIFT)) & 0xff;
    if (age >= MOST_MINUTES) return undefined;
    return (rest - this.#hash(flow, count - age, 1)) & DATA_MASK;
  }

  /** Without timestamps there is no room for window scaling and SACK, so they are not agreed on. */
  #options(
    offered: TcpOptions,
    at: { readonly mss: number; readonly flow: number; readonly now: Time; readonly ecn: boolean },
  ): TcpOptions {
    const { settings } = this.#host;
    if (!settings.timestamps || offered.timestamps === undefined) return { mss: at.mss };
    const scales = settings.windowScaling && offered.windowScale !== undefined;
    const sacks = settings.selectiveAcks && offered.sackPermitted === true;
    const kept =
      (scales ? Math.min(offered.windowScale ?? 0, 14) : SCALE_MASK) | (sacks ? SACK_BIT : 0) | (at.ecn ? ECN_BIT : 0);
    const clock = (Math.floor(at.now / TICK) + this.timestampOffset(at.flow)) >>> 0;
    const stamp = ((clock & ~STAMP_MASK) | kept) >>> 0;
    return {
      mss: at.mss,
      ...(sacks ? { sackPermitted: true } : undefined),
      timestamps: { value: (stamp > clock ? stamp - STAMP_MASK - 1 : stamp) >>> 0, echo: offered.timestamps.value },
      ...(scales ? { windowScale: windowShift(settings) } : undefined),
    };
  }

  #hash(flow: number, count: number, use: number): number {
    this.#secret ??= this.#host.random.u32();
    let hash = this.#secret ^ Math.imul(use + 1, 0x9e3779b1);
    for (const word of [flow, count]) {
      hash = Math.imul(hash ^ word, 0x85ebca6b);
      hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
      hash ^= hash >>> 16;
    }
    return hash >>> 0;
  }
}

/** What the SYN offered, by the timestamp that the ACK echoes. */
function offeredBy(ack: Segment, mss: number): TcpOptions {
  const { timestamps } = ack.options;
  if (timestamps === undefined) return mss === DEFAULT_MSS ? NO_OPTIONS : { mss };
  const kept = timestamps.echo & STAMP_MASK;
  const scale = kept & SCALE_MASK;
  return {
    mss,
    timestamps,
    ...((kept & SACK_BIT) !== 0 ? { sackPermitted: true } : undefined),
    ...(scale === SCALE_MASK ? undefined : { windowScale: scale }),
  };
}
