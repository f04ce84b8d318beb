import { type Duration, ms, seconds } from "../../sim/index.ts";

/** How a growing buffer is bounded, in bytes. */
export interface BufferLimits {
  readonly initial: number;
  readonly most: number;
}

/** Keep-alive probes (RFC 9293 §3.8.4): after `idle` one every `interval`, the connection ends after `probes` without answer. */
export interface KeepAlive {
  readonly idle: Duration;
  readonly interval: Duration;
  readonly probes: number;
}

/** What `net.ipv4.tcp_*` sets on Linux, for one host. */
export interface TcpSettings {
  /** tcp_congestion_control */
  readonly congestion: "cubic" | "reno";
  /** tcp_ecn 0, 1, 2: explicit congestion notification (RFC 3168) is refused, asked for, or agreed to when the peer asks. */
  readonly ecn: "off" | "ask" | "answer";
  /** tcp_timestamps */
  readonly timestamps: boolean;
  /** tcp_sack */
  readonly selectiveAcks: boolean;
  /** tcp_window_scaling */
  readonly windowScaling: boolean;
  /** tcp_rmem, second and third value. As in Linux the window offered is half of it: the rest stands for bookkeeping. */
  readonly receiveBuffer: BufferLimits;
  /** tcp_wmem, second and third value; here bytes that `write` accepts. */
  readonly sendBuffer: BufferLimits;
  /** tcp_moderate_rcvbuf: the receive buffer grows with what is read (window.ts). */
  readonly growsReceiveBuffer: boolean;
  /** tcp_slow_start_after_idle: a pause takes the congestion window back (RFC 5681 §4.1). */
  readonly restartsAfterIdle: boolean;
  /** tcp_dsack: data received twice is reported (RFC 2883). */
  readonly reportsDuplicates: boolean;
  /** tcp_early_retrans: the tail loss probe (RFC 8985 §7). */
  readonly tailProbes: boolean;
  /** tcp_frto: a timeout that was needless is noticed without timestamps (RFC 5682). */
  readonly doubtsTimeouts: boolean;
  /** tcp_reordering and tcp_max_reordering: by how many segments one may be late and is not lost, at first and at most. */
  readonly reordering: number;
  readonly mostReordering: number;
  /** Segments that may be sent before the first ACK (RFC 6928). */
  readonly initialWindow: number;
  /** tcp_syn_linear_timeouts: so many repetitions of a SYN come one second apart before the interval doubles. */
  readonly synLinearTimeouts: number;
  /** tcp_syn_retries: repetitions after the linear ones. With the defaults a SYN is repeated ten times and given up after 131 s. */
  readonly synRetries: number;
  /** tcp_syncookies 0, 1, 2: a listener answers with SYN cookies never, when its queue of handshakes is full, or always. */
  readonly synCookies: "off" | "overflow" | "always";
  /** tcp_max_syn_backlog: without SYN cookies, a quarter of so many handshakes is kept for peers that are known. */
  readonly mostHandshakes: number;
  /** net.core.somaxconn: bounds every listener's backlog. */
  readonly mostBacklog: number;
  /** tcp_abort_on_overflow: a connection that finds a full backlog is reset, not left to try again. */
  readonly resetsOverflow: boolean;
  /** tcp_synack_retries */
  readonly synAckRetries: number;
  /** tcp_retries2: a connection ends after as much time as so many doublings of the least timeout take, 924.6 s for 15. */
  readonly retries: number;
  /** tcp_orphan_retries: the same after the program has closed; 0 is 8 while the timeout is short, and none once it is at its greatest. */
  readonly orphanRetries: number;
  readonly initialTimeout: Duration;
  /** tcp_rto_min_us */
  readonly leastTimeout: Duration;
  /** tcp_rto_max_ms */
  readonly mostTimeout: Duration;
  /** TCP_DELACK_MIN and TCP_ATO_MIN */
  readonly delayedAck: Duration;
  /** tcp_fin_timeout: FIN-WAIT-2 after the program has closed. */
  readonly finTimeout: Duration;
  /** TCP_TIMEWAIT_LEN */
  readonly timeWait: Duration;
  /** tcp_max_tw_buckets: connections in TIME-WAIT that a host keeps; further ones end at once. */
  readonly mostTimeWaits: number;
  /** tcp_tw_reuse: a connection of ours may use endpoints again that are in TIME-WAIT for a second. */
  readonly timeWaitReuse: "off" | "on" | "loopback";
  /** tcp_rfc1337: a RST does not end TIME-WAIT. */
  readonly keepsTimeWait: boolean;
  /** tcp_max_orphans: connections beyond these that no program holds are reset. */
  readonly mostOrphans: number;
  /** tcp_invalid_ratelimit: challenge ACKs (RFC 5961 §7) and answers to segments outside the window are at least so far apart. */
  readonly challengeInterval: Duration;
  /** tcp_keepalive_time, tcp_keepalive_intvl and tcp_keepalive_probes: for connections that have keep-alive on and do not choose themselves. */
  readonly keepAlive: KeepAlive;
}

/** Linux 6.18 as shipped: the rmem limit of 32 MiB is what makes its window scale 10. */
export const LINUX_TCP: TcpSettings = {
  congestion: "cubic",
  ecn: "answer",
  timestamps: true,
  selectiveAcks: true,
  windowScaling: true,
  receiveBuffer: { initial: 131_072, most: 33_554_432 },
  sendBuffer: { initial: 87_040, most: 4_194_304 },
  growsReceiveBuffer: true,
  restartsAfterIdle: true,
  reportsDuplicates: true,
  tailProbes: true,
  doubtsTimeouts: true,
  reordering: 3,
  mostReordering: 300,
  initialWindow: 10,
  synLinearTimeouts: 4,
  synRetries: 6,
  synCookies: "overflow",
  mostHandshakes: 4096,
  mostBacklog: 4096,
  resetsOverflow: false,
  synAckRetries: 5,
  retries: 15,
  orphanRetries: 0,
  initialTimeout: seconds(1),
  leastTimeout: ms(200),
  mostTimeout: seconds(120),
  delayedAck: ms(40),
  finTimeout: seconds(60),
  timeWait: seconds(60),
  mostTimeWaits: 131_072,
  timeWaitReuse: "loopback",
  keepsTimeWait: false,
  mostOrphans: 131_072,
  challengeInterval: ms(500),
  keepAlive: { idle: seconds(7200), interval: seconds(75), probes: 9 },
};
