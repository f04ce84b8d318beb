import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { NetfilterBox } from "../support/netfilter-box.ts";
import { tcpPacket } from "../support/packets.ts";

interface Step {
  /** `a>b PA seq=1 ack=1 data=100 win=0` */
  readonly send: string;
  readonly ctstate: string;
  readonly entry?: { readonly state: string; readonly timeout: number; readonly flags?: readonly string[] };
}

const { cases } = JSON.parse(readFileSync(new URL("../kernel-truth/r-tcp-life.json", import.meta.url), "utf8")) as {
  cases: Readonly<Record<string, readonly Step[]>>;
};

const [A, B] = ["192.0.2.10:40000", "198.51.100.10:8080"];
const ISN = { a: 1_000_000, b: 4_294_967_000 };
/** Rules that ask for the state, so that connections are tracked, and tell it: one chain for each. */
const RULES = "*filter\n-A FORWARD -m conntrack --ctstate INVALID -j DROP\nCOMMIT\n";

function packetOf(send: string): { packet: ReturnType<typeof tcpPacket>; way: "eth0>eth1" | "eth1>eth0" } {
  const [way = "", flags = "", ...rest] = send.split(" ");
  const numbers = Object.fromEntries(rest.map((part) => part.split("="))) as Record<string, string>;
  const fromA = way === "a>b";
  const [own, other] = fromA ? [ISN.a, ISN.b] : [ISN.b, ISN.a];
  const letters = flags.replace("A", "") + (flags.includes("A") ? "." : "");
  const packet = tcpPacket({
    from: fromA ? A! : B!,
    to: fromA ? B! : A!,
    flags: letters,
    seq: own + Number(numbers.seq ?? 0),
    ack: flags.includes("A") ? other + Number(numbers.ack ?? 0) : 0,
    ...(numbers.win !== undefined && { window: Number(numbers.win) }),
    payload: Number(numbers.data ?? 0),
  });
  return { packet, way: fromA ? "eth0>eth1" : "eth1>eth0" };
}

describe("a TCP connection goes through conntrack's states as Linux 6.18 counted them", () => {
  it.each(Object.entries(cases))("%s", (_, steps) => {
    const box = new NetfilterBox(RULES, { tracking: "on" });
    for (const { send, entry } of steps) {
      const { packet, way } = packetOf(send);
      expect(box.forward(packet, way).verdict, send).toBe("accept");
      const [line = ""] = box.connections();
      const flags = ["UNREPLIED", "ASSURED"].filter((flag) => line.includes(`[${flag}]`));
      const [, , timeout, state] = line.split(/\s+/);
      expect({ send, state, timeout: Number(timeout), flags }).toEqual({
        send,
        state: entry?.state,
        timeout: entry?.timeout,
        flags: entry?.flags ?? [],
      });
    }
  });
});

const OPEN = ["a>b S", "b>a SA seq=0 ack=1 win=1000", "a>b A seq=1 ack=1 win=1000"];

/** Sends the segments; the last one's verdict, and the connection's state then. */
function stateAfter(segments: readonly string[]): { verdict: string; state: string | undefined } {
  const box = new NetfilterBox(RULES, { tracking: "on" });
  let verdict = "";
  for (const send of segments) {
    const { packet, way } = packetOf(send);
    verdict = box.forward(packet, way).verdict;
  }
  return { verdict, state: box.connections()[0]?.split(/\s+/)[3] };
}

describe("a segment that does not fit, as Linux 6.18 took it", () => {
  it.each([
    ["a reset far ahead is INVALID", ["a>b R seq=500000"], "rule-drop", "ESTABLISHED"],
    ["a reset behind what is acknowledged is INVALID", ["a>b R seq=-9"], "rule-drop", "ESTABLISHED"],
    [
      "a reset far ahead is taken once its sender closes",
      ["a>b FA seq=1 ack=1", "a>b R seq=500000"],
      "accept",
      "CLOSE",
    ],
    ["and once the other end does", ["b>a FA seq=1 ack=1", "a>b R seq=500000"], "accept", "CLOSE"],
    [
      "a FIN less than a window too far ahead passes, and closes nothing",
      ["a>b FA seq=1501 ack=1"],
      "accept",
      "ESTABLISHED",
    ],
    ["a FIN more than a window too far ahead is INVALID", ["a>b FA seq=2600 ack=1"], "rule-drop", "ESTABLISHED"],
  ])("%s", (_, segments, verdict, state) => {
    expect(stateAfter([...OPEN, ...segments])).toEqual({ verdict, state });
  });
});
