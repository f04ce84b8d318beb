import { describe, expect, it } from "vitest";
import { EventStream, emitEthernet, HostContext, mac, setU16 } from "../../src/netstack/index.ts";
import { Bridge } from "../../src/nodes/index.ts";
import { after, type Frame, Link, Simulator, seconds } from "../../src/sim/index.ts";

const [A, B, C, BRIDGE, BROADCAST] = [0x02_0a, 0x02_0b, 0x02_0c, 0x02_ff, 0xffff_ffff_ffff].map(mac) as [
  ReturnType<typeof mac>,
  ReturnType<typeof mac>,
  ReturnType<typeof mac>,
  ReturnType<typeof mac>,
  ReturnType<typeof mac>,
];

/** A bridge with three ports; what comes out is written down as `b: id`, what goes up to the host as `up: id`. */
function bridged(options: { hairpin?: boolean; mtu?: number } = {}) {
  const simulator = new Simulator({ seed: 1 });
  const { frames, random } = simulator;
  const host = new HostContext({ name: "br", clock: simulator, random, frames, events: new EventStream() });
  const bridge = new Bridge({ host, mac: BRIDGE, mtu: 1500 });
  const seen: string[] = [];
  const outside = new Map<string, Link["b"]>();
  const note =
    (place: string) =>
    (frame: Frame): void => {
      seen.push(`${place}: ${frame.bytes[frame.start + 15]}`);
      frame.release();
    };
  for (const name of ["a", "b", "c"]) {
    const link = new Link({ queue: simulator, frames, random: random.fork(name), mtu: options.mtu ?? 1500 });
    bridge.addPort({ name, device: link.a, hairpin: options.hairpin ?? false });
    link.b.onFrame(note(name));
    outside.set(name, link.b);
  }
  bridge.onFrame(note("up"));
  const frame = (id: number, source: number, destination: number, length = 60): Frame => {
    const made = frames.create(length);
    made.at = simulator.now();
    emitEthernet({ source: mac(source), destination: mac(destination), type: 0x88b5 }, made.bytes, made.start);
    setU16(made.bytes, made.start + 14, id);
    return made;
  };
  /** Sends a frame into a port and returns what came of it. */
  const send = (port: string, id: number, source: number, destination: number, length?: number): string[] => {
    seen.length = 0;
    outside.get(port)!.send(frame(id, source, destination, length));
    simulator.runUntilQuiet();
    return [...seen].sort();
  };
  return { simulator, bridge, host, send, frame, seen };
}

describe("Bridge", () => {
  it("floods what it does not know and then sends only where the address was seen", () => {
    const { send } = bridged();
    expect(send("a", 1, A, B)).toEqual(["b: 1", "c: 1"]);
    expect(send("b", 2, B, A)).toEqual(["a: 2"]);
    expect(send("a", 3, A, B)).toEqual(["b: 3"]);
  });

  it("gives groups to all other ports and to the host, its own address to the host alone", () => {
    const { send } = bridged();
    expect(send("a", 1, A, BROADCAST)).toEqual(["b: 1", "c: 1", "up: 1"]);
    expect(send("a", 2, A, BRIDGE)).toEqual(["up: 2"]);
  });

  it("does not send a frame back where it came from, unless the port is a hairpin", () => {
    const plain = bridged();
    plain.send("a", 1, A, B);
    plain.send("a", 1, C, B);
    expect(plain.send("a", 2, A, C)).toEqual([]);
    expect(plain.host.drops.count("bridge-same-port")).toBe(1);
    const hairpin = bridged({ hairpin: true });
    hairpin.send("a", 1, C, B);
    expect(hairpin.send("a", 2, A, C)).toEqual(["a: 2"]);
  });

  it("follows an address to another port and forgets it after five minutes", () => {
    const { simulator, send } = bridged();
    send("a", 1, A, B);
    send("c", 2, A, B);
    expect(send("b", 3, B, A)).toEqual(["c: 3"]);
    simulator.runTo(after(simulator.now(), seconds(301)));
    expect(send("b", 4, B, A)).toEqual(["a: 4", "c: 4"]);
  });

  it("carries VLAN tags through untouched", () => {
    const { simulator, bridge, frame, seen } = bridged();
    const tagged = frame(7, A, B, 64);
    setU16(tagged.bytes, tagged.start + 12, 0x8100);
    bridge.send(tagged);
    simulator.runUntilQuiet();
    expect(seen.sort()).toEqual(["a: 7", "b: 7", "c: 7"]);
  });

  it("keeps link-local groups to itself and drops what is too long for a port", () => {
    const { host, send } = bridged({ mtu: 100 });
    expect(send("a", 1, A, 0x0180_c200_0000)).toEqual([]);
    expect(send("a", 2, A, B, 200)).toEqual([]);
    expect(host.drops.entries()).toEqual([
      ["bridge-port-blocked", 1],
      ["fragmentation-needed", 2],
    ]);
  });

  it("drops frames without a whole Ethernet header", () => {
    const { simulator, bridge, host } = bridged();
    bridge.send(simulator.frames.create(5));
    expect(host.drops.entries()).toEqual([["ethernet-truncated", 1]]);
  });

  it("sends nothing to a port that was taken away", () => {
    const { bridge, send } = bridged();
    send("b", 1, B, A);
    bridge.removePort(bridge.ports[1]!);
    expect(send("a", 2, A, B)).toEqual(["c: 2"]);
  });
});
