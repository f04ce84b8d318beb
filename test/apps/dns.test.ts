import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type DnsServerOptions, dnsServer, type Resolution, StubResolver } from "../../src/apps/index.ts";
import { address, formatIpv4 } from "../../src/netstack/index.ts";
import {
  DNS_QUERY,
  type DnsMessage,
  type DnsRecord,
  emitDns,
  emitDnsStream,
  parseDns,
} from "../../src/protocols/index.ts";
import { TwoHosts } from "./two-hosts.ts";

const SERVER = address("10.0.0.2");
const KUBERNETES = { nameservers: [SERVER], search: ["default.svc.cluster.local", "svc.cluster.local"], ndots: 5 };

const a = (name: string, ...addresses: readonly string[]): DnsRecord[] =>
  addresses.map((text) => ({ name, class: 1, ttl: 30, type: "A", address: address(text) }));

/** A small zone; `asked` gets every question. */
function zone(asked: string[] = []): DnsServerOptions["answer"] {
  return ({ name, type }) => {
    asked.push(`${name} ${type}`);
    const isA = type === "A";
    switch (name) {
      case "kubernetes.default.svc.cluster.local.":
        return isA ? { answers: a(name, "10.0.0.1") } : {};
      case "two.a.":
        return isA ? { answers: a(name, "10.0.0.1", "10.0.0.2") } : {};
      case "alias.a.": {
        const alias = { name, class: 1, ttl: 30, type: "CNAME", target: "two.a." } as const;
        return { answers: isA ? [alias, ...a("two.a.", "10.0.0.9")] : [alias] };
      }
      case "big.a.":
        return { answers: a(name, ...Array.from({ length: 200 }, (_, index) => `10.1.0.${index}`)) };
      case "1.0.0.10.in-addr.arpa.":
        return { answers: [{ name, class: 1, ttl: 30, type: "PTR", target: "kubernetes.default." }] };
      case "broken.a.":
        return { rcode: 2 };
      case "refused.a.":
        return undefined;
      default:
        return { rcode: 3 };
    }
  };
}

function serve(options: Partial<DnsServerOptions> = {}): TwoHosts {
  const net = new TwoHosts({ resolver: KUBERNETES });
  dnsServer(net.server, { answer: zone(), ...options });
  return net;
}

describe("a resolver", () => {
  function resolve(net: TwoHosts, name: string): string {
    let result: Resolution | undefined;
    net.client.resolver.resolve(name, (resolution) => {
      result = resolution;
    });
    net.wait(60);
    if (result === undefined) return "nothing";
    return result.kind === "found"
      ? `${result.canonicalName} ${result.addresses.map(formatIpv4).join(" ")}`
      : result.kind;
  }

  const rows: readonly [name: string, result: string, asked: string[]][] = [
    ["10.1.2.3", "10.1.2.3 10.1.2.3", []],
    ["web", "web 10.0.0.7", []],
    ["WEB.", "WEB. 10.0.0.7", []],
    ["kubernetes", "kubernetes.default.svc.cluster.local 10.0.0.1", ["kubernetes.default.svc.cluster.local. A"]],
    [
      "kubernetes.default",
      "kubernetes.default.svc.cluster.local 10.0.0.1",
      ["kubernetes.default.default.svc.cluster.local. A", "kubernetes.default.svc.cluster.local. A"],
    ],
    ["two.a.", "two.a 10.0.0.1 10.0.0.2", ["two.a. A"]],
    ["alias.a.", "two.a 10.0.0.9", ["alias.a. A"]],
    ["nosuch", "not-found", ["nosuch.default.svc.cluster.local. A", "nosuch.svc.cluster.local. A", "nosuch. A"]],
    ["broken.a.", "try-again", ["broken.a. A", "broken.a. A"]],
    [
      "a.b.c.d.e.f",
      "not-found",
      ["a.b.c.d.e.f. A", "a.b.c.d.e.f.default.svc.cluster.local. A", "a.b.c.d.e.f.svc.cluster.local. A"],
    ],
  ];
  test.each(rows)("finds %s as %s", (name, result, asked) => {
    const seen: string[] = [];
    const net = new TwoHosts({ resolver: KUBERNETES, hosts: [{ address: address("10.0.0.7"), names: ["web"] }] });
    dnsServer(net.server, { answer: zone(seen) });
    expect(resolve(net, name)).toBe(result);
    expect(seen).toEqual(asked);
  });

  test("asks again over TCP when the answer was cut", () => {
    expect(resolve(serve(), "big.a.").split(" ").length).toBe(49);
  });

  test("asks each server in turn for five seconds, and gives up after two rounds", () => {
    const net = new TwoHosts();
    net.run("ping -c 1 10.0.0.2");
    net.link.impair("both", { loss: 1 });
    const began = net.simulator.now();
    let ended = 0;
    new StubResolver(net.client.stack, { config: { nameservers: [SERVER, SERVER] } }).resolve("a", ({ kind }) => {
      expect(kind).toBe("try-again");
      ended = net.simulator.now();
    });
    net.wait(60);
    expect(ended - began).toBe(20e9);
  });

  test("takes a port that is closed for no answer, at once", () => {
    const net = new TwoHosts({ resolver: { nameservers: [SERVER] } });
    net.run("ping -c 1 10.0.0.2");
    const began = net.simulator.now();
    expect(net.run("curl -sS name").stderr).toBe("curl: (6) Could not resolve host: name\n");
    expect(net.simulator.now() - began).toBeLessThan(50e6);
  });

  test("ignores answers to other questions", () => {
    const net = new TwoHosts({ resolver: { nameservers: [SERVER], attempts: 1 } });
    const socket = net.server.stack.udp.open({
      port: 53,
      onDatagram: ({ from, fromPort, payload }) => {
        const query = parseDns(payload) as DnsMessage;
        const answers = a("name.", "10.6.6.6");
        const good = { ...query, response: true, answers };
        const send = (message: DnsMessage): unknown =>
          socket.send({ to: from, port: fromPort, payload: emitDns(message) });
        send({ ...good, id: query.id ^ 1 });
        send({ ...good, questions: [{ name: "other.", type: "A", class: 1 }] });
        send({ ...good, response: false });
        send({ ...good, answers: a("name.", "10.5.5.5") });
      },
    });
    expect(resolve(net, "name")).toBe("name 10.5.5.5");
  });
});

describe("nslookup", () => {
  const rows: readonly [command: string, exitCode: number, stdout: string][] = [
    [
      "nslookup kubernetes.default",
      1,
      "** server can't find kubernetes.default: NXDOMAIN\n\n** server can't find kubernetes.default: NXDOMAIN\n\n",
    ],
    [
      "nslookup kubernetes.default.svc.cluster.local",
      0,
      "Name:\tkubernetes.default.svc.cluster.local\nAddress: 10.0.0.1\n\n\n",
    ],
    ["nslookup two.a", 0, "Name:\ttwo.a\nAddress: 10.0.0.1\nName:\ttwo.a\nAddress: 10.0.0.2\n\n\n"],
    [
      "nslookup alias.a",
      0,
      "alias.a\tcanonical name = two.a\nName:\ttwo.a\nAddress: 10.0.0.9\n\nalias.a\tcanonical name = two.a\n\n",
    ],
    [
      "nslookup kubernetes",
      1,
      "Name:\tkubernetes.default.svc.cluster.local\nAddress: 10.0.0.1\n\n** server can't find kubernetes.svc.cluster.local: NXDOMAIN\n\n" +
        "\n** server can't find kubernetes.svc.cluster.local: NXDOMAIN\n\n",
    ],
    ["nslookup refused.a", 1, "** server can't find refused.a: REFUSED\n\n** server can't find refused.a: REFUSED\n\n"],
    ["nslookup broken.a", 1, "** server can't find broken.a: SERVFAIL\n\n** server can't find broken.a: SERVFAIL\n\n"],
    ["nslookup 10.0.0.1", 0, "1.0.0.10.in-addr.arpa\tname = kubernetes.default\n\n"],
    ["nslookup -type=a two.a 10.0.0.2", 0, "Name:\ttwo.a\nAddress: 10.0.0.1\nName:\ttwo.a\nAddress: 10.0.0.2\n\n"],
    ["nslookup -type=srv two.a", 0, "\n"],
  ];
  test.each(rows)("%s", (command, exitCode, stdout) => {
    expect(serve().run(command)).toEqual({
      exitCode,
      stdout: `Server:\t\t10.0.0.2\nAddress:\t10.0.0.2:53\n\n${stdout}`,
      stderr: "",
    });
  });

  test("gives up after five seconds", () => {
    const net = serve();
    net.run("ping -c 1 10.0.0.2");
    net.link.impair("both", { loss: 1 });
    const began = net.simulator.now();
    expect(net.run("nslookup two.a")).toEqual({
      exitCode: 1,
      stdout: ";; connection timed out; no servers could be reached\n\n",
      stderr: "",
    });
    expect(net.simulator.now() - began).toBe(5e9);
    expect(net.run("nslookup -type=foo two.a").stderr).toBe('nslookup: invalid query type "foo"\n');
  });
});

describe("dig", () => {
  test("prints the whole message", () => {
    const { exitCode, stdout } = serve().run("dig @10.0.0.2 two.a");
    expect(exitCode).toBe(0);
    expect(stdout.replace(/id: \d+/, "id: N")).toBe(`
; <<>> DiG 9.18 <<>> @10.0.0.2 two.a
; (1 server found)
;; global options: +cmd
;; Got answer:
;; ->>HEADER<<- opcode: QUERY, status: NOERROR, id: N
;; flags: qr aa rd ra; QUERY: 1, ANSWER: 2, AUTHORITY: 0, ADDITIONAL: 1

;; OPT PSEUDOSECTION:
; EDNS: version: 0, flags:; udp: 1232
;; QUESTION SECTION:
;two.a.				IN	A

;; ANSWER SECTION:
two.a.			30	IN	A	10.0.0.1
two.a.			30	IN	A	10.0.0.2

;; Query time: 20 msec
;; SERVER: 10.0.0.2#53(10.0.0.2) (UDP)
;; MSG SIZE  rcvd: 66

`);
  });

  const rows: readonly [command: string, stdout: string][] = [
    ["dig +short two.a", "10.0.0.1\n10.0.0.2\n"],
    ["dig +short alias.a", "two.a.\n10.0.0.9\n"],
    ["dig +short -x 10.0.0.1", "kubernetes.default.\n"],
    ["dig +short kubernetes", ""],
    ["dig +short +search kubernetes", "10.0.0.1\n"],
    ["dig +noall +answer two.a A", "two.a.\t\t\t30\tIN\tA\t10.0.0.1\ntwo.a.\t\t\t30\tIN\tA\t10.0.0.2\n"],
    ["dig +short +tcp two.a", "10.0.0.1\n10.0.0.2\n"],
    ["dig +short big.a | wc -l", "200\n"],
    ["dig +short +ignore +noedns big.a | wc -l", "30\n"],
  ];
  test.each(rows)("%s", (command, stdout) => {
    expect(serve().run(command)).toEqual({ exitCode: 0, stdout, stderr: "" });
  });

  test("says over what an answer came, and what status it has", () => {
    const { stdout } = serve().run("dig big.a nosuch +nocomments");
    expect(stdout).toBe("");
    const over = serve().run("dig big.a").stdout;
    expect(over).toContain(";; SERVER: 10.0.0.2#53(10.0.0.2) (TCP)\n");
    expect(serve().run("dig nosuch").stdout).toContain("status: NXDOMAIN");
  });

  test("gives up after three tries", () => {
    const net = new TwoHosts({ resolver: { nameservers: [SERVER] } });
    expect(net.run("dig two.a")).toEqual({
      exitCode: 9,
      stderr: "",
      stdout:
        ";; communications error to 10.0.0.2#53: connection refused\n".repeat(3) +
        "\n; <<>> DiG 9.18 <<>> two.a\n;; global options: +cmd\n;; no servers could be reached\n",
    });
    expect(net.run("dig +foo two.a").stderr).toBe("Invalid option: +foo\n");
  });
});

describe("a DNS server", () => {
  function ask(net: TwoHosts, payload: Uint8Array): DnsMessage | undefined {
    let received: DnsMessage | undefined;
    const socket = net.client.stack.udp.open({
      onDatagram: (datagram) => {
        received = parseDns(datagram.payload);
      },
    });
    socket.send({ to: SERVER, port: 53, payload, dontFragment: false });
    net.wait(1);
    socket.close();
    return received;
  }
  const query = (change: Partial<DnsMessage>): Uint8Array =>
    emitDns({
      ...DNS_QUERY,
      id: 7,
      questions: [{ name: "two.a.", type: "A", class: 1 }],
      answers: [],
      authorities: [],
      additionals: [],
      ...change,
    });

  const rows: readonly [name: string, query: Uint8Array, answer: Partial<DnsMessage> | undefined][] = [
    ["a question", query({}), { id: 7, rcode: 0, authoritative: true, recursionAvailable: true }],
    ["another operation", query({ opcode: 2 }), { rcode: 4 }],
    ["no question", query({ questions: [] }), { rcode: 1 }],
    ["a refused name", query({ questions: [{ name: "refused.a.", type: "A", class: 1 }] }), { rcode: 5 }],
    ["a newer EDNS", query({ edns: { udpSize: 512, version: 1, dnssecOk: false, options: [] } }), { rcode: 16 }],
    ["a broken message", query({}).subarray(0, 20), { id: 7, rcode: 1, questions: [] }],
    ["an answer", query({ response: true }), undefined],
    ["too little", query({}).subarray(0, 11), undefined],
  ];
  test.each(rows)("answers %s", (_, payload, answer) => {
    const received = ask(serve(), payload);
    if (answer === undefined) expect(received).toBeUndefined();
    else expect(received).toMatchObject(answer);
  });

  test("cuts what does not fit a datagram", () => {
    const questions = [{ name: "big.a.", type: "A", class: 1 }];
    const plain = ask(serve(), query({ questions }));
    expect([plain?.truncated, plain?.answers.length]).toEqual([true, 30]);
    const edns = { udpSize: 65_000, version: 0, dnssecOk: false, options: [] };
    expect(ask(serve(), query({ questions, edns }))?.answers.length).toBe(74);
  });

  test("answers several questions over one TCP connection, and closes it when it is idle", () => {
    const net = serve();
    const received: number[] = [];
    let ended = 0;
    const socket = net.client.stack.tcp.connect(
      { to: SERVER, port: 53 },
      {
        onConnect: () => {
          if (typeof socket === "string") return;
          const one = emitDnsStream(query({}));
          const two = new Uint8Array([...one, ...one]);
          socket.write(two.subarray(0, 5));
          socket.write(two.subarray(5));
        },
        onData: (bytes) => received.push(bytes.length),
        onEnd: () => {
          ended = net.simulator.now();
        },
      },
    );
    net.wait(30);
    expect(received.reduce((sum, count) => sum + count)).toBe(2 * (2 + 55));
    expect(Math.floor(ended / 1e9)).toBe(10);
  });

  test("lives through any datagram and any stream", () => {
    const net = serve();
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 60 }), (bytes) => {
        ask(net, bytes);
        const socket = net.client.stack.tcp.connect({ to: SERVER, port: 53 }, {});
        net.wait(0.1);
        if (typeof socket === "string") return;
        socket.write(bytes);
        net.wait(0.1);
        socket.destroy();
      }),
      { numRuns: 100 },
    );
    expect(ask(net, query({}))).toMatchObject({ rcode: 0 });
  });
});
