import { describe, expect, it } from "vitest";
import { LINUX_TCP } from "../../../src/netstack/tcp/index.ts";
import { ms } from "../../../src/sim/index.ts";
import { accepted, established, type TcpScript } from "../../support/tcp-script.ts";

/** A server past its quick ACKs: it has answered a request. */
function interactive(): TcpScript {
  const script = accepted();
  script.peer.sends({ flags: "P.", seq: 1, ack: 1, length: 80 });
  script.host.sends({ flags: ".", ack: 81 });
  script.host.reads(80);
  script.host.writes(300);
  script.host.sends({ flags: "P.", seq: 1, ack: 81, length: 300 });
  script.after(ms(10));
  script.peer.sends({ flags: ".", seq: 81, ack: 301 });
  return script;
}

describe("a server that answers one request", () => {
  it("sends what Linux sends: a bare ACK, the answer, and an ACK of the FIN before its own when it closes late", () => {
    const script = accepted(
      { settings: LINUX_TCP },
      { mss: 1460, sackPermitted: true, timestamps: { value: 5, echo: 0 }, windowScale: 7 },
    );
    script.peer.sends({ flags: "P.", seq: 1, ack: 1, length: 80 });
    script.host.sends({ flags: ".", seq: 1, ack: 81, window: 64 });
    script.host.reads(80);
    script.host.writes(337);
    script.host.sends({ flags: "P.", seq: 1, ack: 81, length: 337 });
    script.after(ms(1));
    script.peer.sends({ flags: ".", seq: 81, ack: 338 });
    script.peer.sends({ flags: "F.", seq: 81, ack: 338 });
    script.host.isSilent();
    script.after(ms(40));
    script.host.sends({ flags: ".", seq: 338, ack: 82 });
    script.host.closes();
    script.host.sends({ flags: "F.", seq: 338, ack: 82 });
    script.peer.sends({ flags: ".", seq: 82, ack: 339 });
    expect(script.closed).toBe("closed");
  });
});

describe("acknowledging", () => {
  it("is done before the program can answer", () => {
    const script = accepted();
    script.connection.upcalls.onReadable = () => {
      script.connection.read(1000, script.now);
      script.connection.write(new Uint8Array(10), script.now);
    };
    script.peer.sends({ flags: "P.", seq: 1, ack: 1, length: 80 });
    script.host.sends({ flags: ".", seq: 1, ack: 81 });
    script.host.sends({ flags: "P.", seq: 1, ack: 81, length: 10 });
  });

  it("rides on data that was waiting for this ACK", () => {
    const script = accepted({ settings: { initialWindow: 1 } });
    script.host.writes(2920);
    script.host.sends({ flags: ".", seq: 1, ack: 1, length: 1460 });
    script.peer.sends({ flags: "P.", seq: 1, ack: 1461, length: 80 });
    script.host.sends({ flags: "P.", seq: 1461, ack: 81, length: 1460 });
    script.host.isSilent();
  });

  it("waits 40 ms for the program's answer once it has answered before", () => {
    const script = interactive();
    script.peer.sends({ flags: "P.", seq: 81, ack: 301, length: 80 });
    script.host.isSilent();
    script.after(ms(39));
    script.host.isSilent();
    script.after(ms(1));
    script.host.sends({ flags: ".", seq: 301, ack: 161 });
  });

  it("is saved when the answer comes in time", () => {
    const script = interactive();
    script.peer.sends({ flags: "P.", seq: 81, ack: 301, length: 80 });
    script.host.reads(80);
    script.after(ms(5));
    script.host.writes(50);
    script.host.sends({ flags: "P.", seq: 301, ack: 161, length: 50 });
    script.after(ms(100));
    script.host.isSilent();
  });

  it("does not wait longer than for the second full segment", () => {
    const script = interactive();
    script.peer.sends({ flags: ".", seq: 81, ack: 301, length: 1460 });
    script.host.isSilent();
    script.host.reads(1460);
    script.peer.sends({ flags: ".", seq: 1541, ack: 301, length: 1460 });
    script.host.reads(1460);
    script.host.sends({ flags: ".", ack: 3001 });
  });

  it("is quick for the first segments of bulk data, then every second", () => {
    const script = established();
    script.peer.window = 65_535;
    let acks = 0;
    for (let i = 0; i < 40; i++) {
      script.peer.sends({ flags: ".", seq: 1 + i * 1460, ack: 1, length: 1460 });
      script.host.reads(65_536);
      while (script.take() !== undefined) acks++;
    }
    expect(acks).toBeGreaterThanOrEqual(27);
    expect(acks).toBeLessThan(40);
  });

  it("is done at once for data beyond a gap and for the segment that fills it", () => {
    const script = interactive();
    script.peer.sends({ flags: "P.", seq: 181, ack: 301, length: 100 });
    script.host.sends({ flags: ".", ack: 81, options: { sack: [{ start: 181, end: 281 }] } });
    script.peer.sends({ flags: "P.", seq: 81, ack: 301, length: 100 });
    script.host.sends({ flags: ".", ack: 281, options: {} });
  });

  it("is done at once for data that has come before, and says so (DSACK)", () => {
    const script = interactive();
    script.peer.sends({ flags: "P.", seq: 1, ack: 301, length: 80 });
    script.host.sends({ flags: ".", ack: 81, options: { sack: [{ start: 1, end: 81 }] } });
  });

  it("reports the most recent block first, three beside timestamps", () => {
    const script = accepted(
      { settings: LINUX_TCP },
      { mss: 1460, sackPermitted: true, timestamps: { value: 5, echo: 0 } },
    );
    for (const start of [1001, 2001, 3001]) {
      script.peer.sends({ flags: ".", seq: start, ack: 1, length: 100 });
      script.take();
    }
    script.peer.sends({ flags: ".", seq: 4001, ack: 1, length: 100 });
    const { options } = script.host.sends({ flags: ".", ack: 1 });
    expect(options.sack?.map((block) => script.relative(block.start, "peer"))).toEqual([4001, 3001, 2001]);
    script.peer.sends({ flags: ".", seq: 2101, ack: 1, length: 100 });
    const grown = script.host.sends({ flags: ".", ack: 1 }).options.sack?.[0];
    expect([script.relative(grown?.start ?? 0, "peer"), script.relative(grown?.end ?? 0, "peer")]).toEqual([
      2001, 2201,
    ]);
  });

  it("says nothing about blocks to a peer that did not ask for it", () => {
    const script = established({}, { mss: 1460 });
    script.peer.sends({ flags: "P.", seq: 101, ack: 1, length: 100 });
    script.host.sends({ flags: ".", ack: 1, options: {} });
  });

  it("keeps urgent data in the stream (RFC 6093)", () => {
    const script = established();
    script.peer.sends({ flags: "UP.", seq: 1, ack: 1, length: 5 });
    expect(script.host.reads(10).length).toBe(5);
  });
});

describe("a receiver behind receive offload", () => {
  function merging(): TcpScript {
    const script = interactive();
    script.connection.mergeReceived();
    return script;
  }

  function receive(script: TcpScript, segments: number): void {
    for (let each = 0; each < segments; each++) {
      script.peer.sends({ flags: ".", seq: 81 + each * 1460, ack: 301, length: 1460 });
      script.host.reads(1460);
    }
  }

  it("acknowledges every second segment without it", () => {
    const script = interactive();
    receive(script, 2);
    script.host.sends({ flags: ".", ack: 3001 });
  });

  it("acknowledges what came together with one ACK, at its end", () => {
    const script = merging();
    receive(script, 10);
    script.host.isSilent();
    script.connection.endBatch(script.now);
    script.drain();
    script.host.sends({ flags: ".", ack: 14681 });
    script.host.isSilent();
  });

  it("leaves a single segment to the delay", () => {
    const script = merging();
    receive(script, 1);
    script.connection.endBatch(script.now);
    script.drain();
    script.host.isSilent();
    script.after(ms(40));
    script.host.sends({ flags: ".", ack: 1541 });
  });

  it("lets no more than 16 segments wait for the end", () => {
    const script = merging();
    receive(script, 16);
    script.host.isSilent();
    script.peer.sends({ flags: ".", seq: 23441, ack: 301, length: 1460 });
    script.host.reads(1460);
    script.host.sends({ flags: ".", ack: 24901 });
  });
});
