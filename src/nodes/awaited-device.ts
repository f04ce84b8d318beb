import type { Device, Frame, FrameHandler } from "../sim/index.ts";

/** One end of a wire whose other end is not there yet: the first frame that is sent has it made. */
export class AwaitedDevice implements Device {
  readonly mtu: number;
  readonly #make: () => void;
  readonly #ignores: (frame: Frame) => boolean;
  #device: Device | undefined;
  #handler: FrameHandler | undefined;
  #handlerTakesTrains: (() => boolean) | undefined;

  /** `make` calls {@link join}, unless nothing is awaited any more. What the other end `ignores` it need not be there for. */
  constructor(mtu: number, make: () => void, ignores: (frame: Frame) => boolean) {
    this.mtu = mtu;
    this.#make = make;
    this.#ignores = ignores;
  }

  get takesTrains(): boolean {
    return this.#device?.takesTrains === true;
  }

  send(frame: Frame): void {
    if (this.#device === undefined && !this.#ignores(frame)) this.#make();
    if (this.#device === undefined) frame.release();
    else this.#device.send(frame);
  }

  onFrame(handler: FrameHandler, takesTrains?: () => boolean): void {
    this.#handler = handler;
    this.#handlerTakesTrains = takesTrains;
    this.#device?.onFrame(handler, takesTrains);
  }

  /** Puts the real device behind this one. */
  join(device: Device): void {
    this.#device = device;
    if (this.#handler !== undefined) device.onFrame(this.#handler, this.#handlerTakesTrains);
  }
}
