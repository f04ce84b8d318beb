import type { EventStream, PacketEvent } from "../netstack/index.ts";
import type { Capture, CapturePoint, CapturePointDescription } from "../pcap/index.ts";
import type { Device, Frame } from "../sim/index.ts";
import { CommentWriter } from "./comments.ts";

/** Joins the event stream and the capture: what goes through a tap is recorded, and what happened to it in a box becomes its comment. */
export class Recorder {
  readonly capture: Capture;
  readonly #comments = new CommentWriter();

  constructor(capture: Capture, events: EventStream) {
    this.capture = capture;
    events.read((event) => this.#read(event));
  }

  /** A device that behaves as `device` does while what goes through it is recorded as `node`'s. */
  tap(device: Device, node: string, description: CapturePointDescription): Device {
    const point = this.capture.addPoint(description);
    return {
      get mtu() {
        return device.mtu;
      },
      send: (frame) => {
        this.#recordLeaving(point, node, frame);
        device.send(frame);
      },
      onFrame: (handler) => {
        device.onFrame((frame) => {
          this.capture.record(point, "in", frame);
          handler(frame);
        });
      },
    };
  }

  #recordLeaving(point: CapturePoint, node: string, frame: Frame): void {
    const handle = this.capture.record(point, "out", frame);
    const comment = this.#comments.take(node, frame.lineage);
    if (comment !== "") this.capture.annotate(handle, comment);
  }

  /** A packet that ends in a box has no record of leaving it: its story goes to its latest record. */
  #read(event: PacketEvent): void {
    this.#comments.read(event);
    if (event.kind !== "dropped" && event.kind !== "delivered") return;
    // A copy of a flooded frame for another host is no news.
    const comment = this.#comments.take(event.node, event.lineage);
    if (event.kind === "dropped" && event.reason === "other-host") return;
    if (comment !== "") this.capture.annotateLatest(event.lineage, comment);
  }
}
