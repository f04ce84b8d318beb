import { ConfigError, loadScenario, parseOverride, type Scenario } from "../../src/scenario/index.ts";

/** A client, a router in front of a server, one cluster of two nodes. Line 1 is `version`. */
export const SAMPLE = `version: 1
name: sample
title: A sample
networks:
  outside: {}
  inside: { mtu: 1460 }
hosts:
  client:
    interfaces:
      eth0: { network: outside, address: 198.51.100.79/24 }
    gateway: 198.51.100.1
  server:
    interfaces:
      eth0: { network: inside, address: 10.240.0.80/24 }
    gateway: 10.240.0.1
    servers: [{ kind: echo, port: 80 }]
    aliases: [www]
routers:
  edge:
    interfaces:
      eth0: { network: outside, address: 198.51.100.1/24 }
      eth1: { network: inside, address: 10.240.0.1/24 }
    cloudEdge: true
cluster:
  version: "1.31"
  network: inside
  gateway: 10.240.0.1
  podCIDR: 10.180.0.0/16
  serviceCIDR: 10.0.0.0/16
  nodes:
    - { name: alpha, address: 10.240.0.4/24, externalAddress: 203.0.113.4, podCIDR: 10.180.1.0/24 }
    - { name: beta, alias: b, address: 10.240.0.5/24, podCIDR: 10.180.2.0/24 }
  pins:
    pods: { web: [{ name: web-1, node: alpha }] }
    clusterIPs: { web: 10.0.0.80 }
  manifests: |
    apiVersion: apps/v1
    kind: Deployment
    metadata: { name: web }
    spec:
      selector: { matchLabels: { app: web } }
      template:
        metadata: { labels: { app: web } }
        spec: { containers: [{ name: echo, image: "echoserver:1.4" }] }
    ---
    apiVersion: v1
    kind: Service
    metadata: { name: web }
    spec:
      selector: { app: web }
      ports: [{ port: 80, targetPort: 8080 }]
links:
  client/eth0: { delay: 5ms, out: { loss: 1% } }
steps:
  - name: first
    run: curl -s www
    on: client
    expect: { exitCode: 0 }
`;

/** {@link SAMPLE} with one text replaced; each of the two has to be there. */
export function sampleWith(before: string, after: string): string {
  if (!SAMPLE.includes(before)) throw new RangeError(`the sample has no ${JSON.stringify(before)}`);
  return SAMPLE.replace(before, after);
}

/** Reads a scenario's text; files named in it are taken from `files`. */
export function load(
  text: string,
  sets: readonly string[] = [],
  files: Readonly<Record<string, string>> = {},
): Scenario {
  const readFile = (name: string): string => {
    const found = files[name];
    if (found === undefined) throw new ConfigError([{ file: name, message: "no such file or directory" }]);
    return found;
  };
  return loadScenario({ file: "lab.yaml", text, readFile, overrides: sets.map(parseOverride) });
}

/** The message with which a scenario's text is refused. */
export function refusal(
  text: string,
  sets: readonly string[] = [],
  files: Readonly<Record<string, string>> = {},
): string {
  try {
    load(text, sets, files);
  } catch (error) {
    if (error instanceof ConfigError) return error.message;
    throw error;
  }
  return "(not refused)";
}
