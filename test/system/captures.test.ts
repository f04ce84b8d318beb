import { execFileSync, spawnSync } from "node:child_process";
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";

const CAPTURES = fileURLToPath(new URL("../../captures/", import.meta.url));
const NAMES = readdirSync(CAPTURES).filter((name) => name.endsWith(".pcapng"));

const missing = ["tshark", "capinfos"].filter((program) => spawnSync(program, ["--version"]).error !== undefined);
if (missing.length > 0) {
  const message = `${missing.join(" and ")} not found: install them with apt-get install tshark`;
  if (process.env.CI) throw new Error(message);
  console.warn(`test/system/captures.test.ts is skipped: ${message}`);
}

function tshark(file: string, ...args: string[]): string[] {
  const checks = ["-o", "ip.check_checksum:TRUE", "-o", "tcp.check_checksum:TRUE", "-o", "udp.check_checksum:TRUE"];
  const output = execFileSync("tshark", ["-n", "-r", file, ...checks, ...args], {
    encoding: "utf8",
    stdio: ["ignore", "pipe", "ignore"],
    maxBuffer: 1 << 28,
  });
  return output.split("\n").filter((line) => line !== "");
}

describe.skipIf(missing.length > 0)("the captures of the built-in scenarios, read by tshark", () => {
  let folder = "";
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), "natscope-captures-"));
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  it.each(NAMES)("%s: every checksum is right, nothing is malformed, packets are in order of time", (name) => {
    const file = join(CAPTURES, name);
    // tshark sums up what an ICMP error quotes of a segment, which is its beginning only: the sum in the quotation cannot fit.
    const transport = "(tcp.checksum.status == 0 || udp.checksum.status == 0) && !icmp";
    const bad = `ip.checksum.status == 0 || icmp.checksum.status == 0 || (${transport})`;
    expect(tshark(file, "-Y", `${bad} || _ws.malformed`)).toEqual([]);
    const info = execFileSync("capinfos", ["-o", file], { encoding: "utf8", stdio: "pipe" });
    expect(info).toContain("True");
  });

  it("nodeport.pcapng: no expert warning at any one capture point", () => {
    const file = join(CAPTURES, "nodeport.pcapng");
    const points = new Set(tshark(file, "-T", "fields", "-e", "frame.interface_name"));
    expect(points.size).toBeGreaterThan(8);
    for (const point of points) {
      const own = join(folder, "point.pcapng");
      execFileSync("tshark", ["-r", file, "-Y", `frame.interface_name == "${point}"`, "-w", own], { stdio: "ignore" });
      expect(tshark(own, "-Y", "_ws.expert.severity >= warning"), point).toEqual([]);
    }
  });

  it("nodeport.pcapng: the forwarding node changes TTL, addresses, ports and checksums, and nothing else", () => {
    const file = join(CAPTURES, "nodeport.pcapng");
    const at = 'frame.interface_name == "kubernetes-node-cx31/eth0" && ip';
    const byPacket = new Map<string, string[]>();
    const fields = [
      "frame.packet_id",
      "ip.id",
      "ip.flags",
      "ip.dsfield",
      "ip.len",
      "tcp.seq_raw",
      "tcp.ack_raw",
      "tcp.flags",
      "tcp.window_size_value",
    ];
    fields.push("tcp.options", "tcp.payload");
    for (const line of tshark(file, "-Y", at, "-T", "fields", ...fields.flatMap((field) => ["-e", field]))) {
      const [packet = "", ...rest] = line.split("\t");
      byPacket.set(packet, [...(byPacket.get(packet) ?? []), rest.join(" ")]);
    }
    expect(byPacket.size).toBeGreaterThan(8);
    for (const [packet, seen] of byPacket) {
      expect(seen, `packet ${packet}`).toHaveLength(2);
      expect(seen[0]).toBe(seen[1]);
    }
  });
});
