import { describe, expect, it } from "vitest";
import { seq } from "../../../src/netstack/tcp/index.ts";
import { TcpFlag } from "../../../src/netstack/wire/tcp.ts";
import type { TcpOptions } from "../../../src/netstack/wire/tcp-options.ts";
import { ms, seconds } from "../../../src/sim/index.ts";
import { accepted, established, opening, type TcpScript } from "../../support/tcp-script.ts";

function finWait1(): TcpScript {
  const script = established();
  script.host.closes();
  script.host.sends({ flags: "F.", seq: 1, ack: 1 });
  return script;
}

function finWait2(): TcpScript {
  const script = finWait1();
  script.peer.sends({ flags: ".", seq: 1, ack: 2 });
  script.host.isSilent();
  return script;
}

function timeWait(): TcpScript {
  const script = finWait2();
  script.peer.sends({ flags: "F.", seq: 1, ack: 2 });
  script.host.sends({ flags: ".", seq: 2, ack: 2 });
  return script;
}

/** The peer's last timestamp was 1000. */
function stampedTimeWait(): TcpScript {
  const options: TcpOptions = { timestamps: { value: 1000, echo: 0 } };
  const script = established({ settings: { timestamps: true } }, { mss: 1460, ...options });
  script.host.closes();
  script.host.sends({ flags: "F." });
  script.peer.sends({ flags: "F.", seq: 1, ack: 2, options });
  script.host.sends({ flags: "." });
  expect(script.host.state).toBe("time-wait");
  return script;
}

describe("closing first", () => {
  it("goes through FIN-WAIT-1 and FIN-WAIT-2 to TIME-WAIT, which lasts 60 s", () => {
    const script = finWait1();
    expect(script.host.state).toBe("fin-wait-1");
    script.peer.sends({ flags: ".", seq: 1, ack: 2 });
    expect(script.host.state).toBe("fin-wait-2");
    script.peer.sends({ flags: "F.", seq: 1, ack: 2 });
    script.host.sends({ flags: ".", seq: 2, ack: 2 });
    expect([script.host.state, script.closed]).toEqual(["time-wait", "closed"]);
    script.after(seconds(59.9));
    expect(script.host.state).toBe("time-wait");
    script.after(seconds(0.1));
    expect(script.host.state).toBe("closed");
    expect(script.upcalls).toEqual(["established", "peer-closed", "closed: closed"]);
  });

  it("needs only one answer when the peer acknowledges and closes in one segment", () => {
    const script = finWait1();
    script.peer.sends({ flags: "F.", seq: 1, ack: 2 });
    script.host.sends({ flags: ".", seq: 2, ack: 2 });
    expect(script.host.state).toBe("time-wait");
  });

  it("passes CLOSING when both FINs cross", () => {
    const script = finWait1();
    script.peer.sends({ flags: "F.", seq: 1, ack: 1 });
    script.host.sends({ flags: ".", seq: 2, ack: 2 });
    expect(script.host.state).toBe("closing");
    script.peer.sends({ flags: ".", seq: 2, ack: 2 });
    expect([script.host.state, script.closed]).toEqual(["time-wait", "closed"]);
  });

  it("puts the FIN on the last segment that has not gone yet", () => {
    const script = established({ settings: { initialWindow: 1 } });
    script.host.writes(2000);
    script.host.closes();
    script.host.sends({ flags: ".", seq: 1, length: 1460 });
    script.host.isSilent();
    script.peer.sends({ flags: ".", seq: 1, ack: 1461 });
    script.host.sends({ flags: "FP.", seq: 1461, length: 540 });
  });

  it("sends the FIN by itself when everything has gone", () => {
    const script = established();
    script.host.writes(100);
    script.host.sends({ flags: "P.", seq: 1, length: 100 });
    script.host.closes();
    script.host.sends({ flags: "F.", seq: 101, ack: 1 });
  });

  it("repeats a FIN that is not acknowledged", () => {
    const script = finWait1();
    script.after(ms(210));
    script.host.sends({ flags: "F.", seq: 1, ack: 1, at: 220 });
    script.after(ms(210));
    script.host.sends({ flags: "F.", seq: 1, ack: 1, at: 430 });
    script.after(ms(420));
    script.host.sends({ flags: "F.", seq: 1, ack: 1, at: 850 });
  });

  it("still receives: a half-closed connection", () => {
    const script = finWait2();
    script.peer.sends({ flags: "P.", seq: 1, ack: 2, length: 50 });
    script.host.sends({ flags: ".", seq: 2, ack: 51 });
    expect(script.host.reads(100).length).toBe(50);
    script.after(seconds(3600));
    expect(script.host.state).toBe("fin-wait-2");
  });

  it("takes no more to send", () => {
    const script = finWait1();
    expect(script.host.writes(10)).toBe(0);
  });
});

describe("the peer closing first", () => {
  it("leads to CLOSE-WAIT; then our FIN carries the ACK if the program closes within 40 ms", () => {
    const script = established();
    script.peer.sends({ flags: "F.", seq: 1, ack: 1 });
    script.host.isSilent();
    expect(script.host.state).toBe("close-wait");
    script.host.closes();
    script.host.sends({ flags: "F.", seq: 1, ack: 2 });
    expect(script.host.state).toBe("last-ack");
    script.peer.sends({ flags: ".", seq: 2, ack: 2 });
    expect([script.host.state, script.closed]).toEqual(["closed", "closed"]);
  });

  it("is acknowledged by itself when the program takes longer", () => {
    const script = established();
    script.peer.sends({ flags: "F.", seq: 1, ack: 1 });
    script.after(ms(40));
    script.host.sends({ flags: ".", seq: 1, ack: 2, at: 50 });
    script.host.closes();
    script.host.sends({ flags: "F.", seq: 1, ack: 2 });
  });

  it("does not keep us from sending", () => {
    const script = established();
    script.peer.sends({ flags: "F.", seq: 1, ack: 1 });
    script.host.writes(10);
    script.host.sends({ flags: "P.", seq: 1, ack: 2, length: 10 });
  });

  it("is noticed only when all data before it is here", () => {
    const script = established();
    script.peer.sends({ flags: "F.", seq: 11, ack: 1 });
    expect(script.upcalls).toEqual(["established"]);
    script.peer.sends({ flags: "P.", seq: 1, ack: 1, length: 10 });
    expect(script.upcalls).toEqual(["established", "readable", "peer-closed"]);
    expect(script.host.state).toBe("close-wait");
  });

  it("is reported with the data beyond a gap that it came with, as Linux does", () => {
    const { host, peer } = established();
    peer.sends({ flags: "F.", seq: 11, ack: 1, length: 10 });
    host.sends({ flags: ".", ack: 1, options: { sack: [{ start: 11, end: 22 }] } });
    peer.sends({ flags: "P.", seq: 1, ack: 1, length: 10 });
    host.sends({ flags: ".", ack: 22, options: {} });
  });

  it("is acknowledged again when its FIN or data comes again", () => {
    const script = established();
    script.peer.sends({ flags: "FP.", seq: 1, ack: 1, length: 10 });
    script.after(ms(40));
    script.host.sends({ flags: ".", seq: 1, ack: 12 });
    script.peer.sends({ flags: "FP.", seq: 1, ack: 1, length: 10 });
    script.host.sends({ flags: ".", seq: 1, ack: 12 });
    script.peer.sends({ flags: "F.", seq: 11, ack: 1 });
    script.host.sends({ flags: ".", seq: 1, ack: 12 });
  });
});

describe("letting go of a connection (close(2))", () => {
  it("resets when data was not read", () => {
    const script = established();
    script.peer.sends({ flags: "P.", seq: 1, ack: 1, length: 10 });
    script.host.sends({ flags: ".", ack: 11 });
    script.host.releases();
    script.host.sends({ flags: "R.", seq: 1, ack: 11 });
    expect([script.host.state, script.closed]).toEqual(["closed", "aborted"]);
  });

  it("resets when data comes later, taking its number from the ACK", () => {
    const script = established();
    script.host.releases();
    script.host.sends({ flags: "F.", seq: 1 });
    expect(script.peer.sends({ flags: "P.", seq: 1, ack: 2, length: 10 })).toBe("tcp-data-after-close");
    const reset = script.host.sends({ flags: "R", seq: 2, window: 0 });
    expect(reset.options).toEqual({});
    expect(script.closed).toBe("aborted");
  });

  it("waits 60 s in FIN-WAIT-2, not for ever", () => {
    const script = established();
    script.host.releases();
    script.host.sends({ flags: "F.", seq: 1 });
    script.peer.sends({ flags: ".", seq: 1, ack: 2 });
    script.after(seconds(59.9));
    expect(script.host.state).toBe("fin-wait-2");
    script.after(seconds(0.1));
    expect(script.host.state).toBe("closed");
  });

  it("gives up repeating after 102.2 s, sooner than with a program that waits", () => {
    const script = established();
    script.host.releases();
    script.after(seconds(103));
    expect(script.closed).toBeUndefined();
    script.after(seconds(103));
    expect(script.closed).toBe("timed-out");
  });

  it("tells the program nothing more but the end", () => {
    const script = established();
    script.host.releases();
    script.peer.sends({ flags: ".", seq: 1, ack: 2 });
    script.peer.sends({ flags: "F.", seq: 1, ack: 2 });
    expect(script.upcalls).toEqual(["established", "closed: closed"]);
  });
});

describe("aborting", () => {
  it("sends RST with an ACK and forgets everything", () => {
    const script = established();
    script.host.writes(10);
    script.host.sends({ flags: "P.", seq: 1, length: 10 });
    script.host.aborts();
    script.host.sends({ flags: "R.", seq: 11, ack: 1 });
    expect([script.host.state, script.closed]).toEqual(["closed", "aborted"]);
    script.after(seconds(100));
    script.host.isSilent();
  });

  it("sends nothing to a peer that has not answered", () => {
    const script = opening();
    script.host.sends({ flags: "S" });
    script.host.aborts();
    script.host.isSilent();
  });

  it("sends nothing in TIME-WAIT", () => {
    const script = timeWait();
    script.host.aborts();
    script.host.isSilent();
    expect(script.host.state).toBe("closed");
  });
});

describe("TIME-WAIT", () => {
  it("acknowledges a repeated FIN and starts its 60 s again", () => {
    const script = timeWait();
    script.after(seconds(50));
    script.peer.sends({ flags: "F.", seq: 1, ack: 2 });
    script.host.sends({ flags: ".", seq: 2, ack: 2 });
    script.after(seconds(59));
    expect(script.host.state).toBe("time-wait");
  });

  it("is ended by a RST with the exact number", () => {
    const script = timeWait();
    script.peer.sends({ flags: "R", seq: 1 });
    expect(script.host.state).toBe("time-wait");
    script.peer.sends({ flags: "R", seq: 2 });
    expect(script.host.state).toBe("closed");
  });

  const syn = {
    acknowledgment: seq(0),
    flags: TcpFlag.syn,
    window: 0,
    options: {},
    bytes: new Uint8Array(0),
    at: 0,
    length: 0,
  };

  it("gives way to a SYN with a later number, with an initial number beyond the old one's", () => {
    const { connection, absolute } = bound(timeWait());
    const iss = connection.reopenSequence({ ...syn, sequence: absolute(500, "peer") });
    expect(iss).toBe(absolute(2 + 65_537, "host"));
  });

  it("does not give way to an old SYN, nor to a SYN-ACK", () => {
    const { connection, absolute } = bound(timeWait());
    expect(connection.reopenSequence({ ...syn, sequence: absolute(1, "peer") })).toBeUndefined();
    const synAck = { ...syn, flags: TcpFlag.syn | TcpFlag.ack, sequence: absolute(500, "peer") };
    expect(connection.reopenSequence(synAck)).toBeUndefined();
  });

  it("with timestamps gives way to a SYN with a later one, whatever its number (RFC 6191), and to none with an older", () => {
    const { connection, absolute } = bound(stampedTimeWait());
    const old = { ...syn, sequence: absolute(1, "peer") };
    const later = { ...syn, sequence: absolute(500, "peer") };
    const stamped = (value: number): { options: TcpOptions } => ({ options: { timestamps: { value, echo: 0 } } });
    expect(connection.reopenSequence({ ...old, ...stamped(1001) })).toBe(absolute(2 + 65_537, "host"));
    expect(connection.reopenSequence({ ...old, ...stamped(1000) })).toBeUndefined();
    expect(connection.reopenSequence({ ...later, ...stamped(1000) })).toBe(absolute(2 + 65_537, "host"));
    expect(connection.reopenSequence({ ...later, ...stamped(999) })).toBeUndefined();
  });

  it("does not give way in any other state", () => {
    const { connection, absolute } = bound(finWait2());
    expect(connection.reopenSequence({ ...syn, sequence: absolute(500, "peer") })).toBeUndefined();
  });
});

function bound(script: TcpScript): { connection: TcpScript["connection"]; absolute: TcpScript["absolute"] } {
  return { connection: script.connection, absolute: (value, whose) => script.absolute(value, whose) };
}

describe("an accepted connection", () => {
  it("closes like one that was opened actively", () => {
    const script = accepted();
    script.host.closes();
    script.host.sends({ flags: "F.", seq: 1, ack: 1 });
    script.peer.sends({ flags: "F.", seq: 1, ack: 2 });
    script.host.sends({ flags: ".", seq: 2, ack: 2 });
    expect(script.host.state).toBe("time-wait");
  });
});
