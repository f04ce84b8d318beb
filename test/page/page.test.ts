import { beforeAll, describe, expect, it } from "vitest";
import { type ReportData, reportRun } from "../../src/explain/index.ts";
import { formatPlace, readPlace } from "../../src/page/deep-link.ts";
import { headerRows } from "../../src/page/header-rows.ts";
import { geometryOf, rowsBetween, shortName } from "../../src/page/ladder-geometry.ts";
import { describeMoment, type Filter, lanesOf, type Row, rowsOf } from "../../src/page/rows.ts";
import { layOut, pointOn, wayOf } from "../../src/page/topology-layout.ts";
import { formatSpan, wrapName } from "../../src/page/words.ts";
import { builtin } from "../explain/explained.ts";
import { load } from "../scenario/sample-scenario.ts";

const ALL: Filter = { connection: undefined, text: "", showsArp: false };
let nodeport: ReportData;
let homeNat: ReportData;

beforeAll(async () => {
  nodeport = await reportRun(load(builtin("nodeport")), { seed: 1 });
  homeNat = await reportRun(load(builtin("home-nat")), { seed: 1 });
});

function moments(rows: readonly Row[]): number {
  return rows.filter(({ kind }) => kind === "moment").length;
}

describe("rowsOf()", () => {
  it("begins with the step, and leaves ARP out unless it is wanted", () => {
    const rows = rowsOf(nodeport, ALL);
    expect(rows[0]).toMatchObject({ kind: "step", step: { number: 1 } });
    expect(moments(rows)).toBe(110);
    expect(moments(rowsOf(nodeport, { ...ALL, showsArp: true }))).toBe(nodeport.moments.length);
  });

  it("filters by connection, and by words that must all be there", () => {
    const first = rowsOf(nodeport, { ...ALL, connection: 0 });
    expect(first.every((row) => row.kind !== "moment" || nodeport.packets[row.moment.packet]?.connection === 0)).toBe(
      true,
    );
    expect(moments(first)).toBeGreaterThan(10);
    expect(moments(rowsOf(nodeport, { ...ALL, text: "masquerade KUBE-POSTROUTING syn" }))).toBe(6);
    expect(moments(rowsOf(nodeport, { ...ALL, text: "no such thing" }))).toBe(0);
  });

  it("tells pauses, and steps in which nothing went over a wire", () => {
    const rows = rowsOf(homeNat, ALL);
    expect(rows.flatMap((row) => (row.kind === "step" ? [row.step.number] : []))).toEqual([
      1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12,
    ]);
    expect(rows.some(({ kind }) => kind === "pause")).toBe(true);
  });
});

describe("describeMoment()", () => {
  it("says a moment in words: which packet, from where to where, what is rewritten there", () => {
    const place = readPlace("#t=511000&p=1", nodeport);
    const moment = nodeport.moments[place.moment];
    expect(moment && describeMoment(nodeport, moment)).toBe(
      "Packet 1: SYN, edge to kubernetes-node-6jst, 198.51.100.79:47914 to 10.240.0.4:31000. kubernetes-node-6jst rewrites destination 10.240.0.4:31000 to 10.180.1.136:8080 (DNAT). kubernetes-node-6jst rewrites source 198.51.100.79:47914 to 10.180.1.1:27219 (MASQUERADE).",
    );
  });
});

describe("the page's address", () => {
  it("names every moment so that it is found again", () => {
    for (const [moment, { packet, time }] of nodeport.moments.entries()) {
      const found = nodeport.moments[readPlace(formatPlace({ moment, filter: ALL }, nodeport), nodeport).moment];
      expect({ packet: found?.packet, time: found?.time }).toEqual({ packet, time });
    }
  });

  it("keeps the filter, and takes rubbish for nothing", () => {
    const filter = { connection: 1, text: "SYN & #x", showsArp: true };
    expect(readPlace(formatPlace({ moment: 5, filter }, nodeport), nodeport).filter).toEqual(filter);
    expect(readPlace("#t=abc&p=-1&c=99&q", nodeport)).toEqual({ moment: 2, filter: ALL });
    expect(readPlace("#c=1.5", nodeport).filter).toEqual(ALL);
    expect(readPlace("", nodeport).moment).toBe(2);
  });
});

describe("headerRows()", () => {
  it("sets a packet that goes into a tunnel beside the one inside: nothing of it is rewritten", async () => {
    const data = await reportRun(load(builtin("cni-vxlan")), { seed: 1 });
    const places = data.packets.flatMap(({ way }) => way);
    const wrapped = places.find(({ hop }) => {
      const { notes = [], changes = [] } = data.hops[hop] ?? {};
      return notes.includes("put into an VXLAN packet") && changes.every(({ side }) => side === "ttl");
    });
    const rows = headerRows(data, wrapped?.before, wrapped?.after);
    const named = (layer: string, name: string) => rows.find((row) => row.layer === layer && row.name === name);
    expect(named("VXLAN", "Network identifier")).toMatchObject({ before: undefined, change: "forwarded" });
    expect(named("IPv4 inside", "TTL")).toMatchObject({ change: "forwarded" });
    const { before, after } = named("IPv4 inside", "Source address") ?? {};
    expect(before).toBe(after);
    expect(rows.filter(({ change }) => change === "rewritten").map(({ layer, name }) => `${layer} ${name}`)).toEqual(
      [],
    );
  });
});

describe("layOut()", () => {
  it("puts who asks on the left, Pods on the right, and no box upon another", () => {
    const { boxes, order } = layOut(nodeport.topology);
    expect(order[0]).toBe("client");
    expect(order.at(-1)).toBe("source-ip-app-826191075-qehz4");
    const all = [...boxes.values()];
    for (const one of all)
      for (const other of all) {
        if (one === other) continue;
        const isApart =
          Math.abs(one.x - other.x) >= (one.width + other.width) / 2 ||
          Math.abs(one.y - other.y) >= (one.height + other.height) / 2;
        expect(isApart, `${one.box.name} and ${other.box.name}`).toBe(true);
      }
  });

  it("leads a packet along the cables, from one box's edge to the other's", () => {
    const drawing = layOut(nodeport.topology);
    const [moment] = nodeport.moments.filter(({ from, to }) => from === "client" && to === "edge");
    const way = moment === undefined ? [] : wayOf(drawing, moment);
    const [client, edge] = [drawing.boxes.get("client"), drawing.boxes.get("edge")];
    expect(pointOn(way, 0)?.x).toBeGreaterThan((client?.x ?? 0) + (client?.width ?? 0) / 2);
    expect(pointOn(way, 1)?.x).toBeLessThan((edge?.x ?? 0) - (edge?.width ?? 0) / 2);
    expect(pointOn(way, 0.5)?.x).toBeCloseTo(((way[0]?.x ?? 0) + (way.at(-1)?.x ?? 0)) / 2, 5);
  });
});

describe("the ladder's geometry", () => {
  it("draws only what is in sight of a long run", () => {
    const [row] = rowsOf(nodeport, ALL).filter(({ kind }) => kind === "moment");
    const rows = Array.from({ length: 100_000 }, () => row).filter((each) => each !== undefined);
    const geometry = geometryOf(rows, lanesOf(rows, ["client", "edge"]), 900);
    expect(geometry.height).toBe(4_600_000);
    const [first, end] = rowsBetween(geometry, 2_300_000, 2_300_460);
    expect([first, end]).toEqual([49_999, 50_010]);
  });

  it("gives each box a lane, and names that fit", () => {
    const rows = rowsOf(nodeport, ALL);
    const lanes = lanesOf(rows, layOut(nodeport.topology).order);
    expect(lanes).toHaveLength(6);
    expect(geometryOf(rows, lanes, 1000).names?.get("kubernetes-node-6jst")).toEqual(["kubernetes-", "node-6jst"]);
    expect(geometryOf(rows, lanes, 390).names).toBeUndefined();
    expect([
      shortName("client"),
      shortName("kubernetes-node-6jst"),
      shortName("source-ip-app-826191075-qehz4"),
    ]).toEqual(["client", "…node-6jst", "…qehz4"]);
  });
});

describe("words", () => {
  it("cuts long names where their parts end", () => {
    expect(wrapName("kubernetes-node-6jst", 16)).toEqual(["kubernetes-node-", "6jst"]);
    expect(wrapName("client", 16)).toEqual(["client"]);
  });

  it("gives a span the unit that suits it", () => {
    expect([1500, 2.5e6, 999.9e6, 3e9, 90e9].map(formatSpan)).toEqual(["1.5 µs", "2.5 ms", "1 s", "3 s", "1.5 min"]);
  });
});
