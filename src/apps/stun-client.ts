import { formatIpv4, type Ipv4Address, ipv4, type UdpSocket } from "../netstack/index.ts";
import {
  emitStun,
  parseStun,
  STUN_BINDING,
  type StunAttribute,
  type StunMessage,
  stunAttribute,
} from "../protocols/index.ts";
import { after, ms, type Timer } from "../sim/index.ts";
import { parseOptions, parseWhole } from "./options.ts";
import type { Process } from "./process.ts";

const SYNTAX = { options: { mode: "value", localport: "value", localaddr: "value" } } as const;
const MODES = ["basic", "behavior", "filtering", "full"];
const STUN_PORT = 3478;
/** RFC 8489 §6.2.1: after 500 ms, then twice as long each time. Seven sends take 39.5 s; for a filtered test four are enough. */
const FIRST_WAIT_MS = 500;
const MOST_SENDS = 4;
const USAGE = "Usage: stunclient [--mode basic|behavior|filtering|full] [--localport PORT] SERVER [PORT]\n";

interface Endpoint {
  readonly address: Ipv4Address;
  readonly port: number;
}

/** What a binding request got; `undefined` when nothing came. */
type BindingResult = { readonly mapped: Endpoint; readonly other: Endpoint | undefined } | undefined;

/** How a NAT maps, or filters: RFC 4787 §4.1 and §5. */
type Behaviour = "Endpoint Independent" | "Address Dependent" | "Address and Port Dependent";

/** stunclient of stuntman: which address a NAT gives this host, and with `--mode full` how the NAT behaves (RFC 5780 §4.3, §4.4). */
export function stunClient(process: Process): void {
  const options = parseOptions(process.argv.slice(1), SYNTAX);
  const [server, typedPort, ...more] = "fault" in options ? [] : options.operands;
  const port = parseWhole(typedPort ?? String(STUN_PORT), 1, 65535);
  const mode = "fault" in options ? undefined : (options.value("mode") ?? "basic");
  const typedLocal = "fault" in options ? undefined : options.value("localport");
  const local = typedLocal === undefined ? undefined : parseWhole(typedLocal, 1, 65535);
  const isWrong = mode === undefined || !MODES.includes(mode) || (typedLocal !== undefined && local === undefined);
  if (server === undefined || port === undefined || more.length > 0 || isWrong) {
    process.writeError(USAGE);
    return process.exit(1);
  }
  const cancel = process.host.resolver.resolve(server, (resolution) => {
    if (process.isEnding) return;
    const [address] = resolution.kind === "found" ? resolution.addresses : [];
    if (address !== undefined) return new StunTests(process, mode, { address, port }, local).begin();
    process.writeError(`Unable to resolve hostname ${server}\n`);
    process.exit(1);
  });
  process.atExit(cancel);
}

/** The tests of one call, one after the other through one socket: a NAT's behaviour shows only with the same local port. */
class StunTests {
  readonly #process: Process;
  readonly #mode: string;
  readonly #server: Endpoint;
  readonly #socket: UdpSocket;
  readonly #timer: Timer;
  /** Once it is known. */
  #filtering: Behaviour | undefined;
  #onReply: (message: StunMessage) => void = () => {};
  #onTimeout: () => void = () => {};

  constructor(process: Process, mode: string, server: Endpoint, localPort: number | undefined) {
    this.#process = process;
    this.#mode = mode;
    this.#server = server;
    this.#socket = process.openUdp({
      ...(localPort !== undefined && { port: localPort }),
      onDatagram: ({ payload }) => {
        const message = parseStun(payload);
        if (message !== undefined) this.#onReply(message);
      },
    });
    this.#timer = process.timer(() => this.#onTimeout());
  }

  begin(): void {
    this.#bind(this.#server, undefined, (result) => {
      if (result === undefined) return this.#end("Binding test: fail\n", 1);
      const local = this.#process.host.stack.addressing.sourceFor(this.#server.address) ?? ipv4(0);
      const own = { address: local, port: this.#socket.port };
      this.#print("Binding test: success");
      this.#print(`Local address: ${format(own)}`);
      this.#print(`Mapped address: ${format(result.mapped)}`);
      if (this.#mode === "basic") return this.#end("", 0);
      if (result.other === undefined) return this.#end("Behavior test: fail: the server has no other address\n", 1);
      const { mapped, other } = result;
      const isDirect = mapped.address === own.address && mapped.port === own.port;
      const testMapping = (): void => (isDirect ? this.#mappingIs("Direct") : this.#testMapping(mapped, other));
      if (this.#mode === "behavior") return testMapping();
      // First, as the other test sends to the server's other address, which a NAT then lets in.
      this.#testFiltering((behaviour) => {
        this.#filtering = behaviour;
        if (this.#mode === "full") testMapping();
        else this.#endWithFiltering();
      });
    });
  }

  /** RFC 5780 §4.3: the same local port towards another address, then towards another port of it. */
  #testMapping(first: Endpoint, other: Endpoint): void {
    this.#bind({ address: other.address, port: this.#server.port }, undefined, (second) => {
      if (second === undefined) return this.#end("Behavior test: fail\n", 1);
      if (isSame(second.mapped, first)) return this.#mappingIs("Endpoint Independent");
      this.#bind(other, undefined, (third) => {
        if (third === undefined) return this.#end("Behavior test: fail\n", 1);
        this.#mappingIs(isSame(third.mapped, second.mapped) ? "Address Dependent" : "Address and Port Dependent");
      });
    });
  }

  #mappingIs(behaviour: Behaviour | "Direct"): void {
    this.#print("Behavior test: success");
    this.#print(`Nat behavior: ${behaviour} Mapping`);
    this.#endWithFiltering();
  }

  #endWithFiltering(): void {
    if (this.#filtering !== undefined) {
      this.#print("Filtering test: success");
      this.#print(`Nat filtering: ${this.#filtering} Filtering`);
    }
    this.#end("", 0);
  }

  /** RFC 5780 §4.4: asks the server to answer from elsewhere. */
  #testFiltering(tell: (behaviour: Behaviour) => void): void {
    this.#bind(this.#server, { changeAddress: true, changePort: true }, (fromElsewhere) => {
      if (fromElsewhere !== undefined) return tell("Endpoint Independent");
      this.#bind(this.#server, { changeAddress: false, changePort: true }, (fromOtherPort) => {
        tell(fromOtherPort !== undefined ? "Address Dependent" : "Address and Port Dependent");
      });
    });
  }

  #bind(
    to: Endpoint,
    change: { readonly changeAddress: boolean; readonly changePort: boolean } | undefined,
    done: (result: BindingResult) => void,
  ): void {
    const { random } = this.#process.host.stack;
    const transactionId = new Uint8Array(12).map(() => random.below(256));
    const attributes: StunAttribute[] = change === undefined ? [] : [{ type: "change-request", ...change }];
    const payload = emitStun({ class: "request", method: STUN_BINDING, transactionId, attributes });
    const finish = (result: BindingResult): void => {
      this.#timer.cancel();
      this.#onReply = () => {};
      done(result);
    };
    this.#onReply = (message) => {
      if (message.transactionId.every((byte, index) => byte === transactionId[index])) finish(resultOf(message));
    };
    this.#send(to, payload, { sends: 0, finish });
  }

  #send(to: Endpoint, payload: Uint8Array, attempt: { sends: number; finish: (result: BindingResult) => void }): void {
    if (attempt.sends >= MOST_SENDS) return attempt.finish(undefined);
    this.#socket.send({ to: to.address, port: to.port, payload, dontFragment: false });
    const { clock } = this.#process.host.stack;
    this.#onTimeout = () => this.#send(to, payload, { ...attempt, sends: attempt.sends + 1 });
    this.#timer.set(after(clock.now(), ms(FIRST_WAIT_MS * 2 ** attempt.sends)));
  }

  #print(line: string): void {
    this.#process.write(`${line}\n`);
  }

  #end(last: string, exitCode: number): void {
    this.#process.write(last);
    this.#process.exit(exitCode);
  }
}

function resultOf(message: StunMessage): BindingResult {
  const mapped = stunAttribute(message, "xor-mapped-address") ?? stunAttribute(message, "mapped-address");
  const other = stunAttribute(message, "other-address");
  const seen = mapped && endpointOf(mapped);
  return message.class === "success" && seen !== undefined
    ? { mapped: seen, other: other && endpointOf(other) }
    : undefined;
}

function endpointOf(attribute: { readonly address: number | Uint8Array; readonly port: number }): Endpoint | undefined {
  if (typeof attribute.address !== "number") return undefined;
  return { address: ipv4(attribute.address), port: attribute.port };
}

function isSame(a: Endpoint, b: Endpoint): boolean {
  return a.address === b.address && a.port === b.port;
}

function format(endpoint: Endpoint): string {
  return `${formatIpv4(endpoint.address)}:${endpoint.port}`;
}
