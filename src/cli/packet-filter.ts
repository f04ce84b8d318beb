import type { PacketFilter } from "../pcap/index.ts";
import type { DisplayFilter } from "../scenario/index.ts";

/** A display filter as a capture takes it, by which only the packets that match are recorded. */
export function packetFilter({ text, matches }: DisplayFilter): PacketFilter {
  return { text, accepts: (bytes, start, end, { name }) => matches({ bytes, start, end, point: name }) };
}
