import { connect, type Socket } from "node:net";
import type { TcpSocket } from "../netstack/index.ts";
import type { Host } from "../nodes/index.ts";
import { ConfigError, type Lab, suggestion } from "../scenario/index.ts";
import type { RealTimeDriver } from "../tun/index.ts";
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
/** What real servers send is read here, by all connections: it is copied before the next is read. */
const READ_BUFFER = Buffer.allocUnsafeSlow(64 * 1024);
/** Room for a turn's segments, when there is more than one. */
const WRITE_BYTES = 64 * 1024;

/** Has connections to pods' ports carried on to real servers: `POD[:PORT]=ADDRESS:PORT`. Returns what ends them all. @throws ConfigError */
export function installBackends(live: LiveNetwork, given: readonly string[]): () => void {
  const installed = given.map(parseBackend).map((backend) => {
    const { host, port } = findPort(live.lab, backend);
    const connections = new Set<RelayedConnection>();
    host.stack.tcp.endListening(port);
    host.stack.tcp.listen({ port }, (socket) => {
      if (connections.size >= MOST_CONNECTIONS) return socket.destroy();
      const connection = new RelayedConnection(socket, backend, live.driver, () => connections.delete(connection));
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
  readonly #driver: RealTimeDriver;
  readonly #onGone: () => void;
  #emulatedIsOver = false;
  /** For the real server, in this turn: the first {@link #length} bytes. */
  #gathered: Buffer | undefined;
  #length = 0;
  #hasEnded = false;
  /** The emulated socket takes more. */
  #hasRoom = true;

  constructor(emulated: TcpSocket, backend: Backend, driver: RealTimeDriver, onGone: () => void) {
    this.#emulated = emulated;
    this.#driver = driver;
    this.#onGone = onGone;
    const onread = { buffer: READ_BUFFER, callback: (length: number): boolean => this.#fromReal(length) };
    const to = { host: backend.address, port: backend.realPort };
    this.#real = connect({ ...to, allowHalfOpen: true, noDelay: true, onread });
    emulated.mergeReceived();
    emulated.events = {
      onData: (bytes) => this.#gather(bytes),
      onEnd: () => {
        this.#pass();
        this.#real.end();
      },
      onDrain: () => {
        this.#hasRoom = true;
        this.#real.resume();
      },
      onClose: (reason) => this.#emulatedEnded(reason === "closed"),
    };
    this.#real.on("drain", () => this.#driver.act(() => emulated.resume()));
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
    this.#length = 0;
    if (this.#real.writableEnded) this.#real.destroy();
    else this.#real.resetAndDestroy();
  }

  /** Segments come by the dozen: what one turn brings is written with one call. */
  #gather(bytes: Uint8Array): void {
    if (this.#length === 0) this.#driver.afterEvents(this.#pass);
    if (this.#gathered === undefined || this.#length + bytes.length > this.#gathered.length)
      this.#makeRoom(bytes.length);
    this.#gathered?.set(bytes, this.#length);
    this.#length += bytes.length;
  }

  #makeRoom(count: number): void {
    const larger = Buffer.allocUnsafe(this.#length === 0 ? count : Math.max(WRITE_BYTES, 2 * (this.#length + count)));
    if (this.#length > 0) larger.set(this.#gathered?.subarray(0, this.#length) ?? []);
    this.#gathered = larger;
  }

  readonly #pass = (): void => {
    if (this.#length === 0) return;
    const whole = this.#gathered?.subarray(0, this.#length) ?? Buffer.of();
    // The socket keeps it until the kernel has taken it.
    this.#gathered = undefined;
    this.#length = 0;
    if (!this.#real.write(whole)) this.#emulated.pause();
    if (!this.#emulatedIsOver) this.#emulated.endBatch();
  };

  /** The first bytes of {@link READ_BUFFER} have come; false to be given no more until the socket is resumed. */
  #fromReal(length: number): boolean {
    if (this.#emulatedIsOver) return true;
    this.#driver.act(() => {
      this.#hasRoom = this.#emulated.write(READ_BUFFER.subarray(0, length));
    });
    // Asked only now: the network has moved on since, and a socket that is drained by then will not say so again.
    return this.#hasRoom;
  }

  #realEnded(): void {
    if (this.#hasEnded || this.#emulatedIsOver) return;
    this.#hasEnded = true;
    this.#driver.act(() => this.#emulated.end());
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
    this.#driver.act(() => this.#emulated.destroy());
  }
}
