import { formatIpv4, ipv4 } from "../netstack/index.ts";
import { formatIpv6Text, type HttpHeaders, header, octetsToUtf8, type ProxyHeader } from "../protocols/index.ts";
import type { HttpExchange } from "./http-server.ts";

/** What the later echo server knows of its pod from its environment. */
export interface PodInformation {
  /** The container's host name, which is the pod's name. */
  readonly hostname: string;
  /** Set where the Deployment passes on the downward API's fields. */
  readonly downward?: {
    readonly nodeName: string;
    readonly podName: string;
    readonly podNamespace: string;
    readonly podIp: string;
  };
}

/** nginx's `client_body_buffer_size` on 64-bit systems: longer bodies go to a file, where `$request_body` does not find them. */
const BODY_IN_MEMORY = 16 * 1024;

/**
 * The page of echoserver:1.4, one piece for each `ngx.say`; the last has no line end. Where a PROXY header was expected and
 * came, two lines tell what it said: they are natscope's addition.
 */
export function echoPage14(exchange: HttpExchange, server: string): string[] {
  const seen = requestValues(exchange);
  const lines = [
    "CLIENT VALUES:",
    `client_address=${seen.clientAddress}`,
    ...proxyLines(exchange.proxied),
    `command=${exchange.request.method}`,
    `real path=${seen.requestUri}`,
    // Lua's nil where the request has no question mark.
    `query=${seen.query ?? "nil"}`,
    `request_version=${seen.version}`,
    `request_uri=${seen.fullUri}`,
    "",
    "SERVER VALUES:",
    `server_version=${server}`,
    "",
    "HEADERS RECEIVED:",
    // `ngx.say` runs the values of a repeated field together.
    ...sortedFields(exchange.request.headers).map(([name, values]) => `${name}=${values.join("")}`),
    "BODY:",
  ];
  return [...lines.map((line) => `${line}\n`), bodyText(exchange.body) ?? "-no body in request-"];
}

/** The page of echoserver:1.10, which comes from a template that escapes what it inserts. */
export function echoPage110(exchange: HttpExchange, server: string, pod: PodInformation): string {
  const seen = requestValues(exchange);
  const { downward } = pod;
  const podLines =
    downward === undefined
      ? ["\t-no pod information available-"]
      : [
          `\tnode name:\t${downward.nodeName}`,
          `\tpod name:\t${downward.podName}`,
          `\tpod namespace:\t${downward.podNamespace}`,
          `\tpod IP:\t${downward.podIp}`,
        ];
  const body = bodyText(exchange.body);
  const lines = [
    "",
    "",
    `Hostname: ${pod.hostname}`,
    "",
    "Pod Information:",
    ...podLines,
    "",
    "Server values:",
    `\tserver_version=${server}`,
    "",
    "Request Information:",
    `\tclient_address=${seen.clientAddress}`,
    ...proxyLines(exchange.proxied).map((line) => `\t${line}`),
    `\tmethod=${escapeHtml(exchange.request.method)}`,
    `\treal path=${escapeHtml(seen.requestUri)}`,
    `\tquery=${escapeHtml(seen.query ?? "")}`,
    `\trequest_version=${seen.version}`,
    "\trequest_scheme=http",
    `\trequest_uri=${escapeHtml(seen.fullUri)}`,
    "",
    "Request Headers:",
    // The image prints a repeated field as the address of a Lua table; its successor, like this, a line for each value.
    ...sortedFields(exchange.request.headers).flatMap(([name, values]) =>
      values.map((value) => `\t${escapeHtml(name)}=${escapeHtml(value)}`),
    ),
    "",
    "Request Body:",
    body === undefined ? "\t-no body in request-" : escapeHtml(body),
    "",
  ];
  return lines.map((line) => `${line}\n`).join("");
}

/** nginx's variables of the same names. */
interface RequestValues {
  readonly clientAddress: string;
  readonly requestUri: string;
  /** `undefined` without a question mark. */
  readonly query: string | undefined;
  readonly version: string;
  readonly fullUri: string;
}

function requestValues(exchange: HttpExchange): RequestValues {
  const { request, remote, local } = exchange;
  const absolute = /^[A-Za-z][A-Za-z0-9+.-]*:\/\/([^/?#]*)(.*)$/.exec(request.target);
  const target = absolute === null ? request.target : (absolute[2] ?? "");
  const requestUri = target.startsWith("/") || absolute === null ? target : `/${target}`;
  const withoutFragment = requestUri.replace(/#.*$/, "");
  const question = withoutFragment.indexOf("?");
  const host = hostName(absolute?.[1] ?? header(request.headers, "host"));
  return {
    clientAddress: formatIpv4(remote.address),
    requestUri,
    query: question < 0 ? undefined : withoutFragment.slice(question + 1),
    // `ngx.req.http_version` is a number.
    version: request.version === "1.0" ? "1" : "1.1",
    fullUri: `http://${host}:${local.port}${requestUri}`,
  };
}

/** `$host`: lower case, without port and final dot; the server's name where the request has none. */
function hostName(host: string | undefined): string {
  const name = (host ?? "").replace(/:\d*$/, "").replace(/\.$/, "").toLowerCase();
  return name === "" ? "_" : name;
}

/**
 * Fields by name in lower case, sorted by octets. nginx ignores fields with anything but letters, digits and dashes in their
 * names (`ignore_invalid_headers`, `underscores_in_headers`), and Lua asks for the first hundred.
 */
function sortedFields(headers: HttpHeaders): [string, string[]][] {
  const fields = new Map<string, string[]>();
  for (const [name, value] of headers.filter((field) => /^[A-Za-z0-9-]+$/.test(field[0])).slice(0, 100)) {
    const key = name.toLowerCase();
    fields.set(key, [...(fields.get(key) ?? []), octetsToUtf8(value)]);
  }
  return [...fields].sort((a, b) => (a[0] < b[0] ? -1 : 1));
}

function bodyText(body: Uint8Array): string | undefined {
  return body.length === 0 || body.length > BODY_IN_MEMORY ? undefined : new TextDecoder().decode(body);
}

/** nginx's `$proxy_protocol_addr` and `$proxy_protocol_port`. */
function proxyLines(proxied: ProxyHeader | undefined): string[] {
  const source = proxied && proxySource(proxied);
  return source === undefined ? [] : [`proxy_protocol_addr=${source.address}`, `proxy_protocol_port=${source.port}`];
}

/** Whom a PROXY header names as the client; `undefined` when it names nobody (UNKNOWN, LOCAL). */
export function proxySource(header: ProxyHeader): { readonly address: string; readonly port: number } | undefined {
  if (header.version === 1) {
    return header.family === "UNKNOWN" ? undefined : { address: header.source, port: header.sourcePort };
  }
  if (header.command === "local") return undefined;
  const { addresses } = header;
  if (addresses.family === "inet") return { address: formatIpv4(ipv4(addresses.source)), port: addresses.sourcePort };
  return addresses.family === "inet6"
    ? { address: formatIpv6Text(addresses.source), port: addresses.sourcePort }
    : undefined;
}

const ENTITIES: Readonly<Record<string, string>> = {
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  '"': "&quot;",
  "'": "&#39;",
};

function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, (character) => ENTITIES[character] ?? character);
}
