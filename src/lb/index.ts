/**
 * Load balancers: how a client's traffic gets to one of several backends, and what the backend still sees of the client.
 *
 * There are two kinds. A {@link PassthroughBalancer} forwards packets: it is a hook on its host's packet path, the client's address stays, and by its
 * {@link Delivery} the packet goes on unchanged, inside another one, or with another destination. A {@link ProxyBalancer} ends the client's connection
 * and opens its own: the backend sees the proxy, and learns of the client only what the proxy says in a PROXY header or in HTTP header fields.
 *
 * Both take from the same parts: a {@link Balancer} says to which backend a new flow goes and is a matter of arithmetic; a {@link BackendPool} knows the
 * backends and their state; a {@link HealthChecker} asks them over the emulated network and tells the pool. An {@link IpipTunnel} is the other end of
 * balancing with IPIP, too.
 *
 * This layer knows no Kubernetes: who makes pools of nodes and Services stands above. It does no source NAT, which is netfilter's work, and its DNAT is
 * a balancer's: where the answer goes past it, the client gets it from the wrong address, as in real life.
 *
 * ```ts
 * const pool = new BackendPool({ clock });
 * pool.add({ name: "node1", address: address("10.240.0.4") });
 * const balancer = createBalancer({ method: { kind: "maglev", key: "five-tuple" }, random });
 * const hook = new PassthroughBalancer({ stack });
 * const vip = { address: address("203.0.113.140"), protocol: "tcp", ports: [80] } as const;
 * hook.addService({ name: "default/web", ...vip, pool, balancer, delivery: { kind: "route" } });
 * stack.setHook(hook);
 * new HealthChecker({ stack, pool, probe: { kind: "http", port: 32122, path: "/healthz" }, timing: GCE_HEALTH_CHECK }).start();
 * ```
 */

export {
  type Backend,
  type BackendCounters,
  type BackendOptions,
  BackendPool,
  type BackendPoolOptions,
  type BackendState,
  describeBackend,
  type PoolChange,
  type PoolObserver,
} from "./backend-pool.ts";
export {
  type Balancer,
  type BalancerOptions,
  type BalancingMethod,
  createBalancer,
  describeMethod,
} from "./balancer.ts";
export type { Candidate } from "./candidate.ts";
export { type Flow, type HashKey, hashFlow, hashWords } from "./flow.ts";
export { endpoint, type FlowEnd, type FlowEntry, FlowTable, type FlowTableLimits } from "./flow-table.ts";
export {
  type ExistingHeader,
  type ForwardingHeaders,
  type ForwardingStyle,
  withForwardingHeaders,
} from "./forwarding-headers.ts";
export {
  GCE_HEALTH_CHECK,
  GCE_HEALTH_CHECK_LATER,
  HealthChecker,
  type HealthCheckerOptions,
  type HealthCheckTiming,
  type HealthStatus,
} from "./health-check.ts";
export type { HealthProbe, ProbeResult } from "./health-probe.ts";
export { IpipTunnel, type IpipTunnelOptions, type TunnelCounters } from "./ipip-tunnel.ts";
export { buildMaglevTable } from "./maglev.ts";
export {
  type BoundFlow,
  PassthroughBalancer,
  type PassthroughCounters,
  type PassthroughOptions,
  type Refusal,
} from "./passthrough.ts";
export type { Delivery, PassthroughService, ServicePorts } from "./passthrough-service.ts";
export {
  DEFAULT_PROXY_TIMEOUTS,
  describeProxyEvent,
  ProxyBalancer,
  type ProxyCounters,
  type ProxyOptions,
} from "./proxy.ts";
export {
  type AcceptProxy,
  emitProxyHeader,
  type InboundHeader,
  InboundHeaderReader,
  originOf,
  type ProxyOrigin,
} from "./proxy-header.ts";
export type { ProxyEvent, ProxyEventDetail, ProxyTimeouts } from "./proxy-session.ts";
