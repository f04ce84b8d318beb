import { describe, expect, it } from "vitest";
import { behaviourKey, DEFAULT_NAT_SETTINGS, NAT_BEHAVIOURS } from "../../src/nat/nat-behaviour.ts";
import { NatMappings } from "../../src/nat/nat-mappings.ts";
import { address, IpProtocol } from "../../src/netstack/index.ts";
import { after, Random, START, seconds } from "../../src/sim/index.ts";

const INSIDE = { address: address("192.168.1.10"), port: 5000 };
const SISTER = { address: address("192.168.1.11"), port: 5000 };
const REMOTE = { address: address("203.0.113.80"), port: 3478 };
const OTHER_PORT = { ...REMOTE, port: 3479 };
const OTHER_ADDRESS = { ...REMOTE, address: address("203.0.113.81") };

function mappings(settings: Partial<typeof DEFAULT_NAT_SETTINGS> = {}): NatMappings {
  return new NatMappings({ ...DEFAULT_NAT_SETTINGS, ...settings }, new Random(1));
}

describe("what counts as the same correspondent", () => {
  it.each([
    ["endpoint-independent", true, true],
    ["address-dependent", true, false],
    ["address-and-port-dependent", false, false],
  ] as const)("%s: another port %s, another address %s", (behaviour, samePort, sameAddress) => {
    const key = behaviourKey(behaviour, REMOTE.address, REMOTE.port);
    expect(behaviourKey(behaviour, OTHER_PORT.address, OTHER_PORT.port) === key).toBe(samePort);
    expect(behaviourKey(behaviour, OTHER_ADDRESS.address, OTHER_ADDRESS.port) === key).toBe(sameAddress);
  });
});

describe("a NAT's table", () => {
  it.each(NAT_BEHAVIOURS)("admits whom the inside host has sent to, filtering %s", (filtering) => {
    const table = mappings({ filtering });
    const mapping = table.add(IpProtocol.udp, INSIDE, REMOTE, START);
    if (mapping === undefined) throw new Error("no mapping");
    table.refresh(mapping, REMOTE, START);
    expect(table.admits(mapping, REMOTE, START)).toBe(true);
    expect(table.admits(mapping, OTHER_PORT, START)).toBe(filtering !== "address-and-port-dependent");
    expect(table.admits(mapping, OTHER_ADDRESS, START)).toBe(filtering === "endpoint-independent");
  });

  it("keeps the inside port for the first host and gives the second another one", () => {
    const table = mappings();
    const first = table.add(IpProtocol.udp, INSIDE, REMOTE, START);
    if (first !== undefined) table.refresh(first, REMOTE, START);
    expect(first?.outsidePort).toBe(5000);
    expect(table.add(IpProtocol.udp, SISTER, REMOTE, START)?.outsidePort).not.toBe(5000);
    expect(table.add(IpProtocol.tcp, SISTER, REMOTE, START)?.outsidePort).toBe(5000);
  });

  it("forgets a mapping when its time is over, and not a moment earlier", () => {
    const table = mappings({ timeoutSeconds: 30 });
    const mapping = table.add(IpProtocol.udp, INSIDE, REMOTE, START);
    if (mapping !== undefined) table.refresh(mapping, REMOTE, START);
    expect(table.find(IpProtocol.udp, INSIDE, REMOTE, after(START, seconds(29.999)))).toBe(mapping);
    expect(table.find(IpProtocol.udp, INSIDE, REMOTE, after(START, seconds(30)))).toBeUndefined();
    expect(table.list(START)).toEqual([]);
  });

  it("has one mapping a port, and none for who comes when all are taken", () => {
    const table = mappings();
    const ports = 65535;
    for (let port = 1; port <= ports; port++) {
      const mapping = table.add(IpProtocol.udp, { ...INSIDE, port }, REMOTE, START);
      if (mapping !== undefined) table.refresh(mapping, REMOTE, START);
    }
    expect(new Set(table.list(START).map(({ outsidePort }) => outsidePort)).size).toBe(ports);
    expect(table.add(IpProtocol.udp, SISTER, REMOTE, START)).toBeUndefined();
    expect(table.add(IpProtocol.tcp, SISTER, REMOTE, START)).toBeDefined();
  });
});
