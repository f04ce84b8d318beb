import { formatIpv4, type Ipv4Address, ipv4 } from "../../netstack/index.ts";
import type { HttpResponse } from "../../protocols/index.ts";
import { after, between, type Duration, seconds, type Time, type Timer } from "../../sim/index.ts";
import { headLines, redirectTarget } from "../http-head.ts";
import type { Process } from "../process.ts";
import { ConnectionPool, type CurlConnection } from "./connection-pool.ts";
import { Connector } from "./connector.ts";
import { Exchange, type ExchangeOutcome, proxyPreface } from "./exchange.ts";
import { CurlExit, type CurlFailure, wholeMs } from "./failure.ts";
import { CurlNames } from "./names.ts";
import type { CurlOptions, CurlOutput } from "./options.ts";
import { TransferReport } from "./report.ts";
import { type CurlRequest, redirectedRequest, requestLines } from "./request.ts";
import { mayRetry, retryWarning } from "./retry.ts";
import { type CurlUrl, parseCurlUrl, resolveLocation } from "./url.ts";
import { formatWriteOut } from "./write-out.ts";

const ENCODER = new TextEncoder();
const CONNECT_TIMEOUT = seconds(300);
const LONGEST_RETRY_DELAY = 600;

/** What a transfer is doing, and how to stop it. */
interface Stage {
  readonly kind: "resolving" | "connecting" | "transferring";
  cancel(): void;
  /** How far the body has come. */
  progress?(): { readonly received: number; readonly length: number | undefined };
}

/** One curl command: its URLs one after the other, each with its redirects and retries. */
export class CurlRun {
  readonly #process: Process;
  readonly #options: CurlOptions;
  readonly #pool: ConnectionPool;
  readonly #names: CurlNames;
  readonly #maxTimer: Timer;
  readonly #retryTimer: Timer;
  #stage: Stage | undefined;
  #report: TransferReport;
  #output: CurlOutput = "stdout";
  #connection: CurlConnection | undefined;
  /** When the request at hand began: connect timeouts count from here, also after a redirect. */
  #requestBegan: Time;
  #urlIndex = 0;
  #retriesLeft = 0;
  #retryDelay = 1;
  #lastExit = 0;
  #afterPause: () => void = () => {};

  constructor(process: Process, options: CurlOptions) {
    this.#process = process;
    this.#options = options;
    this.#requestBegan = this.#now();
    this.#report = new TransferReport("", 0, this.#requestBegan);
    this.#pool = new ConnectionPool((line) => this.#info(line));
    this.#names = new CurlNames(process.host.resolver, options.resolves, (line) => this.#info(line));
    this.#maxTimer = process.timer(() => this.#maxTimeOver());
    this.#retryTimer = process.timer(() => this.#afterPause());
  }

  begin(): void {
    this.#retriesLeft = this.#options.retries;
    this.#retryDelay = 1;
    this.#output = this.#options.outputs[this.#urlIndex] ?? "stdout";
    this.#attempt();
  }

  #attempt(): void {
    const { urls, maxTime, headOnly, data, dataInQuery, method } = this.#options;
    const typed = urls[this.#urlIndex];
    if (typed === undefined) return this.#process.exit(this.#lastExit);
    this.#report = new TransferReport(typed, this.#urlIndex, this.#now());
    if (maxTime !== undefined) this.#maxTimer.set(after(this.#now(), seconds(maxTime)));
    const url = parseCurlUrl(withQuery(typed, dataInQuery ? data : undefined), this.#options);
    if (url === undefined) {
      return this.#finish({ exitCode: CurlExit.badUrl, text: "URL using bad/illegal format or missing URL" });
    }
    const body = dataInQuery ? undefined : data;
    this.#perform({ url, method: method ?? (headOnly ? "HEAD" : body === undefined ? "GET" : "POST"), body });
  }

  #perform(request: CurlRequest): void {
    const { url } = request;
    this.#requestBegan = this.#now();
    this.#report.effectiveUrl = url.text;
    this.#report.method = request.method;
    if (url.scheme !== "http") {
      const text = `Protocol "${url.scheme}" not supported or disabled in libcurl`;
      this.#info(text);
      this.#info("Closing connection -1");
      return this.#finish({ exitCode: CurlExit.unsupportedProtocol, text });
    }
    const kept = this.#pool.take(url);
    if (kept !== undefined) return this.#exchange(request, kept, "kept");
    const id = this.#pool.newId();
    this.#resolve(url, id, (addresses) => this.#connect(request, id, addresses));
  }

  #resolve(url: CurlUrl, id: number, found: (addresses: readonly Ipv4Address[]) => void): void {
    let giveUp = (): void => {};
    const timer = this.#process.timer(() => {
      giveUp();
      const text = `Resolving timed out after ${this.#elapsedMs()} milliseconds`;
      this.#failOn(id, { exitCode: CurlExit.timeout, text }, "tell");
    });
    if (this.#options.connectTimeout !== undefined) timer.set(this.#connectDeadline());
    const cancel = (): void => {
      timer.cancel();
      giveUp();
    };
    this.#stage = { kind: "resolving", cancel };
    this.#process.atExit(cancel);
    // The answer may come during the call.
    giveUp = this.#names.resolve(url, (addresses) => {
      timer.cancel();
      this.#report.mark("nameLookup", this.#now());
      if (addresses.length > 0) return found(addresses);
      this.#failOn(id, { exitCode: CurlExit.resolve, text: `Could not resolve host: ${url.host}` }, "tell");
    });
  }

  #connect(request: CurlRequest, id: number, addresses: readonly Ipv4Address[]): void {
    const context = { process: this.#process, options: this.#options, info: (line: string) => this.#info(line) };
    const goal = { url: request.url, addresses, began: this.#requestBegan, deadline: this.#connectDeadline() };
    const connector = new Connector(context, goal, (outcome) => {
      if (outcome.kind === "failed") return this.#failOn(id, outcome.failure, "told");
      const { socket, address } = outcome;
      this.#info(`Connected to ${request.url.host} (${formatIpv4(address)}) port ${request.url.port} (#${id})`);
      this.#report.mark("connect", this.#now());
      this.#report.connects += 1;
      this.#exchange(request, { id, socket, host: request.url.host, port: request.url.port }, "new");
    });
    this.#stage = { kind: "connecting", cancel: () => connector.cancel() };
    connector.begin();
  }

  #exchange(request: CurlRequest, connection: CurlConnection, age: "new" | "kept"): void {
    const { socket } = connection;
    const options = this.#options;
    this.#connection = connection;
    this.#noteEndpoints(connection);
    let location: string | undefined;
    const exchange = new Exchange(socket, age === "kept", {
      onInterim: (head) => this.#showHead(headLines(head), ""),
      onHead: (head) => {
        location = redirectTarget(head);
        return this.#takeHead(head, request, location);
      },
      onBody: (bytes) => (location !== undefined && options.follows ? undefined : this.#takeBody(bytes)),
      onDone: (outcome) => this.#exchangeDone(outcome, request, location),
    });
    this.#stage = { kind: "transferring", cancel: () => exchange.cancel(), progress: () => exchange.progress };
    const lines = requestLines(request, options);
    for (const line of [...lines, ""]) this.#verbose("> ", line);
    const bytes = ENCODER.encode(`${lines.join("\r\n")}\r\n\r\n${request.body ?? ""}`);
    this.#report.requestBytes += bytes.length;
    this.#report.uploaded = ENCODER.encode(request.body ?? "").length;
    this.#report.mark("preTransfer", this.#now());
    if (options.proxyHeader && age === "new") socket.write(proxyPreface(socket, (bits) => formatIpv4(ipv4(bits))));
    exchange.begin(request.method, bytes);
  }

  #noteEndpoints(connection: CurlConnection): void {
    const { local, remote } = connection.socket;
    this.#report.local = { address: formatIpv4(local.address), port: local.port };
    this.#report.remote = { address: formatIpv4(remote.address), port: remote.port };
  }

  #takeHead(head: HttpResponse, request: CurlRequest, location: string | undefined): CurlFailure | undefined {
    const { fail, follows } = this.#options;
    const lines = headLines(head);
    this.#report.noteHead(head, lines);
    this.#report.mark("startTransfer", this.#now());
    this.#report.redirectUrl = location === undefined || follows ? "" : resolveLocation(request.url, location);
    if (head.version === "1.0") this.#info("HTTP 1.0, assume close after body");
    const refused = fail === "without-body" && head.status >= 400;
    this.#showHead(lines, refused ? undefined : "");
    if (!refused) return undefined;
    const text = `The requested URL returned error: ${head.status}`;
    return { exitCode: CurlExit.httpError, text };
  }

  /** Prints a response's head where it is wanted. With -f, -v leaves out the empty line behind a refused one. */
  #showHead(lines: readonly string[], last: string | undefined): void {
    const { includesHeaders, headOnly, dumpsHeaders } = this.#options;
    for (const line of last === undefined ? lines : [...lines, last]) this.#verbose("< ", line);
    const text = `${lines.join("\r\n")}\r\n\r\n`;
    if (dumpsHeaders) this.#process.write(text);
    if ((includesHeaders || headOnly) && this.#output === "stdout") this.#process.write(text);
  }

  #takeBody(bytes: Uint8Array): CurlFailure | undefined {
    this.#report.downloaded += bytes.length;
    if (this.#output === "stdout") this.#process.write(bytes);
    if (this.#output !== "unwritable") return undefined;
    return { exitCode: CurlExit.write, text: "Failure writing output to destination" };
  }

  #exchangeDone(outcome: ExchangeOutcome, request: CurlRequest, location: string | undefined): void {
    const connection = this.#connection;
    this.#connection = undefined;
    if (connection === undefined || this.#process.isEnding) return;
    if (outcome.kind === "stale") {
      this.#pool.close(connection);
      return this.#perform(request);
    }
    if (outcome.kind === "failed") {
      this.#info(outcome.failure.text);
      this.#pool.close(connection);
      return this.#finish(outcome.failure);
    }
    const follows = location !== undefined && this.#options.follows;
    if (follows && request.method !== "HEAD") this.#info("Ignoring the response-body");
    if (outcome.keepAlive) this.#pool.keep(connection);
    else this.#pool.close(connection);
    if (follows) return this.#redirect(request, location);
    const { fail } = this.#options;
    const refused = fail === "with-body" && this.#report.status >= 400;
    const text = `The requested URL returned error: ${this.#report.status}`;
    this.#finish(refused ? { exitCode: CurlExit.httpError, text } : undefined);
  }

  #redirect(request: CurlRequest, location: string): void {
    const { maxRedirects, pathAsIs } = this.#options;
    if (this.#report.redirects >= maxRedirects) {
      const text = `Maximum (${maxRedirects}) redirects followed`;
      this.#info(text);
      return this.#finish({ exitCode: CurlExit.tooManyRedirects, text });
    }
    const target = resolveLocation(request.url, location);
    const url = parseCurlUrl(target, { pathAsIs });
    if (url === undefined) {
      return this.#finish({ exitCode: CurlExit.badUrl, text: "URL using bad/illegal format or missing URL" });
    }
    this.#report.redirects += 1;
    this.#report.mark("redirect", this.#now());
    if (url.host === request.url.host && url.port !== request.url.port) {
      this.#info(`Clear auth, redirects to port from ${request.url.port} to ${url.port}`);
    }
    this.#info(`Issue another request to this URL: '${target}'`);
    const next = redirectedRequest(request, url, this.#report.status, this.#options.method);
    if (next.method !== request.method) this.#info(`Switch from ${request.method} to ${next.method}`);
    this.#perform(next);
  }

  /** A failure before there was a connection. `told` when its text has been printed already. */
  #failOn(id: number, failure: CurlFailure, text: "tell" | "told"): void {
    if (text === "tell") this.#info(failure.text);
    this.#info(`Closing connection ${id}`);
    this.#finish(failure);
  }

  #maxTimeOver(): void {
    const stage = this.#stage;
    if (stage === undefined) return;
    stage.cancel();
    const { received, length } = stage.progress?.() ?? { received: 0, length: undefined };
    const doing = { resolving: "Resolving", connecting: "Connection", transferring: "Operation" }[stage.kind];
    const amount = length === undefined ? `${received} bytes` : `${received} out of ${length} bytes`;
    const how = stage.kind === "transferring" ? ` with ${amount} received` : "";
    const text = `${doing} timed out after ${wholeMs(between(this.#report.began, this.#now()))} milliseconds${how}`;
    this.#info(text);
    if (this.#connection === undefined) this.#info(`Closing connection ${this.#pool.lastId}`);
    else this.#pool.close(this.#connection);
    this.#connection = undefined;
    this.#finish({ exitCode: CurlExit.timeout, text });
  }

  /** The end of one attempt at a URL: tries again, or reports and goes on to the next URL. */
  #finish(failure: CurlFailure | undefined): void {
    if (this.#process.isEnding) return;
    this.#stage = undefined;
    this.#maxTimer.cancel();
    const report = this.#report;
    report.mark("total", this.#now());
    report.exitCode = failure?.exitCode ?? 0;
    report.errorText = failure?.text ?? "";
    this.#lastExit = report.exitCode;
    if (failure !== undefined && this.#options.showsErrors) {
      this.#process.writeError(`curl: (${failure.exitCode}) ${failure.text}\n`);
    }
    const why = this.#retriesLeft > 0 ? mayRetry(report, this.#options) : undefined;
    if (why !== undefined) return this.#retry(why);
    if (this.#options.writeOut !== undefined) {
      const text = formatWriteOut(this.#options.writeOut, report);
      this.#process.writeError(text.stderr);
      this.#process.write(text.stdout);
    }
    this.#urlIndex += 1;
    if (this.#urlIndex < this.#options.urls.length) return this.begin();
    this.#process.exit(this.#lastExit);
  }

  #retry(why: string): void {
    const delay = this.#options.retryDelay ?? this.#retryDelay;
    if (!this.#options.silent) this.#process.writeError(retryWarning(why, delay, this.#retriesLeft));
    this.#retriesLeft -= 1;
    this.#retryDelay = Math.min(this.#retryDelay * 2, LONGEST_RETRY_DELAY);
    this.#afterPause = () => this.#attempt();
    this.#retryTimer.set(after(this.#now(), seconds(delay)));
  }

  #connectDeadline(): Time {
    const { connectTimeout } = this.#options;
    const allowed: Duration = connectTimeout === undefined ? CONNECT_TIMEOUT : seconds(connectTimeout);
    return after(this.#requestBegan, allowed);
  }

  #elapsedMs(): number {
    return wholeMs(between(this.#requestBegan, this.#now()));
  }

  #info(line: string): void {
    this.#verbose("* ", line);
  }

  #verbose(mark: string, line: string): void {
    if (this.#options.verbose) this.#process.writeError(`${mark}${line}\n`);
  }

  #now(): Time {
    return this.#process.host.stack.clock.now();
  }
}

/** `-G` moves the data behind the question mark. */
function withQuery(typed: string, data: string | undefined): string {
  if (data === undefined) return typed;
  if (!typed.includes("?")) return `${typed}?${data}`;
  return typed.endsWith("?") ? typed + data : `${typed}&${data}`;
}
