import { connect, type Socket } from "node:net";
import type { TcpSocket } from "../netstack/index.ts";
import type { Host } from "../nodes/index.ts";
import { ConfigError, type Lab, suggestion } from "../scenario/index.ts";
import type { LiveNetwork } from "./live-network.ts";

/** A real server that stands for a pod's. */
interface Backend {
  readonly given: string;
  readonly pod: string;
  /** The pod's; its first container's first port when left out. */
  readonly port: number | undefined;
  readonly address: string;
  readonly realPort: number;
}

/** Most connections to one real server at a time. */
const MOST_CONNECTIONS = 4096;

/** Has connections to pods' ports carried on to real servers: `POD[:PORT]=ADDRESS:PORT`. Returns what ends them all. @throws ConfigError */
export function installBackends(live: LiveNetwork, given: readonly string[]): () => void {
  const installed = given.map(parseBackend).map((backend) => {
    const { host, port } = findPort(live.lab, backend);
    const connections = new Set<RelayedConnection>();
    host.stack.tcp.endListening(port);
    host.stack.tcp.listen({ port }, (socket) => {
      if (connections.size >= MOST_CONNECTIONS) return socket.destroy();
      const act = (action: () => void): void => live.driver.act(action);
      const connection = new RelayedConnection(socket, backend, act, () => connections.delete(connection));
      connections.add(connection);
    });
    return connections;
  });
  return () => {
    for (const connection of installed.flatMap((connections) => [...connections])) connection.end();
  };
}

function parseBackend(given: string): Backend {
  const parts = /^([^\s:=]+)(?::(\d{1,5}))?=([^\s=]+):(\d{1,5})$/.exec(given);
  const [, pod = "", port, address = "", realPort] = parts ?? [];
  const valid = [port, realPort].every((each) => each === undefined || (Number(each) > 0 && Number(each) < 65536));
  if (parts !== null && valid)
    return { given, pod, port: port === undefined ? undefined : Number(port), address, realPort: Number(realPort) };
  const message = "not understood; expected POD=ADDRESS:PORT, such as source-ip-app=127.0.0.1:8080";
  throw new ConfigError([{ file: `--backend ${given}`, message }]);
}

/** A pod by its name, or by the beginning of it when that says which. */
function findPort(lab: Lab, { given, pod, port }: Backend): { host: Host; port: number } {
  const pods = [...lab.clusters.values()].flatMap((cluster) =>
    cluster.api.list("Pod").map(({ metadata, spec }) => ({ cluster, metadata, spec })),
  );
  const exact = pods.filter(({ metadata }) => metadata.name === pod);
  const found = exact.length > 0 ? exact : pods.filter(({ metadata }) => metadata.name.startsWith(`${pod}-`));
  const [only, ...others] = found;
  const names = (others.length > 0 ? found : pods).map(({ metadata }) => metadata.name);
  const refuse = (message: string): never => {
    throw new ConfigError([{ file: `--backend ${given}`, message }]);
  };
  if (only === undefined) return refuse(`there is no pod of this name${suggestion(pod, names)}`);
  if (others.length > 0) return refuse(`several pods have a name like this: ${names.join(", ")}`);
  const host = only.cluster.pod(only.metadata.name, only.metadata.namespace);
  const declared = only.spec.containers.flatMap((container) => container.ports ?? [])[0]?.containerPort;
  const wanted = port ?? declared;
  if (host === undefined) return refuse("this pod does not run");
  if (wanted === undefined) return refuse("this pod declares no port; expected POD:PORT=ADDRESS:PORT");
  return { host, port: wanted };
}

/** One connection of the emulated network and its other half in the real one. Bytes pass as they are, a PROXY header among them; so do ends and resets. */
class RelayedConnection {
  readonly #emulated: TcpSocket;
  readonly #real: Socket;
  /** Does something in the emulated network. */
  readonly #act: (action: () => void) => void;
  readonly #onGone: () => void;
  #emulatedIsOver = false;
  /** For the real server, in this turn. */
  #gathered: Uint8Array[] = [];
  #hasEnded = false;

  constructor(emulated: TcpSocket, backend: Backend, act: (action: () => void) => void, onGone: () => void) {
    this.#emulated = emulated;
    this.#act = act;
    this.#onGone = onGone;
    this.#real = connect({ host: backend.address, port: backend.realPort, allowHalfOpen: true, noDelay: true });
    emulated.events = {
      onData: (bytes) => this.#gather(bytes),
      onEnd: () => {
        this.#pass();
        this.#real.end();
      },
      onDrain: () => this.#real.resume(),
      onClose: (reason) => this.#emulatedEnded(reason === "closed"),
    };
    this.#real.on("data", (chunk) => this.#fromReal(chunk));
    this.#real.on("drain", () => this.#act(() => emulated.resume()));
    this.#real.on("end", () => this.#realEnded());
    this.#real.on("error", () => this.#abort());
    this.#real.on("close", () => this.#onGone());
  }

  /** The network is no more: the real server is told by a reset. */
  end(): void {
    this.#emulatedIsOver = true;
    this.#resetReal();
  }

  /** libuv does not reset a connection of which one direction was ended, and Node then keeps its descriptor for ever. */
  #resetReal(): void {
    this.#gathered = [];
    if (this.#real.writableEnded) this.#real.destroy();
    else this.#real.resetAndDestroy();
  }

  /** Segments come by the dozen: what one turn brings is written with one call. */
  #gather(bytes: Uint8Array): void {
    if (this.#gathered.length === 0) queueMicrotask(() => this.#pass());
    this.#gathered.push(bytes.slice());
  }

  #pass(): void {
    const [first, ...others] = this.#gathered;
    if (first === undefined) return;
    this.#gathered = [];
    const whole = others.length === 0 ? first : Buffer.concat([first, ...others]);
    if (!this.#real.write(whole)) this.#emulated.pause();
  }

  #fromReal(chunk: Uint8Array): void {
    if (this.#emulatedIsOver) return;
    this.#act(() => {
      if (!this.#emulated.write(chunk)) this.#real.pause();
    });
  }

  #realEnded(): void {
    if (this.#hasEnded || this.#emulatedIsOver) return;
    this.#hasEnded = true;
    this.#act(() => this.#emulated.end());
  }

  #emulatedEnded(inOrder: boolean): void {
    this.#emulatedIsOver = true;
    if (!inOrder) return this.#resetReal();
    this.#pass();
    this.#real.end();
  }

  /** The real server refused or reset the connection. */
  #abort(): void {
    if (this.#emulatedIsOver) return;
    this.#emulatedIsOver = true;
    this.#act(() => this.#emulated.destroy());
  }
}
