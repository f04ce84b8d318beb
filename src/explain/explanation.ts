/*
 * What `natscope why` knows, as plain values: printers read nothing else, and `--json` is this. Addresses are text, so that the value can be
 * written as it is; docs/json.md describes it.
 */

/** Why the packets of a run looked as they did. */
export interface Explanation {
  readonly scenario: string;
  readonly seed: number;
  /** Whose an address is, where the network knows it. */
  readonly names: Readonly<Record<string, string>>;
  readonly steps: readonly StepExplanation[];
}

/** One step of a scenario: its commands and the connections that began in it. */
export interface StepExplanation {
  /** From 1. */
  readonly number: number;
  /** Empty when the step has none. */
  readonly name: string;
  readonly commands: readonly ExplainedCommand[];
  readonly connections: readonly Connection[];
  /** How many more there were than are kept; absent without any. */
  readonly further?: number;
}

/** One command of a step, with the connections it made. */
export interface ExplainedCommand {
  readonly from: string;
  readonly run: string;
  readonly node?: string;
  readonly exitCode: number;
}

/**
 * How a connection went for the one who opened it: `answered`; `refused` by the endpoint, which has no such port open; `rejected` with a reset or an ICMP
 * error by a box on the way; `dropped` on its way there; `answer-lost`, dropped on its way back or sent to somebody else; `unanswered` otherwise.
 */
export type Outcome = "answered" | "refused" | "rejected" | "dropped" | "answer-lost" | "unanswered";

/** A TCP connection, or what UDP and ICMP have instead: packets between two ends, and the answers. */
export interface Connection {
  /** In its step, from 1. */
  readonly number: number;
  readonly protocol: string;
  /** The box that sent the first packet. */
  readonly opener: string;
  /** The first packet as its sender made it. */
  readonly asked: FlowText;
  readonly outcome: Outcome;
  /** Where it ended, and as what it arrived there. */
  readonly reached?: { readonly box: string; readonly to: string; readonly as: FlowText };
  readonly packets: { readonly original: number; readonly reply: number; readonly errors: number };
  /** The other connections that a program in the middle joins with this one; empty for most. */
  readonly joined: readonly JoinedConnection[];
  readonly findings: readonly Finding[];
  readonly journeys: readonly Journey[];
  /** Connection tracking's entry on each box, as it was last. */
  readonly entries: readonly TrackedEntry[];
}

/**
 * The other one of two connections that a program joins: a balancer or proxy that ends the client's connection and opens its own. Nothing but the bytes goes from
 * one to the other.
 */
export interface JoinedConnection {
  /** The other is the client's that the program took, or the one to a backend that the program opened for it. */
  readonly side: "client" | "backend";
  /** The other's step, and its number there. */
  readonly step: number;
  readonly number: number;
  /** As its opener asked. */
  readonly flow: FlowText;
  /** Where the program runs, and what it calls itself. */
  readonly box: string;
  readonly service: string;
  /** The backend that was chosen. */
  readonly backend: string;
}

/** A flow as it is printed: addresses with ports, where the protocol has them. */
export interface FlowText {
  readonly source: string;
  readonly destination: string;
}

/** A question that a reader has, with its answer. */
export interface Finding {
  readonly question: string;
  readonly answer: string;
  /** What would have made it otherwise. */
  readonly unless: readonly string[];
}

/** Packets that went the same way and met the same; `error` is an ICMP error about the connection. */
export interface Journey {
  readonly direction: "original" | "reply" | "error";
  readonly packets: number;
  /** Of the first one, in nanoseconds since the run's start. */
  readonly time: number;
  /** What the packets are, where it matters: `TCP reset`, `ICMP port unreachable`. */
  readonly what?: string;
  readonly hops: readonly JourneyHop[];
}

/** One box on a journey. Addresses are those of the journey's first packet. */
export interface JourneyHop {
  readonly box: string;
  readonly in?: string;
  readonly out?: string;
  readonly nextHop?: string;
  readonly before: FlowText;
  readonly after: FlowText;
  /** As connection tracking saw the first packet when it came. */
  readonly state?: string;
  readonly changes: readonly Change[];
  readonly notes: readonly string[];
  readonly end?: Ending;
}

/** Fields of one side of a packet that one cause rewrote. */
export interface Change {
  readonly hook: "PREROUTING" | "INPUT" | "FORWARD" | "OUTPUT" | "POSTROUTING";
  readonly side: "source" | "destination" | "ttl" | "mark" | "mss";
  /** `10.0.0.1:80`, an address, a port, or a number. */
  readonly from: string;
  readonly to: string;
  readonly fields: readonly { readonly field: string; readonly from: string; readonly to: string }[];
  /** In the packet that an ICMP error quotes. */
  readonly quoted: boolean;
  /** How many of the journey's packets; `byRule` of them by the rule itself, the others by what was remembered of it. */
  readonly packets: number;
  readonly byRule: number;
  /** What did it: an id of docs/why.md's table. */
  readonly cause: string;
  /** The rule's target, `conntrack`, `balancer`, `clash` or `forwarding`. */
  readonly target: string;
  readonly rule?: RuleText;
  /** Where connection tracking did it: the rule that decided it for an earlier packet of the connection. */
  readonly remembered?: RuleText;
  /** The chains with the rule of each that led on, the last one being the rule itself. */
  readonly path: readonly PathStep[];
  readonly because: string;
  /** How the new value was chosen, or what it is for. */
  readonly detail?: string;
  /** What would have prevented it. */
  readonly unless: readonly string[];
}

/** A rule as `iptables-save` prints it, and where it stands. */
export interface RuleText {
  readonly table: string;
  readonly chain: string;
  readonly number: number;
  readonly text: string;
}

/** A chain on the way to the rule that decided, and the rule that led out of it. */
export interface PathStep {
  readonly chain: string;
  readonly number: number;
  readonly text: string;
  /** What in the packet made the rule match; empty when it matches every packet. */
  readonly matched: readonly string[];
}

/** How a packet's way ended: where, and if it was dropped, why. */
export type Ending =
  | { readonly kind: "delivered"; readonly to: string }
  | {
      readonly kind: "dropped";
      readonly reason: string;
      readonly rule?: RuleText;
      readonly path: readonly PathStep[];
      readonly because: string;
      readonly unless: readonly string[];
    };

/** An entry of connection tracking. What a reply looks like when it comes is `reply`, what it is turned into the inverse of `original`. */
export interface TrackedEntry {
  readonly box: string;
  readonly original: FlowText;
  readonly reply: FlowText;
  /** The line as `conntrack -E` prints it. */
  readonly text: string;
}
