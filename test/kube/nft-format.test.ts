import { describe, expect, test } from "vitest";
import { cidr } from "../../src/kube/address.ts";
import type { NftSet } from "../../src/kube/index.ts";
import { formatNftTable, servicePorts } from "../../src/kube/index.ts";
import { formatNftRanges, formatNftSeconds } from "../../src/kube/nft-format.ts";
import { nftServiceName } from "../../src/kube/nft-names.ts";
import { service } from "./cluster-objects.ts";

/** Each row was typed into nft 1.0.6 and read back. */
describe("formatNftRanges()", () => {
  test.each([
    ["203.0.113.0/25", "203.0.113.0/25"],
    ["10.0.0.1/32", "10.0.0.1"],
    ["0.0.0.0/0", "0.0.0.0/0"],
    ["203.0.113.0/25 10.0.0.0/8 5.6.7.8", "{ 5.6.7.8, 10.0.0.0/8, 203.0.113.0/25 }"],
    ["203.0.113.0/25 203.0.113.128/25 10.0.0.0/9 10.0.0.0/8 5.6.7.8", "{ 5.6.7.8, 10.0.0.0/8, 203.0.113.0/24 }"],
    ["0.0.0.0/0 10.0.0.0/8", "{ 0.0.0.0/0 }"],
    ["10.0.0.1 10.0.0.2 10.0.0.3 10.0.0.9", "{ 10.0.0.1, 10.0.0.2, 10.0.0.3, 10.0.0.9 }"],
    ["10.0.0.1 10.0.0.2 10.0.0.3 10.0.0.0/30", "{ 10.0.0.0/30 }"],
    [
      "10.0.0.1 10.0.0.8/29 10.0.0.2/31 10.1.0.0/16 11.0.0.0/8 12.0.0.0/8 192.168.0.0/16",
      "{ 10.0.0.1-10.0.0.3, 10.0.0.8/29, 10.1.0.0/16, 11.0.0.0-12.255.255.255, 192.168.0.0/16 }",
    ],
    ["10.0.0.1/32 10.0.0.1", "{ 10.0.0.1 }"],
    ["203.0.113.0/25 255.255.255.255 0.0.0.0/1", "{ 0.0.0.0/1, 203.0.113.0/25, 255.255.255.255 }"],
  ])("%s reads back as %s", (typed, shown) => {
    expect(formatNftRanges(typed.split(" ").map(cidr))).toBe(shown);
  });
});

test.each([
  [10800, "3h"],
  [90061, "1d1h1m1s"],
  [61, "1m1s"],
  [86400, "1d"],
  [0, "0s"],
])("%i seconds are %s", (seconds, text) => {
  expect(formatNftSeconds(seconds)).toBe(text);
});

describe("elements of maps", () => {
  test("are sorted by their last bytes first, as nft does", () => {
    const ports = [31000, 30256, 30001, 32767];
    const set: NftSet = {
      kind: "map",
      name: "m",
      type: "inet_proto . inet_service : verdict",
      elements: [
        ...ports.map((port) => ({ key: { protocol: "tcp" as const, port }, verdict: "drop" })),
        { key: { protocol: "udp", port: 31000 }, verdict: "drop" },
      ],
    };
    const text = formatNftTable({ family: "ip", name: "t", comment: "c", sets: [set], chains: [] });
    expect(text.match(/(tcp|udp) \. \d+/g)).toEqual([
      "tcp . 31000",
      "udp . 31000",
      "tcp . 30256",
      "tcp . 30001",
      "tcp . 32767",
    ]);
  });
});

describe("names in nftables mode", () => {
  test("say what they are for, behind a hash", () => {
    const [port] = servicePorts([service("ns1/svc1", "10.0.0.1", { ports: ["p80=80"] })]);
    expect(port && nftServiceName("service", port)).toBe("service-ULMVA6XW-ns1/svc1/tcp/p80");
  });

  test("are cut where nftables would not take them", () => {
    const [port] = servicePorts([service(`${"n".repeat(110)}/${"s".repeat(120)}`, "10.0.0.1")]);
    const name = port === undefined ? "" : nftServiceName("external", port);
    expect(name).toHaveLength("external-".length + 240);
    expect(name.endsWith("...")).toBe(true);
  });
});
