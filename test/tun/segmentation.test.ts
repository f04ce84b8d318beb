import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { handOver } from "../../src/tun/segmentation.ts";
import { collector, handedOver, pattern, tcpFrame, udpFrame, VIRTIO, withPartialChecksum } from "./kernel-packets.ts";

const NEEDS_CHECKSUM = 1;
const TCP4 = 1;
const ECN = 0x80;
const UDP_L4 = 5;
const FIN = 0x01;
const PSH = 0x08;
const ACK = 0x10;
const CWR = 0x80;

/** What the emulated network would see of it. */
function cut(packet: Uint8Array, mtu = 1500): { became: string; frames: Uint8Array[] } {
  const sink = collector();
  return { became: handOver(packet, packet.length, mtu, sink), frames: sink.frames };
}

describe("handOver()", () => {
  it("passes a whole frame as it is", () => {
    const frame = tcpFrame({ payload: pattern(100) });
    expect(cut(handedOver(frame))).toEqual({ became: "passed", frames: [frame] });
  });

  it("completes a checksum that was left to the card", () => {
    const frame = tcpFrame({ payload: pattern(101) });
    const packet = handedOver(withPartialChecksum(frame), { flags: NEEDS_CHECKSUM, start: 34, offset: 16 });
    expect(cut(packet).frames).toEqual([frame]);
  });

  it("writes a UDP checksum of zero as ffff, because zero says that there is none", () => {
    // Two bytes that bring the sum to ffff.
    const plain = udpFrame(Uint8Array.of(0, 0));
    const sum = new DataView(plain.buffer).getUint16(40);
    const frame = udpFrame(Uint8Array.of(sum >> 8, sum & 0xff));
    const packet = handedOver(withPartialChecksum(frame), { flags: NEEDS_CHECKSUM, start: 34, offset: 6 });
    const [only] = cut(packet).frames;
    expect(new DataView(only!.buffer).getUint16(40)).toBe(0xffff);
  });

  it("cuts a super-packet into the segments that a card would have sent", () => {
    const payload = pattern(3000);
    const whole = tcpFrame({ payload, flags: ACK | PSH, identification: 0xffff });
    const packet = handedOver(withPartialChecksum(whole), {
      flags: NEEDS_CHECKSUM,
      gso: TCP4,
      size: 1448,
      start: 34,
      offset: 16,
    });
    expect(cut(packet).frames).toEqual([
      tcpFrame({ payload: payload.slice(0, 1448), sequence: 1000, identification: 0xffff }),
      tcpFrame({ payload: payload.slice(1448, 2896), sequence: 2448, identification: 0 }),
      tcpFrame({ payload: payload.slice(2896), sequence: 3896, identification: 1, flags: ACK | PSH }),
    ]);
  });

  it("leaves FIN and PSH to the last segment and CWR to the first", () => {
    const payload = pattern(300);
    const packet = handedOver(tcpFrame({ payload, flags: ACK | FIN | PSH | CWR }), {
      flags: NEEDS_CHECKSUM,
      gso: TCP4 | ECN,
      size: 100,
    });
    const flags = cut(packet).frames.map((frame) => frame[47]);
    expect(flags).toEqual([ACK | CWR, ACK, ACK | FIN | PSH]);
  });

  it("keeps the options of the TCP header in every segment, and wraps the sequence number", () => {
    const options = Uint8Array.of(1, 1, 8, 10, 0, 0, 0, 1, 0, 0, 0, 2);
    const payload = pattern(200);
    const whole = tcpFrame({ payload, options, sequence: 0xffffffe0 });
    const packet = handedOver(whole, { flags: NEEDS_CHECKSUM, gso: TCP4, size: 100 });
    expect(cut(packet).frames).toEqual([
      tcpFrame({ payload: payload.slice(0, 100), options, sequence: 0xffffffe0 }),
      tcpFrame({ payload: payload.slice(100), options, sequence: 0x44, identification: 8 }),
    ]);
  });

  it("makes no segment longer than the link's MTU, whatever size is asked for", () => {
    const packet = handedOver(tcpFrame({ payload: pattern(4000) }), { flags: NEEDS_CHECKSUM, gso: TCP4, size: 3000 });
    expect(cut(packet, 1460).frames.map(({ length }) => length - 14)).toEqual([1460, 1460, 40 + 4000 - 2 * 1420]);
  });

  it("cuts UDP super-packets into datagrams", () => {
    const payload = pattern(250);
    const packet = handedOver(udpFrame(payload), { flags: NEEDS_CHECKSUM, gso: UDP_L4, size: 100 });
    expect(cut(packet).frames).toEqual([
      udpFrame(payload.slice(0, 100), 7),
      udpFrame(payload.slice(100, 200), 8),
      udpFrame(payload.slice(200), 9),
    ]);
  });

  const refused: [string, Uint8Array, string][] = [
    ["a packet without a frame", new Uint8Array(VIRTIO + 3), "malformed"],
    [
      "IPv6",
      handedOver(
        Uint8Array.from(tcpFrame({ payload: pattern(9) }), (byte, at) => (at === 12 ? 0x86 : at === 13 ? 0xdd : byte)),
      ),
      "not-ipv4",
    ],
    [
      "an offload that was not asked for",
      handedOver(tcpFrame({ payload: pattern(9) }), { gso: 3, size: 4 }),
      "unsupported-offload",
    ],
    [
      "a super-packet without a segment size",
      handedOver(tcpFrame({ payload: pattern(9) }), { gso: TCP4 }),
      "malformed",
    ],
    ["a TCP super-packet of UDP", handedOver(udpFrame(pattern(9)), { gso: TCP4, size: 4 }), "malformed"],
    [
      "a checksum field outside the frame",
      handedOver(udpFrame(pattern(9)), { flags: NEEDS_CHECKSUM, start: 34, offset: 500 }),
      "malformed",
    ],
  ];
  it.each(refused)("refuses %s", (_, packet, why) => {
    expect(cut(packet)).toEqual({ became: why, frames: [] });
  });

  it("says that there is no room", () => {
    const packet = handedOver(tcpFrame({ payload: pattern(100) }));
    expect(handOver(packet, packet.length, 1500, collector(50))).toBe("no-room");
  });

  it("takes any bytes without throwing, and makes no frame longer than what came and the headers", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), fc.boolean(), (bytes, asIp) => {
        if (asIp && bytes.length > 24) bytes.set([8, 0, 0x45], VIRTIO + 12);
        expect(() => cut(bytes)).not.toThrow();
      }),
    );
  });
});
