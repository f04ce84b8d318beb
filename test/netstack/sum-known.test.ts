import { expect, it } from "vitest";
import { address } from "../../src/netstack/index.ts";
import { FramePool } from "../../src/sim/index.ts";
import { udpPacket } from "../support/packets.ts";

it("verifies a checksum once, and a rewrite that patches it leaves it right", () => {
  const packet = udpPacket({ from: "10.0.0.1:1000", to: "10.0.0.2:53", payload: 9 });
  expect(packet.isSumRight()).toBe(true);
  expect(packet.frame.sumKnownAt).toBe(packet.transport);
  packet.setDestination(address("192.0.2.7"), 5353);
  packet.setSource(address("198.51.100.1"), 40_000);
  expect(packet.transportSum()).toBe(0);
});

it("finds a byte changed by somebody else, and takes no note of a wrong sum", () => {
  const packet = udpPacket({ from: "10.0.0.1:1000", to: "10.0.0.2:53", payload: 9 });
  packet.bytes[packet.end - 1] = 0x5a;
  expect(packet.isSumRight()).toBe(false);
  expect(packet.frame.sumKnownAt).toBe(0);
});

it("knows nothing of a frame that comes from the pool again, or of a copy", () => {
  const frames = new FramePool();
  const frame = frames.create(60);
  frame.sumKnownAt = 34;
  expect(frames.copy(frame).sumKnownAt).toBe(0);
  frame.release();
  expect(frames.create(60).sumKnownAt).toBe(0);
});

it("forgets the sum of a packet that is made longer", () => {
  const packet = udpPacket({ from: "10.0.0.1:1000", to: "10.0.0.2:53", payload: 9 });
  packet.isSumRight();
  expect(packet.insert(packet.end, 2)).toBe(true);
  expect(packet.frame.sumKnownAt).toBe(0);
});
