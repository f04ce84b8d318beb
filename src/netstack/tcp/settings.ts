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
  /** Segments that may be sent before the first ACK (RFC 6928). */
  readonly initialWindow: number;
  /** tcp_syn_linear_timeouts: so many repetitions of a SYN come one second apart before the interval doubles. */
  readonly synLinearTimeouts: number;
  /** tcp_syn_retries: repetitions after the linear ones. With the defaults a SYN is repeated ten times and given up after 131 s. */
  readonly synRetries: number;
  /** tcp_syncookies: a listener whose queue of handshakes is full answers with SYN cookies. */
  readonly synCookies: boolean;
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
  /** tcp_invalid_ratelimit: challenge ACKs (RFC 5961 §7) and answers to segments outside the window are at least so far apart. */
  readonly challengeInterval: Duration;
  /** tcp_keepalive_time, tcp_keepalive_intvl and tcp_keepalive_probes: for connections that have keep-alive on and do not choose themselves. */
  readonly keepAlive: KeepAlive;
}

/** Linux 6.18 as shipped: the rmem limit of 32 MiB is what makes its window scale 10. */
export const LINUX_TCP: TcpSettings = {
  congestion: "cubic",
  timestamps: true,
  selectiveAcks: true,
  windowScaling: true,
  receiveBuffer: { initial: 131_072, most: 33_554_432 },
  sendBuffer: { initial: 87_040, most: 4_194_304 },
  initialWindow: 10,
  synLinearTimeouts: 4,
  synRetries: 6,
  synCookies: true,
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
  challengeInterval: ms(500),
  keepAlive: { idle: seconds(7200), interval: seconds(75), probes: 9 },
};
