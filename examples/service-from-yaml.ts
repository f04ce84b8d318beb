import { formatRuleset, iptablesRules, kubeProxyConfig, ofKind, readObjects } from "natscope";
import { parseAllDocuments } from "yaml";

const MANIFESTS = `
apiVersion: v1
kind: Service
metadata: { name: web }
spec:
  type: NodePort
  clusterIP: 10.0.170.92
  ports: [{ port: 80, targetPort: 8080, nodePort: 31000 }]
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: { name: web-abcde, labels: { kubernetes.io/service-name: web } }
addressType: IPv4
ports: [{ name: "", port: 8080, protocol: TCP }]
endpoints: [{ addresses: [10.180.1.136], nodeName: node1 }]
`;

/** Kubernetes objects in, the rules of one node's kube-proxy out: no network, no packets. */
export function main(print: (line: string) => void): void {
  const { objects } = readObjects(parseAllDocuments(MANIFESTS).map((document) => document.toJS() as unknown));
  const { config } = kubeProxyConfig({ name: "node2" }, { clusterCidr: "10.180.0.0/16" });
  const rules = iptablesRules({
    services: ofKind(objects, "Service"),
    endpointSlices: ofKind(objects, "EndpointSlice"),
    config,
  });
  for (const line of formatRuleset(rules).split("\n")) if (line.includes("default/web")) print(line);
}
