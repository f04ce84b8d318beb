import { describe, expect, it } from "vitest";
import type { PacketWalk } from "../../src/nat/packet-walk.ts";
import { type VirtualServer, VirtualServers } from "../../src/nat/virtual-servers.ts";
import { address, formatIpv4, IpProtocol } from "../../src/netstack/index.ts";
import { after, type Duration, seconds, type Time } from "../../src/sim/index.ts";

const START = 0 as Time;

describe("VirtualServers", () => {
  it("gives new connections to the servers in turns", () => {
    const servers = withServers(["10.1.0.1", "10.1.0.2", "10.1.0.3"]);
    expect(picks(servers, ["a", "a", "b", "a"])).toEqual(["10.1.0.1", "10.1.0.2", "10.1.0.3", "10.1.0.1"]);
  });

  it("goes on with the turn when servers come and go", () => {
    const servers = withServers(["10.1.0.1", "10.1.0.2"]);
    expect(picks(servers, ["a"])).toEqual(["10.1.0.1"]);
    servers.set([virtual(["10.1.0.1", "10.1.0.2", "10.1.0.3"])]);
    expect(picks(servers, ["a", "a"])).toEqual(["10.1.0.2", "10.1.0.3"]);
    servers.set([virtual(["10.1.0.2"])]);
    expect(picks(servers, ["a", "a"])).toEqual(["10.1.0.2", "10.1.0.2"]);
  });

  it("has none to give without servers, and leaves what is addressed elsewhere alone", () => {
    const servers = withServers([]);
    expect(picks(servers, ["a"])).toEqual([undefined]);
    expect(servers.find(packet("a"))?.port).toBe(80);
    expect(servers.find(packet("a", { destinationPort: 81 }))).toBeUndefined();
    expect(servers.find(packet("a", { protocol: IpProtocol.udp }))).toBeUndefined();
    expect(servers.find(packet("a", { hasPorts: false }))).toBeUndefined();
  });

  it("keeps a client with its server until the time after its last connection is over", () => {
    const servers = withServers(["10.1.0.1", "10.1.0.2"], seconds(60));
    const at = (count: number): Time => after(START, seconds(count));
    expect(picks(servers, ["a", "b", "a"])).toEqual(["10.1.0.1", "10.1.0.2", "10.1.0.1"]);
    expect(picks(servers, ["a"], at(59))).toEqual(["10.1.0.1"]);
    expect(picks(servers, ["a"], at(118))).toEqual(["10.1.0.1"]);
    expect(picks(servers, ["b"], at(118))).toEqual(["10.1.0.1"]);
  });

  it("sends a client on when its server is gone", () => {
    const servers = withServers(["10.1.0.1", "10.1.0.2"], seconds(60));
    expect(picks(servers, ["a"])).toEqual(["10.1.0.1"]);
    servers.set([virtual(["10.1.0.2"], seconds(60))]);
    expect(picks(servers, ["a"])).toEqual(["10.1.0.2"]);
  });

  it.each(["sh", "dh"] as const)(
    "with %s always gives the same source, or destination, the same server",
    (scheduler) => {
      const servers = new VirtualServers();
      servers.set([{ ...virtual(["10.1.0.1", "10.1.0.2", "10.1.0.3"]), scheduler }]);
      const [first, other] = picks(servers, ["a", "b"]);
      expect(picks(servers, ["a", "b", "b", "a"])).toEqual([first, other, other, first]);
      if (scheduler === "dh") expect(other).toBe(first);
      // hash_32 of 192.0.2.1 and .2 in 8 bits are 50 and 148: of three servers, dealt out from the last one on, those in places 2 and 1.
      else expect([first, other]).toEqual(["10.1.0.1", "10.1.0.2"]);
    },
  );
});

const CLIENTS: Readonly<Record<string, string>> = { a: "192.0.2.1", b: "192.0.2.2" };

function withServers(addresses: readonly string[], persistence?: Duration): VirtualServers {
  const servers = new VirtualServers();
  servers.set([virtual(addresses, persistence)]);
  return servers;
}

function virtual(addresses: readonly string[], persistence?: Duration): VirtualServer {
  const servers = addresses.map((ip) => ({ address: address(ip), port: 8080 }));
  const vip = { protocol: "tcp", address: address("203.0.113.10"), port: 80 } as const;
  return { ...vip, servers, ...(persistence !== undefined && { persistence }) };
}

function picks(servers: VirtualServers, clients: readonly string[], now: Time = START): (string | undefined)[] {
  return clients.map((client) => {
    const real = servers.pick(packet(client), now);
    return real && formatIpv4(real.address);
  });
}

function packet(
  client: string,
  more: Partial<Record<"protocol" | "destinationPort", number> & { hasPorts: boolean }> = {},
): PacketWalk {
  const source = address(CLIENTS[client] ?? "") | 0;
  const destination = address("203.0.113.10") | 0;
  const fields = { hasPorts: true, protocol: IpProtocol.tcp, source, destination, destinationPort: 80, ...more };
  return fields as unknown as PacketWalk;
}
