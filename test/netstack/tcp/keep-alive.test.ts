import { describe, expect, it } from "vitest";
import { seconds } from "../../../src/sim/index.ts";
import { established } from "../../support/tcp-script.ts";

const KEEP_ALIVE = { settings: { keepAlive: { idle: seconds(60), interval: seconds(10), probes: 3 } } };

describe("keep-alive", () => {
  it("is off unless asked for", () => {
    const script = established();
    script.after(seconds(100_000));
    script.host.isSilent();
    expect(script.connection.deadline()).toBeUndefined();
  });

  it("sends an old number after the idle time and goes on when it is answered", () => {
    const script = established(KEEP_ALIVE);
    for (const at of [60_010, 120_010, 180_010]) {
      script.after(seconds(60));
      script.host.sends({ flags: ".", seq: 0, ack: 1, at });
      script.peer.sends({ flags: ".", seq: 1, ack: 1 });
    }
    expect(script.host.state).toBe("established");
  });

  it("resets after three probes without answer", () => {
    const script = established(KEEP_ALIVE);
    script.after(seconds(100));
    script.host.sends({ flags: ".", seq: 0, at: 60_010 });
    script.host.sends({ flags: ".", seq: 0, at: 70_010 });
    script.host.sends({ flags: ".", seq: 0, at: 80_010 });
    script.host.sends({ flags: "R.", seq: 1, at: 90_010 });
    expect(script.closed).toBe("timed-out");
  });

  it("waits anew after anything that arrives", () => {
    const script = established(KEEP_ALIVE);
    script.after(seconds(50));
    script.peer.sends({ flags: "P.", seq: 1, ack: 1, length: 10 });
    script.host.sends({ flags: ".", ack: 11 });
    script.after(seconds(59));
    script.host.isSilent();
    script.after(seconds(1));
    script.host.sends({ flags: ".", seq: 0, at: 110_010 });
  });

  it("leaves a connection with data outstanding to the retransmission timer", () => {
    const script = established({
      settings: { keepAlive: { idle: seconds(0.1), interval: seconds(0.1), probes: 1 } },
    });
    script.host.writes(10);
    script.after(seconds(0.2));
    script.host.sends({ flags: "P.", seq: 1, length: 10 });
    script.host.isSilent();
    expect(script.closed).toBeUndefined();
  });
});
