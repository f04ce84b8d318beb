import { describe, expect, it } from "vitest";
import { LINUX_TCP } from "../../../src/netstack/tcp/index.ts";
import { ms, seconds } from "../../../src/sim/index.ts";
import { accepted, established, type TcpScript } from "../../support/tcp-script.ts";

describe("a RST", () => {
  it("with the exact number ends the connection", () => {
    const script = established();
    expect(script.peer.sends({ flags: "R", seq: 1 })).toBe("tcp-reset");
    expect([script.host.state, script.closed]).toEqual(["closed", "reset"]);
    script.host.isSilent();
  });

  it("elsewhere in the window is asked back with a challenge ACK (RFC 5961 §3.2)", () => {
    const script = established();
    expect(script.peer.sends({ flags: "R", seq: 2 })).toBe("tcp-doubtful-reset");
    script.host.sends({ flags: ".", seq: 1, ack: 1 });
    expect(script.host.state).toBe("established");
  });

  it("outside the window is ignored", () => {
    const script = established();
    expect(script.peer.sends({ flags: "R", seq: 100_000 })).toBe("tcp-outside-window");
    expect(script.peer.sends({ flags: "R", seq: -5 })).toBe("tcp-old-sequence");
    script.host.isSilent();
  });

  it("at the end of what was received beyond a gap counts as exact, as in Linux", () => {
    const script = established();
    script.peer.sends({ flags: "P.", seq: 101, ack: 1, length: 100 });
    script.host.sends({ flags: ".", ack: 1 });
    script.peer.sends({ flags: "R", seq: 201 });
    expect(script.closed).toBe("reset");
  });

  it("leaves what was received to be read", () => {
    const script = established();
    script.peer.sends({ flags: "P.", seq: 1, ack: 1, length: 10 });
    script.peer.sends({ flags: "R", seq: 11 });
    expect(script.host.reads(100).length).toBe(10);
  });
});

describe("challenge ACKs", () => {
  it("answer a SYN within a connection (RFC 5961 §4.2)", () => {
    const script = established();
    expect(script.peer.sends({ flags: "S", seq: 1 })).toBe("tcp-unexpected-syn");
    script.host.sends({ flags: ".", seq: 1, ack: 1 });
    expect(script.host.state).toBe("established");
  });

  it("answer an ACK of data never sent, or older than any window (RFC 5961 §5)", () => {
    const script = established();
    expect(script.peer.sends({ flags: ".", seq: 1, ack: 2 })).toBe("tcp-ack-of-unsent-data");
    script.host.sends({ flags: ".", seq: 1, ack: 1 });
    script.after(ms(500));
    expect(script.peer.sends({ flags: ".", seq: 1, ack: -65_535 })).toBe("tcp-ack-too-old");
    script.host.sends({ flags: ".", seq: 1, ack: 1 });
    script.host.writes(100);
    script.host.sends({ flags: "P.", length: 100 });
    script.peer.sends({ flags: ".", seq: 1, ack: 101 });
    expect(script.peer.sends({ flags: ".", seq: 1, ack: 1 })).toBeUndefined();
    script.host.isSilent();
  });

  it("answer an ACK older than all that was ever acknowledged, whose data is not taken", () => {
    const { host, peer } = established();
    expect(peer.sends({ flags: "P.", seq: 1, ack: 0, length: 10 })).toBe("tcp-ack-too-old");
    host.sends({ flags: ".", seq: 1, ack: 1 });
  });

  it("come at most twice a second (RFC 5961 §7)", () => {
    const script = established();
    for (let i = 0; i < 100; i++) {
      script.peer.sends({ flags: "S", seq: 1 });
      script.after(ms(10));
    }
    script.host.sends({ flags: ".", at: 10 });
    script.host.sends({ flags: ".", at: 510 });
    script.host.isSilent();
  });
});

describe("a segment outside the window", () => {
  it("is answered with an ACK when it has data, as often as it comes", () => {
    const script = established();
    for (let i = 0; i < 3; i++) {
      expect(script.peer.sends({ flags: "P.", seq: 70_000, ack: 1, length: 10 })).toBe("tcp-outside-window");
      script.host.sends({ flags: ".", seq: 1, ack: 1 });
    }
  });

  it("that lies before it is a keep-alive probe, and answered", () => {
    const script = established();
    expect(script.peer.sends({ flags: ".", seq: 0, ack: 1 })).toBe("tcp-old-sequence");
    script.host.sends({ flags: ".", seq: 1, ack: 1 });
  });

  it("is cut to it when only a part lies outside", () => {
    const script = established({ settings: { receiveBuffer: { initial: 4000, most: 4000 } } });
    script.peer.sends({ flags: "P.", seq: 1, ack: 1, length: 1000 });
    script.peer.sends({ flags: "P.", seq: 1001, ack: 1, length: 1460 });
    expect(script.connection.readable).toBe(2000);
  });

  it("is not answered when it takes up no numbers and begins at the window's end: two full windows would answer each other for ever", () => {
    const script = established();
    const end = 1 + script.connection.info.receiveWindow;
    expect(script.peer.sends({ flags: ".", seq: end, ack: 1 })).toBeUndefined();
    script.host.isSilent();
  });

  it("without ACK is dropped", () => {
    const script = established();
    expect(script.peer.sends({ flags: "P", seq: 1, length: 10 })).toBe("tcp-without-ack");
    script.host.isSilent();
  });
});

describe("PAWS (RFC 7323 §5)", () => {
  function stamped(): TcpScript {
    return accepted({ settings: LINUX_TCP }, { mss: 1460, sackPermitted: true, timestamps: { value: 1000, echo: 0 } });
  }

  it("drops data with a timestamp older than the last one, and acknowledges", () => {
    const { host, peer } = stamped();
    const old = peer.sends({
      flags: "P.",
      seq: 1,
      ack: 1,
      length: 10,
      options: { timestamps: { value: 999, echo: 0 } },
    });
    expect(old).toBe("tcp-old-timestamp");
    host.sends({ flags: ".", seq: 1, ack: 1 });
  });

  it("understands that timestamps wrap", () => {
    const script = accepted({ settings: LINUX_TCP }, { mss: 1460, timestamps: { value: 0xffff_fff0, echo: 0 } });
    const segment = { flags: "P.", ack: 1, length: 10 };
    expect(script.peer.sends({ ...segment, seq: 1, options: { timestamps: { value: 5, echo: 0 } } })).toBeUndefined();
    expect(script.peer.sends({ ...segment, seq: 11, options: { timestamps: { value: 0xffff_fff5, echo: 0 } } })).toBe(
      "tcp-old-timestamp",
    );
  });

  it("does not drop a RST", () => {
    const script = stamped();
    script.peer.sends({ flags: "R", seq: 1, options: { timestamps: { value: 1, echo: 0 } } });
    expect(script.closed).toBe("reset");
  });

  it("does not drop a bare ACK that was merely overtaken", () => {
    const { peer } = stamped();
    expect(
      peer.sends({ flags: ".", seq: 1, ack: 1, options: { timestamps: { value: 995, echo: 0 } } }),
    ).toBeUndefined();
  });

  it("trusts the clock no longer than 24 days", () => {
    const script = stamped();
    script.after(seconds(24 * 24 * 3600));
    const options = { timestamps: { value: 5, echo: 0 } };
    expect(script.peer.sends({ flags: "P.", seq: 1, ack: 1, length: 10, options })).toBeUndefined();
  });

  it("takes no timestamp from a segment whose acknowledgment cannot be true", () => {
    const { host, peer } = stamped();
    peer.sends({ flags: "P.", seq: 1, ack: 1, length: 10, options: { timestamps: { value: 1005, echo: 0 } } });
    expect(host.sends({ flags: ".", ack: 11 }).options.timestamps?.echo).toBe(1005);
    peer.sends({ flags: ".", seq: 11, ack: 99, options: { timestamps: { value: 1009, echo: 0 } } });
    expect(host.sends({ flags: ".", ack: 11 }).options.timestamps?.echo).toBe(1005);
  });

  it("echoes the timestamp of the segment that the ACK is about (RFC 7323 §4.3)", () => {
    const { host, peer } = stamped();
    peer.sends({ flags: "P.", seq: 1, ack: 1, length: 10, options: { timestamps: { value: 1005, echo: 0 } } });
    expect(host.sends({ flags: ".", ack: 11 }).options.timestamps?.echo).toBe(1005);
    peer.sends({ flags: "P.", seq: 101, ack: 1, length: 10, options: { timestamps: { value: 1009, echo: 0 } } });
    expect(host.sends({ flags: ".", ack: 11 }).options.timestamps?.echo).toBe(1005);
  });
});
