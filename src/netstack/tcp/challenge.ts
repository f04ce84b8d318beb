import { after } from "../../sim/index.ts";
import { acknowledgment } from "./send.ts";
import type { Tcb } from "./tcb.ts";

/** An ACK that asks the peer what it meant (RFC 5961 §3, §4, §5); at most one in a while, or two sides could keep each other busy (§7). */
export function challenge(tcb: Tcb): void {
  if (tcb.now < tcb.challengeAt) return;
  tcb.challengeAt = after(tcb.now, tcb.settings.challengeInterval);
  tcb.outbox.push(acknowledgment(tcb));
}
