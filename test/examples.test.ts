import { describe, expect, it } from "vitest";
import { main as customMiddlebox } from "../examples/custom-middlebox.ts";
import { main as homeNat } from "../examples/home-nat.ts";
import { main as readingACapture } from "../examples/reading-a-capture.ts";
import { main as serviceFromYaml } from "../examples/service-from-yaml.ts";

function linesOf(main: (print: (line: string) => void) => void): string[] {
  const lines: string[] = [];
  main((line) => lines.push(line));
  return lines;
}

describe("the examples", () => {
  it("home-nat.ts: the router's address is what the server sees", () => {
    expect(linesOf(homeNat)).toMatchInlineSnapshot(`
      [
        "the server saw client_address=203.0.113.7",
        "ipv4     2 tcp      6 119 TIME_WAIT src=192.168.1.10 dst=203.0.113.80 sport=… dport=80 src=203.0.113.80 dst=203.0.113.7 sport=80 dport=… [ASSURED] mark=0 use=1",
      ]
    `);
  });

  it("custom-middlebox.ts: three packets pass, two do not", () => {
    expect(linesOf(customMiddlebox)).toMatchInlineSnapshot(`
      [
        "5 packets transmitted, 3 received, 40% packet loss, time 4000ms",
        "2 dropped: rule-drop",
      ]
    `);
  });

  it("service-from-yaml.ts: kube-proxy's rules for one Service", () => {
    expect(linesOf(serviceFromYaml)).toMatchInlineSnapshot(`
      [
        "-A KUBE-EXT-LOLE4ISW44XBNF3G -m comment --comment "masquerade traffic for default/web external destinations" -j KUBE-MARK-MASQ",
        "-A KUBE-NODEPORTS -p tcp -m comment --comment "default/web" -m tcp --dport 31000 -j KUBE-EXT-LOLE4ISW44XBNF3G",
        "-A KUBE-SEP-5EPPSODNFAD3TA2W -s 10.180.1.136/32 -m comment --comment "default/web" -j KUBE-MARK-MASQ",
        "-A KUBE-SEP-5EPPSODNFAD3TA2W -p tcp -m comment --comment "default/web" -m tcp -j DNAT --to-destination 10.180.1.136:8080",
        "-A KUBE-SERVICES -d 10.0.170.92/32 -p tcp -m comment --comment "default/web cluster IP" -m tcp --dport 80 -j KUBE-SVC-LOLE4ISW44XBNF3G",
        "-A KUBE-SVC-LOLE4ISW44XBNF3G ! -s 10.180.0.0/16 -d 10.0.170.92/32 -p tcp -m comment --comment "default/web cluster IP" -m tcp --dport 80 -j KUBE-MARK-MASQ",
        "-A KUBE-SVC-LOLE4ISW44XBNF3G -m comment --comment "default/web -> 10.180.1.136:8080" -j KUBE-SEP-5EPPSODNFAD3TA2W",
      ]
    `);
  });

  it("reading-a-capture.ts: one echo request and its reply, seen at both ends", () => {
    expect(linesOf(readingACapture)).toMatchInlineSnapshot(`
      [
        "packet 1 a/eth0 out: 10.0.0.1 > 10.0.0.2",
        "packet 1 b/eth0 in: 10.0.0.1 > 10.0.0.2",
        "packet 4 b/eth0 out: 10.0.0.2 > 10.0.0.1",
        "packet 4 a/eth0 in: 10.0.0.2 > 10.0.0.1",
      ]
    `);
  });
});
