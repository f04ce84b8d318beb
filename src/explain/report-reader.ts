import type { PacketEvent } from "../netstack/index.ts";
import type { ConnectionRecord, Direction } from "./connection-record.ts";
import { Explainer } from "./explainer.ts";
import { readPacket } from "./flow.ts";
import type { PacketStory, StoryHop } from "./packet-story.ts";
import { FrameTable } from "./report-frames.ts";

/** Packets whose lives are kept: a page with more of them is of no use to anybody. */
const MOST_PACKETS = 3000;
/** Events of connection tracking that are kept. */
const MOST_TRACKED = 20_000;

/** A frame seen at an interface. */
export interface Sighting {
  readonly kind: "arrived" | "sent";
  readonly box: string;
  readonly interface: string;
  readonly time: number;
  /** Its number in the table of frames. */
  readonly frame: number;
  readonly isLaterFragment: boolean;
  /** The passage through the box that it belongs to. */
  readonly hop: StoryHop | undefined;
}

/** A packet, all that was seen of it, and whose it is. */
export interface PacketRecord {
  readonly story: PacketStory;
  readonly sightings: Sighting[];
  owner: { readonly connection: ConnectionRecord; readonly direction: Direction } | undefined;
}

/** What connection tracking said, and of which packet. */
export interface TrackingRecord {
  readonly box: string;
  readonly time: number;
  readonly change: "NEW" | "UPDATE" | "DESTROY";
  readonly text: string;
  readonly packet: PacketRecord | undefined;
}

/** Reads a run's events and keeps what the report tells, up to a limit. */
export class ReportReader {
  readonly explainer: Explainer;
  readonly frames: FrameTable = new FrameTable();
  readonly tracking: TrackingRecord[] = [];
  /** Boxes that have seen one of the packets that are kept. */
  readonly boxes: Set<string> = new Set();
  /** Packets beyond the limit. */
  leftOut = 0;
  readonly #leftOut = new WeakSet<PacketStory>();
  readonly #packets = new Map<PacketStory, PacketRecord>();

  constructor() {
    this.explainer = new Explainer((connection, direction, story) => {
      const packet = this.#packets.get(story);
      if (packet !== undefined) packet.owner = { connection, direction };
    });
  }

  /** In the order in which they were first seen. */
  get packets(): readonly PacketRecord[] {
    return [...this.#packets.values()];
  }

  read(event: PacketEvent): void {
    this.explainer.read(event);
    // An entry that runs out ends without a packet.
    const story = event.lineage === 0 ? undefined : this.explainer.storyOf(event.lineage);
    const packet = story && this.#packetOf(story);
    if (event.kind === "conntrack") this.#track(event, packet);
    else if (packet !== undefined && (event.kind === "arrived" || event.kind === "sent")) this.#see(packet, event);
  }

  #packetOf(story: PacketStory): PacketRecord | undefined {
    const known = this.#packets.get(story);
    if (known !== undefined) return known;
    if (this.#packets.size >= MOST_PACKETS) {
      if (!this.#leftOut.has(story)) this.leftOut += 1;
      this.#leftOut.add(story);
      return undefined;
    }
    const packet: PacketRecord = { story, sightings: [], owner: undefined };
    this.#packets.set(story, packet);
    return packet;
  }

  #see({ story, sightings }: PacketRecord, event: Extract<PacketEvent, { kind: "arrived" | "sent" }>): void {
    const { kind, node: box, time, bytes } = event;
    this.boxes.add(box);
    sightings.push({
      kind,
      box,
      interface: event.interface,
      time,
      frame: this.frames.add(bytes),
      isLaterFragment: (readPacket(bytes)?.header.fragmentOffset ?? 0) > 0,
      hop: story.hops.findLast((hop) => hop.box === box),
    });
  }

  #track(event: Extract<PacketEvent, { kind: "conntrack" }>, packet: PacketRecord | undefined): void {
    if (this.tracking.length >= MOST_TRACKED) return;
    const { node: box, time, change, text } = event;
    this.tracking.push({ box, time, change, text, packet });
  }
}
