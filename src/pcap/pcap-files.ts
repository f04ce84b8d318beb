import type { ByteSink } from "./chunk-writer.ts";
import { PcapWriter } from "./pcap.ts";
import type { InterfaceDescription, OutgoingPacket } from "./pcapng.ts";

/**
 * Classic pcap files, one an interface, with the methods of `PcapngWriter`. The format has no place for names, statistics,
 * directions, packet ids and comments; they are left out.
 */
export class PcapFiles {
  readonly #sinkFor: (name: string) => ByteSink;
  readonly #startDate: bigint;
  readonly #writers: PcapWriter[] = [];

  constructor(sinkFor: (name: string) => ByteSink, startDate: bigint) {
    this.#sinkFor = sinkFor;
    this.#startDate = startDate;
  }

  addInterface(description: InterfaceDescription): number {
    const { name, linkType, snapLength } = description;
    const writer = new PcapWriter(this.#sinkFor(name), {
      startDate: this.#startDate,
      ...(linkType !== undefined && { linkType }),
      ...(snapLength !== undefined && { snapLength }),
    });
    return this.#writers.push(writer) - 1;
  }

  writePacket(packet: OutgoingPacket): void {
    const writer = this.#writers[packet.interfaceId];
    if (writer === undefined)
      throw new RangeError(`Cannot write to interface ${packet.interfaceId}: it was never added`);
    writer.writePacket(packet);
  }

  writeNames(): void {}

  countUnwritten(): void {}

  flush(): void {
    for (const writer of this.#writers) writer.flush();
  }

  close(): void {
    this.flush();
  }
}
