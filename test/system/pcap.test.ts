import { execFileSync, spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { PcapWriter, readCapture } from "../../src/pcap/index.ts";
import { fromHex } from "../pcap/bytes-from-hex.ts";
import { collect } from "../pcap/collected.ts";
import { sampleCapture } from "../pcap/sample-capture.ts";

const missing = ["tshark", "capinfos", "editcap"].filter(
  (program) => spawnSync(program, ["--version"]).error !== undefined,
);
if (missing.length > 0) {
  const message = `${missing.join(" and ")} not found: install them with apt-get install tshark`;
  if (process.env.CI) throw new Error(message);
  console.warn(`test/system/pcap.test.ts is skipped: ${message}`);
}

describe.skipIf(missing.length > 0)("captures read by Wireshark's programs", () => {
  let folder = "";
  let file = "";
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), "natscope-pcap-"));
    file = join(folder, "sample.pcapng");
    writeFileSync(file, sampleCapture());
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  function tshark(...args: string[]): string[] {
    const checks = ["-o", "ip.check_checksum:TRUE", "-o", "tcp.check_checksum:TRUE"];
    const output = execFileSync("tshark", ["-n", "-r", file, ...checks, ...args], { encoding: "utf8", stdio: "pipe" });
    return output.split("\n").filter((line) => line !== "");
  }

  function capinfos(path: string): string {
    return execFileSync("capinfos", ["-A", path], { encoding: "utf8", stdio: "pipe" });
  }

  test("tshark shows time, interface, direction, packet id, comment and addresses of each packet", () => {
    const fields = ["frame.time_epoch", "frame.interface_name", "frame.packet_flags_direction", "frame.packet_id"];
    fields.push("frame.comment", "ip.src", "ip.dst", "ip.checksum.status", "tcp.checksum.status");
    const lines = tshark("-T", "fields", "-E", "separator=;", ...fields.flatMap((field) => ["-e", field]));
    expect(lines).toEqual([
      "1767225600.005000000;kubernetes-node-cx31/eth0;0x00000001;7;;198.51.100.79;10.240.0.5;1;1",
      "1767225600.005001000;kubernetes-node-cx31/eth0;0x00000002;7;nat PREROUTING: destination 10.240.0.5:31000 → 10.180.1.136:8080\\nnat POSTROUTING: source 198.51.100.79 → 10.240.0.5;10.240.0.5;10.180.1.136;1;1",
      "1767225600.009000000;kubernetes-node-cx31/tun0;0x00000001;8;dropped: no-route;10.240.0.5;10.180.1.136;1;1",
    ]);
  });

  test("tshark finds nothing malformed, and no expert warning but the copy it takes for a retransmission", () => {
    expect(tshark("-Y", "_ws.malformed || _ws.expert.severity >= warning")).toEqual([]);
    expect(
      tshark("-Y", "_ws.expert.severity == note", "-T", "fields", "-e", "frame.number", "-e", "tcp.analysis.flags"),
    ).toEqual(["3\t1"]);
  });

  test("tshark resolves each address to its first name", () => {
    const output = execFileSync(
      "tshark",
      ["-N", "n", "-r", file, "-T", "fields", "-e", "ip.src_host", "-e", "ip.dst_host"],
      {
        encoding: "utf8",
        stdio: "pipe",
      },
    );
    expect(output.split("\n")).toEqual([
      "client\tkubernetes-node-cx31",
      "kubernetes-node-cx31\tsource-ip-app-826191075-qehz4",
      "kubernetes-node-cx31\tsource-ip-app-826191075-qehz4",
      "",
    ]);
  });

  test("capinfos finds strict time order, all interfaces and what the section says", () => {
    const output = capinfos(file);
    for (const line of [
      /^File type: +Wireshark\/\.\.\. - pcapng$/m,
      /^File timestamp precision: +nanoseconds \(9\)$/m,
      /^Number of packets: +3$/m,
      /^Strict time order: +True$/m,
      /^Capture application: natscope 0\.1\.0$/m,
      /^Capture comment: +scenario sample, seed 1$/m,
      /^Number of interfaces in file: 3$/m,
      /^ +Name = client\/eth0$/m,
    ]) {
      expect(output).toMatch(line);
    }
  });

  test("capinfos reads classic pcap with nanoseconds", () => {
    const collected = collect();
    const writer = new PcapWriter(collected.sink, { linkType: 101 });
    writer.writePacket({ time: 5, bytes: fromHex("45000014 00010000 40fd0000 0a000001 0a000002"), start: 0, end: 20 });
    writer.flush();
    const path = join(folder, "sample.pcap");
    writeFileSync(path, collected.bytes());
    const output = capinfos(path);
    expect(output).toMatch(/^File type: +Wireshark\/tcpdump\/\.\.\. - nanosecond pcap$/m);
    expect(output).toMatch(/^First packet time: +2026-01-01 \d\d:\d\d:\d\d\.000000005$/m);
    expect(output).toMatch(/^Capture duration: +0\.000000000 seconds$/m);
    expect(output).toMatch(/Encapsulation = Raw IP/);
  });

  test("the readers read what editcap rewrites, in either format", () => {
    const kept = readCapture(sampleCapture()).packets.filter((one) => one.interface.linkType === 1);
    for (const format of ["pcap", "nsecpcap", "pcapng"]) {
      const path = join(folder, `rewritten.${format}`);
      execFileSync("editcap", ["-F", format, "-T", "ether", "-r", file, path, "1-2"], { stdio: "pipe" });
      const read = readCapture(readFileSync(path));
      expect([format, read.error]).toEqual([format, undefined]);
      expect(read.packets.map((one) => [...one.bytes])).toEqual(kept.map((one) => [...one.bytes]));
      expect(read.packets.map((one) => one.time)).toEqual([1_767_225_600_005_000_000n, 1_767_225_600_005_001_000n]);
    }
  });
});
