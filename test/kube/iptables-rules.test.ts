import { describe, expect, test } from "vitest";
import { address } from "../../src/kube/address.ts";
import { service, slice } from "./cluster-objects.ts";
import { addedRules, allRules, type RulesInput } from "./service-rules.ts";

interface Golden {
  readonly name: string;
  readonly input: RulesInput;
  readonly rules: string;
}

/** What single Services add to the rules of node1. Chains are in the order of their names. */
const GOLDEN: readonly Golden[] = [
  {
    name: "a ClusterIP with endpoints on two nodes",
    input: {
      services: [service("clusterip", "10.0.170.92")],
      slices: [slice("clusterip", ["8080"], ["10.180.1.136 node1", "10.180.2.7 node2"])],
    },
    rules: `
        *nat
        -A KUBE-SEP-2KK4TNJRL3JASDFQ -s 10.180.2.7/32 -m comment --comment "default/clusterip" -j KUBE-MARK-MASQ
        -A KUBE-SEP-2KK4TNJRL3JASDFQ -p tcp -m comment --comment "default/clusterip" -m tcp -j DNAT --to-destination 10.180.2.7:8080
        -A KUBE-SEP-ZCV4DLSPVJWBIXT6 -s 10.180.1.136/32 -m comment --comment "default/clusterip" -j KUBE-MARK-MASQ
        -A KUBE-SEP-ZCV4DLSPVJWBIXT6 -p tcp -m comment --comment "default/clusterip" -m tcp -j DNAT --to-destination 10.180.1.136:8080
        -A KUBE-SERVICES -d 10.0.170.92/32 -p tcp -m comment --comment "default/clusterip cluster IP" -m tcp --dport 80 -j KUBE-SVC-32T2YUH3SMQ4GZPP
        -A KUBE-SVC-32T2YUH3SMQ4GZPP ! -s 10.180.0.0/16 -d 10.0.170.92/32 -p tcp -m comment --comment "default/clusterip cluster IP" -m tcp --dport 80 -j KUBE-MARK-MASQ
        -A KUBE-SVC-32T2YUH3SMQ4GZPP -m comment --comment "default/clusterip -> 10.180.1.136:8080" -m statistic --mode random --probability 0.50000000000 -j KUBE-SEP-ZCV4DLSPVJWBIXT6
        -A KUBE-SVC-32T2YUH3SMQ4GZPP -m comment --comment "default/clusterip -> 10.180.2.7:8080" -j KUBE-SEP-2KK4TNJRL3JASDFQ
    `,
  },
  {
    name: "a nodePort under the policy Cluster",
    input: {
      services: [service("nodeport", "10.0.0.20", { type: "NodePort", ports: ["80:31000"] })],
      slices: [slice("nodeport", ["8080"], ["10.180.1.136 node1"])],
    },
    rules: `
        *nat
        -A KUBE-EXT-IFSGUVPJVX5CWNQP -m comment --comment "masquerade traffic for default/nodeport external destinations" -j KUBE-MARK-MASQ
        -A KUBE-EXT-IFSGUVPJVX5CWNQP -j KUBE-SVC-IFSGUVPJVX5CWNQP
        -A KUBE-NODEPORTS -p tcp -m comment --comment "default/nodeport" -m tcp --dport 31000 -j KUBE-EXT-IFSGUVPJVX5CWNQP
        -A KUBE-SEP-UMAAAK2QFUFJNQOA -s 10.180.1.136/32 -m comment --comment "default/nodeport" -j KUBE-MARK-MASQ
        -A KUBE-SEP-UMAAAK2QFUFJNQOA -p tcp -m comment --comment "default/nodeport" -m tcp -j DNAT --to-destination 10.180.1.136:8080
        -A KUBE-SERVICES -d 10.0.0.20/32 -p tcp -m comment --comment "default/nodeport cluster IP" -m tcp --dport 80 -j KUBE-SVC-IFSGUVPJVX5CWNQP
        -A KUBE-SVC-IFSGUVPJVX5CWNQP ! -s 10.180.0.0/16 -d 10.0.0.20/32 -p tcp -m comment --comment "default/nodeport cluster IP" -m tcp --dport 80 -j KUBE-MARK-MASQ
        -A KUBE-SVC-IFSGUVPJVX5CWNQP -m comment --comment "default/nodeport -> 10.180.1.136:8080" -j KUBE-SEP-UMAAAK2QFUFJNQOA
    `,
  },
  {
    name: "a nodePort under the policy Local, on the node of the endpoint",
    input: {
      services: [
        service("nodeport", "10.0.0.20", { type: "NodePort", ports: ["80:31000"], externalTrafficPolicy: "Local" }),
      ],
      slices: [slice("nodeport", ["8080"], ["10.180.1.136 node1"])],
    },
    rules: `
        *nat
        -A KUBE-EXT-IFSGUVPJVX5CWNQP -s 10.180.0.0/16 -m comment --comment "pod traffic for default/nodeport external destinations" -j KUBE-SVC-IFSGUVPJVX5CWNQP
        -A KUBE-EXT-IFSGUVPJVX5CWNQP -m comment --comment "masquerade LOCAL traffic for default/nodeport external destinations" -m addrtype --src-type LOCAL -j KUBE-MARK-MASQ
        -A KUBE-EXT-IFSGUVPJVX5CWNQP -m comment --comment "route LOCAL traffic for default/nodeport external destinations" -m addrtype --src-type LOCAL -j KUBE-SVC-IFSGUVPJVX5CWNQP
        -A KUBE-EXT-IFSGUVPJVX5CWNQP -j KUBE-SVL-IFSGUVPJVX5CWNQP
        -A KUBE-NODEPORTS -p tcp -m comment --comment "default/nodeport" -m tcp --dport 31000 -j KUBE-EXT-IFSGUVPJVX5CWNQP
        -A KUBE-SEP-UMAAAK2QFUFJNQOA -s 10.180.1.136/32 -m comment --comment "default/nodeport" -j KUBE-MARK-MASQ
        -A KUBE-SEP-UMAAAK2QFUFJNQOA -p tcp -m comment --comment "default/nodeport" -m tcp -j DNAT --to-destination 10.180.1.136:8080
        -A KUBE-SERVICES -d 10.0.0.20/32 -p tcp -m comment --comment "default/nodeport cluster IP" -m tcp --dport 80 -j KUBE-SVC-IFSGUVPJVX5CWNQP
        -A KUBE-SVC-IFSGUVPJVX5CWNQP ! -s 10.180.0.0/16 -d 10.0.0.20/32 -p tcp -m comment --comment "default/nodeport cluster IP" -m tcp --dport 80 -j KUBE-MARK-MASQ
        -A KUBE-SVC-IFSGUVPJVX5CWNQP -m comment --comment "default/nodeport -> 10.180.1.136:8080" -j KUBE-SEP-UMAAAK2QFUFJNQOA
        -A KUBE-SVL-IFSGUVPJVX5CWNQP -m comment --comment "default/nodeport -> 10.180.1.136:8080" -j KUBE-SEP-UMAAAK2QFUFJNQOA
    `,
  },
  {
    name: "a nodePort under the policy Local, on a node without endpoints",
    input: {
      services: [
        service("nodeport", "10.0.0.20", { type: "NodePort", ports: ["80:31000"], externalTrafficPolicy: "Local" }),
      ],
      slices: [slice("nodeport", ["8080"], ["10.180.2.7 node2"])],
    },
    rules: `
        *filter
        -A KUBE-EXTERNAL-SERVICES -p tcp -m comment --comment "default/nodeport has no local endpoints" -m addrtype --dst-type LOCAL -m tcp --dport 31000 -j DROP
        *nat
        -A KUBE-EXT-IFSGUVPJVX5CWNQP -s 10.180.0.0/16 -m comment --comment "pod traffic for default/nodeport external destinations" -j KUBE-SVC-IFSGUVPJVX5CWNQP
        -A KUBE-EXT-IFSGUVPJVX5CWNQP -m comment --comment "masquerade LOCAL traffic for default/nodeport external destinations" -m addrtype --src-type LOCAL -j KUBE-MARK-MASQ
        -A KUBE-EXT-IFSGUVPJVX5CWNQP -m comment --comment "route LOCAL traffic for default/nodeport external destinations" -m addrtype --src-type LOCAL -j KUBE-SVC-IFSGUVPJVX5CWNQP
        -A KUBE-NODEPORTS -p tcp -m comment --comment "default/nodeport" -m tcp --dport 31000 -j KUBE-EXT-IFSGUVPJVX5CWNQP
        -A KUBE-SEP-OKRXTBUCFSYJXH5B -s 10.180.2.7/32 -m comment --comment "default/nodeport" -j KUBE-MARK-MASQ
        -A KUBE-SEP-OKRXTBUCFSYJXH5B -p tcp -m comment --comment "default/nodeport" -m tcp -j DNAT --to-destination 10.180.2.7:8080
        -A KUBE-SERVICES -d 10.0.0.20/32 -p tcp -m comment --comment "default/nodeport cluster IP" -m tcp --dport 80 -j KUBE-SVC-IFSGUVPJVX5CWNQP
        -A KUBE-SVC-IFSGUVPJVX5CWNQP ! -s 10.180.0.0/16 -d 10.0.0.20/32 -p tcp -m comment --comment "default/nodeport cluster IP" -m tcp --dport 80 -j KUBE-MARK-MASQ
        -A KUBE-SVC-IFSGUVPJVX5CWNQP -m comment --comment "default/nodeport -> 10.180.2.7:8080" -j KUBE-SEP-OKRXTBUCFSYJXH5B
    `,
  },
  {
    name: "a load balancer with source ranges that cover the node",
    input: {
      services: [
        service("lb", "10.0.65.118", {
          type: "LoadBalancer",
          ports: ["80:32555"],
          loadBalancerIps: ["203.0.113.140"],
          loadBalancerSourceRanges: ["198.51.100.0/24", "10.240.0.0/16"],
        }),
      ],
      slices: [slice("lb", ["8080"], ["10.180.1.136 node1"])],
    },
    rules: `
        *filter
        -A KUBE-PROXY-FIREWALL -d 203.0.113.140/32 -p tcp -m comment --comment "default/lb traffic not accepted by KUBE-FW-7TVXROIT6UXCX2AG" -m tcp --dport 80 -j DROP
        *nat
        -A KUBE-EXT-7TVXROIT6UXCX2AG -m comment --comment "masquerade traffic for default/lb external destinations" -j KUBE-MARK-MASQ
        -A KUBE-EXT-7TVXROIT6UXCX2AG -j KUBE-SVC-7TVXROIT6UXCX2AG
        -A KUBE-FW-7TVXROIT6UXCX2AG -s 198.51.100.0/24 -m comment --comment "default/lb loadbalancer IP" -j KUBE-EXT-7TVXROIT6UXCX2AG
        -A KUBE-FW-7TVXROIT6UXCX2AG -s 10.240.0.0/16 -m comment --comment "default/lb loadbalancer IP" -j KUBE-EXT-7TVXROIT6UXCX2AG
        -A KUBE-FW-7TVXROIT6UXCX2AG -s 203.0.113.140/32 -m comment --comment "default/lb loadbalancer IP" -j KUBE-EXT-7TVXROIT6UXCX2AG
        -A KUBE-FW-7TVXROIT6UXCX2AG -m comment --comment "other traffic to default/lb will be dropped by KUBE-PROXY-FIREWALL"
        -A KUBE-NODEPORTS -p tcp -m comment --comment "default/lb" -m tcp --dport 32555 -j KUBE-EXT-7TVXROIT6UXCX2AG
        -A KUBE-SEP-GYO6ROYEIOP5LTEI -s 10.180.1.136/32 -m comment --comment "default/lb" -j KUBE-MARK-MASQ
        -A KUBE-SEP-GYO6ROYEIOP5LTEI -p tcp -m comment --comment "default/lb" -m tcp -j DNAT --to-destination 10.180.1.136:8080
        -A KUBE-SERVICES -d 10.0.65.118/32 -p tcp -m comment --comment "default/lb cluster IP" -m tcp --dport 80 -j KUBE-SVC-7TVXROIT6UXCX2AG
        -A KUBE-SERVICES -d 203.0.113.140/32 -p tcp -m comment --comment "default/lb loadbalancer IP" -m tcp --dport 80 -j KUBE-FW-7TVXROIT6UXCX2AG
        -A KUBE-SVC-7TVXROIT6UXCX2AG ! -s 10.180.0.0/16 -d 10.0.65.118/32 -p tcp -m comment --comment "default/lb cluster IP" -m tcp --dport 80 -j KUBE-MARK-MASQ
        -A KUBE-SVC-7TVXROIT6UXCX2AG -m comment --comment "default/lb -> 10.180.1.136:8080" -j KUBE-SEP-GYO6ROYEIOP5LTEI
    `,
  },
  {
    name: "a load balancer under the policy Local: health check port, no endpoint here",
    input: {
      services: [
        service("lb", "10.0.65.118", {
          type: "LoadBalancer",
          ports: ["80:32555"],
          externalTrafficPolicy: "Local",
          healthCheckNodePort: 32122,
          loadBalancerIps: ["203.0.113.140"],
        }),
      ],
      slices: [slice("lb", ["8080"], ["10.180.2.7 node2"])],
    },
    rules: `
        *filter
        -A KUBE-EXTERNAL-SERVICES -d 203.0.113.140/32 -p tcp -m comment --comment "default/lb has no local endpoints" -m tcp --dport 80 -j DROP
        -A KUBE-EXTERNAL-SERVICES -p tcp -m comment --comment "default/lb has no local endpoints" -m addrtype --dst-type LOCAL -m tcp --dport 32555 -j DROP
        -A KUBE-NODEPORTS -p tcp -m comment --comment "default/lb health check node port" -m tcp --dport 32122 -j ACCEPT
        *nat
        -A KUBE-EXT-7TVXROIT6UXCX2AG -s 10.180.0.0/16 -m comment --comment "pod traffic for default/lb external destinations" -j KUBE-SVC-7TVXROIT6UXCX2AG
        -A KUBE-EXT-7TVXROIT6UXCX2AG -m comment --comment "masquerade LOCAL traffic for default/lb external destinations" -m addrtype --src-type LOCAL -j KUBE-MARK-MASQ
        -A KUBE-EXT-7TVXROIT6UXCX2AG -m comment --comment "route LOCAL traffic for default/lb external destinations" -m addrtype --src-type LOCAL -j KUBE-SVC-7TVXROIT6UXCX2AG
        -A KUBE-NODEPORTS -p tcp -m comment --comment "default/lb" -m tcp --dport 32555 -j KUBE-EXT-7TVXROIT6UXCX2AG
        -A KUBE-SEP-LKGQOFIZYSVKSTVY -s 10.180.2.7/32 -m comment --comment "default/lb" -j KUBE-MARK-MASQ
        -A KUBE-SEP-LKGQOFIZYSVKSTVY -p tcp -m comment --comment "default/lb" -m tcp -j DNAT --to-destination 10.180.2.7:8080
        -A KUBE-SERVICES -d 10.0.65.118/32 -p tcp -m comment --comment "default/lb cluster IP" -m tcp --dport 80 -j KUBE-SVC-7TVXROIT6UXCX2AG
        -A KUBE-SERVICES -d 203.0.113.140/32 -p tcp -m comment --comment "default/lb loadbalancer IP" -m tcp --dport 80 -j KUBE-EXT-7TVXROIT6UXCX2AG
        -A KUBE-SVC-7TVXROIT6UXCX2AG ! -s 10.180.0.0/16 -d 10.0.65.118/32 -p tcp -m comment --comment "default/lb cluster IP" -m tcp --dport 80 -j KUBE-MARK-MASQ
        -A KUBE-SVC-7TVXROIT6UXCX2AG -m comment --comment "default/lb -> 10.180.2.7:8080" -j KUBE-SEP-LKGQOFIZYSVKSTVY
    `,
  },
  {
    name: "session affinity under the policy Local: both lists ask the same clients' lists",
    input: {
      services: [
        service("sticky", "10.0.0.30", {
          type: "NodePort",
          ports: ["80:31000"],
          externalTrafficPolicy: "Local",
          sessionAffinity: "ClientIP",
        }),
      ],
      slices: [slice("sticky", ["8080"], ["10.180.1.136 node1", "10.180.2.7 node2"])],
    },
    rules: `
        *nat
        -A KUBE-EXT-BJWR5DPVIKTHVKZU -s 10.180.0.0/16 -m comment --comment "pod traffic for default/sticky external destinations" -j KUBE-SVC-BJWR5DPVIKTHVKZU
        -A KUBE-EXT-BJWR5DPVIKTHVKZU -m comment --comment "masquerade LOCAL traffic for default/sticky external destinations" -m addrtype --src-type LOCAL -j KUBE-MARK-MASQ
        -A KUBE-EXT-BJWR5DPVIKTHVKZU -m comment --comment "route LOCAL traffic for default/sticky external destinations" -m addrtype --src-type LOCAL -j KUBE-SVC-BJWR5DPVIKTHVKZU
        -A KUBE-EXT-BJWR5DPVIKTHVKZU -j KUBE-SVL-BJWR5DPVIKTHVKZU
        -A KUBE-NODEPORTS -p tcp -m comment --comment "default/sticky" -m tcp --dport 31000 -j KUBE-EXT-BJWR5DPVIKTHVKZU
        -A KUBE-SEP-TE4YRO6DBLFRMPA7 -s 10.180.2.7/32 -m comment --comment "default/sticky" -j KUBE-MARK-MASQ
        -A KUBE-SEP-TE4YRO6DBLFRMPA7 -p tcp -m comment --comment "default/sticky" -m recent --set --name KUBE-SEP-TE4YRO6DBLFRMPA7 --mask 255.255.255.255 --rsource -m tcp -j DNAT --to-destination 10.180.2.7:8080
        -A KUBE-SEP-USF5RXRAW6VTNK2F -s 10.180.1.136/32 -m comment --comment "default/sticky" -j KUBE-MARK-MASQ
        -A KUBE-SEP-USF5RXRAW6VTNK2F -p tcp -m comment --comment "default/sticky" -m recent --set --name KUBE-SEP-USF5RXRAW6VTNK2F --mask 255.255.255.255 --rsource -m tcp -j DNAT --to-destination 10.180.1.136:8080
        -A KUBE-SERVICES -d 10.0.0.30/32 -p tcp -m comment --comment "default/sticky cluster IP" -m tcp --dport 80 -j KUBE-SVC-BJWR5DPVIKTHVKZU
        -A KUBE-SVC-BJWR5DPVIKTHVKZU ! -s 10.180.0.0/16 -d 10.0.0.30/32 -p tcp -m comment --comment "default/sticky cluster IP" -m tcp --dport 80 -j KUBE-MARK-MASQ
        -A KUBE-SVC-BJWR5DPVIKTHVKZU -m comment --comment "default/sticky -> 10.180.1.136:8080" -m recent --rcheck --seconds 10800 --reap --name KUBE-SEP-USF5RXRAW6VTNK2F --mask 255.255.255.255 --rsource -j KUBE-SEP-USF5RXRAW6VTNK2F
        -A KUBE-SVC-BJWR5DPVIKTHVKZU -m comment --comment "default/sticky -> 10.180.2.7:8080" -m recent --rcheck --seconds 10800 --reap --name KUBE-SEP-TE4YRO6DBLFRMPA7 --mask 255.255.255.255 --rsource -j KUBE-SEP-TE4YRO6DBLFRMPA7
        -A KUBE-SVC-BJWR5DPVIKTHVKZU -m comment --comment "default/sticky -> 10.180.1.136:8080" -m statistic --mode random --probability 0.50000000000 -j KUBE-SEP-USF5RXRAW6VTNK2F
        -A KUBE-SVC-BJWR5DPVIKTHVKZU -m comment --comment "default/sticky -> 10.180.2.7:8080" -j KUBE-SEP-TE4YRO6DBLFRMPA7
        -A KUBE-SVL-BJWR5DPVIKTHVKZU -m comment --comment "default/sticky -> 10.180.1.136:8080" -m recent --rcheck --seconds 10800 --reap --name KUBE-SEP-USF5RXRAW6VTNK2F --mask 255.255.255.255 --rsource -j KUBE-SEP-USF5RXRAW6VTNK2F
        -A KUBE-SVL-BJWR5DPVIKTHVKZU -m comment --comment "default/sticky -> 10.180.1.136:8080" -j KUBE-SEP-USF5RXRAW6VTNK2F
    `,
  },
  {
    name: "no endpoints at all",
    input: {
      services: [
        service("none", "10.0.0.40", {
          type: "LoadBalancer",
          ports: ["80:31000"],
          externalIPs: ["192.0.2.10"],
          loadBalancerIps: ["203.0.113.140"],
        }),
      ],
      slices: [],
    },
    rules: `
        *filter
        -A KUBE-EXTERNAL-SERVICES -d 192.0.2.10/32 -p tcp -m comment --comment "default/none has no endpoints" -m tcp --dport 80 -j REJECT --reject-with icmp-port-unreachable
        -A KUBE-EXTERNAL-SERVICES -d 203.0.113.140/32 -p tcp -m comment --comment "default/none has no endpoints" -m tcp --dport 80 -j REJECT --reject-with icmp-port-unreachable
        -A KUBE-EXTERNAL-SERVICES -p tcp -m comment --comment "default/none has no endpoints" -m addrtype --dst-type LOCAL -m tcp --dport 31000 -j REJECT --reject-with icmp-port-unreachable
        -A KUBE-SERVICES -d 10.0.0.40/32 -p tcp -m comment --comment "default/none has no endpoints" -m tcp --dport 80 -j REJECT --reject-with icmp-port-unreachable
    `,
  },
  {
    name: "external IPs, which match the port and not the nodePort",
    input: {
      services: [service("external", "10.0.0.50", { externalIPs: ["192.0.2.10", "192.0.2.11"] })],
      slices: [slice("external", ["8080"], ["10.180.1.136 node1"])],
    },
    rules: `
        *nat
        -A KUBE-EXT-DUOGQUQ4RM2643RK -m comment --comment "masquerade traffic for default/external external destinations" -j KUBE-MARK-MASQ
        -A KUBE-EXT-DUOGQUQ4RM2643RK -j KUBE-SVC-DUOGQUQ4RM2643RK
        -A KUBE-SEP-FOEYRRP6W3YUIEWS -s 10.180.1.136/32 -m comment --comment "default/external" -j KUBE-MARK-MASQ
        -A KUBE-SEP-FOEYRRP6W3YUIEWS -p tcp -m comment --comment "default/external" -m tcp -j DNAT --to-destination 10.180.1.136:8080
        -A KUBE-SERVICES -d 10.0.0.50/32 -p tcp -m comment --comment "default/external cluster IP" -m tcp --dport 80 -j KUBE-SVC-DUOGQUQ4RM2643RK
        -A KUBE-SERVICES -d 192.0.2.10/32 -p tcp -m comment --comment "default/external external IP" -m tcp --dport 80 -j KUBE-EXT-DUOGQUQ4RM2643RK
        -A KUBE-SERVICES -d 192.0.2.11/32 -p tcp -m comment --comment "default/external external IP" -m tcp --dport 80 -j KUBE-EXT-DUOGQUQ4RM2643RK
        -A KUBE-SVC-DUOGQUQ4RM2643RK ! -s 10.180.0.0/16 -d 10.0.0.50/32 -p tcp -m comment --comment "default/external cluster IP" -m tcp --dport 80 -j KUBE-MARK-MASQ
        -A KUBE-SVC-DUOGQUQ4RM2643RK -m comment --comment "default/external -> 10.180.1.136:8080" -j KUBE-SEP-FOEYRRP6W3YUIEWS
    `,
  },
  {
    name: "internal policy Local with an endpoint here: a local chain only",
    input: {
      services: [service("near", "10.0.0.60", { internalTrafficPolicy: "Local" })],
      slices: [slice("near", ["8080"], ["10.180.1.136 node1", "10.180.2.7 node2"])],
    },
    rules: `
        *nat
        -A KUBE-SEP-HO3MH2KCREQAPG3L -s 10.180.1.136/32 -m comment --comment "default/near" -j KUBE-MARK-MASQ
        -A KUBE-SEP-HO3MH2KCREQAPG3L -p tcp -m comment --comment "default/near" -m tcp -j DNAT --to-destination 10.180.1.136:8080
        -A KUBE-SERVICES -d 10.0.0.60/32 -p tcp -m comment --comment "default/near cluster IP" -m tcp --dport 80 -j KUBE-SVL-JP74GBMZCWWFJUWR
        -A KUBE-SVL-JP74GBMZCWWFJUWR ! -s 10.180.0.0/16 -d 10.0.0.60/32 -p tcp -m comment --comment "default/near cluster IP" -m tcp --dport 80 -j KUBE-MARK-MASQ
        -A KUBE-SVL-JP74GBMZCWWFJUWR -m comment --comment "default/near -> 10.180.1.136:8080" -j KUBE-SEP-HO3MH2KCREQAPG3L
    `,
  },
  {
    name: "internal policy Local without an endpoint here",
    input: {
      services: [service("near", "10.0.0.60", { internalTrafficPolicy: "Local" })],
      slices: [slice("near", ["8080"], ["10.180.2.7 node2"])],
    },
    rules: `
        *filter
        -A KUBE-SERVICES -d 10.0.0.60/32 -p tcp -m comment --comment "default/near has no local endpoints" -m tcp --dport 80 -j DROP
    `,
  },
  {
    name: "ports of the same name over UDP and TCP: equal comments, different chains",
    input: {
      services: [service("kube-system/dns", "10.0.0.10", { ports: ["dns=53/UDP", "dns=53"] })],
      slices: [slice("kube-system/dns", ["dns=5353/UDP", "dns=5353"], ["10.180.1.136 node1"])],
    },
    rules: `
        *nat
        -A KUBE-SEP-DARFPDMTNMVLKBWN -s 10.180.1.136/32 -m comment --comment "kube-system/dns:dns" -j KUBE-MARK-MASQ
        -A KUBE-SEP-DARFPDMTNMVLKBWN -p udp -m comment --comment "kube-system/dns:dns" -m udp -j DNAT --to-destination 10.180.1.136:5353
        -A KUBE-SEP-PZ5BSYE2HODMI63H -s 10.180.1.136/32 -m comment --comment "kube-system/dns:dns" -j KUBE-MARK-MASQ
        -A KUBE-SEP-PZ5BSYE2HODMI63H -p tcp -m comment --comment "kube-system/dns:dns" -m tcp -j DNAT --to-destination 10.180.1.136:5353
        -A KUBE-SERVICES -d 10.0.0.10/32 -p tcp -m comment --comment "kube-system/dns:dns cluster IP" -m tcp --dport 53 -j KUBE-SVC-4WE5OV3JOBPG5GHR
        -A KUBE-SERVICES -d 10.0.0.10/32 -p udp -m comment --comment "kube-system/dns:dns cluster IP" -m udp --dport 53 -j KUBE-SVC-2KKYJRIGYGQNRODB
        -A KUBE-SVC-2KKYJRIGYGQNRODB ! -s 10.180.0.0/16 -d 10.0.0.10/32 -p udp -m comment --comment "kube-system/dns:dns cluster IP" -m udp --dport 53 -j KUBE-MARK-MASQ
        -A KUBE-SVC-2KKYJRIGYGQNRODB -m comment --comment "kube-system/dns:dns -> 10.180.1.136:5353" -j KUBE-SEP-DARFPDMTNMVLKBWN
        -A KUBE-SVC-4WE5OV3JOBPG5GHR ! -s 10.180.0.0/16 -d 10.0.0.10/32 -p tcp -m comment --comment "kube-system/dns:dns cluster IP" -m tcp --dport 53 -j KUBE-MARK-MASQ
        -A KUBE-SVC-4WE5OV3JOBPG5GHR -m comment --comment "kube-system/dns:dns -> 10.180.1.136:5353" -j KUBE-SEP-PZ5BSYE2HODMI63H
    `,
  },
  {
    name: "SCTP",
    input: {
      services: [service("sctp", "10.0.0.70", { ports: ["3868/SCTP"] })],
      slices: [slice("sctp", ["3868/SCTP"], ["10.180.1.136 node1"])],
    },
    rules: `
        *nat
        -A KUBE-SEP-KYQ5CEUSEND5F3M5 -s 10.180.1.136/32 -m comment --comment "default/sctp" -j KUBE-MARK-MASQ
        -A KUBE-SEP-KYQ5CEUSEND5F3M5 -p sctp -m comment --comment "default/sctp" -m sctp -j DNAT --to-destination 10.180.1.136:3868
        -A KUBE-SERVICES -d 10.0.0.70/32 -p sctp -m comment --comment "default/sctp cluster IP" -m sctp --dport 3868 -j KUBE-SVC-4N67WYWLK3EYICH5
        -A KUBE-SVC-4N67WYWLK3EYICH5 ! -s 10.180.0.0/16 -d 10.0.0.70/32 -p sctp -m comment --comment "default/sctp cluster IP" -m sctp --dport 3868 -j KUBE-MARK-MASQ
        -A KUBE-SVC-4N67WYWLK3EYICH5 -m comment --comment "default/sctp -> 10.180.1.136:3868" -j KUBE-SEP-KYQ5CEUSEND5F3M5
    `,
  },
  {
    name: "seven endpoints: each draw as the kernel rounds it",
    input: {
      services: [service("seven", "10.0.0.80")],
      slices: [
        slice(
          "seven",
          ["80"],
          [
            "10.180.1.1 node1",
            "10.180.1.2 node1",
            "10.180.1.3 node1",
            "10.180.1.4 node1",
            "10.180.1.5 node1",
            "10.180.1.6 node1",
            "10.180.1.7 node1",
          ],
        ),
      ],
    },
    rules: `
        *nat
        -A KUBE-SEP-DYDSZCNADTZ2NH3P -s 10.180.1.2/32 -m comment --comment "default/seven" -j KUBE-MARK-MASQ
        -A KUBE-SEP-DYDSZCNADTZ2NH3P -p tcp -m comment --comment "default/seven" -m tcp -j DNAT --to-destination 10.180.1.2:80
        -A KUBE-SEP-G4DLYJO42W67LLVC -s 10.180.1.3/32 -m comment --comment "default/seven" -j KUBE-MARK-MASQ
        -A KUBE-SEP-G4DLYJO42W67LLVC -p tcp -m comment --comment "default/seven" -m tcp -j DNAT --to-destination 10.180.1.3:80
        -A KUBE-SEP-JN376NHZ5XH6V74B -s 10.180.1.7/32 -m comment --comment "default/seven" -j KUBE-MARK-MASQ
        -A KUBE-SEP-JN376NHZ5XH6V74B -p tcp -m comment --comment "default/seven" -m tcp -j DNAT --to-destination 10.180.1.7:80
        -A KUBE-SEP-SDEZHH2BN5DUPCZY -s 10.180.1.1/32 -m comment --comment "default/seven" -j KUBE-MARK-MASQ
        -A KUBE-SEP-SDEZHH2BN5DUPCZY -p tcp -m comment --comment "default/seven" -m tcp -j DNAT --to-destination 10.180.1.1:80
        -A KUBE-SEP-SEHM5HU3SYEZTMI2 -s 10.180.1.5/32 -m comment --comment "default/seven" -j KUBE-MARK-MASQ
        -A KUBE-SEP-SEHM5HU3SYEZTMI2 -p tcp -m comment --comment "default/seven" -m tcp -j DNAT --to-destination 10.180.1.5:80
        -A KUBE-SEP-YPUR2ZSEFWPWB4C6 -s 10.180.1.4/32 -m comment --comment "default/seven" -j KUBE-MARK-MASQ
        -A KUBE-SEP-YPUR2ZSEFWPWB4C6 -p tcp -m comment --comment "default/seven" -m tcp -j DNAT --to-destination 10.180.1.4:80
        -A KUBE-SEP-ZA4CDDXOJAOHY4RO -s 10.180.1.6/32 -m comment --comment "default/seven" -j KUBE-MARK-MASQ
        -A KUBE-SEP-ZA4CDDXOJAOHY4RO -p tcp -m comment --comment "default/seven" -m tcp -j DNAT --to-destination 10.180.1.6:80
        -A KUBE-SERVICES -d 10.0.0.80/32 -p tcp -m comment --comment "default/seven cluster IP" -m tcp --dport 80 -j KUBE-SVC-NG23RDETLZ36DOE5
        -A KUBE-SVC-NG23RDETLZ36DOE5 ! -s 10.180.0.0/16 -d 10.0.0.80/32 -p tcp -m comment --comment "default/seven cluster IP" -m tcp --dport 80 -j KUBE-MARK-MASQ
        -A KUBE-SVC-NG23RDETLZ36DOE5 -m comment --comment "default/seven -> 10.180.1.1:80" -m statistic --mode random --probability 0.14285714272 -j KUBE-SEP-SDEZHH2BN5DUPCZY
        -A KUBE-SVC-NG23RDETLZ36DOE5 -m comment --comment "default/seven -> 10.180.1.2:80" -m statistic --mode random --probability 0.16666666651 -j KUBE-SEP-DYDSZCNADTZ2NH3P
        -A KUBE-SVC-NG23RDETLZ36DOE5 -m comment --comment "default/seven -> 10.180.1.3:80" -m statistic --mode random --probability 0.20000000019 -j KUBE-SEP-G4DLYJO42W67LLVC
        -A KUBE-SVC-NG23RDETLZ36DOE5 -m comment --comment "default/seven -> 10.180.1.4:80" -m statistic --mode random --probability 0.25000000000 -j KUBE-SEP-YPUR2ZSEFWPWB4C6
        -A KUBE-SVC-NG23RDETLZ36DOE5 -m comment --comment "default/seven -> 10.180.1.5:80" -m statistic --mode random --probability 0.33333333349 -j KUBE-SEP-SEHM5HU3SYEZTMI2
        -A KUBE-SVC-NG23RDETLZ36DOE5 -m comment --comment "default/seven -> 10.180.1.6:80" -m statistic --mode random --probability 0.50000000000 -j KUBE-SEP-ZA4CDDXOJAOHY4RO
        -A KUBE-SVC-NG23RDETLZ36DOE5 -m comment --comment "default/seven -> 10.180.1.7:80" -j KUBE-SEP-JN376NHZ5XH6V74B
    `,
  },
  {
    name: "masqueradeAll",
    input: {
      services: [service("clusterip", "10.0.170.92")],
      slices: [slice("clusterip", ["8080"], ["10.180.1.136 node1"])],
      flags: { masqueradeAll: true },
    },
    rules: `
        *nat
        -A KUBE-SEP-ZCV4DLSPVJWBIXT6 -s 10.180.1.136/32 -m comment --comment "default/clusterip" -j KUBE-MARK-MASQ
        -A KUBE-SEP-ZCV4DLSPVJWBIXT6 -p tcp -m comment --comment "default/clusterip" -m tcp -j DNAT --to-destination 10.180.1.136:8080
        -A KUBE-SERVICES -d 10.0.170.92/32 -p tcp -m comment --comment "default/clusterip cluster IP" -m tcp --dport 80 -j KUBE-SVC-32T2YUH3SMQ4GZPP
        -A KUBE-SVC-32T2YUH3SMQ4GZPP -d 10.0.170.92/32 -p tcp -m comment --comment "default/clusterip cluster IP" -m tcp --dport 80 -j KUBE-MARK-MASQ
        -A KUBE-SVC-32T2YUH3SMQ4GZPP -m comment --comment "default/clusterip -> 10.180.1.136:8080" -j KUBE-SEP-ZCV4DLSPVJWBIXT6
    `,
  },
  {
    name: "no detector of pods",
    input: {
      services: [service("clusterip", "10.0.170.92")],
      slices: [slice("clusterip", ["8080"], ["10.180.1.136 node1"])],
      flags: { clusterCidr: "" },
    },
    rules: `
        *nat
        -A KUBE-SEP-ZCV4DLSPVJWBIXT6 -s 10.180.1.136/32 -m comment --comment "default/clusterip" -j KUBE-MARK-MASQ
        -A KUBE-SEP-ZCV4DLSPVJWBIXT6 -p tcp -m comment --comment "default/clusterip" -m tcp -j DNAT --to-destination 10.180.1.136:8080
        -A KUBE-SERVICES -d 10.0.170.92/32 -p tcp -m comment --comment "default/clusterip cluster IP" -m tcp --dport 80 -j KUBE-SVC-32T2YUH3SMQ4GZPP
        -A KUBE-SVC-32T2YUH3SMQ4GZPP -m comment --comment "default/clusterip -> 10.180.1.136:8080" -j KUBE-SEP-ZCV4DLSPVJWBIXT6
    `,
  },
  {
    name: "pods told by the bridge they come from",
    input: {
      services: [
        service("clusterip", "10.0.170.92", { type: "NodePort", ports: ["80:31000"], externalTrafficPolicy: "Local" }),
      ],
      slices: [slice("clusterip", ["8080"], ["10.180.1.136 node1"])],
      flags: { detectLocalMode: "BridgeInterface", podBridgeInterface: "cbr0" },
    },
    rules: `
        *nat
        -A KUBE-EXT-32T2YUH3SMQ4GZPP -i cbr0 -m comment --comment "pod traffic for default/clusterip external destinations" -j KUBE-SVC-32T2YUH3SMQ4GZPP
        -A KUBE-EXT-32T2YUH3SMQ4GZPP -m comment --comment "masquerade LOCAL traffic for default/clusterip external destinations" -m addrtype --src-type LOCAL -j KUBE-MARK-MASQ
        -A KUBE-EXT-32T2YUH3SMQ4GZPP -m comment --comment "route LOCAL traffic for default/clusterip external destinations" -m addrtype --src-type LOCAL -j KUBE-SVC-32T2YUH3SMQ4GZPP
        -A KUBE-EXT-32T2YUH3SMQ4GZPP -j KUBE-SVL-32T2YUH3SMQ4GZPP
        -A KUBE-NODEPORTS -p tcp -m comment --comment "default/clusterip" -m tcp --dport 31000 -j KUBE-EXT-32T2YUH3SMQ4GZPP
        -A KUBE-SEP-ZCV4DLSPVJWBIXT6 -s 10.180.1.136/32 -m comment --comment "default/clusterip" -j KUBE-MARK-MASQ
        -A KUBE-SEP-ZCV4DLSPVJWBIXT6 -p tcp -m comment --comment "default/clusterip" -m tcp -j DNAT --to-destination 10.180.1.136:8080
        -A KUBE-SERVICES -d 10.0.170.92/32 -p tcp -m comment --comment "default/clusterip cluster IP" -m tcp --dport 80 -j KUBE-SVC-32T2YUH3SMQ4GZPP
        -A KUBE-SVC-32T2YUH3SMQ4GZPP -d 10.0.170.92/32 ! -i cbr0 -p tcp -m comment --comment "default/clusterip cluster IP" -m tcp --dport 80 -j KUBE-MARK-MASQ
        -A KUBE-SVC-32T2YUH3SMQ4GZPP -m comment --comment "default/clusterip -> 10.180.1.136:8080" -j KUBE-SEP-ZCV4DLSPVJWBIXT6
        -A KUBE-SVL-32T2YUH3SMQ4GZPP -m comment --comment "default/clusterip -> 10.180.1.136:8080" -j KUBE-SEP-ZCV4DLSPVJWBIXT6
    `,
  },
  {
    name: "pods told by the prefix of their interfaces' names",
    input: {
      services: [service("clusterip", "10.0.170.92")],
      slices: [slice("clusterip", ["8080"], ["10.180.1.136 node1"])],
      flags: { detectLocalMode: "InterfaceNamePrefix", podInterfaceNamePrefix: "veth" },
    },
    rules: `
        *nat
        -A KUBE-SEP-ZCV4DLSPVJWBIXT6 -s 10.180.1.136/32 -m comment --comment "default/clusterip" -j KUBE-MARK-MASQ
        -A KUBE-SEP-ZCV4DLSPVJWBIXT6 -p tcp -m comment --comment "default/clusterip" -m tcp -j DNAT --to-destination 10.180.1.136:8080
        -A KUBE-SERVICES -d 10.0.170.92/32 -p tcp -m comment --comment "default/clusterip cluster IP" -m tcp --dport 80 -j KUBE-SVC-32T2YUH3SMQ4GZPP
        -A KUBE-SVC-32T2YUH3SMQ4GZPP -d 10.0.170.92/32 ! -i veth+ -p tcp -m comment --comment "default/clusterip cluster IP" -m tcp --dport 80 -j KUBE-MARK-MASQ
        -A KUBE-SVC-32T2YUH3SMQ4GZPP -m comment --comment "default/clusterip -> 10.180.1.136:8080" -j KUBE-SEP-ZCV4DLSPVJWBIXT6
    `,
  },
];

describe("iptablesRules() writes for", () => {
  test.each(GOLDEN.map((golden) => [golden.name, golden] as const))("%s", (_name, { input, rules }) => {
    expect(addedRules(input)).toBe(unindent(rules));
  });
});

describe("a node's whole rules", () => {
  /** What `iptables-save` printed after kube-proxy's own commands and restore text for these two Services were typed in. */
  test("are what a kernel shows that was fed kube-proxy's text", () => {
    const lb = service("ns1/svc1", "172.30.0.41", {
      type: "LoadBalancer",
      externalTrafficPolicy: "Local",
      ports: ["p80=80:3001"],
      sessionAffinity: "ClientIP",
      externalIPs: ["192.0.2.9"],
      loadBalancerIps: ["1.2.3.4"],
      loadBalancerSourceRanges: ["203.0.113.0/25", "192.168.0.0/16"],
      healthCheckNodePort: 32122,
    });
    const text = allRules({
      services: [lb, service("ns2/svc2", "172.30.0.42", { ports: ["p80=80/UDP"] })],
      slices: [slice("ns1/svc1", ["p80=80"], ["10.180.0.1 node2"])],
      flags: { clusterCidr: "10.0.0.0/8" },
      node: { addresses: [address("192.168.0.2")] },
    });
    expect(text.trimEnd()).toBe(
      unindent(`
      *mangle
      :PREROUTING ACCEPT [0:0]
      :INPUT ACCEPT [0:0]
      :FORWARD ACCEPT [0:0]
      :OUTPUT ACCEPT [0:0]
      :POSTROUTING ACCEPT [0:0]
      :KUBE-PROXY-CANARY - [0:0]
      COMMIT
      *filter
      :INPUT ACCEPT [0:0]
      :FORWARD ACCEPT [0:0]
      :OUTPUT ACCEPT [0:0]
      :KUBE-EXTERNAL-SERVICES - [0:0]
      :KUBE-FIREWALL - [0:0]
      :KUBE-FORWARD - [0:0]
      :KUBE-NODEPORTS - [0:0]
      :KUBE-PROXY-CANARY - [0:0]
      :KUBE-PROXY-FIREWALL - [0:0]
      :KUBE-SERVICES - [0:0]
      -A INPUT -j KUBE-FIREWALL
      -A INPUT -m conntrack --ctstate NEW -m comment --comment "kubernetes load balancer firewall" -j KUBE-PROXY-FIREWALL
      -A INPUT -m comment --comment "kubernetes health check service ports" -j KUBE-NODEPORTS
      -A INPUT -m conntrack --ctstate NEW -m comment --comment "kubernetes externally-visible service portals" -j KUBE-EXTERNAL-SERVICES
      -A FORWARD -m conntrack --ctstate NEW -m comment --comment "kubernetes load balancer firewall" -j KUBE-PROXY-FIREWALL
      -A FORWARD -m comment --comment "kubernetes forwarding rules" -j KUBE-FORWARD
      -A FORWARD -m conntrack --ctstate NEW -m comment --comment "kubernetes service portals" -j KUBE-SERVICES
      -A FORWARD -m conntrack --ctstate NEW -m comment --comment "kubernetes externally-visible service portals" -j KUBE-EXTERNAL-SERVICES
      -A OUTPUT -j KUBE-FIREWALL
      -A OUTPUT -m conntrack --ctstate NEW -m comment --comment "kubernetes load balancer firewall" -j KUBE-PROXY-FIREWALL
      -A OUTPUT -m conntrack --ctstate NEW -m comment --comment "kubernetes service portals" -j KUBE-SERVICES
      -A KUBE-EXTERNAL-SERVICES -d 192.0.2.9/32 -p tcp -m comment --comment "ns1/svc1:p80 has no local endpoints" -m tcp --dport 80 -j DROP
      -A KUBE-EXTERNAL-SERVICES -d 1.2.3.4/32 -p tcp -m comment --comment "ns1/svc1:p80 has no local endpoints" -m tcp --dport 80 -j DROP
      -A KUBE-EXTERNAL-SERVICES -p tcp -m comment --comment "ns1/svc1:p80 has no local endpoints" -m addrtype --dst-type LOCAL -m tcp --dport 3001 -j DROP
      -A KUBE-FIREWALL ! -s 127.0.0.0/8 -d 127.0.0.0/8 -m comment --comment "block incoming localnet connections" -m conntrack ! --ctstate RELATED,ESTABLISHED,DNAT -j DROP
      -A KUBE-FORWARD -m conntrack --ctstate INVALID -j DROP
      -A KUBE-FORWARD -m comment --comment "kubernetes forwarding rules" -m mark --mark 0x4000/0x4000 -j ACCEPT
      -A KUBE-FORWARD -m comment --comment "kubernetes forwarding conntrack rule" -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
      -A KUBE-NODEPORTS -p tcp -m comment --comment "ns1/svc1:p80 health check node port" -m tcp --dport 32122 -j ACCEPT
      -A KUBE-PROXY-FIREWALL -d 1.2.3.4/32 -p tcp -m comment --comment "ns1/svc1:p80 traffic not accepted by KUBE-FW-XPGD46QRK7WJZT7O" -m tcp --dport 80 -j DROP
      -A KUBE-SERVICES -d 172.30.0.42/32 -p udp -m comment --comment "ns2/svc2:p80 has no endpoints" -m udp --dport 80 -j REJECT --reject-with icmp-port-unreachable
      COMMIT
      *nat
      :PREROUTING ACCEPT [0:0]
      :INPUT ACCEPT [0:0]
      :OUTPUT ACCEPT [0:0]
      :POSTROUTING ACCEPT [0:0]
      :KUBE-EXT-XPGD46QRK7WJZT7O - [0:0]
      :KUBE-FW-XPGD46QRK7WJZT7O - [0:0]
      :KUBE-MARK-MASQ - [0:0]
      :KUBE-NODEPORTS - [0:0]
      :KUBE-POSTROUTING - [0:0]
      :KUBE-PROXY-CANARY - [0:0]
      :KUBE-SEP-SXIVWICOYRO3J4NJ - [0:0]
      :KUBE-SERVICES - [0:0]
      :KUBE-SVC-XPGD46QRK7WJZT7O - [0:0]
      -A PREROUTING -m comment --comment "kubernetes service portals" -j KUBE-SERVICES
      -A OUTPUT -m comment --comment "kubernetes service portals" -j KUBE-SERVICES
      -A POSTROUTING -m comment --comment "kubernetes postrouting rules" -j KUBE-POSTROUTING
      -A KUBE-EXT-XPGD46QRK7WJZT7O -s 10.0.0.0/8 -m comment --comment "pod traffic for ns1/svc1:p80 external destinations" -j KUBE-SVC-XPGD46QRK7WJZT7O
      -A KUBE-EXT-XPGD46QRK7WJZT7O -m comment --comment "masquerade LOCAL traffic for ns1/svc1:p80 external destinations" -m addrtype --src-type LOCAL -j KUBE-MARK-MASQ
      -A KUBE-EXT-XPGD46QRK7WJZT7O -m comment --comment "route LOCAL traffic for ns1/svc1:p80 external destinations" -m addrtype --src-type LOCAL -j KUBE-SVC-XPGD46QRK7WJZT7O
      -A KUBE-FW-XPGD46QRK7WJZT7O -s 203.0.113.0/25 -m comment --comment "ns1/svc1:p80 loadbalancer IP" -j KUBE-EXT-XPGD46QRK7WJZT7O
      -A KUBE-FW-XPGD46QRK7WJZT7O -s 192.168.0.0/16 -m comment --comment "ns1/svc1:p80 loadbalancer IP" -j KUBE-EXT-XPGD46QRK7WJZT7O
      -A KUBE-FW-XPGD46QRK7WJZT7O -s 1.2.3.4/32 -m comment --comment "ns1/svc1:p80 loadbalancer IP" -j KUBE-EXT-XPGD46QRK7WJZT7O
      -A KUBE-FW-XPGD46QRK7WJZT7O -m comment --comment "other traffic to ns1/svc1:p80 will be dropped by KUBE-PROXY-FIREWALL"
      -A KUBE-MARK-MASQ -j MARK --set-xmark 0x4000/0x4000
      -A KUBE-NODEPORTS -p tcp -m comment --comment "ns1/svc1:p80" -m tcp --dport 3001 -j KUBE-EXT-XPGD46QRK7WJZT7O
      -A KUBE-POSTROUTING -m mark ! --mark 0x4000/0x4000 -j RETURN
      -A KUBE-POSTROUTING -j MARK --set-xmark 0x4000/0x0
      -A KUBE-POSTROUTING -m comment --comment "kubernetes service traffic requiring SNAT" -j MASQUERADE --random-fully
      -A KUBE-SEP-SXIVWICOYRO3J4NJ -s 10.180.0.1/32 -m comment --comment "ns1/svc1:p80" -j KUBE-MARK-MASQ
      -A KUBE-SEP-SXIVWICOYRO3J4NJ -p tcp -m comment --comment "ns1/svc1:p80" -m recent --set --name KUBE-SEP-SXIVWICOYRO3J4NJ --mask 255.255.255.255 --rsource -m tcp -j DNAT --to-destination 10.180.0.1:80
      -A KUBE-SERVICES -d 172.30.0.41/32 -p tcp -m comment --comment "ns1/svc1:p80 cluster IP" -m tcp --dport 80 -j KUBE-SVC-XPGD46QRK7WJZT7O
      -A KUBE-SERVICES -d 192.0.2.9/32 -p tcp -m comment --comment "ns1/svc1:p80 external IP" -m tcp --dport 80 -j KUBE-EXT-XPGD46QRK7WJZT7O
      -A KUBE-SERVICES -d 1.2.3.4/32 -p tcp -m comment --comment "ns1/svc1:p80 loadbalancer IP" -m tcp --dport 80 -j KUBE-FW-XPGD46QRK7WJZT7O
      -A KUBE-SERVICES -m comment --comment "kubernetes service nodeports; NOTE: this must be the last rule in this chain" -m addrtype --dst-type LOCAL -j KUBE-NODEPORTS
      -A KUBE-SVC-XPGD46QRK7WJZT7O ! -s 10.0.0.0/8 -d 172.30.0.41/32 -p tcp -m comment --comment "ns1/svc1:p80 cluster IP" -m tcp --dport 80 -j KUBE-MARK-MASQ
      -A KUBE-SVC-XPGD46QRK7WJZT7O -m comment --comment "ns1/svc1:p80 -> 10.180.0.1:80" -m recent --rcheck --seconds 10800 --reap --name KUBE-SEP-SXIVWICOYRO3J4NJ --mask 255.255.255.255 --rsource -j KUBE-SEP-SXIVWICOYRO3J4NJ
      -A KUBE-SVC-XPGD46QRK7WJZT7O -m comment --comment "ns1/svc1:p80 -> 10.180.0.1:80" -j KUBE-SEP-SXIVWICOYRO3J4NJ
      COMMIT
      `),
    );
  });

  test("contain no jump to a chain that is not there", () => {
    for (const { input } of GOLDEN) expect(danglingJumps(allRules(input))).toEqual([]);
  });

  test("do not depend on the order of the objects", () => {
    const services = [service("b", "10.0.0.2"), service("a", "10.0.0.1"), service("c", "10.0.0.3")];
    const slices = ["a", "b", "c"].map((name, index) => slice(name, ["80"], [`10.180.1.${index + 1} node1`]));
    expect(allRules({ services: services.toReversed(), slices: slices.toReversed() })).toBe(
      allRules({ services, slices }),
    );
  });
});

describe("the rule that leads to nodePorts", () => {
  const tail = (flags: RulesInput["flags"]) => {
    const addresses = [address("10.240.0.4"), address("10.180.1.1"), address("192.0.2.1")];
    const input: RulesInput = { services: [], slices: [], node: { addresses }, ...(flags && { flags }) };
    return linesOf(allRules(input), "-A KUBE-SERVICES ").map((line) =>
      line.replace(/-m comment --comment "[^"]*" /, ""),
    );
  };

  test.each<[string, RulesInput["flags"], readonly string[]]>([
    ["takes any address of the node", {}, ["-m addrtype --dst-type LOCAL -j KUBE-NODEPORTS"]],
    [
      "leaves out loopback where that is switched off",
      { localhostNodePorts: false },
      ["! -d 127.0.0.0/8 -m addrtype --dst-type LOCAL -j KUBE-NODEPORTS"],
    ],
    [
      "takes the addresses that are in the given ranges, in ascending order",
      { nodePortAddresses: ["192.0.2.0/24", "10.240.0.0/16"] },
      ["-d 10.240.0.4/32 -j KUBE-NODEPORTS", "-d 192.0.2.1/32 -j KUBE-NODEPORTS"],
    ],
    [
      "takes loopback where the ranges have it",
      { nodePortAddresses: ["127.0.0.0/8", "10.240.0.0/16"] },
      ["-d 10.240.0.4/32 -j KUBE-NODEPORTS", "-d 127.0.0.1/32 -j KUBE-NODEPORTS"],
    ],
    ["takes the primary address alone", { nodePortAddresses: ["primary"] }, ["-d 10.240.0.4/32 -j KUBE-NODEPORTS"]],
    [
      "takes any address when one range is everything",
      { nodePortAddresses: ["10.0.0.0/8", "0.0.0.0/0"] },
      ["-m addrtype --dst-type LOCAL -j KUBE-NODEPORTS"],
    ],
    [
      "takes any address when all ranges are of the other family",
      { nodePortAddresses: ["fd00::/8"] },
      ["-m addrtype --dst-type LOCAL -j KUBE-NODEPORTS"],
    ],
  ])("%s", (_name, flags, rules) => {
    expect(tail(flags)).toEqual(rules.map((rule) => `-A KUBE-SERVICES ${rule}`));
  });
});

describe("rules that no Service changes", () => {
  const empty: RulesInput = { services: [], slices: [] };

  test("drop nothing INVALID where the kernel is liberal about TCP", () => {
    expect(linesOf(allRules(empty), "-A KUBE-FORWARD")[0]).toBe(
      "-A KUBE-FORWARD -m conntrack --ctstate INVALID -j DROP",
    );
    const liberal = allRules({ ...empty, node: { tcpBeLiberal: true } });
    expect(linesOf(liberal, "-A KUBE-FORWARD")[0]).toMatch(
      /^-A KUBE-FORWARD -m comment --comment "kubernetes forwarding rules"/,
    );
  });

  test("use the mark that --iptables-masquerade-bit names", () => {
    const text = allRules({ ...empty, flags: { masqueradeBit: 31 } });
    expect(linesOf(text, "-A KUBE-MARK-MASQ")).toEqual(["-A KUBE-MARK-MASQ -j MARK --set-xmark 0x80000000/0x80000000"]);
    expect(linesOf(text, "-A KUBE-POSTROUTING").slice(0, 2)).toEqual([
      "-A KUBE-POSTROUTING -m mark ! --mark 0x80000000/0x80000000 -j RETURN",
      "-A KUBE-POSTROUTING -j MARK --set-xmark 0x80000000/0x0",
    ]);
  });

  test("guard 127.0.0.0/8 only where nodePorts answer on it", () => {
    expect(allRules(empty)).toContain("block incoming localnet connections");
    expect(allRules({ ...empty, flags: { localhostNodePorts: false } })).not.toContain("KUBE-FIREWALL");
    expect(allRules({ ...empty, flags: { nodePortAddresses: ["10.240.0.0/16"] } })).not.toContain("KUBE-FIREWALL");
  });

  test("leave kubelet's jump below all of kube-proxy's, and kubelet's chains in place", () => {
    const text = allRules({ ...empty, node: { kubeletChains: true } });
    expect(linesOf(text, "-A INPUT").at(-1)).toBe("-A INPUT -j KUBE-FIREWALL");
    expect(linesOf(text.slice(0, text.indexOf("*nat")), "-A OUTPUT").at(-1)).toBe("-A OUTPUT -j KUBE-FIREWALL");
    expect(linesOf(text, ":KUBE-KUBELET-CANARY")).toHaveLength(3);
    expect(linesOf(text, ":KUBE-IPTABLES-HINT")).toHaveLength(1);
  });
});

describe("large clusters", () => {
  const endpoints = Array.from({ length: 1001 }, (_, index) => `10.180.${index >> 8}.${index & 255} node2`);

  test("with 1000 endpoints have all comments", () => {
    const text = allRules({
      services: [service("web", "10.0.0.1")],
      slices: [slice("web", ["80"], endpoints.slice(1))],
    });
    expect(text).toContain('--comment "default/web -> 10.180.1.1:80"');
  });

  test("with more go without those in front of endpoints", () => {
    const text = allRules({ services: [service("web", "10.0.0.1")], slices: [slice("web", ["80"], endpoints)] });
    expect(text).not.toContain("->");
    expect(text).not.toContain('--comment "default/web"');
    expect(text).toContain('--comment "default/web cluster IP"');
  });

  test("are told by the endpoints of Services that exist, not by slices of others", () => {
    const others = slice("gone", ["80"], endpoints);
    const text = allRules({
      services: [service("web", "10.0.0.1")],
      slices: [slice("web", ["80"], endpoints.slice(0, 2)), others],
    });
    expect(text).toContain("default/web -> 10.180.0.0:80");
  });
});

function linesOf(text: string, start: string): readonly string[] {
  return text.split("\n").filter((line) => line.startsWith(start));
}

function danglingJumps(text: string): readonly string[] {
  const chains = new Set(linesOf(text, ":").map((line) => line.slice(1, line.indexOf(" "))));
  const targets = [...text.matchAll(/ -j (KUBE-\S+)/g)].map((match) => match[1] ?? "");
  return targets.filter((target) => !chains.has(target));
}

function unindent(text: string): string {
  return text
    .split("\n")
    .map((line) => line.trim())
    .join("\n")
    .trim();
}
