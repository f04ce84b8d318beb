import type { HttpHeader, HttpHeaders } from "../protocols/index.ts";
import { reasonPhrase } from "../protocols/index.ts";
import type { HttpAnswer, HttpFraming, HttpStyle } from "./http-server.ts";

/** nginx: its fields stand before those of the content it serves, except `Server` when the content names its own. */
export function nginxStyle(version: string, date: () => string): HttpStyle {
  return {
    date,
    headers: (answer, framing) => {
      const content = answer.headers;
      const server: HttpHeaders = has(content, "server") ? [] : [["Server", `nginx/${version}`]];
      const first = content.filter((field) => field[0] === "Content-Type");
      const rest = content.filter((field) => field[0] !== "Content-Type");
      const connection: HttpHeader = ["Connection", framing.keepAlive ? "keep-alive" : "close"];
      return [...server, ["Date", date()], ...first, ...lengthFields(framing), connection, ...rest];
    },
    errorAnswer: (status) => nginxErrorPage(version, status),
  };
}

/** The page in `ngx_http_special_response.c`, as versions up to 1.15 wrote it. */
function nginxErrorPage(version: string, status: number): HttpAnswer {
  const title = `${status} ${NGINX_REASONS[status] ?? reasonPhrase(status)}`;
  const lines = [
    "<html>",
    `<head><title>${title}</title></head>`,
    '<body bgcolor="white">',
    `<center><h1>${title}</h1></center>`,
    `<hr><center>nginx/${version}</center>`,
    "</body>",
    "</html>",
  ];
  const body = new TextEncoder().encode(lines.map((line) => `${line}\r\n`).join(""));
  return { status, reason: title.slice(4), headers: [["Content-Type", "text/html"]], body };
}

/** Where nginx's phrases are not today's. 431 it answers as 400. */
const NGINX_REASONS: Readonly<Record<number, string>> = {
  405: "Not Allowed",
  413: "Request Entity Too Large",
  414: "Request-URI Too Large",
  504: "Gateway Time-out",
};

/** Go's net/http, which kube-proxy and CoreDNS are written with: the handler's fields sorted, then Date, length, connection. */
export function goStyle(date: () => string): HttpStyle {
  return {
    date,
    headers: (answer, framing) => {
      const sorted = [...answer.headers].sort((a, b) => (a[0] < b[0] ? -1 : 1));
      const connection: HttpHeaders = framing.keepAlive ? [] : [["Connection", "close"]];
      return [...sorted, ["Date", date()], ...lengthFields(framing), ...connection];
    },
    errorAnswer: (status) => {
      const body = new TextEncoder().encode(`${status} ${reasonPhrase(status)}`);
      return { status, headers: [["Content-Type", "text/plain; charset=utf-8"]], body };
    },
  };
}

function lengthFields(framing: HttpFraming): HttpHeaders {
  if (framing.chunked) return [["Transfer-Encoding", "chunked"]];
  return framing.contentLength === undefined ? [] : [["Content-Length", String(framing.contentLength)]];
}

function has(headers: HttpHeaders, name: string): boolean {
  return headers.some((field) => field[0].toLowerCase() === name);
}
