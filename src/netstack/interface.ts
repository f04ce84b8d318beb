import type { Device } from "../sim/index.ts";
import type { InterfaceAddress } from "./cidr.ts";
import type { MacAddress } from "./mac.ts";

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
  /** The first one is the primary. */
  readonly addresses: InterfaceAddress[];
  /** False on loopback and point-to-point tunnels: packets are handed to the device without ARP. */
  readonly resolves: boolean;
  up = true;

  constructor(options: InterfaceOptions) {
    this.name = options.name;
    this.device = options.device;
    this.mac = options.mac;
    this.addresses = [...(options.addresses ?? [])];
    this.resolves = options.resolves ?? true;
  }

  get mtu(): number {
    return this.device.mtu;
  }
}
