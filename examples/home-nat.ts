import {
  address,
  EVERYWHERE,
  echoServer,
  formatConntrackEntry,
  interfaceAddress,
  Network,
  parseIptablesSave,
  runCommand,
} from "natscope";

/** A home router in some twenty lines: a PC behind MASQUERADE asks a server, and the router's connection table tells what it did. */
export function main(print: (line: string) => void): void {
  const network = new Network({ seed: 1 });
  const [home, internet] = [network.addSwitch("home"), network.addSwitch("internet")];
  const [pc, router, server] = [
    network.addHost("pc"),
    network.addHost("router", { forwarding: true }),
    network.addHost("server"),
  ];
  network.attach(pc, home, { name: "eth0", addresses: [interfaceAddress("192.168.1.10/24")] });
  network.attach(router, home, { name: "lan0", addresses: [interfaceAddress("192.168.1.1/24")] });
  network.attach(router, internet, { name: "wan0", addresses: [interfaceAddress("203.0.113.7/24")] });
  network.attach(server, internet, { name: "eth0", addresses: [interfaceAddress("203.0.113.80/24")] });
  pc.addRoute(EVERYWHERE, address("192.168.1.1"));
  const netfilter = router.setRules(
    parseIptablesSave("*nat\n-A POSTROUTING -o wan0 -j MASQUERADE\nCOMMIT\n", {}).ruleset,
  );
  echoServer(server, { port: 80, version: "1.4", pod: { hostname: "server" }, startDate: server.startDate });

  const curl = runCommand(pc, "curl -s 203.0.113.80 | grep client_address");
  network.simulator.runUntil(() => curl.exitCode !== undefined);
  network.simulator.runUntilQuiet();
  print(`the server saw ${curl.stdout.trim()}`);
  for (const entry of netfilter.list())
    print(
      formatConntrackEntry(entry)
        .replace(/sport=\d+/, "sport=…")
        .replace(/dport=\d{5}/, "dport=…"),
    );
}
