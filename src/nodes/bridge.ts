import {
  destinationMac,
  ETHERNET_HEADER_LENGTH,
  formatMac,
  type HostContext,
  isGroupMac,
  type MacAddress,
  payloadOnWire,
  sendThrough,
  sourceMac,
} from "../netstack/index.ts";
import {
  after,
  BOX_TIME,
  between,
  type Device,
  type Frame,
  type FrameHandler,
  seconds,
  type Time,
} from "../sim/index.ts";

/** How long an address is remembered on a port without being seen (IEEE 802.1D §7.9.2, Linux's ageing_time). */
const AGEING = seconds(300);
/** Addresses remembered; the one learned first gives way. */
const TABLE_LIMIT = 65536;
/** 01:80:c2:00:00:00 to :0f are for the bridge itself (IEEE 802.1D §7.12.6). */
const LINK_LOCAL_GROUP = 0x0180c2000000;

/** What a port is made with. */
export interface BridgePortOptions {
  readonly name: string;
  readonly device: Device;
  /** Lets a frame leave by the port it came from. */
  readonly hairpin?: boolean;
}

/** A port of a bridge, with the device in it. */
export interface BridgePort {
  readonly name: string;
  readonly device: Device;
  hairpin: boolean;
}

/** What looks at the IP packets that a bridge carries: bridge-nf-call-iptables. */
export interface BridgeFilter {
  /** A frame came in by `port`. Returns the frame to carry on; `undefined` when it ended or waits. */
  arrived(frame: Frame, port: BridgePort): Frame | undefined;
  /** A frame is about to leave by `port`. Returns what to send: nothing, the frame, or its fragments. */
  leaving(frame: Frame, port: BridgePort): readonly Frame[];
  /** Whether TCP segments may come several as one. */
  readonly takesTrains: boolean;
  /** The host sent a frame into the bridge: which port it came from at first, when it is one that waited in {@link arrived}. */
  resumed(frame: Frame): BridgePort | undefined;
}

/** A learning Ethernet bridge (IEEE 802.1D without spanning tree). As a Device it is the bridge's own interface in its host, such as `cbr0`. */
export class Bridge implements Device {
  readonly mtu: number;
  readonly mac: MacAddress;
  readonly ports: BridgePort[] = [];
  filter: BridgeFilter | undefined;
  readonly #host: HostContext;
  readonly #learned = new Map<MacAddress, { port: BridgePort; seen: Time }>();
  #up: FrameHandler | undefined;
  #upTakesTrains: (() => boolean) | undefined;

  constructor(options: { readonly host: HostContext; readonly mac: MacAddress; readonly mtu: number }) {
    this.#host = options.host;
    this.mac = options.mac;
    this.mtu = options.mtu;
  }

  /** Plugs a device in. */
  addPort(options: BridgePortOptions): BridgePort {
    const port: BridgePort = { name: options.name, device: options.device, hairpin: options.hairpin ?? false };
    this.ports.push(port);
    port.device.onFrame(
      (frame) => this.#receive(port, frame),
      () => this.takesTrains,
    );
    return port;
  }

  /** Segments pass it several as one while nobody reads of each, and no rule of its host asks about each. */
  get takesTrains(): boolean {
    return !this.#host.events.active && this.filter?.takesTrains !== false && this.#upTakesTrains?.() !== false;
  }

  /** Unplugs it, and forgets what was learned behind it. */
  removePort(port: BridgePort): void {
    const place = this.ports.indexOf(port);
    if (place >= 0) this.ports.splice(place, 1);
    for (const [mac, entry] of this.#learned) if (entry.port === port) this.#learned.delete(mac);
    port.device.onFrame((frame) => this.#host.drop(frame, "interface-down"));
  }

  /** Takes a frame from the host. */
  send(frame: Frame): void {
    const resumed = this.filter?.resumed(frame);
    if (frame.length < ETHERNET_HEADER_LENGTH) this.#host.drop(frame, "ethernet-truncated");
    else this.#carry(frame, resumed);
  }

  /** Sets who takes frames for the host. */
  onFrame(handler: FrameHandler, takesTrains?: () => boolean): void {
    this.#up = handler;
    this.#upTakesTrains = takesTrains ?? (() => false);
  }

  /** The forwarding table as `bridge fdb` would list it. */
  list(): string[] {
    return [...this.#learned].map(([mac, { port }]) => `${formatMac(mac)} dev ${port.name}`);
  }

  #receive(port: BridgePort, frame: Frame): void {
    this.#host.follow(frame);
    if (this.#host.events.active) {
      this.#host.emit(frame.lineage, { kind: "arrived", interface: port.name, bytes: frame.view() });
    }
    if (frame.length < ETHERNET_HEADER_LENGTH) return this.#host.drop(frame, "ethernet-truncated");
    this.#learn(sourceMac(frame.bytes, frame.start), port);
    const seen = this.filter === undefined ? frame : this.filter.arrived(frame, port);
    if (seen !== undefined) this.#carry(seen, port);
  }

  /** Sends a frame where its destination is; `from` is `undefined` for the host's own frames. */
  #carry(frame: Frame, from: BridgePort | undefined): void {
    const destination = destinationMac(frame.bytes, frame.start);
    if (destination - (destination % 16) === LINK_LOCAL_GROUP) return this.#host.drop(frame, "bridge-port-blocked");
    if (destination === this.mac)
      return from === undefined ? this.#host.drop(frame, "bridge-same-port") : this.#handUp(frame);
    const known = isGroupMac(destination) ? undefined : this.#lookup(destination);
    if (known === undefined) return this.#flood(frame, from, isGroupMac(destination));
    if (known === from && !known.hairpin) return this.#host.drop(frame, "bridge-same-port");
    this.#leave(frame, known);
  }

  #flood(frame: Frame, from: BridgePort | undefined, isGroup: boolean): void {
    const ports = this.ports.filter((port) => port !== from || port.hairpin);
    const up = isGroup && from !== undefined;
    const copies = ports.length + (up ? 1 : 0) - 1;
    if (copies < 0) return frame.release();
    const frames = [frame];
    for (let i = 0; i < copies; i++) frames.push(this.#host.frames.copy(frame));
    for (const port of ports) this.#leave(frames.pop() as Frame, port);
    if (up) this.#handUp(frames.pop() as Frame);
  }

  #leave(frame: Frame, port: BridgePort): void {
    for (const each of this.filter === undefined ? [frame] : this.filter.leaving(frame, port)) {
      if (payloadOnWire(each) > port.device.mtu) {
        this.#host.drop(each, "fragmentation-needed");
        continue;
      }
      each.at = after(each.at, BOX_TIME);
      if (this.#host.events.active) {
        const { at: time, lineage } = each;
        this.#host.events.emit({
          time,
          node: this.#host.name,
          lineage,
          kind: "sent",
          interface: port.name,
          bytes: each.view(),
        });
      }
      sendThrough(port.device, each, this.#host.frames);
    }
  }

  #handUp(frame: Frame): void {
    frame.at = after(frame.at, BOX_TIME);
    if (this.#up === undefined) frame.release();
    else this.#up(frame);
  }

  #learn(source: MacAddress, port: BridgePort): void {
    if (isGroupMac(source) || source === this.mac) return;
    const known = this.#learned.get(source);
    if (known !== undefined) {
      known.port = port;
      known.seen = this.#host.now();
      return;
    }
    if (this.#learned.size >= TABLE_LIMIT) {
      const [oldest] = this.#learned.keys();
      if (oldest !== undefined) this.#learned.delete(oldest);
    }
    this.#learned.set(source, { port, seen: this.#host.now() });
  }

  #lookup(destination: MacAddress): BridgePort | undefined {
    const entry = this.#learned.get(destination);
    if (entry === undefined) return undefined;
    if (between(entry.seen, this.#host.now()) <= AGEING) return entry.port;
    this.#learned.delete(destination);
    return undefined;
  }
}
