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
