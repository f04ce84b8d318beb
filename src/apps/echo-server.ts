import type { Ipv4Address, KeepAlive } from "../netstack/index.ts";
import { echoPage14, echoPage110, type PodInformation } from "./echo-pages.ts";
import { httpDate } from "./http-date.ts";
import { type HttpAnswer, type HttpExchange, type Server, type ServerHost, serveHttp } from "./http-server.ts";
import { nginxStyle } from "./http-styles.ts";

/** Which echo server, and where. */
export interface EchoServerOptions {
  /** 8080 unless told. */
  readonly port?: number;
  readonly address?: Ipv4Address;
  /** The image's tag: `gcr.io/google_containers/echoserver:1.4` of the tutorials, or the later 1.10. */
  readonly version: "1.4" | "1.10";
  readonly pod: PodInformation;
  /** The moment the run began, in milliseconds since 1970: for the Date field. */
  readonly startDate: number;
  /** Whether it expects a PROXY header, as after `listen 8080 proxy_protocol` in its nginx.conf. */
  readonly proxyProtocol?: "required" | "none";
  /** How idle connections are probed; they are not when left out. */
  readonly keepAlive?: Partial<KeepAlive>;
}

const ENCODER = new TextEncoder();
/** What the two images were built with: nginx and its Lua module. */
const BUILT_WITH = {
  "1.4": { nginx: "1.10.0", lua: "10001" },
  "1.10": { nginx: "1.13.3", lua: "10008" },
} as const;

/** The web server of the tutorials, which tells its client how it sees it: nginx with a few lines of Lua. */
export function echoServer(host: ServerHost, options: EchoServerOptions): Server {
  const { port = 8080, address, version, proxyProtocol = "none" } = options;
  const built = BUILT_WITH[version];
  const handler = version === "1.4" ? answer14(built.lua) : answer110(built.lua, options.pod);
  const style = nginxStyle(built.nginx, httpDate(options.startDate, host.stack.clock));
  const { keepAlive } = options;
  const where = { port, ...(address !== undefined && { address }), ...(keepAlive !== undefined && { keepAlive }) };
  return serveHttp(host, { ...where, style, handler, proxyProtocol, isRepeatable: true });
}

function answer14(lua: string): (exchange: HttpExchange) => HttpAnswer {
  const server = `nginx: ${BUILT_WITH["1.4"].nginx} - lua: ${lua}`;
  return (exchange) => ({
    status: 200,
    headers: [["Content-Type", "text/plain"]],
    // Each `ngx.say` of its Lua code becomes a chunk; nginx gathers them into one write.
    body: echoPage14(exchange, server).map((piece) => ENCODER.encode(piece)),
  });
}

function answer110(lua: string, pod: PodInformation): (exchange: HttpExchange) => HttpAnswer {
  const server = `nginx: ${BUILT_WITH["1.10"].nginx} - lua: ${lua}`;
  return (exchange) => ({
    status: 200,
    headers: [
      ["Content-Type", "text/plain"],
      ["Server", "echoserver"],
    ],
    body: [ENCODER.encode(echoPage110(exchange, server, pod))],
  });
}
