import { after, type Clock, type Time, type Timer } from "../sim/index.ts";
import type { TimeWait } from "./tcp/index.ts";
import { flowOf } from "./tcp-connection-table.ts";
import type { TcpEndpoint } from "./tcp-socket.ts";

/** A connection in TIME-WAIT, whose socket is gone. */
export interface Resting {
  readonly local: TcpEndpoint;
  readonly remote: TcpEndpoint;
  readonly left: TimeWait;
  /** Neighbours in the order in which they end. */
  before: Resting | undefined;
  behind: Resting | undefined;
}

/**
 * A host's connections in TIME-WAIT, by their two endpoints and in the order of their ends. All wait equally long, so that whoever begins to wait, or begins
 * anew, ends last: one timer serves all.
 */
export class TimeWaitTable {
  readonly #byFlow = new Map<number, readonly Resting[]>();
  readonly #clock: Clock;
  readonly #onEnd: (ended: Resting) => void;
  readonly #timer: Timer;
  #first: Resting | undefined;
  #last: Resting | undefined;
  #count = 0;

  /** `onEnd` is told of those whose time is up. */
  constructor(clock: Clock, onEnd: (ended: Resting) => void) {
    this.#clock = clock;
    this.#onEnd = onEnd;
    this.#timer = clock.timer(() => this.#endDue(), "protocol");
  }

  get count(): number {
    return this.#count;
  }

  find(local: TcpEndpoint, remote: TcpEndpoint): Resting | undefined {
    return this.#byFlow.get(flowOf(local, remote))?.find((each) => isBetween(each, local, remote));
  }

  add(local: TcpEndpoint, remote: TcpEndpoint, left: TimeWait): void {
    const flow = flowOf(local, remote);
    const added: Resting = { local, remote, left, before: undefined, behind: undefined };
    this.#byFlow.set(flow, [...(this.#byFlow.get(flow) ?? []), added]);
    this.#count += 1;
    this.#append(added);
  }

  remove(resting: Resting): void {
    const flow = flowOf(resting.local, resting.remote);
    const left = (this.#byFlow.get(flow) ?? []).filter((other) => other !== resting);
    if (left.length > 0) this.#byFlow.set(flow, left);
    else this.#byFlow.delete(flow);
    this.#count -= 1;
    this.#unlink(resting);
  }

  /** Its wait has begun anew. */
  moveBack(resting: Resting): void {
    this.#unlink(resting);
    this.#append(resting);
  }

  #append(resting: Resting): void {
    resting.before = this.#last;
    if (this.#last === undefined) this.#first = resting;
    else this.#last.behind = resting;
    this.#last = resting;
    if (this.#timer.deadline === undefined) this.#timer.set(endOf(resting));
  }

  #unlink(resting: Resting): void {
    const { before, behind } = resting;
    if (before === undefined) this.#first = behind;
    else before.behind = behind;
    if (behind === undefined) this.#last = before;
    else behind.before = before;
    resting.before = undefined;
    resting.behind = undefined;
  }

  #endDue(): void {
    for (let first = this.#first; first !== undefined; first = this.#first) {
      if (endOf(first) > this.#clock.now()) return this.#timer.set(endOf(first));
      this.remove(first);
      this.#onEnd(first);
    }
  }
}

function endOf({ left }: Resting): Time {
  return after(left.since, left.settings.timeWait);
}

function isBetween(resting: Resting, local: TcpEndpoint, remote: TcpEndpoint): boolean {
  return (
    resting.local.port === local.port &&
    resting.remote.port === remote.port &&
    resting.local.address === local.address &&
    resting.remote.address === remote.address
  );
}
