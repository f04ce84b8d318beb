import { describe, expect, it } from "vitest";
import { FragmentTable } from "../../src/lb/fragment-table.ts";
import { BackendPool } from "../../src/lb/index.ts";
import { address, IpProtocol, type Packet } from "../../src/netstack/index.ts";
import { after, Simulator, seconds } from "../../src/sim/index.ts";
import { TestNetwork } from "../support/hosts.ts";

const simulator = new Simulator({ seed: 1 });
const backend = new BackendPool({ clock: simulator }).add({ name: "a", address: address("10.0.0.1") });
const host = new TestNetwork().host("maker");

function packet(
  identification: number,
  change: { source?: string; destination?: string; protocol?: number } = {},
): Packet {
  const { source = "192.0.2.1", destination = "192.0.2.2", protocol = IpProtocol.udp } = change;
  const ends = { source: address(source), destination: address(destination) };
  return host.ip.create({ protocol, identification, dontFragment: false, ...ends }, 8);
}

describe("FragmentTable", () => {
  it("finds the backend for the same datagram only", () => {
    const table = new FragmentTable(simulator);
    table.note(packet(7), backend);
    expect(table.find(packet(7))).toBe(backend);
    expect(table.find(packet(8))).toBeUndefined();
    expect(table.find(packet(7, { source: "192.0.2.9" }))).toBeUndefined();
    expect(table.find(packet(7, { destination: "192.0.2.9" }))).toBeUndefined();
    expect(table.find(packet(7, { protocol: IpProtocol.tcp }))).toBeUndefined();
  });

  it("forgets after 30 seconds, as the receiver does", () => {
    const table = new FragmentTable(simulator);
    table.note(packet(7), backend);
    simulator.runTo(after(simulator.now(), seconds(29)));
    expect(table.find(packet(7))).toBe(backend);
    simulator.runTo(after(simulator.now(), seconds(1)));
    expect(table.find(packet(7))).toBeUndefined();
  });

  it("keeps no more than its limit: the oldest goes, a repeated one is new again", () => {
    const table = new FragmentTable(simulator, 2);
    for (const identification of [1, 2, 1, 3]) table.note(packet(identification), backend);
    expect([1, 2, 3].map((identification) => table.find(packet(identification)) !== undefined)).toEqual([
      true,
      false,
      true,
    ]);
  });
});
