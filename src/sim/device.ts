import type { Frame } from "./frame.ts";
import { type Duration, us } from "./time.ts";

/** What every box takes to pass a frame from one of its devices to the next, as seen in captures. */
export const BOX_TIME: Duration = us(1);

/** Takes a frame that has arrived; the frame is then its own. */
export type FrameHandler = (frame: Frame) => void;

/**
 * Something frames leave through and arrive by: a link's end, a TUN, a bridge's own side. Devices can be wrapped: capture and
 * fault injection are functions from Device to Device.
 */
export interface Device {
  /** The largest network-layer packet, in bytes: without the Ethernet header. */
  readonly mtu: number;
  /** Whether trains of TCP segments ({@link Frame.segments}) may be given to it, as NETIF_F_GSO says of a device of Linux; without it they are cut before. */
  readonly takesTrains?: boolean;
  /** Gives `frame` away. Its `at` is when it leaves. */
  send(frame: Frame): void;
  /** Sets who takes arriving frames; the handler owns them. Trains come whole only while `takesTrains` says so, which is asked for each. */
  onFrame(handler: FrameHandler, takesTrains?: () => boolean): void;
}
