import { describe, expect, it } from "vitest";
import { overlaps, usedRanges } from "../../src/cli/shadowing.ts";
import { cidr } from "../../src/netstack/index.ts";

/** As `ip -j -4 route show table all` prints it. */
const ROUTES = JSON.stringify([
  { dst: "default", gateway: "192.168.1.1", dev: "eth0" },
  { dst: "192.168.1.0/24", dev: "eth0", scope: "link" },
  { dst: "10.0.0.0/8", gateway: "192.168.1.9", dev: "vpn0" },
  { type: "local", dst: "192.168.1.7", dev: "eth0", table: "local" },
]);

describe("overlaps()", () => {
  const used = usedRanges(ROUTES);

  const rows: [string, string, string[]][] = [
    ["a free range", "203.0.113.0/24", []],
    ["a range inside a used one", "10.240.0.0/24", ["10.240.0.0/24 (the machine has 10.0.0.0/8 on vpn0)"]],
    ["a range around a used one", "192.168.0.0/16", ["192.168.0.0/16 (the machine has 192.168.1.0/24 on eth0)"]],
    ["the machine's own address", "192.168.1.7/32", ["192.168.1.7/32 (the machine has 192.168.1.0/24 on eth0)"]],
  ];
  it.each(rows)("for %s", (_, wanted, expected) => {
    expect(overlaps([cidr(wanted)], used)).toEqual(expected);
  });

  it("takes a default route for no use of a range, and no output for no routes", () => {
    expect(usedRanges('[{"dst":"default","dev":"eth0"}]')).toEqual([]);
    expect(usedRanges("")).toEqual([]);
  });
});
