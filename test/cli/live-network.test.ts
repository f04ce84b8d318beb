import { once } from "node:events";
import { createServer as createHttpServer } from "node:http";
import type { AddressInfo } from "node:net";
import { createServer, type Server, type Socket } from "node:net";
import { join } from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import { runCommand } from "../../src/apps/index.ts";
import type { CommandIo } from "../../src/cli/io.ts";
import { addressesToTry } from "../../src/cli/live-addresses.ts";
import { noteWhatStays } from "../../src/cli/live-host.ts";
import { answerFrom, formatHostsFile, liveNames } from "../../src/cli/live-names.ts";
import { type LiveFlags, type LiveNetwork, openLive } from "../../src/cli/live-network.ts";
import { neighbourOf, placeBeside, sysctlsOf, wholePlace } from "../../src/cli/live-place.ts";
import { address } from "../../src/netstack/index.ts";
import { setSysctls } from "../../src/nodes/index.ts";
import { configureCommands } from "../../src/tun/index.ts";

const TWO_WAYS = join(import.meta.dirname, "../support/two-ways.yaml");

const IO: CommandIo = {
  out: () => {},
  err: () => {},
  readInput: () => new Uint8Array(),
  readLine: async () => undefined,
  inputIsTerminal: false,
  showsProgress: false,
  colours: false,
  columns: undefined,
  now: () => 0,
  isInterrupted: async () => false,
};

const cleanups: (() => Promise<void> | void)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0)) await cleanup();
});

async function open(scenario: string, flags: Partial<LiveFlags> = {}): Promise<LiveNetwork> {
  const live = await openLive(scenario, { seed: 1, ...flags }, IO);
  cleanups.push(() => live.close());
  return live;
}

describe("what the kernel is told", () => {
  it("in a namespace of its own is all that the client knew", async () => {
    const commands = configureCommands(wholePlace(await open("nodeport"))).map((words) => words.join(" "));
    expect(commands).toEqual([
      "link set dev eth0 address 42:01:c6:33:64:4f",
      "link set dev eth0 mtu 1500 addrgenmode none",
      "address add 198.51.100.79/24 dev eth0",
      "link set dev eth0 up",
      "route add default via 198.51.100.1 dev eth0",
    ]);
  });

  it("beside a machine's own network has no default route", async () => {
    const { routes } = placeBeside(await open("nodeport"), ["natscope0"]);
    expect(routes.map(({ to }) => to)).toEqual(["10.240.0.0/24", "203.0.113.4/32", "203.0.113.5/32", "203.0.113.3/32"]);
  });

  it("is another host's place with --as, a pod's for example", async () => {
    const { interfaces, routes } = wholePlace(await open("clusterip", { as: "busybox" }));
    expect({ interfaces, routes }).toEqual({
      interfaces: [{ name: "eth0", mac: "0a:58:0a:f4:03:08", mtu: 1460, addresses: ["10.244.3.8/24"] }],
      routes: [{ to: "default", via: "10.244.3.1", by: "eth0" }],
    });
  });

  it("has an interface for each that the host has, and the routes in their order", async () => {
    const commands = configureCommands(wholePlace(await open(TWO_WAYS))).map((words) => words.join(" "));
    expect(commands).toEqual([
      "link set dev eth0 address 42:01:c0:00:02:0a",
      "link set dev eth0 mtu 1500 addrgenmode none",
      "address add 192.0.2.10/24 dev eth0",
      "link set dev eth0 up",
      "link set dev eth1 address 42:01:c6:33:64:0a",
      "link set dev eth1 mtu 1400 addrgenmode none",
      "address add 198.51.100.10/24 dev eth1",
      "link set dev eth1 up",
      "route add default via 198.51.100.1 dev eth1",
      "route append default via 192.0.2.1 dev eth0",
      "route add 10.2.0.0/24 via 198.51.100.1 dev eth1",
    ]);
  });

  it("has beside a machine's own network both ways to what lies behind two default routes", async () => {
    const { routes } = placeBeside(await open(TWO_WAYS), ["lab0", "lab1"]);
    expect(routes).toEqual([
      { to: "10.2.0.0/24", via: "198.51.100.1", by: "lab1" },
      { to: "10.1.0.0/24", via: "198.51.100.1", by: "lab1" },
      { to: "10.1.0.0/24", via: "192.0.2.1", by: "lab0" },
    ]);
  });

  it("is in the place of a pod without a bridge its gateway's hardware address, and the way to the gateway first", async () => {
    const live = await open("loadbalancer-eks");
    const pod = live.lab.clusters.get("cluster")?.api.list("Pod")[0]?.metadata.name ?? "";
    const place = wholePlace(await open("loadbalancer-eks", { as: pod }));
    expect(place.neighbours).toEqual([{ address: "169.254.1.1", mac: expect.any(String), by: "eth0" }]);
    expect(configureCommands(place).slice(-2)).toEqual([
      ["route", "add", "169.254.1.1/32", "dev", "eth0"],
      ["route", "add", "default", "via", "169.254.1.1", "dev", "eth0"],
    ]);
  });

  it("has further addresses of lo on the first interface", async () => {
    const { interfaces } = placeBeside(await open("dsr", { as: "direct" }), ["natscope0"]);
    expect(interfaces.map(({ addresses }) => addresses)).toEqual([["10.240.0.11/24", "203.0.113.140/32"]]);
  });

  it("in a namespace lets the kernel forward where the host does", async () => {
    expect(sysctlsOf(await open("nodeport", { as: "edge" }))).toEqual({
      "net/ipv4/ip_forward": 1,
      "net/ipv4/conf/all/rp_filter": 0,
      "net/ipv4/conf/eth0/rp_filter": 0,
      "net/ipv4/conf/eth1/rp_filter": 0,
    });
    expect(sysctlsOf(await open("nodeport"))["net/ipv4/ip_forward"]).toBe(0);
  });

  it("names the addresses to try", async () => {
    expect(addressesToTry(await open("nodeport"))).toEqual([
      "203.0.113.4:31000",
      "203.0.113.5:31000",
      "203.0.113.3:31000",
    ]);
  });
});

describe("the host whose place the kernel takes", () => {
  const hosts: [string, string][] = [
    ["nodeport", "client"],
    ["home-nat", "pc"],
    ["nat-behaviours", "host-b"],
    ["minikube-docker", "busybox"],
    ["hairpin", "echo"],
  ];
  it.each(hosts)(
    "of %s is %s by itself: no router and no node, where another has run a command",
    async (name, expected) => {
      expect((await open(name)).host.name).toBe(expected);
    },
  );

  it("gives the kernel cables and bridges; what else there is, and rules, are told of", async () => {
    const notes: string[] = [];
    const { host, interfaces } = await open("cni-vxlan", { as: "node1" });
    noteWhatStays(host, interfaces, { ...IO, err: (text) => void notes.push(text) });
    expect(interfaces.map(({ name }) => name)).toEqual(["eth0", "cni0"]);
    expect(notes).toEqual([
      "note: flannel.1 of kubernetes-node-6jst stays with the emulated host\n",
      "note: the kernel does without the rules of kubernetes-node-6jst, which natscope rules --node kubernetes-node-6jst prints\n",
    ]);
  });
});

describe("who answers DNS", () => {
  const servers: [string, string, string][] = [
    ["nodeport", "edge", "198.51.100.1"],
    // Four machines have this address, each behind a NAT of its own.
    ["nat-behaviours", "nat-b", "192.168.1.1"],
    ["kindnet-masquerade", "kind-worker", "172.18.0.2"],
  ];
  it.each(servers)("in %s is %s: the gateway, or a neighbour where there is none", async (name, host, expected) => {
    const found = neighbourOf(await open(name));
    expect([found?.host.name, found?.address]).toEqual([host, address(expected)]);
  });
});

describe("the names of a live network", () => {
  it("are nodes, Services, pods and machines", async () => {
    const names = formatHostsFile(liveNames(await open("nodeport"))).split("\n");
    expect(names.slice(0, 4)).toEqual([
      "127.0.0.1\tlocalhost",
      "203.0.113.4\tkubernetes-node-6jst node1",
      "203.0.113.5\tkubernetes-node-cx31 node2",
      "203.0.113.3\tkubernetes-node-jj1t node3",
    ]);
    expect(names[4]).toMatch(
      /^10\.0\.\d+\.\d+\tnodeport nodeport\.default nodeport\.default\.svc nodeport\.default\.svc\.cluster\.local$/,
    );
    expect(names.slice(5)).toEqual([
      "10.180.1.136\tsource-ip-app-826191075-qehz4",
      "198.51.100.79\tclient",
      "198.51.100.1\tedge",
      "",
    ]);
  });

  it("are answered by DNS, with nothing for types that a name does not have", async () => {
    const answer = answerFrom(liveNames(await open("nodeport")));
    const ask = (name: string, type: string): unknown => answer({ name, type, class: 1 });
    const base = { class: 1, ttl: 5 };
    expect(ask("Node2.", "A")).toEqual({ answers: [{ ...base, name: "Node2.", type: "A", address: 0xcb007105 }] });
    expect(ask("node2.", "AAAA")).toEqual({ answers: [] });
    expect(ask("nothing.", "A")).toEqual({ rcode: 3 });
    expect(ask("79.100.51.198.in-addr.arpa.", "PTR")).toEqual({
      answers: [{ ...base, name: "79.100.51.198.in-addr.arpa.", type: "PTR", target: "client." }],
    });
  });
});

/** Lets a server listen on a free port of the loopback interface. */
async function listen(server: Server): Promise<number> {
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  cleanups.push(() => void server.close());
  return (server.address() as AddressInfo).port;
}

/** What the emulated client's command prints, with time passing. */
async function onClient(live: LiveNetwork, command: string): Promise<{ stdout: string; exitCode: number | undefined }> {
  live.begin();
  return new Promise((resolve) => {
    live.driver.act(() => {
      const process = runCommand(live.host, command);
      process.onExit(() => resolve({ stdout: process.stdout, exitCode: process.exitCode }));
    });
  });
}

/** Has the client send `text` and end its direction; what comes back until the other side has ended too. */
function askAndEnd(live: LiveNetwork, text: string): Promise<string> {
  live.begin();
  return new Promise((resolve) => {
    live.driver.act(() => {
      let heard = "";
      const { tcp } = live.host.stack;
      const socket = tcp.connect(
        { to: address("203.0.113.5"), port: 31000 },
        {
          onConnect: () => {
            if (typeof socket === "string") return;
            socket.write(new TextEncoder().encode(text));
            socket.end();
          },
          onData: (bytes) => {
            heard += new TextDecoder().decode(bytes);
          },
          onEnd: () => resolve(heard),
        },
      );
    });
  });
}

describe("a real server in a pod's place", () => {
  it("answers for it", async () => {
    const server = createHttpServer((request, response) =>
      response.end(`real ${request.url} for ${request.headers.host}\n`),
    );
    const port = await listen(server);
    const live = await open("nodeport", { backend: [`source-ip-app=127.0.0.1:${port}`] });
    expect(await onClient(live, "curl -s 203.0.113.4:31000/path")).toEqual({
      stdout: "real /path for 203.0.113.4:31000\n",
      exitCode: 0,
    });
  });

  it("gets every byte as it came and may go on after the client's end", async () => {
    const server = createServer({ allowHalfOpen: true }, (socket: Socket) => {
      let heard = "";
      socket.on("data", (bytes) => {
        heard += bytes.toString();
      });
      socket.on("end", () => socket.end(`heard ${JSON.stringify(heard)}`));
    });
    const live = await open("nodeport", { backend: [`source-ip-app:8080=127.0.0.1:${await listen(server)}`] });
    const heard = await askAndEnd(live, "PROXY TCP4 1.2.3.4 5.6.7.8 9 10\r\nhello");
    expect(heard).toBe('heard "PROXY TCP4 1.2.3.4 5.6.7.8 9 10\\r\\nhello"');
  });

  it("is read to the end where the network takes what it was given before it says that it was full", async () => {
    const server = createServer((socket: Socket) => void socket.end(new Uint8Array(2_000_000)));
    const live = await open("nodeport", { backend: [`source-ip-app=127.0.0.1:${await listen(server)}`] });
    const { driver, lab } = live;
    const pod = [...lab.clusters.values()][0]?.pod("source-ip-app-826191075-qehz4");
    if (pod !== undefined) setSysctls(pod, { "net.ipv4.tcp_wmem": "4096 20000 20000" });
    const act = driver.act.bind(driver);
    driver.act = (action) =>
      act(() => {
        action();
        lab.network.simulator.runUntilQuiet();
      });
    expect((await askAndEnd(live, "")).length).toBe(2_000_000);
  });

  it("that nobody runs resets the connection", async () => {
    const server = createServer();
    const port = await listen(server);
    server.close();
    const live = await open("nodeport", { backend: [`source-ip-app=127.0.0.1:${port}`] });
    expect((await onClient(live, "curl -s 203.0.113.4:31000")).exitCode).toBe(56);
  });

  const refused: [string, string][] = [
    ["source-ip-app", "not understood; expected POD=ADDRESS:PORT, such as source-ip-app=127.0.0.1:8080"],
    [
      "source-ip-app=127.0.0.1:99999",
      "not understood; expected POD=ADDRESS:PORT, such as source-ip-app=127.0.0.1:8080",
    ],
    ["sauce=127.0.0.1:80", "there is no pod of this name; there is source-ip-app-826191075-qehz4"],
  ];
  it.each(refused)("is refused for %s", async (backend, message) => {
    await expect(openLive("nodeport", { seed: 1, backend: [backend] }, IO)).rejects.toThrow(
      `--backend ${backend}: ${message}`,
    );
  });
});
