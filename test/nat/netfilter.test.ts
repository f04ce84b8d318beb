import { describe, expect, it } from "vitest";
import { NetfilterBox } from "../support/netfilter-box.ts";
import {
  describePacket,
  describeQuoted,
  icmpEcho,
  icmpError,
  otherPacket,
  tcpPacket,
  udpPacket,
  wrongChecksums,
} from "../support/packets.ts";

const HOME = "*nat\n-A POSTROUTING -o eth1 -j MASQUERADE\nCOMMIT\n";
const FORWARDING =
  "*nat\n-A PREROUTING -p tcp -m tcp --dport 80 -j DNAT --to-destination 10.9.9.9:8080\n-A POSTROUTING -o eth1 -j MASQUERADE\nCOMMIT\n";

/** A connection from 10.0.0.1 through MASQUERADE that stands, or has been closed by both ends. */
function converse(box: NetfilterBox, port: number, isClosed: boolean): void {
  const [from, to] = [`10.0.0.1:${port}`, "198.51.100.79:80"];
  const send = (flags: string, seq: number, ack: number) => box.forward(tcpPacket({ from, to, flags, seq, ack }));
  const answer = (flags: string, seq: number, ack: number) =>
    box.forward(tcpPacket({ from: to, to: `203.0.113.7:${port}`, flags, seq, ack }), "eth1>eth0");
  send("S", 100, 0);
  answer("S.", 500, 101);
  send(".", 101, 501);
  if (!isClosed) return;
  send("F.", 101, 501);
  answer("F.", 501, 102);
  send(".", 102, 502);
}

describe("MASQUERADE", () => {
  it("keeps the port when it is free and turns the reply back", () => {
    const box = new NetfilterBox(HOME);
    const out = tcpPacket({ from: "10.0.0.1:40000", to: "198.51.100.79:80" });
    box.forward(out);
    expect(describePacket(out)).toContain("203.0.113.7:40000 > 198.51.100.79:80");
    const back = tcpPacket({ from: "198.51.100.79:80", to: "203.0.113.7:40000", flags: "S.", ack: 1 });
    box.forward(back, "eth1>eth0");
    expect(describePacket(back)).toContain("198.51.100.79:80 > 10.0.0.1:40000");
    expect([...wrongChecksums(out), ...wrongChecksums(back)]).toEqual([]);
  });

  it("gives the second host another port from 1024 on when both use the same towards one server, and not towards two", () => {
    const box = new NetfilterBox(HOME);
    box.forward(tcpPacket({ from: "10.0.0.1:40000", to: "198.51.100.79:80" }));
    const clash = tcpPacket({ from: "10.0.0.2:40000", to: "198.51.100.79:80" });
    box.forward(clash);
    expect(clash.sourcePort).not.toBe(40000);
    expect(clash.sourcePort).toBeGreaterThanOrEqual(1024);
    const other = tcpPacket({ from: "10.0.0.3:40000", to: "198.51.100.80:80" });
    box.forward(other);
    expect(other.sourcePort).toBe(40000);
  });

  it("draws a port with --random-fully even when the own one is free", () => {
    const rules = HOME.replace("MASQUERADE", "MASQUERADE --random-fully");
    const ports = [1, 2, 3, 4].map((seed) => {
      const packet = tcpPacket({ from: "10.0.0.1:40000", to: "198.51.100.79:80" });
      new NetfilterBox(rules, { seed }).forward(packet);
      return packet.sourcePort;
    });
    expect(ports.filter((port) => port === 40000).length).toBeLessThan(2);
    expect(ports.every((port) => port >= 1024)).toBe(true);
  });

  it("drops a connection for which no port is left, without a word", () => {
    const box = new NetfilterBox("*nat\n-A POSTROUTING -p udp -j MASQUERADE --to-ports 50000-50001\nCOMMIT\n");
    const verdicts = [1, 2, 3].map(
      (host) => box.forward(udpPacket({ from: `10.0.0.${host}:4000`, to: "198.51.100.79:53" })).verdict,
    );
    expect(verdicts).toEqual(["accept", "accept", "nat-no-free-port"]);
    expect(box.answers).toEqual([]);
  });
});

describe("conntrack", () => {
  it("enters a connection only when its first packet has passed every hook", () => {
    const box = new NetfilterBox(`${HOME}*filter\n-A FORWARD -p tcp -m tcp --dport 23 -j DROP\nCOMMIT\n`);
    expect(box.forward(tcpPacket({ from: "10.0.0.1:1", to: "198.51.100.79:23" })).verdict).toBe("rule-drop");
    expect(box.connections()).toEqual([]);
    box.forward(tcpPacket({ from: "10.0.0.1:1", to: "198.51.100.79:80" }));
    expect(box.connections()).toHaveLength(1);
  });

  it("lets UDP entries live 30 s, and 120 s once traffic has gone both ways for more than two", () => {
    const box = new NetfilterBox(HOME);
    const ask = () => box.forward(udpPacket({ from: "10.0.0.1:4000", to: "198.51.100.79:53" }));
    const answer = () => box.forward(udpPacket({ from: "198.51.100.79:53", to: "203.0.113.7:4000" }), "eth1>eth0");
    ask();
    expect(box.connections()[0]).toMatch(/^udp {6}17 30 .*\[UNREPLIED\]/);
    answer();
    expect(box.connections()[0]).toMatch(/^udp {6}17 30 /);
    box.wait(3);
    ask();
    expect(box.connections()[0]).toMatch(/^udp {6}17 120 .*\[ASSURED\]/);
    box.wait(121);
    expect(box.connections()).toEqual([]);
  });

  it("is bounded: a full table pushes out what was never answered, then refuses", () => {
    const box = new NetfilterBox(HOME, { sysctls: { max: 4 } });
    for (let port = 1; port <= 4; port++) box.forward(udpPacket({ from: `10.0.0.1:${port}`, to: "198.51.100.79:53" }));
    box.forward(udpPacket({ from: "10.0.0.1:5", to: "198.51.100.79:53" }));
    expect(box.netfilter.connections).toBeLessThanOrEqual(4);
  });

  it("never has more entries than nf_conntrack_max: what was never answered gives way, and is counted as early_drop", () => {
    const box = new NetfilterBox(HOME, { sysctls: { max: 500 } });
    for (let port = 1; port <= 5000; port++)
      box.forward(udpPacket({ from: `10.0.0.1:${port}`, to: "198.51.100.79:53" }));
    const { earlyDrop, drop } = box.netfilter.statistics;
    expect([box.netfilter.connections, earlyDrop + drop]).toEqual([500, 4500]);
    expect(drop).toBeLessThan(10);
  });

  it("refuses new connections while all are assured, and after the kernel's next round has a twentieth of its places free of those that were closing", () => {
    const box = new NetfilterBox(HOME, { sysctls: { max: 200 } });
    for (let port = 1; port <= 50; port++) converse(box, port, false);
    for (let port = 51; port <= 200; port++) converse(box, port, true);
    const begin = (port: number) =>
      box.forward(tcpPacket({ from: `10.0.0.1:${port}`, to: "198.51.100.79:80" })).verdict;
    expect([begin(201), begin(202)]).toEqual(["conntrack-table-full", "conntrack-table-full"]);
    expect(box.netfilter.statistics).toMatchObject({ drop: 2, earlyDrop: 0 });
    box.wait(61);
    expect(box.netfilter.connections).toBe(189);
    expect(box.connections().filter((line) => line.includes("ESTABLISHED"))).toHaveLength(50);
    expect(begin(203)).toBe("accept");
  });

  it("ends nothing before its time when nobody was refused", () => {
    const box = new NetfilterBox(HOME, { sysctls: { max: 200 } });
    for (let port = 1; port <= 200; port++) converse(box, port, true);
    box.wait(61);
    expect(box.netfilter.connections).toBe(200);
  });

  it("knows echo by its identifier, whatever the sequence number", () => {
    const box = new NetfilterBox(HOME);
    box.forward(icmpEcho({ from: "10.0.0.1", to: "198.51.100.79", id: 7, seq: 1 }));
    box.forward(icmpEcho({ from: "10.0.0.1", to: "198.51.100.79", id: 7, seq: 2 }));
    expect(box.connections()).toHaveLength(1);
    expect(box.connections()[0]).toContain("id=7");
  });
});

describe("DNAT", () => {
  it("is set up by the first packet and undone for the reply", () => {
    const box = new NetfilterBox(FORWARDING);
    const out = tcpPacket({ from: "10.0.0.1:1000", to: "192.0.2.4:80" });
    box.forward(out);
    expect(describePacket(out)).toContain("203.0.113.7:1000 > 10.9.9.9:8080");
    const back = tcpPacket({ from: "10.9.9.9:8080", to: "203.0.113.7:1000", flags: "S.", ack: 1 });
    box.forward(back, "eth1>eth0");
    expect(describePacket(back)).toContain("192.0.2.4:80 > 10.0.0.1:1000");
    expect([...wrongChecksums(out), ...wrongChecksums(back)]).toEqual([]);
  });

  it("translates the packet quoted in an ICMP error, and the error's own addresses, with all checksums right", () => {
    const box = new NetfilterBox(FORWARDING);
    const out = tcpPacket({ from: "10.0.0.1:1000", to: "192.0.2.4:80" });
    box.forward(out);
    const error = icmpError({ from: "10.9.9.1", to: "203.0.113.7", about: out, type: 11, code: 0 });
    expect(box.forward(error, "eth1>eth0").verdict).toBe("accept");
    expect(describeQuoted(error)).toContain("10.0.0.1:1000 > 192.0.2.4:80");
    expect(describePacket(error)).toContain("> 10.0.0.1");
    expect(wrongChecksums(error)).toEqual([]);
  });

  it("stays with a connection when the rules change", () => {
    const box = new NetfilterBox(FORWARDING);
    box.forward(tcpPacket({ from: "10.0.0.1:1000", to: "192.0.2.4:80" }));
    box.load(HOME);
    const next = tcpPacket({ from: "10.0.0.1:1000", to: "192.0.2.4:80" });
    box.forward(next);
    expect(describePacket(next)).toContain("> 10.9.9.9:8080");
  });
});

describe("filter", () => {
  it("rejects with what the rule says and keeps no connection", () => {
    const box = new NetfilterBox(
      `${HOME}*filter\n-A FORWARD -p tcp -m tcp --dport 23 -j REJECT --reject-with tcp-reset\n-A FORWARD -p udp -j REJECT\nCOMMIT\n`,
    );
    expect(box.forward(tcpPacket({ from: "10.0.0.1:1", to: "198.51.100.79:23" })).verdict).toBe("rule-reject");
    expect(box.forward(udpPacket({ from: "10.0.0.1:1", to: "198.51.100.79:53" })).verdict).toBe("rule-reject");
    expect(box.answers).toHaveLength(2);
    expect(box.answers[1]).toContain("icmp 3/3");
    expect(box.connections()).toEqual([]);
  });

  it("follows jumps, returns and gotos as iptables does, and the policy at the end", () => {
    const rules = [
      "*filter",
      ":FORWARD DROP [0:0]",
      ":A - [0:0]",
      ":B - [0:0]",
      "-A FORWARD -p udp -m udp --dport 1 -j A",
      "-A FORWARD -p udp -m udp --dport 2 -g A",
      "-A FORWARD -p udp -m udp --dport 1:2 -j ACCEPT",
      "-A A -m mark --mark 0x1 -j RETURN",
      "-A A -j B",
      "-A B -j RETURN",
      "COMMIT",
      "",
    ].join("\n");
    const box = new NetfilterBox(rules);
    const verdict = (port: number): string =>
      box.forward(udpPacket({ from: "10.0.0.1:9", to: `198.51.100.79:${port}` })).verdict;
    // A jump comes back behind the rule; what a goto's chain ends with is the caller's end.
    expect([verdict(1), verdict(2), verdict(3)]).toEqual(["accept", "rule-drop", "rule-drop"]);
  });

  it("matches every packet of a balanced choice once, about as often as told", () => {
    const rules =
      "*nat\n-A PREROUTING -m statistic --mode random --probability 0.33333333349 -j DNAT --to-destination 10.9.9.1\n-A PREROUTING -m statistic --mode random --probability 0.50000000000 -j DNAT --to-destination 10.9.9.2\n-A PREROUTING -j DNAT --to-destination 10.9.9.3\nCOMMIT\n";
    const box = new NetfilterBox(rules);
    const counts = new Map<number, number>();
    for (let port = 1; port <= 3000; port++) {
      const packet = udpPacket({ from: `10.0.0.1:${port}`, to: "198.51.100.79:53" });
      box.forward(packet);
      counts.set(packet.destination, (counts.get(packet.destination) ?? 0) + 1);
    }
    expect(counts.size).toBe(3);
    for (const count of counts.values()) expect(Math.abs(count - 1000)).toBeLessThan(120);
  });
});

describe("mangle", () => {
  const clamp = "*mangle\n-A FORWARD -p tcp -m tcp --tcp-flags SYN,RST SYN -j TCPMSS --set-mss 1400\nCOMMIT\n";
  const ends = { from: "10.0.0.1:1000", to: "192.0.2.4:80" };

  it("lowers a SYN's MSS and never raises it", () => {
    const [high, low] = [1460, 1200].map((mss) => tcpPacket({ ...ends, options: [2, 4, mss >> 8, mss & 255] }));
    const box = new NetfilterBox(clamp);
    for (const packet of [high!, low!]) box.forward(packet);
    const mss = (packet: typeof high): number =>
      packet!.bytes[packet!.transport + 22]! * 256 + packet!.bytes[packet!.transport + 23]!;
    expect([mss(high), mss(low)]).toEqual([1400, 1200]);
    expect([...wrongChecksums(high!), ...wrongChecksums(low!)]).toEqual([]);
  });

  it("gives a SYN without the option one of 536, in front of the other options, and leaves one with data alone", () => {
    const bare = tcpPacket({ ...ends, options: [1, 1, 4, 2] });
    const withData = tcpPacket({ ...ends, payload: "x" });
    const box = new NetfilterBox(clamp);
    for (const packet of [bare, withData]) box.forward(packet);
    expect([...bare.bytes.subarray(bare.transport + 20, bare.end)]).toEqual([2, 4, 2, 24, 1, 1, 4, 2]);
    expect([bare.length, bare.bytes[bare.transport + 12]! >> 4, withData.length]).toEqual([48, 7, 41]);
    expect([...wrongChecksums(bare), ...wrongChecksums(withData)]).toEqual([]);
  });
});

describe("hashlimit", () => {
  const rules = (own: string): string => `*filter\n-A FORWARD ${own} -j ACCEPT\n-A FORWARD -j DROP\nCOMMIT\n`;
  const verdicts = (box: NetfilterBox, ...to: readonly string[]): string[] =>
    to.map((address) => box.forward(udpPacket({ from: "10.0.0.1:1", to: `${address}:53` })).verdict);

  it("counts networks as one where a mask says so", () => {
    const match =
      "-m hashlimit --hashlimit-upto 1/hour --hashlimit-burst 1 --hashlimit-mode dstip --hashlimit-name x --hashlimit-dstmask 30";
    const box = new NetfilterBox(rules(match));
    expect(verdicts(box, "192.0.2.1", "192.0.2.2", "192.0.2.4", "192.0.2.4")).toEqual([
      "accept",
      "rule-drop",
      "accept",
      "rule-drop",
    ]);
  });

  it("takes an ESP packet's SPI for its ports, and knows ICMP to have none", () => {
    const match =
      "-m hashlimit --hashlimit-upto 1/hour --hashlimit-burst 1 --hashlimit-mode dstip,dstport --hashlimit-name x";
    const box = new NetfilterBox(rules(match));
    const ends = { from: "10.0.0.1", to: "192.0.2.4" };
    const packets = [
      otherPacket({ ...ends, protocol: 50, payload: "spi1seq1" }),
      icmpEcho({ ...ends, id: 1 }),
      icmpEcho({ ...ends, id: 2 }),
    ];
    expect(packets.map((packet) => box.forward(packet).verdict)).toEqual(["accept", "accept", "rule-drop"]);
  });

  it("has one table for all rules of a name", () => {
    const match = "-m hashlimit --hashlimit-upto 1/hour --hashlimit-burst 2 --hashlimit-mode dstip --hashlimit-name x";
    const box = new NetfilterBox(
      `*filter\n-A FORWARD ${match} -m mark --mark 0x1 -j DROP\n-A FORWARD ${match} -j ACCEPT\n-A FORWARD -j DROP\nCOMMIT\n`,
    );
    expect(verdicts(box, "192.0.2.1", "192.0.2.1")).toEqual(["accept", "rule-drop"]);
  });

  it("remembers what it has counted for as long as the rate's unit", () => {
    const match = "-m hashlimit --hashlimit-upto 1/hour --hashlimit-burst 1 --hashlimit-mode dstip --hashlimit-name x";
    const box = new NetfilterBox(rules(match));
    expect(verdicts(box, "192.0.2.1")).toEqual(["accept"]);
    box.wait(60);
    expect(verdicts(box, "192.0.2.1")).toEqual(["rule-drop"]);
  });
});

describe("conntrack --ctexpire", () => {
  it("takes a connection that is not entered yet for one whose time is over", () => {
    const box = new NetfilterBox(
      `${HOME}*filter\n-A FORWARD -m conntrack --ctexpire 0 -j ACCEPT\n-A FORWARD -m conntrack --ctexpire 25:31 -j DROP\nCOMMIT\n`,
    );
    const ask = (): string => box.forward(udpPacket({ from: "10.0.0.1:1", to: "192.0.2.4:53" })).verdict;
    expect([ask(), ask()]).toEqual(["accept", "rule-drop"]);
  });
});
