import { after } from "../../sim/index.ts";
import { probeSegment, resetSegment } from "./send.ts";
import { seqDiff } from "./seq.ts";
import type { KeepAlive } from "./settings.ts";
import { isSynchronized } from "./state.ts";
import { finish, type Tcb } from "./tcb.ts";

/** Switches probes on, with the host's times where none are given, or off (SO_KEEPALIVE, TCP_KEEPIDLE, TCP_KEEPINTVL, TCP_KEEPCNT). */
export function setKeepAlive(tcb: Tcb, wanted: Partial<KeepAlive> | "off"): void {
  tcb.keepAlive = wanted === "off" ? undefined : { ...tcb.settings.keepAlive, ...wanted };
  if (isSynchronized(tcb.state)) startKeepAlive(tcb);
}

/** Arms the keep-alive timer, if the connection wants probes. */
export function startKeepAlive(tcb: Tcb): void {
  tcb.keepAliveAt = tcb.keepAlive === undefined ? undefined : after(tcb.now, tcb.keepAlive.idle);
}

/** The keep-alive timer is due (`tcp_keepalive_timer`): it does not follow every segment but looks now how long nothing was heard. */
export function keepAliveDue(tcb: Tcb): void {
  const { keepAlive, snd, sendQueue, flight } = tcb;
  tcb.keepAliveAt = undefined;
  if (keepAlive === undefined || !isSynchronized(tcb.state) || tcb.state === "time-wait") return;
  if (flight.count > 0 || seqDiff(sendQueue.end, snd.nxt) > 0) {
    startKeepAlive(tcb);
    return;
  }
  const quietUntil = after(tcb.heardAt, keepAlive.idle);
  if (quietUntil > tcb.now) {
    tcb.keepAliveAt = quietUntil;
    return;
  }
  if (tcb.probes >= keepAlive.probes) {
    tcb.outbox.push(resetSegment(tcb));
    finish(tcb, tcb.softError ?? "timed-out");
    return;
  }
  tcb.probes++;
  tcb.outbox.push(probeSegment(tcb));
  tcb.keepAliveAt = after(tcb.now, keepAlive.interval);
}
