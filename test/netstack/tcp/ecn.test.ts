import { describe, expect, it } from "vitest";
import { ms } from "../../../src/sim/index.ts";
import { answering, opening, type ScriptOptions, type TcpScript } from "../../support/tcp-script.ts";

const ASKING = { settings: { ecn: "ask" } } as const;
const NOT_ECT = 0;
const ECT_0 = 2;
const CE = 3;

/** A connection on which both ends have agreed on ECN, 10 ms after the start. */
function capable(options: ScriptOptions = ASKING): TcpScript {
  const script = opening({ ...options, settings: { ...options.settings, ...ASKING.settings } });
  script.host.sends({ flags: "SEW" });
  script.after(ms(10));
  script.peer.sends({ flags: "SE.", seq: 0, ack: 1, options: { mss: 1000, sackPermitted: true } });
  script.host.sends({ flags: ".", seq: 1, ack: 1, codepoint: NOT_ECT });
  return script;
}

describe("the handshake", () => {
  it.each([
    ["answer", "SEW", "SE."],
    ["ask", "SEW", "SE."],
    ["off", "SEW", "S."],
    ["answer", "S", "S."],
    ["answer", "SE", "S."],
    ["answer", "SW", "S."],
  ] as const)("with tcp_ecn %s answers %s with %s", (ecn, asked, flags) => {
    answering({ settings: { ecn } }, { mss: 1460 }, asked).host.sends({ flags, codepoint: NOT_ECT });
  });

  it("asks with both flags, and when it repeats the SYN no longer", () => {
    const script = opening(ASKING);
    script.host.sends({ flags: "SEW", codepoint: NOT_ECT });
    script.after(ms(1000));
    script.host.sends({ flags: "S" });
  });

  it.each(["S.", "SEW."])("has no agreement in %s", (flags) => {
    const script = opening(ASKING);
    script.take();
    script.peer.sends({ flags, seq: 0, ack: 1, options: { mss: 1460 } });
    script.take();
    script.host.writes(10);
    script.host.sends({ flags: "P.", length: 10, codepoint: NOT_ECT });
  });

  it("agrees when both ask at once", () => {
    const script = opening(ASKING);
    script.take();
    script.peer.sends({ flags: "SEW", seq: 0, options: { mss: 1460 } });
    script.host.sends({ flags: "SE.", seq: 0, ack: 1 });
  });
});

describe("what is sent", () => {
  it("is marked as capable when it is new data, and nothing else is", () => {
    const script = capable();
    const { host, peer } = script;
    host.writes(10);
    host.sends({ flags: "P.", length: 10, codepoint: ECT_0 });
    script.after(ms(300));
    host.sends({ flags: "P.", length: 10, codepoint: NOT_ECT });
    peer.sends({ flags: "P.", seq: 1, ack: 11, length: 10, codepoint: ECT_0 });
    script.after(ms(200));
    host.sends({ flags: ".", ack: 11, codepoint: NOT_ECT });
    host.closes();
    host.sends({ flags: "F.", codepoint: NOT_ECT });
  });

  it("echoes a mark at once and in every segment until CWR comes", () => {
    const { host, peer } = capable();
    peer.sends({ flags: ".", seq: 1, ack: 1, length: 100, codepoint: CE });
    host.sends({ flags: "E.", ack: 101 });
    peer.sends({ flags: ".", seq: 101, ack: 1, length: 100, codepoint: ECT_0 });
    host.sends({ flags: "E.", ack: 201 });
    host.writes(10);
    host.sends({ flags: "PE.", length: 10 });
    peer.sends({ flags: "W.", seq: 201, ack: 11, length: 100, codepoint: ECT_0 });
    host.sends({ flags: ".", ack: 301 });
  });

  it("echoes nothing without agreement", () => {
    const script = answering();
    script.take();
    script.peer.sends({ flags: "P.", seq: 1, ack: 1, length: 100, codepoint: CE });
    script.host.sends({ flags: ".", ack: 101 });
  });
});

describe("an echo", () => {
  /** Ten segments of 1,000 bytes are in flight, 20 ms after the start. */
  function tenInFlight(): TcpScript {
    const script = capable({ ...ASKING, settings: { ...ASKING.settings, timestamps: false } });
    script.host.writes(100_000);
    while (script.take() !== undefined);
    script.after(ms(10));
    return script;
  }

  it("halves the window over the round trip, repeats nothing, and CWR goes with the next new data, once", () => {
    const script = tenInFlight();
    const { host, peer, connection } = script;
    peer.sends({ flags: "E.", seq: 1, ack: 2001 });
    expect(connection.info).toMatchObject({ phase: "cwr", slowStartThreshold: 5 });
    host.sends({ flags: "W.", seq: 10_001, length: 1000, codepoint: ECT_0 });
    peer.sends({ flags: "E.", seq: 1, ack: 4001 });
    host.sends({ flags: ".", seq: 11_001, length: 1000 });
    for (const ack of [6001, 8001, 10_001]) peer.sends({ flags: "E.", seq: 1, ack });
    expect(connection.info.slowStartThreshold).toBe(5);
    peer.sends({ flags: ".", seq: 1, ack: 12_001 });
    expect(connection.info).toMatchObject({ phase: "open", congestionWindow: 5, repetitions: 0 });
  });

  it("means nothing where ECN was not agreed on", () => {
    const script = answering();
    script.take();
    script.peer.sends({ flags: ".", seq: 1, ack: 1 });
    script.host.writes(3000);
    script.peer.sends({ flags: "E.", seq: 1, ack: 1461 });
    expect(script.connection.info.phase).toBe("open");
  });

  it("followed by a loss cuts the window no further, and begins recovery", () => {
    const script = tenInFlight();
    const { peer, connection } = script;
    peer.sends({ flags: "E.", seq: 1, ack: 2001 });
    peer.sends({ flags: "E.", seq: 1, ack: 2001, options: { sack: [{ start: 3001, end: 7001 }] } });
    expect(connection.info).toMatchObject({ phase: "recovery", slowStartThreshold: 5 });
  });
});
