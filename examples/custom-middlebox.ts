import {
  address,
  EVERYWHERE,
  type Hook,
  type HookVerdict,
  interfaceAddress,
  Network,
  type Packet,
  type PacketHook,
  runCommand,
} from "natscope";

/** A box of one's own on the packet path: it answers nothing and translates nothing, but lets each source send only so many packets. */
class Quota implements PacketHook {
  readonly wantsDatagrams = false;
  readonly #left = new Map<number, number>();
  readonly #allowance: number;

  constructor(allowance: number) {
    this.#allowance = allowance;
  }

  run(hook: Hook, packet: Packet): HookVerdict {
    if (hook !== "forward") return "accept";
    const left = this.#left.get(packet.source) ?? this.#allowance;
    this.#left.set(packet.source, left - 1);
    return left > 0 ? "accept" : "rule-drop";
  }
}

export function main(print: (line: string) => void): void {
  const network = new Network({ seed: 1 });
  const [left, right] = [network.addSwitch("left"), network.addSwitch("right")];
  const [a, box, b] = [network.addHost("a"), network.addHost("box", { forwarding: true }), network.addHost("b")];
  network.attach(a, left, { name: "eth0", addresses: [interfaceAddress("10.0.1.1/24")] });
  network.attach(box, left, { name: "eth0", addresses: [interfaceAddress("10.0.1.254/24")] });
  network.attach(box, right, { name: "eth1", addresses: [interfaceAddress("10.0.2.254/24")] });
  network.attach(b, right, { name: "eth0", addresses: [interfaceAddress("10.0.2.1/24")] });
  a.addRoute(EVERYWHERE, address("10.0.1.254"));
  b.addRoute(EVERYWHERE, address("10.0.2.254"));
  box.stack.setHook(new Quota(3));

  const ping = runCommand(a, "ping -c 5 -W 1 10.0.2.1");
  network.simulator.runUntil(() => ping.exitCode !== undefined);
  print(ping.stdout.split("\n").find((line) => line.includes("packets transmitted")) ?? "");
  for (const [reason, count] of network.drops()) print(`${count} dropped: ${reason}`);
}
