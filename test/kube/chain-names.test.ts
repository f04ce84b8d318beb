import { describe, expect, test } from "vitest";
import { chainHash, endpointChainName, serviceChainName } from "../../src/kube/index.ts";

/** Names seen in real clusters and in kube-proxy's own tests. */
const HASHES = [
  ["ns1/svc1:p80tcp", "XPGD46QRK7WJZT7O"],
  ["ns1/svc1tcp", "AQI2S6QIMU7PVVRP"],
  ["ns1/svc1:p80tcp10.180.0.1:80", "SXIVWICOYRO3J4NJ"],
  ["ns2/svc2:p80tcp", "GNZBNJ2PO5MGZ6GT"],
  ["ns3/svc3:p8081tcp203.0.113.4:8081", "RUVVH7YV3PHQBDOS"],
  ["default/kubernetes:httpstcp", "NPX46M4PTMTKRN6Y"],
  ["kube-system/kube-dns:dnsudp", "TCOU7JCQXEZGVUNU"],
  ["kube-system/kube-dns:dns-tcptcp", "ERIFXISQEP7F7OF4"],
  ["kube-system/kube-dns:metricstcp", "JD5MR3NA4I4DYORP"],
] as const;

describe("chain names", () => {
  test.each(HASHES)("the hash of %s is %s", (text, hash) => {
    expect(chainHash(text)).toBe(hash);
  });

  test.each(["SVC", "SVL", "EXT", "FW"] as const)("KUBE-%s- stands in front of the service's hash", (kind) => {
    expect(serviceChainName(kind, "ns1/svc1:p80", "tcp")).toBe(`KUBE-${kind}-XPGD46QRK7WJZT7O`);
  });

  test("an endpoint's chain has the endpoint in its hash", () => {
    expect(endpointChainName("ns1/svc1:p80", "tcp", "10.180.0.1:80")).toBe("KUBE-SEP-SXIVWICOYRO3J4NJ");
  });

  test("names fit into the 28 characters that iptables allows, however long the service's name", () => {
    expect(serviceChainName("SVC", `${"n".repeat(63)}/${"s".repeat(63)}:${"p".repeat(63)}`, "sctp")).toHaveLength(25);
  });
});
