import { expect, test } from "vitest";
import { Network } from "../../src/nodes/index.ts";
import { ms } from "../../src/sim/index.ts";

test("shortened cables take as long as a veth pair; what was asked for stays", () => {
  const network = new Network({ seed: 1 });
  const segment = network.addSwitch("lan");
  const plug = (name: string, impairments?: { readonly out: { readonly delay: ReturnType<typeof ms> } }): void =>
    network.attach(network.addHost(name), segment, { name: "eth0", ...(impairments && { impairments }) });
  const delays = (): [string, number, number][] =>
    [...network.links].map(([name, link]) => [name, link.delay("a>b") / 1000, link.delay("b>a") / 1000]);
  plug("near");
  plug("far", { out: { delay: ms(3) } });
  expect(delays()).toEqual([
    ["near/eth0-lan", 50, 50],
    ["far/eth0-lan", 3000, 50],
  ]);
  network.shortenCables();
  plug("late");
  expect(delays()).toEqual([
    ["near/eth0-lan", 2, 2],
    ["far/eth0-lan", 3000, 2],
    ["late/eth0-lan", 2, 2],
  ]);
});
