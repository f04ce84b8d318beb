import { type DnsServerOptions, dnsServer, echoServer, straySegmentServer, udpEchoServer } from "../apps/index.ts";
import type { Container, Pod } from "../kube/index.ts";
import { parseIptablesSave } from "../nat/index.ts";
import type { Host } from "./host.ts";

/** Where the echo server of the tutorials listens when its container names no ports. */
const ECHO_PORT = 8080;

/** The variable with the value `required` stands for an nginx.conf with `listen 8080 proxy_protocol`. */
const PROXY_PROTOCOL = "PROXY_PROTOCOL";

/** What programs in pods may know of their cluster. */
export interface ClusterKnowledge {
  /** What the cluster's DNS server says. */
  readonly answerDns: DnsServerOptions["answer"];
}

type StartImage = (host: Host, pod: Pod, container: Container, cluster: ClusterKnowledge) => void;

/** What a container's image runs: by the last part of its name, as registries come and go (`k8s.gcr.io/echoserver:1.4`). */
const IMAGES: Readonly<Record<string, StartImage>> = {
  coredns: startDns,
  echoserver: startEcho,
  "klipper-lb": startKlipper,
  "regression-issue-74839": startStray,
  busybox: sleep,
  alpine: sleep,
  curl: sleep,
  netshoot: sleep,
  pause: sleep,
};

/** Images that natscope can run, for messages. */
export const KNOWN_IMAGES: readonly string[] = Object.keys(IMAGES);

/** Starts the programs of a pod's containers on its host. */
export function startContainers(host: Host, pod: Pod, cluster: ClusterKnowledge): void {
  for (const container of pod.spec.containers) IMAGES[imageName(container.image)]?.(host, pod, container, cluster);
}

/** True when natscope has a program for the image. */
export function isKnownImage(image: string | undefined): boolean {
  return imageName(image) in IMAGES;
}

/** `k8s.gcr.io/echoserver:1.4` is `echoserver`. */
function imageName(image: string | undefined): string {
  const last = (image ?? "").split("/").at(-1) ?? "";
  return last.split(/[:@]/, 1)[0] ?? "";
}

function sleep(): void {}

/** A DNS server for the cluster's names, on the container's first UDP port. */
function startDns(host: Host, _pod: Pod, container: Container, cluster: ClusterKnowledge): void {
  const port = container.ports?.find(({ protocol }) => protocol === "UDP")?.containerPort;
  dnsServer(host, { ...(port !== undefined && { port }), answer: cluster.answerDns });
}

/**
 * k3s's service load balancer: no program but rules in the pod's own namespace. What comes to SRC_PORT goes on to DEST_IPS:DEST_PORT with the pod's address
 * (k3s-io/klipper-lb, `entry`, which takes the same variables).
 */
function startKlipper(host: Host, _pod: Pod, container: Container): void {
  const given = new Map((container.env ?? []).map(({ name, value }) => [name, value ?? ""]));
  const [source, port, to] = ["SRC_PORT", "DEST_PORT", "DEST_IPS"].map((name) => given.get(name));
  if (source === undefined || port === undefined || to === undefined) return;
  const comment = '-m comment --comment "klipper-lb"';
  const rules = [
    "*nat",
    `-A PREROUTING -p tcp ${comment} -m tcp --dport ${source} -j DNAT --to-destination ${to}:${port}`,
    `-A POSTROUTING -d ${to}/32 -p tcp ${comment} -j MASQUERADE`,
    "COMMIT",
    "",
  ];
  host.stack.host.sysctls.forwarding = true;
  host.setRules(parseIptablesSave(rules.join("\n"), {}).ruleset);
}

/** Where the server of the test of #74839 listens. */
const STRAY_PORT = 9000;

function startStray(host: Host, _pod: Pod, container: Container): void {
  straySegmentServer(host, { port: container.ports?.[0]?.containerPort ?? STRAY_PORT });
}

/** The echo server on each TCP port of the container, and its like for datagrams on each UDP port. */
function startEcho(host: Host, pod: Pod, container: Container): void {
  const declared = container.ports ?? [];
  const version = /:1\.10/.test(container.image ?? "") ? "1.10" : "1.4";
  const information = { hostname: pod.spec.hostname ?? pod.metadata.name };
  const expected = container.env?.some(({ name, value }) => name === PROXY_PROTOCOL && value === "required");
  const proxyProtocol = expected === true ? "required" : "none";
  const tcp = declared
    .filter(({ protocol }) => (protocol ?? "TCP") === "TCP")
    .map(({ containerPort }) => containerPort);
  for (const port of declared.length === 0 ? [ECHO_PORT] : tcp) {
    echoServer(host, { port, version, pod: information, startDate: host.startDate, proxyProtocol });
  }
  for (const { containerPort, protocol } of declared)
    if (protocol === "UDP") udpEchoServer(host, { port: containerPort });
}
