import type { Device } from "../sim/index.ts";
import type { InterfaceAddress } from "./cidr.ts";
import type { MacAddress } from "./mac.ts";
import type { NeighbourEntry } from "./neighbour.ts";

/** What an interface is made with. */
export interface InterfaceOptions {
  readonly name: string;
  readonly device: Device;
  readonly mac: MacAddress;
  readonly addresses?: readonly InterfaceAddress[];
  /** `undefined` for the loopback interface and others that need no neighbours. */
  readonly resolves?: boolean;
}

/** One network interface of a host: a device with a name, a hardware address and any number of IPv4 addresses. */
export class Interface {
  readonly name: string;
  readonly device: Device;
  readonly mac: MacAddress;
  /** The device's, as every packet asks for it. */
  readonly mtu: number;
  /** The first one is the primary. */
  readonly addresses: InterfaceAddress[];
  /** False on loopback and point-to-point tunnels: packets are handed to the device without ARP. */
  readonly resolves: boolean;
  /** For the host's addressing: called when the interface goes up or down. */
  changed: (() => void) | undefined;
  /** For the host's neighbour table: what it knows on this interface, by address as a signed word. */
  neighbours: Map<number, NeighbourEntry> | undefined;
  #up = true;

  constructor(options: InterfaceOptions) {
    this.name = options.name;
    this.device = options.device;
    this.mac = options.mac;
    this.mtu = options.device.mtu;
    this.addresses = [...(options.addresses ?? [])];
    this.resolves = options.resolves ?? true;
  }

  get up(): boolean {
    return this.#up;
  }

  set up(up: boolean) {
    this.#up = up;
    this.changed?.();
  }
}
