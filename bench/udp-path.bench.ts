import { parseIptablesSave } from "../src/nat/index.ts";
import { address, EVERYWHERE, parseInterfaceAddress, type UdpSocket } from "../src/netstack/index.ts";
import { type Host, Network } from "../src/nodes/index.ts";

/** What {@link benchUdpPath} is run with. */
export interface UdpPathOptions {
  readonly flows: number;
  readonly packets: number;
}

const VIP = address("10.0.0.10");
const IN_FLIGHT = 64;
/** One MASQUERADE address has 64,000 ports for each of the server's. */
const FIRST_PORT = 53;
const PORTS = 8;
const PAYLOAD = new Uint8Array(64);

/** kube-proxy's way for one UDP Service: DNAT to the server, MASQUERADE for every client. */
const RULES = `*nat
:KUBE-SERVICES - [0:0]
:KUBE-SVC-A - [0:0]
:KUBE-SEP-A - [0:0]
:KUBE-MARK-MASQ - [0:0]
:KUBE-POSTROUTING - [0:0]
-A PREROUTING -m comment --comment "kubernetes service portals" -j KUBE-SERVICES
-A POSTROUTING -m comment --comment "kubernetes postrouting rules" -j KUBE-POSTROUTING
-A KUBE-SERVICES -d 10.0.0.10/32 -p udp -m comment --comment "default/echo cluster IP" -m udp --dport 53:60 -j KUBE-SVC-A
-A KUBE-SVC-A -m comment --comment "masquerade" -j KUBE-MARK-MASQ
-A KUBE-SVC-A -m comment --comment "default/echo -> 10.2.0.2" -j KUBE-SEP-A
-A KUBE-SEP-A -p udp -m comment --comment "default/echo" -m udp -j DNAT --to-destination 10.2.0.2
-A KUBE-MARK-MASQ -j MARK --or-mark 0x4000
-A KUBE-POSTROUTING -m mark ! --mark 0x4000/0x4000 -j RETURN
-A KUBE-POSTROUTING -j MARK --xor-mark 0x4000
-A KUBE-POSTROUTING -m comment --comment "kubernetes service traffic requiring SNAT" -j MASQUERADE --random-fully
COMMIT
*filter
:KUBE-FORWARD - [0:0]
-A FORWARD -m comment --comment "kubernetes forwarding rules" -j KUBE-FORWARD
-A KUBE-FORWARD -m conntrack --ctstate INVALID -j DROP
-A KUBE-FORWARD -m mark --mark 0x4000/0x4000 -j ACCEPT
-A KUBE-FORWARD -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
COMMIT
`;

/** Packets a second through whole stacks: client → router with kube-proxy's rules (DNAT, MASQUERADE) → server, {@link IN_FLIGHT} under way. */
export function benchUdpPath(options: UdpPathOptions): number {
  const { network, client, server } = build();
  const { simulator } = network;
  let received = 0;
  const sockets: UdpSocket[] = Array.from({ length: Math.min(options.flows, 28_000) }, () =>
    client.stack.udp.open({ onDatagram: () => {} }),
  );
  for (let port = FIRST_PORT; port < FIRST_PORT + PORTS; port++) {
    server.stack.udp.open({
      port,
      onDatagram: () => {
        received += 1;
      },
    });
  }
  const send = (number: number): void => {
    sockets[number % sockets.length]?.send({
      to: VIP,
      port: FIRST_PORT + (number % PORTS),
      payload: PAYLOAD,
      from: sourceOf(number, options.flows),
    });
  };
  let sent = 0;
  for (; sent < options.flows; sent++) {
    send(sent);
    if (sent % IN_FLIGHT === 0) simulator.runUntilQuiet();
  }
  simulator.runUntilQuiet();
  const began = performance.now();
  for (let left = options.packets; left > 0; left -= IN_FLIGHT) {
    for (let i = 0; i < IN_FLIGHT; i++) send(sent++);
    simulator.runUntilQuiet();
  }
  const seconds = (performance.now() - began) / 1000;
  if (received < sent)
    throw new Error(`only ${received} of ${sent} packets arrived: ${JSON.stringify(network.drops())}`);
  return options.packets / seconds;
}

/** Flows beyond the client's ports come from further addresses. */
function sourceOf(number: number, flows: number): ReturnType<typeof address> {
  const block = Math.floor((number % flows) / 28_000);
  return address(`10.1.0.${2 + block}`);
}

function build(): { network: Network; client: Host; server: Host } {
  const network = new Network({ seed: 1 });
  const client = network.addHost("client");
  const router = network.addHost("router", { forwarding: true });
  const server = network.addHost("server");
  wire(network, client, router, ["10.1.0.2/24", "10.1.0.1/24"], "eth0");
  wire(network, server, router, ["10.2.0.2/24", "10.2.0.1/24"], "eth1");
  for (let i = 3; i < 12; i++) {
    client.stack.addAddress(client.stack.interface("eth0") ?? client.stack.loopback, {
      address: address(`10.1.0.${i}`),
      prefixLength: 32,
    });
  }
  for (const [host, via] of [
    [client, "10.1.0.1"],
    [server, "10.2.0.1"],
  ] as const) {
    const out = host.stack.interface("eth0");
    if (out !== undefined) host.stack.addressing.routes.add({ destination: EVERYWHERE, out, via: address(via) });
  }
  router.setRules(parseIptablesSave(RULES, {}).ruleset);
  return { network, client, server };
}

function wire(network: Network, host: Host, router: Host, addresses: readonly [string, string], end: string): void {
  const [own, other] = addresses.map((text) => parseInterfaceAddress(text)).filter((each) => each !== undefined);
  if (own === undefined || other === undefined) throw new Error("bad address");
  const device = network.addVeth(host, { name: "eth0", addresses: [own], mtu: 1500, hostEnd: `router/${end}` });
  router.addInterface({
    name: end,
    device,
    mac: ((other.address % 256) + 0x0200_0000_0000 + (end === "eth0" ? 0 : 256)) as never,
    addresses: [other],
  });
}
