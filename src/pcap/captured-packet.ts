/** Which way a frame went through the interface it was captured on. */
export type Direction = "in" | "out";

/** The link types natscope writes, by their LINKTYPE_ numbers: Ethernet frames, and IPv4 packets with nothing before them. */
export const LinkType = { ethernet: 1, rawIp: 101 } as const;

/** An interface as a capture file describes it. What the file does not say is undefined. */
export interface CapturedInterface {
  readonly name: string | undefined;
  readonly description: string | undefined;
  readonly linkType: number;
  /** 0 means no limit. */
  readonly snapLength: number;
  /** 48 bits. */
  readonly mac: number | undefined;
  readonly ipv4: { readonly address: number; readonly netmask: number } | undefined;
  readonly filter: string | undefined;
  readonly comments: readonly string[];
}

/** A packet read from a capture file. */
export interface CapturedPacket {
  readonly interface: CapturedInterface;
  /** Nanoseconds since 1970; undefined in a Simple Packet Block, which has none. */
  readonly time: bigint | undefined;
  /** A view into the file's own bytes. */
  readonly bytes: Uint8Array;
  /** More than `bytes.length` when the capture kept only the packet's beginning. */
  readonly originalLength: number;
  readonly direction: Direction | undefined;
  readonly packetId: bigint | undefined;
  readonly comments: readonly string[];
  /** Where the packet's block or record starts in the file. */
  readonly offset: number;
}

/** Names of one address from a Name Resolution Block. */
export interface CapturedNames {
  readonly address: number;
  readonly names: readonly string[];
}

/** Why reading stopped before the file's end: cut off in the middle of something, or not as the format says. */
export interface CaptureFileError {
  readonly kind: "truncated" | "corrupt";
  /** Where the block or record starts that could not be read. */
  readonly offset: number;
  readonly message: string;
}

/** All that was whole in a capture file, in file order. */
export interface CaptureFile {
  readonly format: "pcapng" | "pcap";
  readonly interfaces: readonly CapturedInterface[];
  readonly packets: readonly CapturedPacket[];
  readonly names: readonly CapturedNames[];
  readonly error: CaptureFileError | undefined;
}
