import { IpProtocol, type PacketEvent } from "../netstack/index.ts";
import { addStory, type ConnectionRecord, type Direction, type Joined } from "./connection-record.ts";
import { type Flow, flowKey, isSameFlow } from "./flow.ts";
import { FlowBook } from "./flow-book.ts";
import { PacketStory } from "./packet-story.ts";

/** Packets whose stories are kept open; the oldest one's ends when there are more. */
const OPEN_LIMIT = 4096;
/** A program's own connections whose first packet has not been seen yet. */
const AWAITED_LIMIT = 1024;
/** Connections of a step whose packets' stories are kept; further ones are counted. Nobody reads more, and a step may have a million. */
export const MOST_TOLD = 1000;
const TCP_SYN = 2;
const TCP_ACK = 16;

/** Events after which a packet may have been seen under other addresses than before. */
const SEEING: ReadonlySet<PacketEvent["kind"]> = new Set(["hook", "arrived", "sent", "queued", "dropped"]);

/** A packet under way, and whose it is as soon as that is known. */
interface OpenStory {
  readonly story: PacketStory;
  /** The step in which it began. */
  readonly step: number;
  owner: { readonly connection: ConnectionRecord; readonly direction: Direction } | undefined;
  /** Where and as what it was seen before its owner was known. */
  readonly views: { readonly box: string; readonly flow: Flow }[];
}

/** Told of each packet whose story is over, and whose it is. */
export type StoryReader = (connection: ConnectionRecord, direction: Direction, story: PacketStory) => void;

/** Reads a run's events and sorts them into connections, each in the step in which it began. */
export class Explainer {
  readonly connections: ConnectionRecord[] = [];
  readonly #onStory: StoryReader | undefined;
  readonly #book = new FlowBook<ConnectionRecord>();
  readonly #open = new Map<number, OpenStory>();
  /** Connections of each step. */
  readonly #counts = new Map<number, number>();
  /** What is to be done with a program's own connection when its first packet is seen, by box and flow. */
  readonly #awaited = new Map<string, (opened: ConnectionRecord) => void>();
  #step = 0;

  constructor(onStory?: StoryReader) {
    this.#onStory = onStory;
  }

  /** Connections of step `number` that began after those that are told. */
  further(number: number): number {
    return Math.max(0, (this.#counts.get(number) ?? 0) - MOST_TOLD);
  }

  /** The story of a packet that is under way. */
  storyOf(lineage: number): PacketStory | undefined {
    return this.#open.get(lineage)?.story;
  }

  /** From here on, connections that begin are those of step `number`. */
  beginStep(number: number): void {
    this.#step = number;
  }

  read(event: PacketEvent): void {
    if (event.kind === "proxied") return this.#join(event);
    if (event.kind === "dropped" && event.reason === "other-host") {
      this.#open.get(event.lineage)?.story.forget(event.node);
      return;
    }
    let open = this.#open.get(event.lineage);
    if (open?.story.isOver && event.kind === "arrived") {
      // A link's duplicate of a packet that has come to its end.
      this.#close(open);
      open = undefined;
    }
    open ??= this.#begin(event.lineage);
    open.story.read(event);
    this.#see(open, event);
  }

  /** Ends all stories: nothing more will be read. */
  finish(): void {
    for (const open of this.#open.values()) this.#close(open);
  }

  #begin(lineage: number): OpenStory {
    const open = { story: new PacketStory(lineage), step: this.#step, owner: undefined, views: [] };
    this.#open.set(lineage, open);
    if (this.#open.size > OPEN_LIMIT) {
      const [oldest] = this.#open.values();
      if (oldest !== undefined) this.#close(oldest);
    }
    return open;
  }

  /** Where a packet has been seen, its answers may come from. */
  #see(open: OpenStory, event: PacketEvent): void {
    if (!SEEING.has(event.kind)) return;
    const { story } = open;
    const flow = story.hops.findLast(({ box }) => box === event.node)?.after;
    if (flow === undefined) return;
    const last = open.views.at(-1);
    if (last?.box !== event.node || !isSameFlow(last.flow, flow)) this.#addView(open, event.node, flow);
    if (open.owner === undefined && isTelling(story, flow)) this.#findOwner(open);
  }

  #addView(open: OpenStory, box: string, flow: Flow): void {
    if (open.owner === undefined) open.views.push({ box, flow });
    else this.#remember(open.owner, box, flow);
  }

  #remember(owner: NonNullable<OpenStory["owner"]>, box: string, flow: Flow): void {
    const { connection, direction } = owner;
    if (direction !== "error") this.#book.add(box, flow, { owner: connection, direction });
  }

  #findOwner(open: OpenStory): void {
    const { first, packet } = open.story;
    if (first === undefined) return;
    const quoted = packet?.error?.quoted;
    const found = this.#book.find(first.box, quoted ?? first.flow);
    if (quoted !== undefined) {
      // Without a connection it is about a packet that never left its sender.
      const connection = found?.owner ?? this.#newConnection(open.step, first.box, quoted);
      open.owner = { connection, direction: "error" };
      if (found === undefined) this.#book.add(first.box, quoted, { owner: connection, direction: "original" });
    } else if (found !== undefined && !isAnew(open, found.owner, found.direction)) {
      open.owner = { connection: found.owner, direction: found.direction };
    } else {
      const unsent = first.flow.protocol === 0 ? this.#findAsked(open.step, first) : undefined;
      const connection = unsent ?? this.#newConnection(open.step, first.box, first.flow);
      open.owner = { connection, direction: "original" };
      this.#remember(open.owner, first.box, first.flow);
    }
    for (const { box, flow } of open.views) this.#remember(open.owner, box, flow);
  }

  /** The connection to whose destination a packet was to go that never left its sender. */
  #findAsked(step: number, { box, flow }: { readonly box: string; readonly flow: Flow }): ConnectionRecord | undefined {
    return this.connections.findLast(
      (each) => each.step === step && each.opener === box && each.asked.destination === flow.destination,
    );
  }

  #newConnection(step: number, opener: string, asked: Flow): ConnectionRecord {
    const number = (this.#counts.get(step) ?? 0) + 1;
    this.#counts.set(step, number);
    const connection: ConnectionRecord = {
      step,
      number,
      opener,
      asked,
      journeys: new Map(),
      entries: new Map(),
      joined: [],
      isTold: number <= MOST_TOLD,
    };
    if (connection.isTold) this.connections.push(connection);
    const key = `${opener} ${flowKey(asked)}`;
    this.#awaited.get(key)?.(connection);
    this.#awaited.delete(key);
    return connection;
  }

  /** The client's connection has been seen at the box when it is told; the first packet of its own may still wait for ARP. */
  #join({ node: box, protocol, service, backend, client, own }: Extract<PacketEvent, { kind: "proxied" }>): void {
    const number = IpProtocol[protocol];
    const taken = this.#book.find(box, { protocol: number, ...client })?.owner;
    if (taken === undefined) return;
    const flow: Flow = { protocol: number, ...own };
    const opened = this.#book.find(box, flow)?.owner;
    const by = { box, service, backend };
    if (opened?.opener === box && opened.joined.length === 0) return join(taken, opened, by);
    this.#awaited.set(`${box} ${flowKey(flow)}`, (late) => join(taken, late, by));
    if (this.#awaited.size <= AWAITED_LIMIT) return;
    const [oldest] = this.#awaited.keys();
    if (oldest !== undefined) this.#awaited.delete(oldest);
  }

  /** Without an owner it never was a packet: a frame of ARP. */
  #close(open: OpenStory): void {
    this.#open.delete(open.story.lineage);
    if (open.owner === undefined && open.story.first !== undefined) this.#findOwner(open);
    if (open.owner === undefined) return;
    const { connection, direction } = open.owner;
    if (!connection.isTold) return;
    addStory(connection, direction, open.story);
    this.#onStory?.(connection, direction, open.story);
  }
}

function join(
  taken: ConnectionRecord,
  opened: ConnectionRecord,
  by: Pick<Joined, "box" | "service" | "backend">,
): void {
  if (!taken.isTold || !opened.isTold) return;
  taken.joined.push({ side: "backend", other: opened, ...by });
  opened.joined.push({ side: "client", other: taken, ...by });
}

/** The same addresses and ports in a later step: with a SYN, TCP says that they are another connection's. */
function isAnew({ story, step }: OpenStory, connection: ConnectionRecord, direction: Direction): boolean {
  if (connection.step === step || direction !== "original") return false;
  const { packet, hops } = story;
  const flags = packet?.tcpFlags;
  if (flags === undefined) return packet !== undefined || hops[0]?.state === "NEW";
  return (flags & (TCP_SYN | TCP_ACK)) === TCP_SYN;
}

/** A hook does not tell whose packet an ICMP error quotes: that takes its bytes. */
function isTelling(story: PacketStory, flow: Flow): boolean {
  return story.packet !== undefined || flow.protocol !== IpProtocol.icmp || flow.sourcePort !== 0;
}
