/** Connection tracking's kernel parameters, `net.netfilter.nf_conntrack_…`. Times are in seconds; each has Linux's default. */
export interface ConntrackSysctls {
  /** Entries at most: nf_conntrack_max. */
  max: number;
  /** nf_conntrack_checksum: packets that come in with a wrong checksum are INVALID. */
  checksum: boolean;
  /** nf_conntrack_tcp_be_liberal: segments outside the window are not INVALID. */
  tcpBeLiberal: boolean;
  /** nf_conntrack_tcp_loose: connections may be picked up in the middle. */
  tcpLoose: boolean;
  tcpIgnoreInvalidRst: boolean;
  /** nf_conntrack_tcp_max_retrans: after so many equal segments the shorter {@link tcpTimeoutMaxRetrans} holds. */
  tcpMaxRetrans: number;
  tcpTimeoutSynSent: number;
  tcpTimeoutSynRecv: number;
  tcpTimeoutEstablished: number;
  tcpTimeoutFinWait: number;
  tcpTimeoutCloseWait: number;
  tcpTimeoutLastAck: number;
  tcpTimeoutTimeWait: number;
  tcpTimeoutClose: number;
  tcpTimeoutMaxRetrans: number;
  tcpTimeoutUnacknowledged: number;
  udpTimeout: number;
  udpTimeoutStream: number;
  icmpTimeout: number;
  greTimeout: number;
  greTimeoutStream: number;
  genericTimeout: number;
}

/** As a Linux host has them that nobody has tuned; timeouts in seconds, as sysctl(8) shows them. */
export const DEFAULT_CONNTRACK_SYSCTLS: Readonly<ConntrackSysctls> = {
  max: 262_144,
  checksum: true,
  tcpBeLiberal: false,
  tcpLoose: true,
  tcpIgnoreInvalidRst: false,
  tcpMaxRetrans: 3,
  tcpTimeoutSynSent: 120,
  tcpTimeoutSynRecv: 60,
  tcpTimeoutEstablished: 432_000,
  tcpTimeoutFinWait: 120,
  tcpTimeoutCloseWait: 60,
  tcpTimeoutLastAck: 30,
  tcpTimeoutTimeWait: 120,
  tcpTimeoutClose: 10,
  tcpTimeoutMaxRetrans: 300,
  tcpTimeoutUnacknowledged: 300,
  udpTimeout: 30,
  udpTimeoutStream: 120,
  icmpTimeout: 30,
  greTimeout: 30,
  greTimeoutStream: 180,
  genericTimeout: 600,
};

/** The parameter's name in Linux: `net.netfilter.nf_conntrack_tcp_timeout_established`. */
export function conntrackParameter(key: keyof ConntrackSysctls): string {
  return `net.netfilter.nf_conntrack_${key.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)}`;
}
