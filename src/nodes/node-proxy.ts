import { goStyle, type HttpAnswer, type HttpExchange, httpDate, type Server, serveHttp } from "../apps/index.ts";
import {
  type HealthAnswer,
  type HealthCheckPort,
  healthCheckAnswer,
  healthCheckPorts,
  type KubeProxyConfig,
  type KubernetesVersion,
  proxyHealthAnswer,
  proxyMetricsAnswer,
  type Service,
} from "../kube/index.ts";
import { type Ipv4Address, LOOPBACK_ADDRESS } from "../netstack/index.ts";
import { dateAt } from "../sim/index.ts";
import type { Host } from "./host.ts";
import { type ProxyDataPlane, proxyDataPlane } from "./proxy-data-plane.ts";
import type { SharedProxy } from "./shared-proxy.ts";

/** kube-proxy's own ports (pkg/cluster/ports): metrics on loopback, health for everybody. */
const METRICS_PORT = 10_249;
const HEALTH_PORT = 10_256;

/** kube-proxy on one node: turns Services and EndpointSlices into the node's rules, and answers those who ask how it is. */
export class NodeProxy {
  readonly #host: Host;
  readonly #config: KubeProxyConfig;
  readonly #version: KubernetesVersion;
  readonly #shared: SharedProxy;
  readonly #dataPlane: ProxyDataPlane;
  readonly #healthServers = new Map<number, Server>();
  #healthChecks: readonly Service[] = [];

  constructor(host: Host, config: KubeProxyConfig, shared: SharedProxy) {
    this.#host = host;
    this.#config = config;
    this.#version = shared.version;
    this.#shared = shared;
    this.#dataPlane = proxyDataPlane(host, config, shared);
    this.#serve(
      METRICS_PORT,
      ({ request }) => proxyMetricsAnswer(pathOf(request.target), config.mode),
      LOOPBACK_ADDRESS,
    );
    this.#serve(HEALTH_PORT, ({ request }) => proxyHealthAnswer(pathOf(request.target), this.#health(), this.#version));
  }

  /** Has the node do what the objects are now, and serves the Services' health check nodePorts. */
  sync(): void {
    this.#dataPlane.sync();
    if (this.#config.conntrackCleanup) this.#host.endConnections(this.#shared.isStale);
    const { healthChecks } = this.#shared.objects;
    if (healthChecks === this.#healthChecks) return;
    this.#healthChecks = healthChecks;
    this.#serveHealthChecks();
  }

  #serveHealthChecks(): void {
    const wanted = new Set(this.#healthPorts().map(({ nodePort }) => nodePort));
    for (const [port, server] of this.#healthServers) {
      if (wanted.has(port)) continue;
      server.close();
      this.#healthServers.delete(port);
    }
    for (const port of wanted) {
      if (this.#healthServers.has(port)) continue;
      this.#healthServers.set(
        port,
        this.#serve(port, () => this.#healthCheck(port)),
      );
    }
  }

  #healthPorts(): readonly HealthCheckPort[] {
    const { objects } = this.#shared;
    const slices = this.#healthChecks.flatMap(({ metadata: { namespace, name } }) =>
      objects.slicesOf(`${namespace}/${name}`),
    );
    return healthCheckPorts(this.#healthChecks, slices, this.#config.nodeName);
  }

  #healthCheck(nodePort: number): HealthAnswer | undefined {
    const port = this.#healthPorts().find((each) => each.nodePort === nodePort);
    return port && healthCheckAnswer(port, true, this.#version);
  }

  #health(): Parameters<typeof proxyHealthAnswer>[1] {
    const now = dateAt(this.#host.startDate, this.#host.stack.clock.now()).toISOString();
    return { healthy: true, lastUpdated: now, currentTime: now, node: this.#shared.node(this.#config.nodeName) };
  }

  #serve(port: number, answer: (exchange: HttpExchange) => HealthAnswer | undefined, address?: Ipv4Address): Server {
    const date = httpDate(this.#host.startDate, this.#host.stack.clock);
    const handler = (exchange: HttpExchange): HttpAnswer => toHttp(answer(exchange) ?? NOT_FOUND);
    return serveHttp(this.#host, { port, style: goStyle(date), handler, ...(address !== undefined && { address }) });
  }
}

const NOT_FOUND: HealthAnswer = {
  status: 404,
  headers: [["Content-Type", "text/plain; charset=utf-8"]],
  body: "404 page not found\n",
};

function toHttp(answer: HealthAnswer): HttpAnswer {
  return { ...answer, body: new TextEncoder().encode(answer.body) };
}

function pathOf(target: string): string {
  return target.split("?", 1)[0] ?? target;
}
