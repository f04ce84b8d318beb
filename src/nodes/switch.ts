import type { HostContext, MacAddress } from "../netstack/index.ts";
import type { Device } from "../sim/index.ts";
import { Bridge } from "./bridge.ts";

/** A stand-alone Ethernet switch: a bridge that belongs to no host. Its name is the network's. */
export class Switch {
  readonly name: string;
  readonly mtu: number;
  readonly #bridge: Bridge;

  constructor(host: HostContext, mac: MacAddress, mtu: number) {
    this.name = host.name;
    this.mtu = mtu;
    this.#bridge = new Bridge({ host, mac, mtu });
  }

  /** Plugs a device in. */
  addPort(name: string, device: Device): void {
    this.#bridge.addPort({ name, device });
  }
}
