import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ChangesBench } from "./cluster-changes.bench.ts";
import { ClusterBench } from "./cluster-scale.bench.ts";
import { type ClusterSize, LARGEST, SMALL } from "./cluster-scale.ts";
import { conntrackBytes } from "./conntrack-memory.bench.ts";
import { LinuxPath } from "./linux-path.ts";
import { type LiveMeasure, liveObstacle, liveRounds } from "./live.bench.ts";
import { COMMENT, fileOf, recordRate, writeRecords } from "./pcapng.bench.ts";
import { rewriting } from "./rewriting.bench.ts";
import type { Peer, Row, RowRounds } from "./row.ts";
import { tcpBulk } from "./tcp-bulk.bench.ts";
import { UdpPath } from "./udp-path.bench.ts";

const DESIGN_LINUX = 220_000;
const NODEPORT = ["run", "nodeport"];

/** Every row of DESIGN §8, in its order. */
export const ROWS: readonly Row[] = [
  {
    name: "udp-100",
    what: "UDP, client → router with kube-proxy's rules → server, 100 flows",
    unit: "packets/s",
    target: "≥ 4 × Linux",
    rounds: 9,
    prepare: (quick) => udpRounds(100, quick),
    isMet: ({ figure, ratio }) => (ratio ?? figure / DESIGN_LINUX) >= 4,
  },
  {
    name: "udp-200000",
    what: "the same with 200,000 flows",
    unit: "packets/s",
    target: "≥ 2 × Linux",
    rounds: 7,
    prepare: (quick) => udpRounds(200_000, quick),
    isMet: ({ figure, ratio }) => (ratio ?? figure / DESIGN_LINUX) >= 2,
  },
  {
    name: "rewriting",
    what: "rewriting alone: conntrack hit, DNAT and MASQUERADE in place",
    unit: "packets/s",
    target: "≥ 5,000,000",
    rounds: 9,
    prepare: (quick) => {
      const run = rewriting();
      return { round: () => run(quick ? 300_000 : 2_000_000), beside: "bare typed arrays reach 10–40 M/s" };
    },
    isMet: ({ figure }) => figure >= 5_000_000,
  },
  {
    name: "new-connections",
    what: "new connections with 10,000 Services: the time of one, over that with 10",
    unit: "×",
    target: "≤ 1.5",
    rounds: 9,
    prepare: newConnectionRounds,
    isMet: ({ figure }) => figure <= 1.5,
  },
  {
    name: "tcp-bulk",
    what: "TCP bulk through one NAT, payload in virtual time",
    unit: "Gbit/s",
    target: "≥ 4",
    rounds: 9,
    prepare: (quick) => {
      const run = tcpBulk();
      return { round: () => run((quick ? 50 : 400) * 1_000_000), beside: "tcpip.js publishes 0.5" };
    },
    isMet: ({ figure }) => figure >= 4,
  },
  {
    name: "conntrack-memory",
    what: "conntrack, one of 1,000,000 entries",
    unit: "bytes",
    target: "≤ 200",
    rounds: 1,
    prepare: conntrackRounds,
    isMet: ({ figure }) => figure <= 200,
  },
  {
    name: "pcapng-options",
    what: "pcapng written, records with options",
    unit: "records/s",
    target: "≥ 5,000,000",
    rounds: 7,
    prepare: (quick) => pcapngRounds(quick, ""),
    isMet: ({ figure }) => figure >= 5_000_000,
  },
  {
    name: "pcapng-comments",
    what: "pcapng written, records with options and comments",
    unit: "records/s",
    target: "≥ 1,000,000",
    rounds: 7,
    prepare: (quick) => pcapngRounds(quick, COMMENT),
    isMet: ({ figure }) => figure >= 1_000_000,
  },
  {
    name: "cold-start",
    what: "natscope run nodeport, cold, by node",
    unit: "ms",
    target: "≤ 300",
    rounds: 9,
    prepare: () => ({
      round: () => milliseconds([new URL("../bin/natscope.js", import.meta.url).pathname, ...NODEPORT]),
      peer: { name: "node alone", round: () => milliseconds(["-e", "0"]) },
    }),
    isMet: ({ figure }) => figure <= 300,
  },
  ...clusterRows(),
  ...liveRows(),
];

/** The largest cluster that Kubernetes supports: 5,000 nodes, 150,000 pods, 10,000 Services. */
function clusterRows(): Row[] {
  const size = (quick: boolean): ClusterSize => (quick ? SMALL : LARGEST);
  return [
    {
      name: "cluster-boot",
      what: "5,000 nodes, 150,000 pods, 10,000 Services: boot",
      unit: "s",
      target: "≤ 10",
      rounds: 1,
      prepare: (quick) => ({ round: () => new ClusterBench(size(quick)).bootSeconds }),
      isMet: ({ figure }) => figure <= 10,
    },
    {
      name: "cluster-memory",
      what: "the same: resident memory after a change to a Service",
      unit: "MiB",
      target: "≤ 4,096",
      rounds: 1,
      prepare: (quick) => {
        const cluster = new ClusterBench(size(quick));
        cluster.changeMs();
        return { round: () => process.memoryUsage().rss / 2 ** 20 };
      },
      isMet: ({ figure }) => figure <= 4096,
    },
    {
      name: "cluster-packets",
      what: "the same: packets/s, over those of a cluster with 20 nodes",
      unit: "×",
      target: "≥ 0.8",
      rounds: 7,
      prepare: (quick) => {
        const [large, small] = [new ClusterBench(size(quick)), new ClusterBench(SMALL)];
        const packets = quick ? 20_000 : 200_000;
        return { round: () => large.packetRate(packets) / small.packetRate(packets) };
      },
      isMet: ({ figure }) => figure >= 0.8,
    },
    {
      name: "service-change",
      what: "the same: the slowest change of any kind, from the first on, until all nodes have its rules and packets go by them",
      unit: "ms",
      target: "≤ 100",
      rounds: 3,
      prepare: (quick) => {
        const cluster = new ChangesBench(size(quick));
        const round = (): number => {
          cluster.round();
          return cluster.worst?.allNodesMs ?? Number.NaN;
        };
        return { round, note: () => `the slowest: ${cluster.worst?.name}` };
      },
      isMet: ({ figure }) => figure <= 100,
    },
  ];
}

/** Real programs through `natscope shell`; left out where a program or right is missing. */
function liveRows(): Row[] {
  if (liveObstacle() !== undefined) return [];
  const row = (measure: LiveMeasure, what: string, unit: string): Row => ({
    name: `live-${measure}`,
    what: `natscope shell, ${what}, MTU 1500`,
    unit,
    target: "> slirp4netns",
    rounds: 3,
    prepare: (quick) => liveRounds(measure, quick),
    isMet: ({ ratio }) => (ratio ?? 0) > 1,
  });
  return [
    row("down", "curl downloads", "MB/s"),
    row("up", "curl uploads", "MB/s"),
    row("requests", "wrk, 32 connections, a real server", "requests/s"),
    row("pages", "wrk, 32 connections, the pod's own server", "requests/s"),
  ];
}

function udpRounds(flows: number, quick: boolean): RowRounds {
  const path = new UdpPath({ flows, services: 1 });
  path.send(flows);
  const packets = quick ? 50_000 : 400_000;
  const round = (): number => path.send(packets);
  const obstacle = LinuxPath.obstacle();
  if (obstacle !== undefined) return { round, beside: `no Linux beside it: ${obstacle}` };
  const linux = new LinuxPath({ services: 1 });
  const peer: Peer = { name: "Linux", round: () => linux.run(flows, packets / 2), close: () => linux.close() };
  return { round, peer };
}

function newConnectionRounds(quick: boolean): RowRounds {
  const few = new UdpPath({ flows: 1_000_000, services: 10 });
  const many = new UdpPath({ flows: 1_000_000, services: 10_000 });
  const packets = quick ? 10_000 : 50_000;
  const seconds = (path: UdpPath): number => {
    const rate = path.send(packets);
    path.forget();
    return 1 / rate;
  };
  return { round: () => seconds(many) / seconds(few), beside: "iptables is linear" };
}

/** Once, as the process' memory is what is asked for. */
function conntrackRounds(quick: boolean): RowRounds {
  const { bytes, residentBytes } = conntrackBytes(quick ? 100_000 : 1_000_000);
  return { round: () => bytes, beside: "88 on bare typed arrays", note: () => `${Math.round(residentBytes)} by RSS` };
}

/** tcpdump reads a file of such records and writes it again: the reading is in its figure, but options and comments are not. */
function pcapngRounds(quick: boolean, comment: string): RowRounds {
  const count = quick ? 100_000 : 1_000_000;
  const round = (): number => recordRate(count, (records) => writeRecords(records, comment));
  if (spawnSync("tcpdump", ["--version"]).error !== undefined) return { round, beside: "tcpdump is not there" };
  const folder = mkdtempSync(join(tmpdir(), "natscope-bench-"));
  const file = join(folder, "records.pcapng");
  writeFileSync(file, fileOf(count, comment));
  const rewrite = (): void => {
    const { status, stderr } = spawnSync("tcpdump", ["-r", file, "-w", "/dev/null"], { encoding: "utf8" });
    if (status !== 0) throw new Error(`tcpdump: ${stderr}`);
  };
  const close = (): void => rmSync(folder, { recursive: true });
  return { round, peer: { name: "tcpdump -r -w", round: () => recordRate(count, rewrite), close } };
}

function milliseconds(args: readonly string[]): number {
  const began = performance.now();
  const { status, stderr } = spawnSync(process.execPath, args, { encoding: "utf8" });
  if (status !== 0) throw new Error(`node ${args.join(" ")}: ${stderr}`);
  return performance.now() - began;
}
