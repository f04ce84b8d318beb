import { describe, expect, it } from "vitest";
import { describeEvent } from "../../src/explain/index.ts";
import { address } from "../../src/netstack/index.ts";
import { type Host, Network } from "../../src/nodes/index.ts";
import { UdpRelay } from "../../src/nodes/udp-relay.ts";
import { after, type Duration, ms, seconds } from "../../src/sim/index.ts";

describe("UdpRelay", () => {
  it("passes datagrams to its targets in turns, a client's to the same one, and the answers back", () => {
    const { network, relay, client, heard } = relayedNetwork();
    relay.setTargets(["10.0.0.11", "10.0.0.12"].map((ip) => ({ address: address(ip), port: 7, text: `${ip}:7` })));
    const [first, second] = [
      client.stack.udp.open(hears(heard, "first")),
      client.stack.udp.open(hears(heard, "second")),
    ];
    for (const socket of [first, second, first])
      socket.send({ to: address("10.0.0.1"), port: 4000, payload: new Uint8Array([1]) });
    run(network, ms(50));
    expect(heard).toEqual(["first: a", "second: b", "first: a"]);
  });

  it("forgets a client after its time, and gives the next datagram to the next target", () => {
    const { network, relay, client, heard } = relayedNetwork();
    relay.setTargets(["10.0.0.11", "10.0.0.12"].map((ip) => ({ address: address(ip), port: 7, text: `${ip}:7` })));
    const socket = client.stack.udp.open(hears(heard, "client"));
    const send = (): unknown => socket.send({ to: address("10.0.0.1"), port: 4000, payload: new Uint8Array([1]) });
    send();
    run(network, seconds(1));
    send();
    run(network, seconds(1));
    expect(heard).toEqual(["client: a", "client: b"]);
  });

  it("tells once for each client which socket of its own carries it", () => {
    const { network, relay, client } = relayedNetwork();
    const told: string[] = [];
    network.events.read((event) => {
      if (event.kind === "proxied") told.push(describeEvent(event).replace(/^\S+ /, ""));
    });
    relay.setTargets([{ address: address("10.0.0.11"), port: 7, text: "10.0.0.11:7" }]);
    const socket = client.stack.udp.open({ port: 5000, onDatagram: () => {} });
    for (const byte of [1, 2]) {
      socket.send({ to: address("10.0.0.1"), port: 4000, payload: new Uint8Array([byte]) });
      run(network, ms(50));
    }
    expect(told).toHaveLength(1);
    expect(told[0]).toMatch(
      /^relay #0 udp port 4000: 10\.0\.0\.1:\d+ > 10\.0\.0\.11:7 \(10\.0\.0\.11:7\) carries 10\.0\.0\.2:5000 > 10\.0\.0\.1:4000$/,
    );
  });

  it("drops what it has no target for, and is silent once closed", () => {
    const { network, relay, client, heard } = relayedNetwork();
    const socket = client.stack.udp.open(hears(heard, "client"));
    socket.send({ to: address("10.0.0.1"), port: 4000, payload: new Uint8Array([1]) });
    run(network, ms(100));
    relay.setTargets([{ address: address("10.0.0.11"), port: 7, text: "10.0.0.11:7" }]);
    relay.close();
    socket.send({ to: address("10.0.0.1"), port: 4000, payload: new Uint8Array([1]) });
    run(network, ms(100));
    expect(heard).toEqual([]);
  });
});

function relayedNetwork(): { network: Network; relay: UdpRelay; client: Host; heard: string[] } {
  const network = new Network({ seed: 1 });
  const lan = network.addSwitch("lan");
  const join = (name: string, ip: string): Host => {
    const host = network.addHost(name);
    network.attach(host, lan, { name: "eth0", addresses: [{ address: address(ip), prefixLength: 24 }] });
    return host;
  };
  const relay = new UdpRelay(join("relay", "10.0.0.1"), { port: 4000, timeout: ms(250) });
  for (const [name, ip] of [
    ["a", "10.0.0.11"],
    ["b", "10.0.0.12"],
  ] as const) {
    const { udp } = join(name, ip).stack;
    const server = udp.open({
      port: 7,
      onDatagram: ({ from, fromPort }) =>
        server.send({ to: from, port: fromPort, payload: new TextEncoder().encode(name) }),
    });
  }
  return { network, relay, client: join("client", "10.0.0.2"), heard: [] };
}

function run(network: Network, duration: Duration): void {
  network.simulator.runTo(after(network.simulator.now(), duration));
}

function hears(heard: string[], name: string): { onDatagram: (datagram: { payload: Uint8Array }) => void } {
  return { onDatagram: ({ payload }) => void heard.push(`${name}: ${new TextDecoder().decode(payload)}`) };
}
