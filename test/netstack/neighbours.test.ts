import { describe, expect, it } from "vitest";
import { address, mac, type Stack } from "../../src/netstack/index.ts";
import { after, seconds } from "../../src/sim/index.ts";
import { TestNetwork } from "../support/hosts.ts";

const OTHER = address("10.0.0.9");

function pair(): { net: TestNetwork; a: Stack; b: Stack } {
  const net = new TestNetwork();
  const a = net.host("a");
  const b = net.host("b");
  net.wire(a, "10.0.0.1/24", b, "10.0.0.2/24");
  return { net, a, b };
}

function send(from: Stack, to: typeof OTHER): void {
  from.udp.open({ onDatagram: () => {} }).send({ to, port: 9, payload: Uint8Array.of(1) });
}

function knownTo(stack: Stack): string[] {
  return stack.link.neighbours.list().map((entry) => entry.state);
}

describe("an address that a host answers for", () => {
  it("is found at that host's interface, as long as it answers", () => {
    const { net, a, b } = pair();
    const eth0 = b.interface("eth0")!;
    b.link.answerFor(eth0, OTHER);
    send(a, OTHER);
    net.simulator.runTo(after(net.simulator.now(), seconds(1)));
    expect(a.link.neighbours.known(a.interface("eth0")!, OTHER)).toBe(eth0.mac);

    b.link.answerNoMoreFor(eth0, OTHER);
    a.link.neighbours.flush(a.interface("eth0")!);
    send(a, OTHER);
    net.simulator.runTo(after(net.simulator.now(), seconds(10)));
    expect(a.link.neighbours.known(a.interface("eth0")!, OTHER)).toBeUndefined();
  });

  it("is not the host's own: nothing is delivered there", () => {
    const { net, a, b } = pair();
    b.link.answerFor(b.interface("eth0")!, OTHER);
    let got = 0;
    b.udp.open({ port: 9, onDatagram: () => (got += 1) });
    send(a, OTHER);
    net.simulator.runTo(after(net.simulator.now(), seconds(1)));
    expect(got).toBe(0);
  });
});

describe("a permanent neighbour entry", () => {
  it("is used without asking, and neither ages nor changes", () => {
    const { net, a, b } = pair();
    const eth0 = a.interface("eth0")!;
    const fixed = mac(0x020000000042);
    a.link.neighbours.setPermanent(eth0, address("10.0.0.2"), fixed);
    b.link.announce(b.interface("eth0")!, address("10.0.0.2"));
    send(a, address("10.0.0.2"));
    a.link.neighbours.confirm(eth0, address("10.0.0.2"));
    net.simulator.runTo(after(net.simulator.now(), seconds(300)));
    expect(knownTo(a)).toEqual(["permanent"]);
    expect(a.link.neighbours.known(eth0, address("10.0.0.2"))).toBe(fixed);
    // No ARP request was sent: b never heard of a.
    expect(knownTo(b)).toEqual([]);
  });

  it("stays when a table that is full pushes others out", () => {
    const { net, a } = pair();
    const eth0 = a.interface("eth0")!;
    a.link.neighbours.setPermanent(eth0, OTHER, mac(0x020000000042));
    for (let i = 0; i < 1100; i++) send(a, address(`10.0.0.${10 + (i % 240)}`));
    for (let i = 0; i < 1100; i++) {
      a.link.neighbours.learn(eth0, address(`10.1.${i >> 8}.${i & 255}`), mac(0x020000000100 + i), {
        answer: true,
        create: true,
      });
    }
    net.simulator.runTo(after(net.simulator.now(), seconds(10)));
    expect(a.link.neighbours.known(eth0, OTHER)).toBe(mac(0x020000000042));
  });
});

describe("removeInterface()", () => {
  it("forgets the interface's addresses, routes and neighbours", () => {
    const { net, a } = pair();
    const eth0 = a.interface("eth0")!;
    send(a, address("10.0.0.2"));
    net.simulator.runTo(after(net.simulator.now(), seconds(1)));
    a.removeInterface(eth0);
    expect(a.interface("eth0")).toBeUndefined();
    expect(a.addressing.isLocal(address("10.0.0.1"))).toBe(false);
    expect(a.addressing.hop(address("10.0.0.2"))).toBeUndefined();
    expect(knownTo(a)).toEqual([]);
  });
});
