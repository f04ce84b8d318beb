import { describe, expect, it } from "vitest";
import {
  address,
  type EchoReply,
  formatIpv4,
  type IcmpErrorMessage,
  IcmpType,
  type PacketEvent,
  parseArp,
  readIpv4Header,
  type Stack,
  type UdpDatagram,
} from "../../src/netstack/index.ts";
import { after, ms, seconds } from "../../src/sim/index.ts";
import { hex } from "../support/hex.ts";
import { inject, line, route, TestNetwork } from "../support/hosts.ts";
import { icmpEcho } from "../support/packets.ts";

function pair(): { net: TestNetwork; a: Stack; b: Stack; link: ReturnType<TestNetwork["wire"]> } {
  const net = new TestNetwork();
  const a = net.host("a");
  const b = net.host("b");
  return { net, a, b, link: net.wire(a, "10.0.0.1/24", b, "10.0.0.2/24") };
}

function ping(from: Stack, to: string, options: { length?: number; ttl?: number } = {}): EchoReply[] {
  const replies: EchoReply[] = [];
  const destination = address(to);
  const source = from.addressing.sourceFor(destination);
  if (source === undefined) throw new Error(`no way to ${to}`);
  from.icmp.onEchoReply(7, (reply) => replies.push(reply));
  const { length = 56, ttl } = options;
  from.icmp.sendEcho({ source, destination, identifier: 7, sequence: 1, length, ...(ttl !== undefined && { ttl }) });
  return replies;
}

function sent(net: TestNetwork, name: string): Uint8Array[] {
  const copies = net.seen.filter((event): event is Extract<PacketEvent, { kind: "sent" }> => event.kind === "sent");
  return copies.filter((event) => event.node === name).map((event) => event.bytes);
}

describe("ARP", () => {
  it("asks once, keeps what waits, sends it in order when the answer is there", () => {
    const { net, a, b } = pair();
    const got: number[] = [];
    b.udp.open({ port: 9, onDatagram: ({ payload }) => got.push(payload[0]!) });
    const socket = a.udp.open({ onDatagram: () => {} });
    for (let i = 1; i <= 3; i++) socket.send({ to: address("10.0.0.2"), port: 9, payload: Uint8Array.of(i) });
    net.run();
    expect(got).toEqual([1, 2, 3]);
    expect(net.told("a").filter((what) => what === "queued eth0").length).toBe(3);
    expect(net.told("b").slice(0, 2)).toEqual(["arrived eth0", "sent eth0"]);
    expect(b.link.neighbours.list().map(({ address: known, state }) => [formatIpv4(known), state])).toEqual([
      ["10.0.0.1", "stale"],
    ]);
    expect(a.link.neighbours.list()[0]?.state).toBe("reachable");
  });

  it("gives up after three requests a second apart and tells the sender: host unreachable", () => {
    const { net, a } = pair();
    const errors: IcmpErrorMessage[] = [];
    const socket = a.udp.open({ onDatagram: () => {}, onError: (error) => errors.push(error) });
    socket.send({ to: address("10.0.0.99"), port: 9, payload: Uint8Array.of(1) });
    net.simulator.runTo(after(net.simulator.now(), ms(2999)));
    expect(sent(net, "a").length).toBe(3);
    expect(errors).toEqual([]);
    net.simulator.runTo(after(net.simulator.now(), ms(100)));
    expect(errors.map(({ type, code }) => [type, code])).toEqual([[IcmpType.unreachable, 1]]);
    expect(a.host.drops.count("neighbour-unreachable")).toBe(1);
  });

  it("bounds what waits for one address: the oldest gives way", () => {
    const { net, a } = pair();
    const socket = a.udp.open({ onDatagram: () => {} });
    for (let i = 0; i < 150; i++) socket.send({ to: address("10.0.0.99"), port: 9, payload: Uint8Array.of(i) });
    expect(a.host.drops.count("arp-queue-full")).toBe(49);
    net.simulator.runTo(after(net.simulator.now(), seconds(4)));
    expect(a.host.drops.count("neighbour-unreachable")).toBe(101);
  });

  it("learns from an announcement what it already knew, and nothing new", () => {
    const { net, a, b } = pair();
    ping(a, "10.0.0.2");
    net.run();
    b.link.announce(b.interface("eth0")!, address("10.0.0.77"));
    net.run();
    expect(a.link.neighbours.list().map(({ address: known }) => formatIpv4(known))).toEqual(["10.0.0.2"]);
    const arp = parseArp(sent(net, "b").at(-1)!, 14, 42);
    expect(arp && [arp.operation, arp.senderIp === arp.targetIp]).toEqual([1, true]);
  });

  it("asks a neighbour again by unicast when it has not been heard of", () => {
    const { net, a } = pair();
    ping(a, "10.0.0.2");
    net.run();
    net.simulator.runTo(after(net.simulator.now(), seconds(60)));
    ping(a, "10.0.0.2");
    net.run();
    expect(a.link.neighbours.list()[0]?.state).toBe("delay");
    const before = sent(net, "a").length;
    net.simulator.runTo(after(net.simulator.now(), seconds(6)));
    const probes = sent(net, "a")
      .slice(before)
      .map((bytes) => parseArp(bytes, 14, 42)?.operation);
    // Its own request, and the answer to the other side, which asks for the same reason.
    expect(probes.sort()).toEqual([1, 2]);
    expect(a.link.neighbours.list()[0]?.state).toBe("reachable");
  });
});

describe("ping", () => {
  it("is answered with the same data, one less in TTL for each router", () => {
    const { net, a } = line();
    const replies = ping(a, "10.0.2.2");
    net.run();
    expect(replies.map(({ from, ttl, length }) => [formatIpv4(from), ttl, length])).toEqual([["10.0.2.2", 63, 64]]);
  });

  it("reaches the host's own addresses through lo", () => {
    const { net, a } = pair();
    const replies = [...ping(a, "127.0.0.1"), ...ping(a, "10.0.0.1")];
    net.run();
    expect(replies.length).toBe(0);
    expect(net.told("a").filter((what) => what === "delivered ping").length).toBe(2);
    expect(net.seen.some((event) => event.kind === "sent" && event.interface !== "lo")).toBe(false);
  });

  it("of a larger size than the MTU goes in fragments and comes back whole", () => {
    const net = new TestNetwork();
    const a = net.host("a");
    const b = net.host("b");
    net.wire(a, "10.0.0.1/24", b, "10.0.0.2/24");
    let answer: UdpDatagram | undefined;
    b.udp.open({
      port: 9,
      onDatagram: ({ from, fromPort, payload }) => server.send({ to: from, port: fromPort, payload: payload.slice() }),
    });
    const server = b.udp.open({ port: 10, onDatagram: () => {} });
    const client = a.udp.open({
      onDatagram: (datagram) => {
        answer = { ...datagram, payload: datagram.payload.slice() };
      },
    });
    const payload = Uint8Array.from({ length: 3000 }, (_, i) => i);
    client.send({ to: address("10.0.0.2"), port: 9, payload });
    net.run();
    expect(answer?.payload).toEqual(payload);
    const lengths = sent(net, "a")
      .filter((bytes) => bytes[12] === 8 && bytes[13] === 0)
      .map((bytes) => bytes.length - 14);
    expect(lengths).toEqual([1500, 1500, 68]);
  });
});

describe("forwarding", () => {
  it("answers a TTL that ran out from the address that faces the sender, quoting header and data", () => {
    const { net, a } = line();
    const errors: IcmpErrorMessage[] = [];
    a.onIcmpError((error) => errors.push({ ...error, bytes: error.bytes.slice() }));
    ping(a, "10.0.2.2", { ttl: 1 });
    net.run();
    expect(errors.map(({ type, code, from, ttl, quoted }) => [type, code, formatIpv4(from), ttl, quoted.ttl])).toEqual([
      [11, 0, "10.0.1.254", 64, 1],
    ]);
    const error = sent(net, "r").at(-1)!;
    expect(readIpv4Header(error, 14)).toMatchObject({
      typeOfService: 0xc0,
      dontFragment: false,
      totalLength: 20 + 8 + 84,
    });
  });

  it("quotes at most 548 bytes", () => {
    const { net, a } = line();
    ping(a, "10.0.2.2", { ttl: 1, length: 1400 });
    net.run();
    expect(readIpv4Header(sent(net, "r").at(-1)!, 14).totalLength).toBe(576);
  });

  it("tells of a narrower link when DF is set, and the sender learns its MTU", () => {
    const { net, a, r } = line({ mtuBehind: 1400 });
    const errors: number[] = [];
    a.onIcmpError(({ type, code, rest }) => errors.push(type, code, rest));
    ping(a, "10.0.2.2", { length: 1450 });
    net.run();
    expect(errors).toEqual([3, 4, 1400]);
    expect(r.host.drops.count("fragmentation-needed")).toBe(1);
    expect(a.pathMtu(address("10.0.2.2"))).toBe(1400);
    expect(a.pathMtu(address("10.0.1.254"))).toBe(1500);
  });

  it("cuts packets without DF at multiples of 8", () => {
    const { net, a, b } = line({ mtuBehind: 1400 });
    let length = 0;
    b.udp.open({ port: 9, onDatagram: ({ payload }) => (length = payload.length) });
    const socket = a.udp.open({ onDatagram: () => {} });
    socket.send({ to: address("10.0.2.2"), port: 9, payload: new Uint8Array(1450), dontFragment: false });
    net.run();
    expect(length).toBe(1450);
    const lengths = sent(net, "r")
      .filter((bytes) => bytes[12] === 8 && bytes[13] === 0)
      .map((bytes) => bytes.length - 14);
    expect(lengths).toEqual([1396, 102]);
  });

  it("sends network unreachable when it has no route, and nothing when it does not forward", () => {
    const { net, a, r } = line();
    const errors: number[] = [];
    a.onIcmpError(({ type, code }) => errors.push(type, code));
    ping(a, "192.0.2.1");
    net.run();
    expect(errors).toEqual([3, 0]);
    r.host.sysctls.forwarding = false;
    ping(a, "10.0.2.2");
    net.run();
    expect(errors).toEqual([3, 0]);
    expect(r.host.drops.entries()).toEqual([
      ["forwarding-off", 1],
      ["no-route", 1],
    ]);
  });

  it("limits errors to six at once and one a second for each destination", () => {
    const { net, a } = line();
    let errors = 0;
    a.onIcmpError(() => (errors += 1));
    for (let i = 0; i < 30; i++) ping(a, "10.0.2.2", { ttl: 1 });
    net.run();
    expect(errors).toBe(6);
    net.simulator.runTo(after(net.simulator.now(), ms(1100)));
    for (let i = 0; i < 30; i++) ping(a, "10.0.2.2", { ttl: 1 });
    net.run();
    expect(errors).toBe(7);
  });
});

describe("UDP", () => {
  it("answers a closed port with port unreachable", () => {
    const { net, a } = line();
    const errors: number[] = [];
    const socket = a.udp.open({ onDatagram: () => {}, onError: ({ type, code }) => errors.push(type, code) });
    socket.send({ to: address("10.0.2.2"), port: 33434, payload: Uint8Array.of(1) });
    net.run();
    expect(errors).toEqual([3, 3]);
  });

  it("refuses a port in use and chooses free even ports from the ephemeral range", () => {
    const { a } = pair();
    a.udp.open({ port: 53, onDatagram: () => {} });
    expect(() => a.udp.open({ port: 53, onDatagram: () => {} })).toThrow("Cannot bind UDP port 53 on a: it is in use");
    const ports = Array.from({ length: 50 }, () => a.udp.open({ onDatagram: () => {} }).port);
    expect(new Set(ports).size).toBe(50);
    expect(ports.every((port) => port >= 32768 && port <= 60999 && port % 2 === 0)).toBe(true);
  });
});

describe("martians", () => {
  /** An echo request from `source` to `destination`, with right checksums, in a frame to host b. */
  function frameTo(b: Stack, source: string, destination: string): Uint8Array {
    const { net, a } = pair();
    const bytes: Uint8Array[] = [];
    net.events.read((event) => {
      if (event.kind === "sent" && event.bytes[13] === 0) bytes.push(event.bytes.slice());
    });
    a.icmp.sendEcho({
      source: address(source),
      destination: address("10.0.0.2"),
      identifier: 1,
      sequence: 1,
      length: 8,
    });
    net.run();
    const frame = bytes[0]!;
    const target = address(destination);
    // The destination is changed by hand, so that `a` need not route it; the checksum follows by RFC 1624.
    const header = readIpv4Header(frame, 14);
    let sum = (~header.checksum & 0xffff) + (~(header.destination >>> 16) & 0xffff) + (~header.destination & 0xffff);
    sum += (target >>> 16) + (target & 0xffff);
    while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
    frame.set([(~sum >> 8) & 255, ~sum & 255], 24);
    frame.set([target >>> 24, (target >>> 16) & 255, (target >>> 8) & 255, target & 255], 30);
    frame.set(macBytes(b.interface("eth0")!.mac), 0);
    return frame;
  }

  function macBytes(mac: number): number[] {
    return [40, 32, 24, 16, 8, 0].map((shift) => Math.floor(mac / 2 ** shift) % 256);
  }

  it.each([
    ["127.0.0.1", "10.0.0.2", "martian-source"],
    ["10.0.0.1", "127.0.0.1", "martian-destination"],
    ["224.0.0.1", "10.0.0.2", "martian-source"],
    ["255.255.255.255", "10.0.0.2", "martian-source"],
    ["0.1.2.3", "10.0.0.2", "martian-source"],
    ["10.0.0.2", "10.0.0.2", "martian-source"],
    ["10.0.0.1", "0.0.0.0", "martian-destination"],
  ])("drops a packet from %s to %s: %s", (source, destination, reason) => {
    const { net, b, link } = pair();
    inject(net, link.a, frameTo(b, source, destination));
    net.run();
    expect(b.host.drops.entries()).toEqual([[reason, 1]]);
  });

  it("lets 127.0.0.0/8 in with route_localnet", () => {
    const { net, b, link } = pair();
    b.host.sysctls.routeLocalnet = true;
    inject(net, link.a, frameTo(b, "10.0.0.1", "127.0.0.1"));
    net.run();
    expect(net.told("b")).toContain("delivered echo");
  });

  it("checks the way back when the reverse path filter is on", () => {
    const { net, b, link } = pair();
    b.host.sysctls.reversePathFilter = "strict";
    inject(net, link.a, frameTo(b, "192.0.2.1", "10.0.0.2"));
    net.run();
    expect(b.host.drops.entries()).toEqual([["reverse-path-filter", 1]]);
  });
});

describe("rubbish from the network", () => {
  it.each([
    ["a frame of three bytes", "010203", "ethernet-truncated"],
    ["an unknown EtherType", "020000000002 020000000001 86dd 60", "unknown-ethertype"],
    ["a VLAN tag", "020000000002 020000000001 8100 0064 0800 45", "vlan-not-configured"],
    ["another host's frame", "020000000099 020000000001 0800 45", "other-host"],
    ["half an ARP packet", "ffffffffffff 020000000001 0806 0001 0800", "arp-malformed"],
    ["half an IP header", "020000000002 020000000001 0800 45 00 0014", "ip-truncated"],
    [
      "a bad IP checksum",
      "020000000002 020000000001 0800 4500001400004000 4006 dead 0a000001 0a000002",
      "ip-bad-checksum",
    ],
  ])("%s is dropped: %s", (_name, digits, reason) => {
    const { net, b, link } = pair();
    inject(net, link.a, hex(digits));
    net.run();
    expect(b.host.drops.entries()).toEqual([[reason, 1]]);
  });
});

describe("routes", () => {
  it("prefer the longest prefix, then the lowest metric, then what is up", () => {
    const { a, r } = line();
    route(r, "10.9.0.0/16", "10.0.2.2");
    route(r, "10.9.9.0/24", "10.0.1.1");
    expect(r.addressing.hop(address("10.9.9.9"))?.out.name).toBe("eth0");
    expect(r.addressing.hop(address("10.9.8.9"))?.out.name).toBe("eth1");
    expect(a.addressing.hop(address("192.0.2.1"))?.nextHop).toBe(address("10.0.1.254"));
    r.interface("eth0")!.up = false;
    expect(r.addressing.hop(address("10.9.9.9"))?.out.name).toBe("eth1");
  });

  it("choose the source address of the interface in the next hop's subnet", () => {
    const { r } = line();
    const eth1 = r.interface("eth1")!;
    r.addAddress(eth1, { address: address("192.0.2.254"), prefixLength: 24 });
    expect(r.addressing.sourceFor(address("192.0.2.7"))).toBe(address("192.0.2.254"));
    expect(r.addressing.sourceFor(address("10.0.2.2"))).toBe(address("10.0.2.254"));
    expect(r.sourceAddressFor(eth1, address("192.0.2.7"))).toBe(address("192.0.2.254"));
    expect(r.addressKind(address("10.0.2.255"))).toBe("broadcast");
    expect(r.addressKind(address("10.0.1.254"), eth1)).toBe("unicast");
  });
});

it("tells the time of day to who asks by ICMP, and copies what the question says", () => {
  const { net, a } = pair();
  net.simulator.runTo(after(net.simulator.now(), seconds(2)));
  const payload = "\x01\x02\x03\x04zzzzzzzz";
  a.ip.send(icmpEcho({ from: "10.0.0.1", to: "10.0.0.2", id: 9, seq: 3, type: 13, payload }));
  net.simulator.runTo(after(net.simulator.now(), seconds(1)));
  const [reply] = sent(net, "b").filter((bytes) => bytes[23] === 1);
  const icmp = [...(reply ?? [])].slice(34);
  expect(icmp.slice(0, 2)).toEqual([14, 0]);
  expect(icmp.slice(4, 12)).toEqual([0, 9, 0, 3, 1, 2, 3, 4]);
  // 2000 ms into the run's first day.
  expect([icmp.slice(12, 16), icmp.slice(16, 20)]).toEqual([
    [0, 0, 7, 208],
    [0, 0, 7, 208],
  ]);
});
