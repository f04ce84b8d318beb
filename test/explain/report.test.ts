import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type ReportData, reportRun } from "../../src/explain/index.ts";
import { decodeHeaders } from "../../src/explain/report-headers.ts";
import { headerRows } from "../../src/page/header-rows.ts";
import { lineAt } from "../../src/page/tracked-lines.ts";
import { load, SAMPLE } from "../scenario/sample-scenario.ts";
import { builtin, HOME, home, rewrites } from "./explained.ts";

async function tell(text: string, step?: number): Promise<ReportData> {
  return reportRun(load(text), { seed: 1, ...(step !== undefined && { step }) });
}

/** The moments of packets that belong to a connection, a line each. */
function waysOf({ moments, packets, frames }: ReportData, most = 100): string[] {
  const own = moments.filter(({ packet }) => packets[packet]?.connection !== undefined);
  return own.slice(0, most).map(({ packet, from, out, to, via, frame, lost }) => {
    const { source = "", destination = "", what = "" } = frames[frame ?? -1] ?? {};
    const end = to === undefined ? `nowhere${lost === undefined ? "" : ` (${lost})`}` : to;
    return `#${packets[packet]?.lineage} ${from}/${out} ${via ?? "-"} ${end}: ${what} ${source} > ${destination}`;
  });
}

describe("reportRun()", () => {
  it("tells what stands where, and how it is wired", async () => {
    const { topology } = await tell(builtin("nodeport"));
    expect(topology.boxes.map(({ name, kind, on }) => `${kind} ${name}${on === undefined ? "" : ` on ${on}`}`)).toEqual(
      [
        "network internet",
        "network vpc",
        "host client",
        "router edge",
        "node kubernetes-node-6jst",
        "node kubernetes-node-cx31",
        "node kubernetes-node-jj1t",
        "pod source-ip-app-826191075-qehz4 on kubernetes-node-6jst",
      ],
    );
    expect(topology.boxes.find(({ name }) => name === "edge")?.interfaces).toEqual([
      { name: "eth0", mac: "42:01:c6:33:64:01", addresses: ["198.51.100.1/24"] },
      { name: "eth1", mac: "42:01:0a:f0:00:01", addresses: ["10.240.0.1/24"] },
    ]);
    expect(topology.links.map(({ from, fromInterface, to }) => `${from}/${fromInterface} ${to}`)).toEqual([
      "client/eth0 internet",
      "edge/eth0 internet",
      "edge/eth1 vpc",
      "kubernetes-node-6jst/eth0 vpc",
      "kubernetes-node-cx31/eth0 vpc",
      "kubernetes-node-jj1t/eth0 vpc",
      "source-ip-app-826191075-qehz4/eth0 kubernetes-node-6jst",
    ]);
  });

  it("tells each way of a packet from box to box, as it was on the wire", async () => {
    expect(waysOf(await tell(builtin("nodeport")), 6)).toEqual([
      "#1 client/eth0 internet edge: SYN 198.51.100.79:47914 > 203.0.113.4:31000",
      "#1 edge/eth1 vpc kubernetes-node-6jst: SYN 198.51.100.79:47914 > 10.240.0.4:31000",
      "#1 kubernetes-node-6jst/vethb7f44e4b - source-ip-app-826191075-qehz4: SYN 10.180.1.1:27219 > 10.180.1.136:8080",
      "#8 source-ip-app-826191075-qehz4/eth0 - kubernetes-node-6jst: SYN, ACK 10.180.1.136:8080 > 10.180.1.1:27219",
      "#8 kubernetes-node-6jst/eth0 vpc edge: SYN, ACK 10.240.0.4:31000 > 198.51.100.79:47914",
      "#8 edge/eth0 internet client: SYN, ACK 203.0.113.4:31000 > 198.51.100.79:47914",
    ]);
  });

  it("shows each packet's bytes before and after a box, and which fields differ", async () => {
    const data = await tell(home("curl -s 198.51.100.80"));
    const way = data.packets[0]?.way ?? [];
    expect(way.map(({ hop }) => data.hops[hop]?.box)).toEqual(["pc", "box", "server"]);
    const changed = headerRows(data, way[1]?.before, way[1]?.after).filter(({ change }) => change !== "none");
    expect(
      changed.map(({ layer, name, before, after, change }) => `${change}: ${layer} ${name} ${before} > ${after}`),
    ).toEqual([
      "forwarded: Ethernet Destination 42:01:c0:a8:01:01 > 42:01:c6:33:64:50",
      "forwarded: Ethernet Source 42:01:c0:a8:01:0a > 42:01:c6:33:64:07",
      "forwarded: IPv4 TTL 64 > 63",
      "forwarded: IPv4 Header checksum 0xf36f > 0x8be7",
      "rewritten: IPv4 Source address 192.168.1.10 > 198.51.100.7",
      "forwarded: TCP Checksum 0xecf3 > 0x846b",
    ]);
    const bytes = data.frames[way[1]?.after ?? -1]?.bytes ?? "";
    expect(bytes.slice(2 * 26, 2 * 34)).toBe("c6336407c6336450");
  });

  it.each(["nodeport", "loadbalancer-local", "home-nat", "mode-ipvs", "hairpin", "carrier-nat"])(
    "tells every rewritten field of %s, each in the packet that had it",
    async (name) => {
      const { told } = await rewrites(builtin(name), 1);
      const { packets, hops } = await tell(builtin(name));
      const found = packets.flatMap(({ way }) =>
        way.flatMap(({ hop }) => {
          const { box, changes } = hops[hop] ?? { box: "", changes: [] };
          return changes.flatMap(({ hook, fields, quoted }) =>
            fields.map(({ field, from, to }) => `${box} ${hook} ${field} ${from} ${to} ${quoted}`),
          );
        }),
      );
      expect(found.sort()).toEqual(told);
    },
  );

  it("says of a later packet that it was translated as remembered, and of an answer that it was turned back", async () => {
    const { packets, hops } = await tell(home("curl -s 198.51.100.80"));
    const inBox = packets.map(({ direction, way }) => {
      const hop = way.map((place) => hops[place.hop]).find((each) => each?.box === "box");
      const change = hop?.changes.find(({ side }) => side === "source" || side === "destination");
      return change === undefined ? [] : [`${direction} ${change.side} ${change.target}`];
    });
    expect(inBox.flat().slice(0, 3)).toEqual([
      "original source MASQUERADE",
      "reply destination conntrack",
      "original source conntrack",
    ]);
  });

  it("tells a packet that a rule drops, one that the link loses, and one that never leaves", async () => {
    const dropped = await tell(home("curl -s --connect-timeout 1 198.51.100.80:83"));
    const end = dropped.packets.flatMap(({ way }) => way.map(({ hop }) => dropped.hops[hop]?.end)).find(Boolean);
    expect(end).toMatchObject({ kind: "dropped", reason: "rule-drop", rule: { chain: "FORWARD", number: 3 } });

    const steps = `  - { run: ping -c 1 198.51.100.80, on: pc }
  - links: { box/wan: { out: { loss: 100% } } }
  - { run: ping -c 1 -W 1 198.51.100.80, on: pc }`;
    expect(waysOf(await tell(HOME.replace("STEPS", steps))).slice(4)).toEqual([
      "#7 pc/eth0 lan box: ICMP echo request, number 1 192.168.1.10 > 198.51.100.80",
      "#7 box/wan - nowhere (link-loss): ICMP echo request, number 1 198.51.100.7 > 198.51.100.80",
    ]);

    const unsent = await tell(home("ping -c 1 -W 5 192.168.1.99"));
    const [moment] = unsent.moments.filter(({ packet }) => unsent.packets[packet]?.connection !== undefined);
    expect(moment).toMatchObject({ from: "pc", leaves: 0 });
    expect(unsent.hops[unsent.packets[moment?.packet ?? 0]?.way[0]?.hop ?? 0]?.end).toMatchObject({
      reason: "neighbour-unreachable",
    });
  });

  it("keeps the lives of the tables' lines, and their time as conntrack -L prints it", async () => {
    const data = await tell(builtin("home-nat"));
    const listings = data.steps.filter(({ shown }) => /^conntrack -L/.test(shown));
    const compared = listings.flatMap(({ began, commands }) =>
      (commands[0]?.stdout ?? "").split("\n").flatMap((line) => {
        const [, protocol, left, state = ""] = /^(tcp|udp) +\d+ (\d+) ([A-Z_]+ )?src/.exec(line) ?? [];
        const source = /src=(\S+)/.exec(line)?.[1];
        const [from, to] = [/sport=(\d+)/.exec(line)?.[1], /dport=(\d+)/.exec(line)?.[1]];
        const asked = /dst=(\S+)/.exec(line)?.[1];
        if (protocol === undefined) return [];
        const known = data.tracking
          .filter(
            ({ original }) => original.source === `${source}:${from}` && original.destination === `${asked}:${to}`,
          )
          .map((life) => lineAt(life, began))
          .find((each) => each !== undefined);
        return [[`${state.trim()} ${left}`, `${known?.now.state ?? ""} ${known?.left}`]];
      }),
    );
    expect(compared.length).toBeGreaterThan(4);
    expect(compared.map(([listed]) => listed)).toEqual(compared.map(([, told]) => told));
  });

  it("keeps a step's command as the reader is shown it, and what it printed", async () => {
    const { steps } = await tell(builtin("nodeport"));
    expect(steps).toHaveLength(1);
    expect(steps[0]).toMatchObject({ name: "ask every node", on: "client", began: 0 });
    expect(steps[0]?.shown).toBe("for node in $NODES; do curl -s $node:$NODEPORT | grep -i client_address; done");
    expect(steps[0]?.commands.map(({ node, stdout }) => `${node} ${stdout}`)).toEqual([
      "kubernetes-node-6jst client_address=10.180.1.1\n",
      "kubernetes-node-cx31 client_address=10.240.0.5\n",
      "kubernetes-node-jj1t client_address=10.240.0.3\n",
    ]);
  });

  it("ends after the step that is wanted, and says the same with the same seed", async () => {
    const [first, again] = [await tell(builtin("home-nat"), 2), await tell(builtin("home-nat"), 2)];
    expect(first.steps.map(({ number }) => number)).toEqual([1, 2]);
    expect(JSON.stringify(first)).toBe(JSON.stringify(again));
  });

  it("leaves packets out beyond what a page can show, and says how many", async () => {
    const { packets, leftOut } = await tell(home("ping -c 1600 -i 0.01 198.51.100.80"));
    expect(packets).toHaveLength(3000);
    // 3,200 echoes and answers, and ARP.
    expect(leftOut.packets).toBeGreaterThan(200);
    expect(leftOut.packets).toBeLessThan(250);
  });

  it("draws of a large network what connections passed, and says how much is left out", async () => {
    const nodes = [...SAMPLE.matchAll(/^ {4}- \{ name: (?:alpha|beta).*$/gm)].map(([line]) => line).join("\n");
    const series =
      "{ count: 250, name: worker, address: 10.240.1.1/16, externalAddress: 203.0.113.1, podCIDR: 10.180.0.0/24 }";
    const large = SAMPLE.replace(`nodes:\n${nodes}`, `nodes: ${series}`)
      .replace(", node: alpha", ", node: worker-007")
      .replaceAll(/(10\.240\.0\.\d+)\/24/g, "$1/16");
    const { topology, leftOut } = await tell(`${large}
  - run: curl -s 10.0.0.80
    on: worker-003
`);
    const names = topology.boxes.map(({ name }) => name).sort();
    expect(names).toEqual(["client", "edge", "inside", "outside", "server", "web-1", "worker-003", "worker-007"]);
    expect(topology.links).toHaveLength(7);
    expect(leftOut.boxes).toBe(248);
  });
});

describe("a frame in the report", () => {
  it("has the ends of the packet inside where it is a tunnel's", async () => {
    const { frames } = await tell(builtin("cni-vxlan"), 2);
    expect(frames.find(({ what }) => what.startsWith("VXLAN: SYN"))).toMatchObject({
      what: "VXLAN: SYN",
      destination: "10.244.1.136:8080",
    });
  });
});

describe("decodeHeaders()", () => {
  it("takes DNS, ICMP errors with what they quote, and tunnels apart", async () => {
    const layers = async (name: string): Promise<Set<string>> =>
      new Set((await tell(builtin(name))).layouts.flatMap((layout) => layout.map(({ layer }) => layer)));
    expect([...(await layers("dns"))]).toEqual(
      expect.arrayContaining(["Ethernet", "ARP", "IPv4", "UDP", "DNS", "TCP", "HTTP"]),
    );
    expect([...(await layers("no-endpoints"))]).toEqual(expect.arrayContaining(["ICMP", "IPv4 quoted", "TCP quoted"]));
    expect([...(await layers("cni-vxlan"))]).toEqual(
      expect.arrayContaining(["UDP", "VXLAN", "Ethernet inside", "TCP inside"]),
    );
    expect([...(await layers("dsr"))]).toEqual(expect.arrayContaining(["IPv4", "IPv4 inside", "TCP inside"]));
  });

  it("never throws on rubbish, and no field reaches beyond the frame", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 120 }), fc.constantFrom(0, 1, 4, 6, 17), (tail, protocol) => {
        const head = [...Array(12).fill(2), 8, 0, 0x45, 0, 0, 100, 0, 1, 0, 0, 64, protocol, 0, 0];
        const bytes = Uint8Array.from([...head, ...tail]);
        for (const { at, length, name } of decodeHeaders(bytes)) {
          expect(name).not.toBe("");
          expect(at + length).toBeLessThanOrEqual(bytes.length);
        }
      }),
    );
  });
});
