import { describe, expect, it } from "vitest";
import type { IcmpErrorKind } from "../../../src/netstack/tcp/index.ts";
import { ms, seconds } from "../../../src/sim/index.ts";
import { answering, established, opening, type TcpScript } from "../../support/tcp-script.ts";

function error(script: TcpScript, kind: IcmpErrorKind, quoted: number): void {
  script.connection.onIcmpError(kind, script.absolute(quoted, "host"), script.now);
  script.drain();
}

function tooBig(script: TcpScript, mtu: number, quoted: number): void {
  script.connection.onFragmentationNeeded(mtu, script.absolute(quoted, "host"), script.now);
  script.drain();
}

describe("an ICMP error during the handshake", () => {
  it.each([
    ["port-unreachable", "refused"],
    ["protocol-unreachable", "protocol-unreachable"],
    ["host-unreachable", "host-unreachable"],
    ["network-unreachable", "network-unreachable"],
    ["prohibited", "host-unreachable"],
    ["time-exceeded", "host-unreachable"],
    ["parameter-problem", "protocol-error"],
  ] as const)("ends it, as in Linux: %s means %s", (kind, reason) => {
    const script = opening();
    script.host.sends({ flags: "S" });
    error(script, kind, 0);
    expect([script.host.state, script.closed]).toEqual(["closed", reason]);
    script.host.isSilent();
  });

  it("is ignored when it quotes a number that is not in flight", () => {
    const script = opening();
    script.host.sends({ flags: "S" });
    error(script, "port-unreachable", 5);
    expect(script.host.state).toBe("syn-sent");
  });

  it("ends a passive one too, but not with port unreachable", () => {
    const script = answering();
    script.host.sends({ flags: "S." });
    error(script, "port-unreachable", 0);
    expect(script.host.state).toBe("syn-received");
    error(script, "host-unreachable", 0);
    expect(script.host.state).toBe("closed");
  });
});

describe("an ICMP error about an established connection", () => {
  it("does not end it (RFC 5927 §5.2), but is the reason when it times out", () => {
    const script = established();
    script.host.writes(10);
    script.after(seconds(1));
    error(script, "host-unreachable", 1);
    expect(script.host.state).toBe("established");
    script.after(seconds(2000));
    expect(script.closed).toBe("host-unreachable");
  });

  it("takes one doubling of the timeout back (RFC 6069)", () => {
    const script = established({}, { mss: 1460 });
    script.host.writes(10);
    script.after(seconds(2));
    const before = script.connection.info.retransmissionTimeout;
    error(script, "network-unreachable", 1);
    expect(script.connection.info.retransmissionTimeout).toBe(before / 2);
  });
});

describe("fragmentation needed", () => {
  it("has what was too long cut anew and sent again at once, without a smaller window", () => {
    const script = established();
    script.host.writes(2920);
    script.host.sends({ flags: ".", seq: 1, length: 1460 });
    script.host.sends({ flags: "P.", seq: 1461, length: 1460 });
    tooBig(script, 1400, 1);
    script.host.sends({ flags: ".", seq: 1, length: 1360 });
    script.host.sends({ flags: ".", seq: 1361, length: 1360 });
    script.host.sends({ flags: "P.", seq: 2721, length: 200 });
    script.host.isSilent();
    expect(script.connection.info).toMatchObject({ sendMss: 1360, congestionWindow: 10 });
    tooBig(script, 1400, 1461);
    script.host.isSilent();
  });

  it("is believed only about numbers in flight (RFC 5927 §7.2)", () => {
    const script = established();
    script.host.writes(1460);
    script.take();
    tooBig(script, 1400, 5000);
    tooBig(script, 1400, -10);
    script.host.isSilent();
    expect(script.connection.info.sendMss).toBe(1460);
  });

  it("is not believed below 552 bytes, nor when it asks for more than now", () => {
    const script = established();
    script.host.writes(1460);
    script.take();
    tooBig(script, 9000, 1);
    expect(script.connection.info.sendMss).toBe(1460);
    tooBig(script, 68, 1);
    expect(script.connection.info.sendMss).toBe(512);
  });

  it("does not make segments longer than the way out takes, though the peer would take more", () => {
    const script = established({}, { mss: 8960, sackPermitted: true });
    script.host.writes(1460);
    script.host.sends({ flags: "P.", seq: 1, length: 1460 });
    tooBig(script, 9000, 1);
    expect(script.connection.info.sendMss).toBe(1460);
  });

  it("recovers fully: the pieces are acknowledged and sending goes on", () => {
    const script = established();
    script.host.writes(1460);
    script.take();
    tooBig(script, 1400, 1);
    script.after(ms(10));
    while (script.take() !== undefined);
    script.peer.sends({ flags: ".", seq: 1, ack: 1461 });
    expect(script.connection.info).toMatchObject({ phase: "open", unacknowledged: 0, segmentsInFlight: 0 });
    expect(script.connection.deadline()).toBeUndefined();
  });
});
