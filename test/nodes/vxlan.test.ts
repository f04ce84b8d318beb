import { describe, expect, it } from "vitest";
import {
  address,
  cidr,
  fillIpv4Checksum,
  formatIpv4,
  getU16,
  isUdpChecksumRight,
  type PacketEvent,
  parseInterfaceAddress,
  readIpv4Header,
} from "../../src/netstack/index.ts";
import { type Host, Network } from "../../src/nodes/index.ts";
import { after, seconds } from "../../src/sim/index.ts";

/* Two hosts on one segment, joined by VXLAN devices with a network of their own. */

interface World {
  readonly network: Network;
  readonly a: Host;
  readonly b: Host;
  /** Outer packets, in words. */
  readonly outer: string[];
}

interface TunnelOptions {
  readonly port?: number;
  readonly udpChecksum?: boolean;
  readonly vniOfB?: number;
  readonly remotesOfA?: readonly string[];
}

function tunnelled({ vniOfB = 42, remotesOfA = ["192.0.2.2"], ...options }: TunnelOptions = {}): World {
  const network = new Network({ seed: 1 });
  const lan = network.addSwitch("lan");
  const [a, b] = ["a", "b"].map((name, index) => {
    const host = network.addHost(name);
    network.attach(host, lan, { name: "eth0", addresses: [parseInterfaceAddress(`192.0.2.${index + 1}/24`)!] });
    return host;
  }) as [Host, Host];
  const inner = (last: number): NonNullable<ReturnType<typeof parseInterfaceAddress>>[] => [
    parseInterfaceAddress(`10.9.0.${last}/24`)!,
  ];
  a.addVxlan({ name: "vx0", vni: 42, remotes: remotesOfA.map(address), addresses: inner(1), ...options });
  b.addVxlan({ name: "vx0", vni: vniOfB, remotes: [address("192.0.2.1")], addresses: inner(2), ...options });
  const outer: string[] = [];
  network.events.read((event) => outer.push(...describeOuter(event)));
  return { network, a, b, outer };
}

function describeOuter(event: PacketEvent): string[] {
  if (event.kind !== "sent" || event.interface !== "eth0") return [];
  const { bytes } = event;
  const ip = readIpv4Header(bytes, 14);
  if (getU16(bytes, 12) !== 0x0800 || ip.protocol !== 17) return [];
  const sum = getU16(bytes, 14 + 20 + 6);
  const summed =
    sum === 0 ? "no checksum" : isUdpChecksumRight(bytes, 34, ip.source, ip.destination) ? "right" : "wrong";
  const flags = ip.dontFragment ? " DF" : "";
  return [
    `${formatIpv4(ip.source)} > ${formatIpv4(ip.destination)}:${getU16(bytes, 36)} ttl ${ip.ttl}${flags} ${summed}`,
  ];
}

/** Sends a datagram from `from` to 10.9.0.2, port 53; what b heard. */
function send({ network, a, b }: World, size: number, from = 40000): string[] {
  const heard: string[] = [];
  const server = b.stack.udp.open({
    port: 53,
    onDatagram: (datagram) => heard.push(`${formatIpv4(datagram.from)} ${datagram.payload.length} ttl ${datagram.ttl}`),
  });
  const client = a.stack.udp.open({ port: from, onDatagram: () => {} });
  client.send({ to: address("10.9.0.2"), port: 53, payload: new Uint8Array(size) });
  network.simulator.runTo(after(network.simulator.now(), seconds(5)));
  server.close();
  client.close();
  return heard;
}

describe("a VXLAN device", () => {
  it("carries frames in UDP to port 4789, with a TTL of its own, without DF, with a checksum", () => {
    const world = tunnelled();
    expect(send(world, 100)).toEqual(["10.9.0.1 100 ttl 64"]);
    // The inner ARP request, its answer, and the datagram.
    expect(world.outer).toEqual([
      "192.0.2.1 > 192.0.2.2:4789 ttl 64 right",
      "192.0.2.2 > 192.0.2.1:4789 ttl 64 right",
      "192.0.2.1 > 192.0.2.2:4789 ttl 64 right",
    ]);
  });

  it("takes another port, and leaves the checksum out where it is told to", () => {
    const world = tunnelled({ port: 8472, udpChecksum: false });
    expect(send(world, 100)).toEqual(["10.9.0.1 100 ttl 64"]);
    expect(new Set(world.outer.map((line) => line.replace(/^.*:/, "")))).toEqual(new Set(["8472 ttl 64 no checksum"]));
  });

  it("has an MTU of 50 bytes less, so that what fills it fills the segment", () => {
    const world = tunnelled();
    expect(world.a.stack.interface("vx0")?.mtu).toBe(1450);
    expect(send(world, 1450 - 28)).toEqual(["10.9.0.1 1422 ttl 64"]);
  });

  it("keeps a packet's lineage, outside and inside", () => {
    const world = tunnelled();
    const lineages = new Map<string, Set<number>>();
    world.network.events.read((event) => {
      const isData = event.kind === "encapsulated" || event.kind === "decapsulated" || event.kind === "delivered";
      if (isData) lineages.set(event.kind, (lineages.get(event.kind) ?? new Set()).add(event.lineage));
    });
    send(world, 100);
    const delivered = [...(lineages.get("delivered") ?? [])];
    expect(delivered).toHaveLength(1);
    expect(lineages.get("encapsulated")).toContain(delivered[0]);
    expect(lineages.get("decapsulated")).toContain(delivered[0]);
  });

  it("has one source port for all packets of a flow, and another for another flow", () => {
    const world = tunnelled();
    const ports: number[] = [];
    world.network.events.read((event) => {
      if (event.kind === "sent" && event.node === "a" && event.interface === "eth0" && event.bytes[23] === 17)
        ports.push(getU16(event.bytes, 34));
    });
    send(world, 10);
    const [, first] = ports.splice(0);
    send(world, 20);
    send(world, 10, 40001);
    expect(ports).toHaveLength(2);
    expect(ports[0]).toBe(first);
    expect(ports[1]).not.toBe(first);
    for (const port of ports) expect(port >= 32768 && port <= 60999).toBe(true);
  });

  it("drops what is of another VNI", () => {
    const world = tunnelled({ vniOfB: 43 });
    expect(send(world, 100)).toEqual([]);
    expect(world.b.stack.host.drops.count("tunnel-unknown")).toBe(3);
  });

  it("says in the outer header what ECN needs to know of the inner one, as Linux does", () => {
    const { network, a, b } = tunnelled();
    const seen: number[] = [];
    network.events.read((event) => {
      const isOuter = event.kind === "sent" && event.interface === "eth0" && getU16(event.bytes, 12) === 0x0800;
      if (isOuter && event.node === "a") seen.push(readIpv4Header(event.bytes, 14).typeOfService);
    });
    const [source, destination] = [address("10.9.0.1"), address("10.9.0.2")];
    b.stack.link.neighbours.setPermanent(b.stack.interface("vx0")!, source, a.stack.interface("vx0")!.mac);
    a.stack.link.neighbours.setPermanent(a.stack.interface("vx0")!, destination, b.stack.interface("vx0")!.mac);
    for (const typeOfService of [0xb8, 0xb9, 0xba, 0xbb]) {
      a.stack.ip.send(a.stack.ip.create({ protocol: 17, source, destination, dontFragment: true, typeOfService }, 0));
    }
    network.simulator.runTo(after(network.simulator.now(), seconds(1)));
    // Measured on Linux 6.18: congestion experienced (3) inside is ECT(0) outside.
    expect(seen).toEqual([0, 1, 2, 2]);
  });

  it.each([
    ["not ECT", 0, [0, 0, 0, undefined]],
    ["ECT(1)", 1, [1, 1, 1, 3]],
    ["ECT(0)", 2, [2, 1, 2, 3]],
    ["CE", 3, [3, 3, 3, 3]],
  ] as const)(
    "merges what the outer header says of congestion into a packet that is %s (RFC 6040 §4.2)",
    (_, own, merged) => {
      const arrived = [0, 1, 2, 3].map((mark) => {
        const { network, a, b } = tunnelled();
        const seen: number[] = [];
        const [source, destination] = [address("10.9.0.1"), address("10.9.0.2")];
        b.stack.link.neighbours.setPermanent(b.stack.interface("vx0")!, source, a.stack.interface("vx0")!.mac);
        a.stack.link.neighbours.setPermanent(a.stack.interface("vx0")!, destination, b.stack.interface("vx0")!.mac);
        network.events.read((event) => {
          if (event.kind === "sent" && event.interface === "eth0" && event.bytes[23] === 17) {
            // As a router on the way would.
            event.bytes[15] = mark;
            fillIpv4Checksum(event.bytes, 14);
          }
          const isInner = event.kind === "arrived" && event.node === "b" && event.interface === "vx0";
          if (isInner) seen.push(readIpv4Header(event.bytes, 14).typeOfService & 3);
        });
        const header = { protocol: 17, source, destination, dontFragment: true, typeOfService: own };
        a.stack.ip.send(a.stack.ip.create(header, 0));
        network.simulator.runTo(after(network.simulator.now(), seconds(1)));
        return seen[0];
      });
      expect(arrived).toEqual(merged);
    },
  );

  it("drops what it has no end for", () => {
    const world = tunnelled({ remotesOfA: [] });
    expect(send(world, 100)).toEqual([]);
    expect(world.a.stack.host.drops.count("tunnel-no-remote")).toBe(3);
  });

  it("drops what would have to go through itself to its other end", () => {
    const { network, a, outer } = tunnelled({ remotesOfA: ["10.9.0.2"] });
    const vx0 = a.stack.interface("vx0")!;
    a.stack.link.neighbours.setPermanent(vx0, address("10.9.0.2"), vx0.mac);
    const client = a.stack.udp.open({ port: 40000, onDatagram: () => {} });
    client.send({ to: address("10.9.0.2"), port: 53, payload: new Uint8Array(7) });
    network.simulator.runTo(after(network.simulator.now(), seconds(1)));
    expect(outer).toEqual([]);
    expect(a.stack.host.drops.count("no-route")).toBe(1);
  });

  it("learns from what comes in behind which end an address is", () => {
    const world = tunnelled({ remotesOfA: [] });
    // b asks first; a's answer goes to the end that the request came from.
    const socket = world.b.stack.udp.open({ port: 40000, onDatagram: () => {} });
    const heard: number[] = [];
    world.a.stack.udp.open({ port: 53, onDatagram: ({ payload }) => heard.push(payload.length) });
    socket.send({ to: address("10.9.0.1"), port: 53, payload: new Uint8Array(7) });
    world.network.simulator.runTo(after(world.network.simulator.now(), seconds(5)));
    expect(heard).toEqual([7]);
  });

  it("gets along with another device of the same port and another VNI, and with no socket there", () => {
    const { a } = tunnelled();
    a.addVxlan({ name: "vx1", vni: 7, addresses: [parseInterfaceAddress("10.10.0.1/24")!] });
    expect(() => a.stack.udp.open({ port: 4789, onDatagram: () => {} })).toThrow(
      "Cannot bind UDP port 4789 on a: it is in use",
    );
    expect(a.stack.addressing.routes.lookup(address("10.10.0.9"))?.destination).toEqual(cidr("10.10.0.0/24"));
  });
});
