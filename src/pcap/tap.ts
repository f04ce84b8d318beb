import type { Device } from "../sim/index.ts";
import type { Capture, CapturePoint } from "./capture.ts";

/** A device that behaves as `device` does, while what goes through it is recorded at `point`. */
export function tap(device: Device, capture: Capture, point: CapturePoint): Device {
  return {
    get mtu() {
      return device.mtu;
    },
    send(frame) {
      // Recorded first: after `send` the frame belongs to someone else.
      capture.record(point, "out", frame);
      device.send(frame);
    },
    onFrame(handler) {
      device.onFrame((frame) => {
        capture.record(point, "in", frame);
        handler(frame);
      });
    },
  };
}
