import { formatIpv4, type Ipv4Address, type TcpSocket } from "../netstack/index.ts";
import { type HttpResponse, type HttpResponseEvent, HttpResponseParser } from "../protocols/index.ts";
import { after, ms, seconds, type Timer } from "../sim/index.ts";
import { headLines, redirectTarget } from "./http-head.ts";
import { type Options, parseOptions, parseWhole } from "./options.ts";
import type { Process } from "./process.ts";
import { describeCloseReason } from "./sockets.ts";

const SYNTAX = {
  options: {
    q: "flag",
    O: "value",
    T: "value",
    S: "flag",
    U: "value",
    Y: "value",
    c: "flag",
    header: "value",
    "post-data": "value",
    spider: "flag",
    "no-check-certificate": "flag",
  },
  aliases: {
    quiet: "q",
    "output-document": "O",
    timeout: "T",
    "server-response": "S",
    "user-agent": "U",
    proxy: "Y",
    continue: "c",
  },
} as const;

const USAGE = `Usage: wget [-cqS] [--spider] [-O FILE] [--header STR]
	[--post-data STR] [-Y on/off] [-T SEC] [-U AGENT] URL...
`;

/** busybox's -T default. */
const USUAL_TIMEOUT = 900;
const LONGEST_TIMEOUT = 86_400;
const MOST_REDIRECTS = 15;
/** What the process takes to notice the end of the body; a server that closes has done so by then. */
const NOTICE_TIME = ms(1);
const NO_LIMIT = { body: Number.MAX_SAFE_INTEGER };

/** wget as busybox has it: HTTP/1.1 with `Connection: close`, a few fields, its own words. Hosts have no files to write to. */
export function wget(process: Process): void {
  const options = parseOptions(process.argv.slice(1), SYNTAX);
  if ("fault" in options) {
    const name = options.option.replace(/^-+/, "");
    const problem = options.fault === "unknown" ? "invalid option" : "option requires an argument";
    return fail(process, `${problem} -- '${name}'\n${USAGE}`);
  }
  const [url] = options.operands;
  if (url === undefined) {
    process.writeError(USAGE);
    return process.exit(1);
  }
  const timeout = parseWhole(options.value("T") ?? String(USUAL_TIMEOUT), 1, LONGEST_TIMEOUT);
  if (timeout === undefined) return fail(process, `invalid number '${options.value("T")}'\n`);
  new WgetRun(process, options, timeout).begin(0);
}

function fail(process: Process, text: string): void {
  process.writeError(`wget: ${text}`);
  process.exit(1);
}

interface WgetUrl {
  /** Host and port as typed: busybox puts them into the Host field unchanged. */
  readonly authority: string;
  readonly host: string;
  readonly port: number;
  readonly target: string;
}

function parseWgetUrl(text: string): WgetUrl | undefined {
  const match = /^(?:http:\/\/)?([^/?#@\s]+)([^#\s]*)/i.exec(text);
  const authority = match?.[1] ?? "";
  const place = /^([^:]+)(?::(\d{1,5}))?$/.exec(authority);
  if (match === null || place?.[1] === undefined || /^[a-z][a-z0-9+.-]*:\/\//i.test(text.replace(/^http:\/\//i, "")))
    return undefined;
  const port = Number(place[2] ?? 80);
  const rest = match[2] ?? "";
  if (port < 1 || port > 65535) return undefined;
  return { authority, host: place[1], port, target: rest.startsWith("/") ? rest : `/${rest}` };
}

/** The URLs of one wget command. */
class WgetRun {
  readonly #process: Process;
  readonly #options: Options;
  readonly #timeout: number;
  readonly #timer: Timer;
  readonly #exitTimer: Timer;
  #index = 0;
  #redirects = 0;
  #received = 0;

  constructor(process: Process, options: Options, timeout: number) {
    this.#process = process;
    this.#options = options;
    this.#timeout = timeout;
    this.#timer = process.timer(() => this.#fail("download timed out"));
    this.#exitTimer = process.timer(() => this.#next());
  }

  begin(index: number): void {
    this.#index = index;
    this.#redirects = 0;
    this.#open(this.#options.operands[index] ?? "");
  }

  #open(text: string): void {
    const url = parseWgetUrl(text);
    if (url === undefined) return this.#fail(`not an http or ftp url: ${text}`);
    this.#received = 0;
    this.#alive();
    const { resolver } = this.#process.host;
    const cancel = resolver.resolve(url.host, (resolution) => {
      if (this.#process.isEnding) return;
      const [address] = resolution.kind === "found" ? resolution.addresses : [];
      if (address === undefined) return this.#fail(`bad address '${url.host}'`);
      this.#say(`Connecting to ${url.authority} (${formatIpv4(address)}:${url.port})`);
      this.#connect(url, address);
    });
    this.#process.atExit(cancel);
  }

  #connect(url: WgetUrl, address: Ipv4Address): void {
    const refused = (why: string): void => this.#fail(`can't connect to remote host (${formatIpv4(address)}): ${why}`);
    this.#alive();
    const socket: TcpSocket | string = this.#process.connect(
      { to: address, port: url.port },
      {
        onConnect: () => {
          if (typeof socket !== "string") this.#exchange(url, socket);
        },
        onClose: (reason) => refused(describeCloseReason(reason)),
      },
    );
    if (typeof socket === "string") {
      refused(socket === "no-route" ? "Network is unreachable" : "Cannot assign requested address");
    }
  }

  #exchange(url: WgetUrl, socket: TcpSocket): void {
    const parser = new HttpResponseParser(NO_LIMIT);
    const data = this.#options.value("post-data");
    const take = (events: readonly HttpResponseEvent[]): void => {
      for (const event of events) if (!this.#process.isEnding && !done) done = this.#take(event, url, socket);
    };
    let done = false;
    parser.expect(data === undefined ? "GET" : "POST");
    socket.events = {
      onData: (bytes) => {
        this.#alive();
        take(parser.push(bytes));
      },
      onEnd: () => {
        if (this.#exitTimer.deadline !== undefined) this.#exitTimer.set(this.#process.host.stack.clock.now());
        else take(parser.end());
      },
      onClose: (reason) => {
        if (!done && reason !== "closed") this.#fail(this.#readFailure(describeCloseReason(reason)));
      },
    };
    socket.write(new TextEncoder().encode(this.#requestText(url, data)));
  }

  #requestText(url: WgetUrl, data: string | undefined): string {
    const own = this.#options.values("header").filter((line) => !/[\r\n]/.test(line));
    const replaces = (name: string): boolean => own.some((line) => line.toLowerCase().startsWith(`${name}:`));
    const lines = [`${data === undefined ? "GET" : "POST"} ${url.target} HTTP/1.1`];
    if (!replaces("host")) lines.push(`Host: ${url.authority}`);
    if (!replaces("user-agent")) lines.push(`User-Agent: ${this.#options.value("U") ?? "Wget"}`);
    lines.push("Connection: close", ...own);
    if (data !== undefined) {
      if (!replaces("content-type")) lines.push("Content-Type: application/x-www-form-urlencoded");
      lines.push(`Content-Length: ${new TextEncoder().encode(data).length}`);
    }
    return `${lines.join("\r\n")}\r\n\r\n${data ?? ""}`;
  }

  /** True when the exchange is over. */
  #take(event: HttpResponseEvent, url: WgetUrl, socket: TcpSocket): boolean {
    switch (event.kind) {
      case "head":
        return this.#takeHead(event.head, url, socket);
      case "body":
        this.#received += event.bytes.length;
        if (this.#options.value("O") === "-") this.#process.write(event.bytes);
        return false;
      case "end":
        this.#finished();
        return true;
      case "error":
        this.#fail(this.#readFailure(undefined));
        return true;
      default:
        return false;
    }
  }

  #takeHead(head: HttpResponse, url: WgetUrl, socket: TcpSocket): boolean {
    const lines = headLines(head);
    if (this.#options.has("S")) for (const line of [...lines, ""]) this.#process.writeError(`  ${line}\n`);
    const location = redirectTarget(head);
    if (location !== undefined) {
      socket.close();
      if (++this.#redirects > MOST_REDIRECTS) this.#fail("too many redirections");
      else if (location.startsWith("/")) this.#connect({ ...url, target: location }, socket.remote.address);
      else this.#open(location);
      return true;
    }
    if (head.status < 200 || head.status > 299) {
      this.#fail(`server returned error: ${lines[0]}`);
      return true;
    }
    if (this.#options.has("spider")) {
      this.#say("remote file exists");
      this.#timer.cancel();
      socket.close();
      this.#next();
      return true;
    }
    const file = this.#options.value("O") ?? "index.html";
    if (file !== "-" && file !== "/dev/null") {
      this.#fail(`can't open '${file}': Read-only file system`);
      return true;
    }
    this.#say(file === "-" ? "writing to stdout" : `saving to '${file}'`);
    return false;
  }

  #finished(): void {
    const file = this.#options.value("O") ?? "-";
    const name = file.replace(/^.*\//, "").padEnd(20);
    const size = String(this.#received).padStart(6);
    this.#say(`${name} 100% |${"*".repeat(32)}|${size}  0:00:00 ETA`);
    this.#say(file === "-" ? "written to stdout" : `'${file}' saved`);
    this.#timer.cancel();
    const { clock } = this.#process.host.stack;
    this.#exitTimer.set(after(clock.now(), NOTICE_TIME));
  }

  #next(): void {
    const next = this.#index + 1;
    if (next < this.#options.operands.length) this.begin(next);
    else this.#process.exit(0);
  }

  #readFailure(why: string | undefined): string {
    if (this.#received > 0) return why === undefined ? "connection closed prematurely" : `read error: ${why}`;
    return why === undefined ? "error getting response" : `error getting response: ${why}`;
  }

  #alive(): void {
    const { clock } = this.#process.host.stack;
    this.#timer.set(after(clock.now(), seconds(this.#timeout)));
  }

  #say(line: string): void {
    if (!this.#options.has("q")) this.#process.writeError(`${line}\n`);
  }

  #fail(text: string): void {
    fail(this.#process, `${text}\n`);
  }
}
