import { echoServer, udpEchoServer } from "../apps/index.ts";
import type { Container, Pod } from "../kube/index.ts";
import type { Host } from "./host.ts";

/** Where the echo server of the tutorials listens when its container names no ports. */
const ECHO_PORT = 8080;

/** What a container's image runs: by the last part of its name, as registries come and go (`k8s.gcr.io/echoserver:1.4`). */
const IMAGES: Readonly<Record<string, (host: Host, pod: Pod, container: Container) => void>> = {
  echoserver: startEcho,
  busybox: sleep,
  alpine: sleep,
  curl: sleep,
  netshoot: sleep,
  pause: sleep,
};

/** Images that natscope can run, for messages. */
export const KNOWN_IMAGES: readonly string[] = Object.keys(IMAGES);

/** Starts the programs of a pod's containers on its host. */
export function startContainers(host: Host, pod: Pod): void {
  for (const container of pod.spec.containers) IMAGES[imageName(container.image)]?.(host, pod, container);
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

/** The echo server on each TCP port of the container, and its like for datagrams on each UDP port. */
function startEcho(host: Host, pod: Pod, container: Container): void {
  const declared = container.ports ?? [];
  const version = /:1\.10/.test(container.image ?? "") ? "1.10" : "1.4";
  const information = { hostname: pod.spec.hostname ?? pod.metadata.name };
  const tcp = declared
    .filter(({ protocol }) => (protocol ?? "TCP") === "TCP")
    .map(({ containerPort }) => containerPort);
  for (const port of declared.length === 0 ? [ECHO_PORT] : tcp) {
    echoServer(host, { port, version, pod: information, startDate: host.startDate });
  }
  for (const { containerPort, protocol } of declared)
    if (protocol === "UDP") udpEchoServer(host, { port: containerPort });
}
