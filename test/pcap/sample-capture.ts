import { Capture, DEFAULT_START_DATE } from "../../src/pcap/index.ts";
import { fromHex } from "./bytes-from-hex.ts";
import { collect } from "./collected.ts";

const CLIENT_SYN = fromHex(`
  42010af00005 42010af00001 0800                                  # Ethernet, to kubernetes-node-cx31
  4500002c1c4640003f06ea0e c633644f 0af00005                      # 198.51.100.79 > 10.240.0.5, TTL 63
  9c40 7918 11223344 00000000 6002faf00dff0000 020405b4           # 40000 > 31000 [S], MSS 1460`);

const FORWARDED_SYN = fromHex(`
  42010af00004 42010af00005 0800                                  # on to kubernetes-node-6jst
  4500002c1c4640003e060956 0af00005 0ab40188                      # 10.240.0.5 > 10.180.1.136, TTL 62
  9c40 1f90 11223344 00000000 6002faf085ce0000 020405b4           # 40000 > 8080 [S], MSS 1460`);

/** One SYN that a node forwards with DNAT and MASQUERADE, then a copy without Ethernet that is dropped on a tunnel. */
export function sampleCapture(): Uint8Array {
  const file = collect();
  let now = 0;
  const capture = new Capture({
    target: {
      format: "pcapng",
      sink: file.sink,
      section: { hardware: "none", os: "natscope", application: "natscope 0.1.0", comment: "scenario sample, seed 1" },
    },
    now: () => now,
    startDate: DEFAULT_START_DATE,
  });
  const eth0 = capture.addPoint({
    name: "kubernetes-node-cx31/eth0",
    description: "the node's way out",
    mac: 0x4201_0af0_0005,
    ipv4: { address: 0x0af0_0005, prefixLength: 24 },
  });
  const tun0 = capture.addPoint({ name: "kubernetes-node-cx31/tun0", linkType: 101 });
  capture.addPoint({ name: "client/eth0" });
  capture.addName(0xc633_644f, "client");
  capture.addName(0x0af0_0005, "kubernetes-node-cx31");
  capture.addName(0x0af0_0005, "node2");
  now = 5_000_000;
  capture.record(eth0, "in", { bytes: CLIENT_SYN, start: 0, end: 58, lineage: 7, at: now });
  const out = capture.record(eth0, "out", { bytes: FORWARDED_SYN, start: 0, end: 58, lineage: 7, at: now + 1000 });
  capture.annotate(out, "nat PREROUTING: destination 10.240.0.5:31000 → 10.180.1.136:8080");
  capture.annotate(out, "nat POSTROUTING: source 198.51.100.79 → 10.240.0.5");
  capture.addName(0x0ab4_0188, "source-ip-app-826191075-qehz4");
  now = 9_000_000;
  capture.record(tun0, "in", { bytes: FORWARDED_SYN, start: 14, end: 58, lineage: 8, at: now });
  capture.annotateLatest(8, "dropped: no-route", tun0);
  now = 10_000_000;
  capture.finish();
  return file.bytes();
}
