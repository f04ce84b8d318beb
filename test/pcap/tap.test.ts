import { expect, test } from "vitest";
import { Capture, readPcapng, tap } from "../../src/pcap/index.ts";
import { type Device, type FrameHandler, FramePool } from "../../src/sim/index.ts";
import { collect } from "./collected.ts";

test("a tapped device passes frames on unchanged, and both directions are recorded as they were", () => {
  const file = collect();
  const capture = new Capture({ target: { format: "pcapng", sink: file.sink }, now: () => 0 });
  const pool = new FramePool();
  const sent: number[] = [];
  let arrive: FrameHandler = () => {};
  const device: Device = {
    mtu: 1460,
    send: (frame) => {
      sent.push(frame.lineage);
      // The frame's new owner rewrites it.
      frame.bytes.fill(0);
      frame.release();
    },
    onFrame: (handler) => {
      arrive = handler;
    },
  };
  const tapped = tap(device, capture, capture.addPoint({ name: "a/eth0" }));
  const received: number[] = [];
  tapped.onFrame((frame) => {
    received.push(frame.lineage);
    frame.release();
  });
  for (const [value, deliver] of [
    [0xaa, (frame: ReturnType<FramePool["create"]>) => tapped.send(frame)],
    [0xbb, (frame: ReturnType<FramePool["create"]>) => arrive(frame)],
  ] as const) {
    const frame = pool.create(2);
    frame.view().fill(value);
    deliver(frame);
  }
  capture.finish();
  expect([tapped.mtu, sent, received]).toEqual([1460, [1], [2]]);
  const packets = readPcapng(file.bytes()).packets;
  expect(packets.map((one) => [one.direction, one.packetId, [...one.bytes]])).toEqual([
    ["out", 1n, [0xaa, 0xaa]],
    ["in", 2n, [0xbb, 0xbb]],
  ]);
});
