/** TCP's states as conntrack sees them from between the two ends: `enum tcp_conntrack`, in its order. */
export const TcpState = {
  none: 0,
  synSent: 1,
  synRecv: 2,
  established: 3,
  finWait: 4,
  closeWait: 5,
  lastAck: 6,
  timeWait: 7,
  close: 8,
  synSent2: 9,
  /** Results of {@link nextTcpState} that are not states: the segment is not part of the connection, or is let through without effect. */
  invalid: 10,
  ignore: 11,
} as const;

/** The names that `conntrack -L` prints, by state. */
export const TCP_STATE_NAMES: readonly string[] = [
  "NONE",
  "SYN_SENT",
  "SYN_RECV",
  "ESTABLISHED",
  "FIN_WAIT",
  "CLOSE_WAIT",
  "LAST_ACK",
  "TIME_WAIT",
  "CLOSE",
  "SYN_SENT2",
];

/** A segment by the one flag that decides: RST before SYN before FIN before ACK. */
export const SegmentKind = { syn: 0, synAck: 1, fin: 2, ack: 3, rst: 4, none: 5 } as const;

/**
 * Where a segment takes the connection, by direction, kind of segment and present state (net/netfilter/nf_conntrack_proto_tcp.c,
 * `tcp_conntracks`). `--` is invalid, `..` is let through without effect; the others are the first two letters of {@link LETTERS}.
 */
const MOVES: readonly (readonly string[])[] = [
  [
    /* original    none SS SR ES FW CW LA TW CL S2 */
    /* SYN     */ "SS SS .. .. .. .. .. SS SS S2",
    /* SYN+ACK */ "-- -- SR -- -- -- -- -- -- SR",
    /* FIN     */ "-- -- FW FW LA LA LA TW CL --",
    /* ACK     */ "ES -- ES ES CW CW TW TW CL --",
    /* RST     */ "-- CL CL CL CL CL CL CL CL CL",
    /* none    */ "-- -- -- -- -- -- -- -- -- --",
  ],
  [
    /* reply       none SS SR ES FW CW LA TW CL S2 */
    /* SYN     */ "-- S2 -- -- -- -- -- SS -- S2",
    /* SYN+ACK */ "-- SR .. .. .. .. .. .. .. SR",
    /* FIN     */ "-- -- FW FW LA LA LA TW CL --",
    /* ACK     */ "-- .. SR ES CW CW TW TW CL ..",
    /* RST     */ "-- CL CL CL CL CL CL CL CL CL",
    /* none    */ "-- -- -- -- -- -- -- -- -- --",
  ],
];

const LETTERS: Readonly<Record<string, number>> = {
  SS: TcpState.synSent,
  SR: TcpState.synRecv,
  ES: TcpState.established,
  FW: TcpState.finWait,
  CW: TcpState.closeWait,
  LA: TcpState.lastAck,
  TW: TcpState.timeWait,
  CL: TcpState.close,
  S2: TcpState.synSent2,
  "--": TcpState.invalid,
  "..": TcpState.ignore,
};

const STATES = 10;
const KINDS = 6;
const TABLE = Uint8Array.from(
  MOVES.flatMap((kinds) => kinds.flatMap((row) => row.split(" ").map((letters) => LETTERS[letters] ?? 0))),
);

export function nextTcpState(direction: number, kind: number, state: number): number {
  return TABLE[(direction * KINDS + kind) * STATES + state] as number;
}
