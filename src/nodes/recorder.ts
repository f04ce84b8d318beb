import {
  cutTrain,
  type EventStream,
  type InterfaceAddress,
  type MacAddress,
  type PacketEvent,
} from "../netstack/index.ts";
import type { Capture, CapturePoint, CapturePointDescription } from "../pcap/index.ts";
import type { Device, Frame, FramePool } from "../sim/index.ts";
import { CommentWriter } from "./comments.ts";

/** One capture, and the network's points in it by number. */
interface Recording {
  readonly capture: Capture;
  readonly points: CapturePoint[];
}

interface AwaitedInterface {
  readonly name: string;
  readonly mac: MacAddress;
  readonly addresses?: readonly InterfaceAddress[];
}

/**
 * Joins the event stream and the captures: what goes through a tap is recorded in each, and what happened to it in a box becomes its comment. With no
 * capture that keeps comments it reads no events.
 */
export class Recorder {
  readonly #events: EventStream;
  readonly #frames: FramePool;
  /** By name, in the order of their numbers. */
  readonly #points = new Map<string, { readonly number: number; readonly description: CapturePointDescription }>();
  readonly #names = new Map<number, Set<string>>();
  readonly #recordings: Recording[] = [];
  #comments = new CommentWriter();
  #stopReading: (() => void) | undefined;

  constructor(events: EventStream, frames: FramePool) {
    this.#events = events;
    this.#frames = frames;
  }

  /** The names of the points that have been tapped. */
  get points(): readonly string[] {
    return [...this.#points.keys()];
  }

  /** Records in one more capture from now on, until the returned function is called. Points and names that are known are declared to it at once. */
  add(capture: Capture): () => void {
    for (const [address, names] of this.#names) for (const name of names) capture.addName(address, name);
    const points = [...this.#points.values()].map(({ description }) => capture.addPoint(description));
    const recording = { capture, points };
    this.#recordings.push(recording);
    if (capture.keepsComments) this.#stopReading ??= this.#events.read((event) => this.#read(event));
    return () => this.#remove(recording);
  }

  /** Gives an address a name in all captures. */
  addName(address: number, name: string): void {
    const names = this.#names.get(address);
    if (names === undefined) this.#names.set(address, new Set([name]));
    else if (names.has(name)) return;
    else names.add(name);
    for (const { capture } of this.#recordings) capture.addName(address, name);
  }

  /** Declares the point of an interface that will be tapped when its host is built, and names its address after the host. */
  declareInterface(host: string, { name, mac, addresses }: AwaitedInterface): void {
    const ipv4 = addresses?.[0];
    this.#declare({ name: `${host}/${name}`, mac, ...(ipv4 && { ipv4 }) });
    if (ipv4 !== undefined) this.addName(ipv4.address, host);
  }

  /** A device that behaves as `device` does while what goes through it is recorded as `node`'s. */
  tap(device: Device, node: string, description: CapturePointDescription): Device {
    const point = this.#declare(description);
    const isRecorded = (): boolean => this.#recordings.some(({ points }) => points[point]?.interfaceId !== undefined);
    return {
      get mtu() {
        return device.mtu;
      },
      // A capture shows what is on the wire.
      get takesTrains() {
        return device.takesTrains === true && !isRecorded();
      },
      send: (frame) => {
        if (this.#recordings.length > 0) this.#recordLeaving(point, node, frame);
        device.send(frame);
      },
      onFrame: (handler, takesTrains) => {
        const arrived = (frame: Frame): void => {
          // On its way already when the recording began.
          if (frame.segments > 1 && isRecorded()) return cutTrain(frame, this.#frames).forEach(arrived);
          this.#recordArriving(point, frame);
          handler(frame);
        };
        device.onFrame(arrived, () => takesTrains?.() === true && !isRecorded());
      },
    };
  }

  /** A point's number. A name that is there already, as of a pod that comes back, has one. */
  #declare(description: CapturePointDescription): number {
    const known = this.#points.get(description.name);
    if (known !== undefined) return known.number;
    for (const { capture, points } of this.#recordings) points.push(capture.addPoint(description));
    const number = this.#points.size;
    this.#points.set(description.name, { number, description });
    return number;
  }

  #recordArriving(point: number, frame: Frame): void {
    for (const { capture, points } of this.#recordings) {
      const place = points[point];
      if (place !== undefined) capture.record(place, "in", frame);
    }
  }

  #recordLeaving(point: number, node: string, frame: Frame): void {
    const comment = this.#stopReading === undefined ? "" : this.#comments.take(node, frame.lineage);
    for (const { capture, points } of this.#recordings) {
      const place = points[point];
      if (place === undefined) continue;
      const handle = capture.record(place, "out", frame);
      if (comment !== "") capture.annotate(handle, comment);
    }
  }

  /** A packet that ends in a box has no record of leaving it: its story goes to its latest record. */
  #read(event: PacketEvent): void {
    this.#comments.read(event);
    if (event.kind !== "dropped" && event.kind !== "delivered") return;
    // A copy of a flooded frame for another host is no news.
    const comment = this.#comments.take(event.node, event.lineage);
    if (comment === "" || (event.kind === "dropped" && event.reason === "other-host")) return;
    for (const { capture } of this.#recordings) capture.annotateLatest(event.lineage, comment);
  }

  #remove(recording: Recording): void {
    const place = this.#recordings.indexOf(recording);
    if (place < 0) return;
    this.#recordings.splice(place, 1);
    if (this.#recordings.some(({ capture }) => capture.keepsComments)) return;
    this.#stopReading?.();
    this.#stopReading = undefined;
    this.#comments = new CommentWriter();
  }
}
