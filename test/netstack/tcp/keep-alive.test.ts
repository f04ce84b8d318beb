import { describe, expect, it } from "vitest";
import type { TcpConnection } from "../../../src/netstack/tcp/index.ts";
import { seconds } from "../../../src/sim/index.ts";
import { established, opening, type TcpScript } from "../../support/tcp-script.ts";

/** A connection with probes. */
function kept(wanted: Parameters<TcpConnection["setKeepAlive"]>[0]): TcpScript {
  const script = established();
  script.connection.setKeepAlive(wanted, script.now);
  return script;
}

const SHORT = { idle: seconds(60), interval: seconds(10), probes: 3 };

describe("keep-alive", () => {
  it("is off unless asked for", () => {
    const script = established();
    script.after(seconds(100_000));
    script.host.isSilent();
    expect(script.connection.deadline()).toBeUndefined();
  });

  it("sends an old number after the idle time and goes on when it is answered", () => {
    const script = kept(SHORT);
    for (const at of [60_010, 120_010, 180_010]) {
      script.after(seconds(60));
      script.host.sends({ flags: ".", seq: 0, ack: 1, at });
      script.peer.sends({ flags: ".", seq: 1, ack: 1 });
    }
    expect(script.host.state).toBe("established");
  });

  it("resets after three probes without answer", () => {
    const script = kept(SHORT);
    script.after(seconds(100));
    script.host.sends({ flags: ".", seq: 0, at: 60_010 });
    script.host.sends({ flags: ".", seq: 0, at: 70_010 });
    script.host.sends({ flags: ".", seq: 0, at: 80_010 });
    script.host.sends({ flags: "R.", seq: 1, at: 90_010 });
    expect(script.closed).toBe("timed-out");
  });

  it("waits anew after anything that arrives", () => {
    const script = kept(SHORT);
    script.after(seconds(50));
    script.peer.sends({ flags: "P.", seq: 1, ack: 1, length: 10 });
    script.host.sends({ flags: ".", ack: 11 });
    script.after(seconds(59));
    script.host.isSilent();
    script.after(seconds(1));
    script.host.sends({ flags: ".", seq: 0, at: 110_010 });
  });

  it("leaves a connection with data outstanding to the retransmission timer", () => {
    const script = kept({ idle: seconds(0.1), interval: seconds(0.1), probes: 1 });
    script.host.writes(10);
    script.after(seconds(0.2));
    script.host.sends({ flags: "P.", seq: 1, length: 10 });
    script.host.isSilent();
    expect(script.closed).toBeUndefined();
  });

  it("takes the host's times where none are given, 2 h and nine probes 75 s apart", () => {
    const script = kept({});
    script.after(seconds(7200 + 9 * 75));
    const times = Array.from({ length: 9 }, (_, probe) => 7_200_010 + probe * 75_000);
    for (const at of times) script.host.sends({ flags: ".", seq: 0, at });
    script.host.sends({ flags: "R.", seq: 1, at: 7_875_010 });
    expect(script.closed).toBe("timed-out");
  });

  it("begins with the connection when it was asked for before", () => {
    const script = opening();
    script.connection.setKeepAlive(SHORT, script.now);
    script.host.sends({ flags: "S" });
    script.peer.sends({ flags: "S.", seq: 0, ack: 1, options: { mss: 1460 } });
    script.host.sends({ flags: "." });
    script.after(seconds(60));
    script.host.sends({ flags: ".", seq: 0, at: 60_000 });
  });

  it("ends when it is switched off", () => {
    const script = kept(SHORT);
    script.connection.setKeepAlive("off", script.now);
    expect(script.connection.deadline()).toBeUndefined();
  });
});
