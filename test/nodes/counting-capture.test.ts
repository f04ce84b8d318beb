import { expect, it } from "vitest";
import { interfaceAddress, mac } from "../../src/netstack/index.ts";
import { Network } from "../../src/nodes/index.ts";
import type { CaptureOptions } from "../../src/pcap/index.ts";

const WRITTEN: CaptureOptions["target"] = { format: "pcapng", sink: () => {} };

it("counts packets without a file as with one, and tells nobody what happens in the boxes", () => {
  const counting = count({ format: "count" });
  const writing = count(WRITTEN);
  // ARP and its answer, a datagram to a closed port and the ICMP error about it; each at both ends.
  expect(counting).toEqual({ written: 8, isTold: false });
  expect(writing).toEqual({ written: 8, isTold: true });
});

it("leaves out of the count what the capture would leave out of the file", () => {
  expect(count({ format: "count" }, ["a/*"]).written).toBe(4);
});

function count(
  target: CaptureOptions["target"],
  only: readonly string[] = ["*"],
): { written: number; isTold: boolean } {
  const network = new Network({ seed: 1, capture: { target, only } });
  const a = network.addHost("a");
  const b = network.addHost("b");
  const device = network.addVeth(a, {
    name: "eth0",
    addresses: [interfaceAddress("10.0.0.1/24")],
    mtu: 1500,
    hostEnd: "b/eth0",
  });
  const own = interfaceAddress("10.0.0.2/24");
  b.addInterface({ name: "eth0", device, mac: mac(0x02_0000_0000_02), addresses: [own] });
  a.stack.udp.open({ port: 5000, onDatagram: () => {} }).send({ to: own.address, port: 9, payload: new Uint8Array(4) });
  network.simulator.runUntilQuiet();
  network.capture?.finish();
  return { written: network.capture?.counters.written ?? 0, isTold: network.events.active };
}
