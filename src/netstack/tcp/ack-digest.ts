import type { Seq } from "./seq.ts";

/** What one ACK has brought, gathered on the way through acknowledge.ts and judged in recovery.ts. */
export interface AckDigest {
  /** SND.UNA before it. */
  readonly priorUna: Seq;
  /** End of the highest segment that was acknowledged selectively before it. */
  readonly priorHighest: Seq;
  /** SND.UNA has moved. */
  readonly advanced: boolean;
  /** Nothing but the same acknowledgment again, with data outstanding (RFC 5681 §2). */
  duplicate: boolean;
  /** Segments newly acknowledged selectively. */
  sacked: number;
  /** Segments newly known to have arrived, either way. */
  delivered: number;
  /** The peer echoes a mark of congestion (RFC 3168). */
  echoed: boolean;
  /** The peer reports data received twice (RFC 2883). */
  duplicateReported: boolean;
  /** Data sent only once, before the present recovery began, has arrived. */
  originalAcked: boolean;
  /** A repeated segment was acknowledged: the round-trip time is ambiguous (Karn). */
  repeatedAcked: boolean;
  /** When the oldest and the newest of the segments acknowledged were sent; for those acknowledged selectively, the newest. */
  oldestSentAt: number | undefined;
  newestSentAt: number | undefined;
  sackedSentAt: number | undefined;
  /** Start of the lowest segment that was overtaken by others. */
  overtaken: Seq | undefined;
}

export function newDigest(priorUna: Seq, priorHighest: Seq, advanced: boolean): AckDigest {
  return {
    priorUna,
    priorHighest,
    advanced,
    duplicate: false,
    sacked: 0,
    delivered: 0,
    echoed: false,
    duplicateReported: false,
    originalAcked: false,
    repeatedAcked: false,
    oldestSentAt: undefined,
    newestSentAt: undefined,
    sackedSentAt: undefined,
    overtaken: undefined,
  };
}

/** What a timer brings: nothing. */
export function emptyDigest(una: Seq, delivered: number): AckDigest {
  return { ...newDigest(una, una, false), delivered };
}
