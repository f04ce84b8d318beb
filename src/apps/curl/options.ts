import type { KeepAlive } from "../../netstack/index.ts";
import { seconds } from "../../sim/index.ts";
import { type Options, parseOptions, parseSeconds, parseWhole } from "../options.ts";

/** What a curl command line asks for. */
export interface CurlOptions {
  readonly urls: readonly string[];
  /** For each URL in turn; to stdout when there are fewer. Hosts have no files: a file cannot be written. */
  readonly outputs: readonly CurlOutput[];
  readonly silent: boolean;
  readonly showsErrors: boolean;
  readonly verbose: boolean;
  readonly includesHeaders: boolean;
  readonly dumpsHeaders: boolean;
  readonly method: string | undefined;
  readonly headOnly: boolean;
  /** `-H` fields as typed. */
  readonly headers: readonly string[];
  readonly userAgent: string | undefined;
  readonly referer: string | undefined;
  readonly credentials: string | undefined;
  readonly compressed: boolean;
  readonly data: string | undefined;
  readonly dataInQuery: boolean;
  readonly maxTime: number | undefined;
  readonly connectTimeout: number | undefined;
  readonly localPorts: readonly [low: number, high: number] | undefined;
  readonly interface: string | undefined;
  readonly resolves: readonly string[];
  readonly proxyHeader: boolean;
  readonly follows: boolean;
  readonly maxRedirects: number;
  readonly httpVersion: "1.0" | "1.1";
  readonly retries: number;
  readonly retryDelay: number | undefined;
  readonly retriesRefused: boolean;
  readonly pathAsIs: boolean;
  readonly keepAlive: Pick<KeepAlive, "idle" | "interval"> | "off";
  readonly fail: "no" | "without-body" | "with-body";
  readonly writeOut: string | undefined;
}

/** Where a body goes; a file is what cannot be written. */
export type CurlOutput = "stdout" | "discard" | "unwritable";

/** Why curl does not begin, with its exit code. */
export interface CurlUsageFault {
  readonly usage: string;
  readonly exitCode: number;
}

/**
 * The options curl knows here, by their long names. Those in the second group change nothing in an emulated network:
 * there is no configuration file, proxy, TLS, IPv6 or terminal.
 */
const OPTIONS = {
  silent: "flag",
  "show-error": "flag",
  verbose: "flag",
  include: "flag",
  head: "flag",
  output: "value",
  "remote-name": "flag",
  "write-out": "value",
  "dump-header": "value",
  header: "value",
  "user-agent": "value",
  referer: "value",
  user: "value",
  compressed: "flag",
  request: "value",
  data: "value",
  "data-ascii": "value",
  "data-binary": "value",
  "data-raw": "value",
  "data-urlencode": "value",
  get: "flag",
  "max-time": "value",
  "connect-timeout": "value",
  "local-port": "value",
  interface: "value",
  resolve: "value",
  "haproxy-protocol": "flag",
  location: "flag",
  "max-redirs": "value",
  "http1.0": "flag",
  "http1.1": "flag",
  retry: "value",
  "retry-delay": "value",
  "retry-connrefused": "flag",
  "path-as-is": "flag",
  "keepalive-time": "value",
  "no-keepalive": "flag",
  fail: "flag",
  "fail-with-body": "flag",
  url: "value",

  disable: "flag",
  noproxy: "value",
  insecure: "flag",
  ipv4: "flag",
  "no-buffer": "flag",
  "no-progress-meter": "flag",
  "progress-bar": "flag",
  "tcp-nodelay": "flag",
  globoff: "flag",
} as const;

const SHORT: Readonly<Record<string, keyof typeof OPTIONS>> = {
  s: "silent",
  S: "show-error",
  v: "verbose",
  i: "include",
  I: "head",
  o: "output",
  O: "remote-name",
  w: "write-out",
  D: "dump-header",
  H: "header",
  A: "user-agent",
  e: "referer",
  u: "user",
  X: "request",
  d: "data",
  G: "get",
  m: "max-time",
  L: "location",
  "0": "http1.0",
  f: "fail",
  q: "disable",
  k: "insecure",
  "4": "ipv4",
  N: "no-buffer",
  "#": "progress-bar",
  g: "globoff",
};

/** Seconds of --keepalive-time; Linux takes no more. */
const USUAL_KEEP_ALIVE = 60;
const MOST_KEEP_ALIVE = 32_767;
const LONGEST_TIME = 2_147_483;
const MOST_RETRIES = 1000;
const USUAL_MAX_REDIRECTS = 50;
const EXIT_USAGE = 2;
const EXIT_BAD_URL = 3;
const EXIT_READ = 26;
const TRY = "curl: try 'curl --help' or 'curl --manual' for more information\n";

/** Reads curl's arguments; a fault is what curl prints about them. */
export function parseCurlArguments(args: readonly string[]): CurlOptions | CurlUsageFault {
  const given = parseOptions(args, { options: OPTIONS, aliases: SHORT, equals: false });
  if ("fault" in given) {
    const problem = given.fault === "unknown" ? "is unknown" : "requires parameter";
    return { usage: `curl: option ${given.option}: ${problem}\n${TRY}`, exitCode: EXIT_USAGE };
  }
  const urls = [...given.operands, ...given.values("url")];
  if (urls.length === 0) {
    const complaint = args.length === 0 ? "" : "curl: no URL specified!\n";
    return { usage: `${complaint}${TRY}`, exitCode: EXIT_USAGE };
  }
  const globbed = given.has("globoff") ? undefined : urls.find((url) => /[{}]|\[[^\]]*-[^\]]*\]/.test(url));
  if (globbed !== undefined) {
    return { usage: `curl: (3) URL globbing is not supported here: ${globbed}\n`, exitCode: EXIT_BAD_URL };
  }
  const numbers = readNumbers(given);
  if ("usage" in numbers) return numbers;
  const data = readData(given);
  if (typeof data === "object") return data;
  return { ...readTexts(given), ...numbers, urls, data };
}

/** Whether {@link parseCurlArguments} found fault with the arguments. */
export function isUsageFault(parsed: CurlOptions | CurlUsageFault): parsed is CurlUsageFault {
  return "usage" in parsed;
}

type Numbers = Pick<
  CurlOptions,
  "maxTime" | "connectTimeout" | "localPorts" | "maxRedirects" | "retries" | "retryDelay" | "keepAlive"
>;

function readNumbers(given: Options): Numbers | CurlUsageFault {
  const bad = (name: string): CurlUsageFault => {
    const typed = given.entries().findLast((one) => one.name === name)?.typed;
    return { usage: `curl: option ${typed}: expected a proper numerical parameter\n${TRY}`, exitCode: EXIT_USAGE };
  };
  const times: Record<string, number | undefined> = {};
  for (const name of ["max-time", "connect-timeout", "retry-delay"]) {
    const typed = given.value(name);
    times[name] = typed === undefined ? undefined : parseSeconds(typed, LONGEST_TIME);
    if (typed !== undefined && times[name] === undefined) return bad(name);
  }
  const retries = parseWhole(given.value("retry") ?? "0", 0, MOST_RETRIES);
  if (retries === undefined) return bad("retry");
  const maxRedirects = parseWhole(given.value("max-redirs") ?? String(USUAL_MAX_REDIRECTS), 0, MOST_RETRIES);
  if (maxRedirects === undefined) return bad("max-redirs");
  const keepAliveTime = parseWhole(given.value("keepalive-time") ?? String(USUAL_KEEP_ALIVE), 1, MOST_KEEP_ALIVE);
  if (keepAliveTime === undefined) return bad("keepalive-time");
  const time = seconds(keepAliveTime);
  const typedPorts = given.value("local-port");
  const ports = /^(\d{1,5})(?:-(\d{1,5}))?$/.exec(typedPorts ?? "");
  const [low, high] = [Number(ports?.[1]), Number(ports?.[2] ?? ports?.[1])];
  if (typedPorts !== undefined && !(low >= 1 && low <= high && high <= 65535)) return bad("local-port");
  return {
    // 0 is without limit.
    maxTime: times["max-time"] || undefined,
    connectTimeout: times["connect-timeout"] || undefined,
    retryDelay: times["retry-delay"] || undefined,
    retries,
    maxRedirects,
    keepAlive: given.has("no-keepalive") ? "off" : { idle: time, interval: time },
    localPorts: typedPorts === undefined ? undefined : [low, high],
  };
}

function readTexts(given: Options): Omit<CurlOptions, keyof Numbers | "urls" | "data"> {
  const dataInQuery = given.has("get");
  return {
    outputs: given.values("output").map(outputOf),
    silent: given.has("silent"),
    showsErrors: given.has("show-error") || !given.has("silent"),
    verbose: given.has("verbose"),
    includesHeaders: given.has("include"),
    dumpsHeaders: given.value("dump-header") === "-",
    method: given.value("request"),
    headOnly: given.has("head"),
    headers: given.values("header"),
    userAgent: given.value("user-agent"),
    referer: given.value("referer"),
    credentials: given.value("user"),
    compressed: given.has("compressed"),
    dataInQuery,
    interface: given.value("interface"),
    resolves: given.values("resolve"),
    proxyHeader: given.has("haproxy-protocol"),
    follows: given.has("location"),
    httpVersion: given.has("http1.0") ? "1.0" : "1.1",
    retriesRefused: given.has("retry-connrefused"),
    pathAsIs: given.has("path-as-is"),
    fail: given.has("fail-with-body") ? "with-body" : given.has("fail") ? "without-body" : "no",
    writeOut: given.value("write-out"),
  };
}

function outputOf(file: string): CurlOutput {
  if (file === "-") return "stdout";
  return file === "/dev/null" ? "discard" : "unwritable";
}

/** The body from all `-d` options, joined with `&`; `undefined` without one. */
function readData(given: Options): string | undefined | CurlUsageFault {
  const parts: string[] = [];
  for (const { name, value } of given.entries()) {
    if (!name.startsWith("data")) continue;
    if (value.startsWith("@") && name !== "data-raw" && name !== "data-urlencode") {
      return {
        usage: `curl: Can't open '${value.slice(1)}'!\ncurl: (26) Failed to open/read local data from file/application\n`,
        exitCode: EXIT_READ,
      };
    }
    parts.push(name === "data-urlencode" ? urlEncodeData(value) : value);
  }
  return parts.length === 0 ? undefined : parts.join("&");
}

/** `name=text` keeps the name and encodes the text; `=text` and `text` are all text. */
function urlEncodeData(value: string): string {
  const equals = value.indexOf("=");
  const name = equals > 0 ? `${value.slice(0, equals)}=` : "";
  const text = value.slice(equals + 1);
  return (
    name +
    encodeURIComponent(text)
      .replace(/[!'()*]/g, percent)
      .replaceAll("%20", "+")
  );
}

function percent(character: string): string {
  return `%${character.charCodeAt(0).toString(16).toUpperCase()}`;
}
