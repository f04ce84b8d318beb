import type { Connection, JourneyHop } from "./explanation.ts";

/*
 * What the page of `natscope report` knows, as plain values: it is written into the page as JSON and nothing else is read there. Times are nanoseconds since
 * the run's start. Places in another list are numbers from 0, so that what many packets share is written once. docs/json.md describes it.
 */

/** A run, told for the page of `natscope report`. */
export interface ReportData {
  /** Of this form. */
  readonly version: 1;
  readonly scenario: { readonly name: string; readonly title: string; readonly description: string };
  readonly seed: number;
  /** Whether everything was as the scenario expects. */
  readonly ok: boolean;
  /** Whose an address is, where the network knows it. */
  readonly names: Readonly<Record<string, string>>;
  readonly topology: ReportTopology;
  readonly steps: readonly ReportStep[];
  /** In the order in which they began. */
  readonly connections: readonly ReportConnection[];
  /** In the order in which they were first seen. */
  readonly packets: readonly ReportPacket[];
  /** What the packets' passages through boxes were; one that many packets had is here once. */
  readonly hops: readonly JourneyHop[];
  /** Each way of a packet from one box to the next, in order of time. */
  readonly moments: readonly ReportMoment[];
  /** Frames as they were on the wire, each form of a packet once. */
  readonly frames: readonly ReportFrame[];
  readonly layouts: readonly HeaderLayout[];
  readonly tracking: readonly TrackedLife[];
  /** What was left out to keep the page usable. */
  readonly leftOut: { readonly packets: number; readonly frameBytes: number; readonly boxes: number };
}

/** What stands where. */
export interface ReportTopology {
  readonly boxes: readonly ReportBox[];
  readonly links: readonly ReportLink[];
}

/** What a box of the drawing is. */
export type ReportBoxKind = "host" | "router" | "balancer" | "node" | "pod" | "network";

/** A machine, a Pod, or a network that joins some. */
export interface ReportBox {
  readonly name: string;
  readonly kind: ReportBoxKind;
  /** The machine that a Pod or container runs on. */
  readonly on?: string;
  readonly interfaces: readonly ReportInterface[];
}

/** An interface of a box, with its addresses. */
export interface ReportInterface {
  readonly name: string;
  readonly mac: string;
  /** With their prefix lengths: `10.240.0.4/24`. */
  readonly addresses: readonly string[];
}

/** A cable from a box to a network, or from a Pod to its machine. */
export interface ReportLink {
  readonly from: string;
  readonly fromInterface: string;
  readonly to: string;
  /** None on a network. */
  readonly toInterface?: string;
}

/** A step of the scenario, with what its commands printed. */
export interface ReportStep {
  /** From 1. */
  readonly number: number;
  /** Empty when the step has none. */
  readonly name: string;
  /** The command as the scenario shows it to the reader. */
  readonly shown: string;
  /** Who runs it; empty where nobody in the network does. */
  readonly on: string;
  readonly began: number;
  readonly commands: readonly ReportCommand[];
}

/** A command that was typed, and what came back. */
export interface ReportCommand {
  readonly run: string;
  readonly node?: string;
  readonly exitCode: number;
  readonly stdout: string;
  readonly stderr: string;
  /** Expectations that were not met, in words. */
  readonly unmet: readonly string[];
}

/** A connection as `natscope why` has it, without its packets' journeys: here each packet has its own. */
export interface ReportConnection extends Omit<Connection, "journeys"> {
  readonly step: number;
}

/** One packet's life. */
export interface ReportPacket {
  /** Its number in the capture, the same wherever it is seen. */
  readonly lineage: number;
  /** None for ARP, which is nobody's. */
  readonly connection?: number;
  readonly direction?: "original" | "reply" | "error";
  /** In words: `SYN`, `HTTP GET /`, `ARP who has 10.0.0.1?`. */
  readonly what: string;
  /** The boxes that did something with it. */
  readonly way: readonly PacketPlace[];
}

/** A packet in one box. Where it was not on a wire before or afterwards, there is no frame. */
export interface PacketPlace {
  /** Place in `hops`. */
  readonly hop: number;
  readonly time: number;
  /** When it left or ended here. */
  readonly until: number;
  /** Places in `frames`. */
  readonly before?: number;
  readonly after?: number;
}

/** A packet leaves a box and comes to the next one; without `to`, it never arrives, and without `frame` it never left. */
export interface ReportMoment {
  readonly time: number;
  readonly packet: number;
  readonly from: string;
  readonly out?: string;
  readonly to?: string;
  readonly in?: string;
  readonly arrived?: number;
  /** The network that carried it. */
  readonly via?: string;
  readonly frame?: number;
  /** Places in the packet's `way`: of the box that it leaves, and of the one that it comes to. */
  readonly leaves?: number;
  readonly enters?: number;
  /** Why the link did not deliver it. */
  readonly lost?: string;
}

/** A frame on the wire, taken apart. */
export interface ReportFrame {
  /** Hexadecimal; the first 512 bytes. */
  readonly bytes: string;
  /** Of the whole frame, in bytes. */
  readonly length: number;
  /** `10.0.0.1:80`; MAC addresses for ARP; in a tunnel, of the packet inside. */
  readonly source: string;
  readonly destination: string;
  /** What it is, in few words. */
  readonly what: string;
  /** Place in `layouts`. */
  readonly layout: number;
  /** One for each of the layout's fields. */
  readonly values: readonly string[];
}

/** Which fields a frame has, and where: many frames have the same ones. */
export type HeaderLayout = readonly HeaderField[];

/** A field of a header: what it is called, where it stands and what is in it. */
export interface HeaderField {
  /** `Ethernet`, `IPv4`, `TCP`, … */
  readonly layer: string;
  readonly name: string;
  /** The field's bytes, from the frame's beginning. */
  readonly at: number;
  readonly length: number;
}

/** A line of a box's table of connections, from the packet that made it to its end. */
export interface TrackedLife {
  readonly box: string;
  readonly protocol: string;
  readonly original: { readonly source: string; readonly destination: string };
  readonly reply: { readonly source: string; readonly destination: string };
  readonly connection?: number;
  readonly changes: readonly TrackedChange[];
  /** When packets of the connection passed here and began its time anew. */
  readonly refreshed: readonly number[];
  /** When it was taken out. */
  readonly ended?: number;
}

/** One change of a connection that conntrack follows. */
export interface TrackedChange {
  readonly time: number;
  /** TCP's. */
  readonly state?: string;
  /** The seconds that it then had, counted from its latest packet. */
  readonly timeout: number;
  readonly replied: boolean;
  readonly assured: boolean;
  /** The packet that changed it. */
  readonly packet?: number;
}
