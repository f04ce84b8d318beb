import type { Server } from "../apps/index.ts";
import { type ProxyInput, servicePortKey, type UserspacePort, userspaceRules } from "../kube/index.ts";
import { BackendPool, createBalancer, ProxyBalancer } from "../lb/index.ts";
import { ms } from "../sim/index.ts";
import type { Host } from "./host.ts";
import { type RelayTarget, UdpRelay } from "./udp-relay.ts";

/** kube-proxy's `--udp-timeout`: how long an answer is waited for. */
const UDP_TIMEOUT = ms(250);

/** kube-proxy as the program in the middle for one service port. */
interface Relay {
  readonly proxyPort: number;
  /** Sends new connections to these endpoints, in turns. */
  setEndpoints(endpoints: readonly RelayTarget[]): void;
  readonly server: Server;
}

/**
 * userspace mode on a node: rules lead a Service's traffic to a port of kube-proxy's own, which takes the connection and opens another one to an
 * endpoint. Two connections with nothing in common but the bytes: the endpoint sees the node.
 */
export class UserspaceDataPlane {
  readonly #host: Host;
  readonly #relays = new Map<string, Relay>();

  constructor(host: Host) {
    this.#host = host;
  }

  sync(input: ProxyInput): void {
    const ports = new Map([...this.#relays].map(([key, { proxyPort }]) => [key, proxyPort]));
    const wanted = userspaceRules(input, this.#host.stack.random, ports);
    const keys = new Set(wanted.ports.map(({ port }) => servicePortKey(port)));
    for (const [key, relay] of this.#relays) {
      if (keys.has(key)) continue;
      relay.server.close();
      this.#relays.delete(key);
    }
    for (const each of wanted.ports) this.#relay(each)?.setEndpoints(each.endpoints);
    this.#host.setRules(wanted.rules);
  }

  /** Nothing here speaks SCTP. */
  #relay(each: UserspacePort): Relay | undefined {
    const key = servicePortKey(each.port);
    const known = this.#relays.get(key);
    if (known !== undefined || each.port.protocol === "SCTP") return known;
    const made = each.port.protocol === "TCP" ? this.#tcpRelay(each) : this.#udpRelay(each);
    this.#relays.set(key, made);
    return made;
  }

  #udpRelay({ proxyPort }: UserspacePort): Relay {
    const relay = new UdpRelay(this.#host, { port: proxyPort, timeout: UDP_TIMEOUT });
    return { proxyPort, setEndpoints: (endpoints) => relay.setTargets(endpoints), server: relay };
  }

  #tcpRelay({ port, proxyPort }: UserspacePort): Relay {
    const { stack } = this.#host;
    const pool = new BackendPool({ clock: stack.clock });
    const random = stack.host.random.fork(`userspace:${port.name}`);
    const balancer = createBalancer({ method: { kind: "round-robin" }, random });
    const proxy = new ProxyBalancer({
      name: port.name,
      stack,
      listen: { port: proxyPort },
      pool,
      balancer,
      mode: { kind: "tcp" },
    });
    proxy.start();
    let names: readonly string[] = [];
    const setEndpoints = (endpoints: readonly RelayTarget[]): void => {
      const wanted = endpoints.map(({ text }) => text);
      for (const name of names) if (!wanted.includes(name)) pool.remove(name);
      for (const { text, address, port: own } of endpoints)
        if (!names.includes(text)) pool.add({ name: text, address, port: own });
      names = wanted;
    };
    return { proxyPort, setEndpoints, server: { close: () => proxy.stop() } };
  }
}
