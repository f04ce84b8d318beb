import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { goStyle, type HttpServerOptions, nginxStyle, serveHttp } from "../../src/apps/index.ts";
import { address, type TcpSocket } from "../../src/netstack/index.ts";
import { seconds } from "../../src/sim/index.ts";
import { TwoHosts } from "./two-hosts.ts";

const DATE = "Mon, 07 Dec 2026 00:00:00 GMT";
const encode = (text: string): Uint8Array => new TextEncoder().encode(text);

/** A connection to the server, kept by hand. */
class Client {
  received = "";
  end: string | undefined;
  readonly socket: TcpSocket;
  readonly #net: TwoHosts;

  constructor(net: TwoHosts, port = 80) {
    this.#net = net;
    const socket = net.client.stack.tcp.connect(
      { to: address("10.0.0.2"), port },
      {
        onData: (bytes) => {
          this.received += new TextDecoder().decode(bytes);
        },
        onEnd: () => {
          this.end = "FIN";
        },
        onClose: (reason) => {
          this.end ??= reason;
        },
      },
    );
    if (typeof socket === "string") throw new Error(socket);
    this.socket = socket;
    net.wait(0.1);
  }

  /** Sends, waits, and gives back what came since the last time. */
  send(...pieces: readonly string[]): string {
    this.received = "";
    for (const piece of pieces) {
      if (this.end === undefined) this.socket.write(encode(piece));
      this.#net.wait(0.1);
    }
    return this.received;
  }
}

function serve(options: Partial<HttpServerOptions> = {}): TwoHosts {
  const net = new TwoHosts();
  serveHttp(net.server, {
    port: 80,
    style: nginxStyle("1.10.0", () => DATE),
    handler: ({ request, body }) => {
      const text = `${request.method} ${request.target} ${new TextDecoder().decode(body)}`;
      return { status: 200, headers: [["Content-Type", "text/plain"]], body: encode(text) };
    },
    ...options,
  });
  return net;
}

function page(status: string): string {
  const body = `<html>\r
<head><title>${status}</title></head>\r
<body bgcolor="white">\r
<center><h1>${status}</h1></center>\r
<hr><center>nginx/1.10.0</center>\r
</body>\r
</html>\r
`;
  return `HTTP/1.1 ${status}\r\nServer: nginx/1.10.0\r\nDate: ${DATE}\r\nContent-Type: text/html\r\nContent-Length: ${body.length}\r\nConnection: close\r\n\r\n${body}`;
}

function response(text: string, connection = "keep-alive"): string {
  return `HTTP/1.1 200 OK\r\nServer: nginx/1.10.0\r\nDate: ${DATE}\r\nContent-Type: text/plain\r\nContent-Length: ${text.length}\r\nConnection: ${connection}\r\n\r\n${text}`;
}

describe("an HTTP server", () => {
  test("answers request after request on one connection", () => {
    const client = new Client(serve());
    expect(client.send("GET /a HTTP/1.1\r\nHost: h\r\n\r\n")).toBe(response("GET /a "));
    expect(client.send("GET /b HTTP/1.1\r\nHost: h\r\n\r\n")).toBe(response("GET /b "));
    expect(client.end).toBeUndefined();
  });

  test("answers pipelined requests in their order", () => {
    const client = new Client(serve());
    const both = "GET /a HTTP/1.1\r\nHost: h\r\n\r\nGET /b HTTP/1.1\r\nHost: h\r\n\r\n";
    expect(client.send(both)).toBe(response("GET /a ") + response("GET /b "));
  });

  test("takes bodies with a length and in chunks, however they are cut", () => {
    const client = new Client(serve());
    expect(client.send("POST / HTTP/1.1\r\nHost: h\r\nContent-Le", "ngth: 5\r\n\r\nhe", "llo")).toBe(
      response("POST / hello"),
    );
    expect(
      client.send(
        "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n2\r",
        "\nhe\r\n3\r\nllo\r\n0\r\n\r\n",
      ),
    ).toBe(response("POST / hello"));
  });

  test("says 100 Continue to who waits for it", () => {
    const client = new Client(serve());
    const head = "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n";
    expect(client.send(head)).toBe("HTTP/1.1 100 Continue\r\n\r\n");
    expect(client.send("ok")).toBe(response("POST / ok"));
  });

  test("answers HEAD without a body", () => {
    const client = new Client(serve());
    expect(client.send("HEAD / HTTP/1.1\r\nHost: h\r\n\r\n")).toBe(response("HEAD / ").slice(0, -"HEAD / ".length));
    expect(client.send("GET / HTTP/1.1\r\nHost: h\r\n\r\n")).toBe(response("GET / "));
  });

  test("closes after Connection: close, and after HTTP/1.0", () => {
    const closing = new Client(serve());
    expect(closing.send("GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")).toBe(response("GET / ", "close"));
    expect(closing.end).toBe("FIN");
    const old = new Client(serve());
    expect(old.send("GET / HTTP/1.0\r\n\r\n")).toBe(response("GET / ", "close"));
    expect(old.end).toBe("FIN");
    const kept = new Client(serve());
    expect(kept.send("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")).toBe(response("GET / "));
    expect(kept.end).toBeUndefined();
  });

  test("sends a body in pieces as chunks, and without them up to the end to HTTP/1.0", () => {
    const handler = (): ReturnType<HttpServerOptions["handler"]> => ({
      status: 200,
      headers: [],
      body: [encode("ab"), encode(""), encode("cde")],
    });
    const head = `HTTP/1.1 200 OK\r\nServer: nginx/1.10.0\r\nDate: ${DATE}\r\n`;
    expect(new Client(serve({ handler })).send("GET / HTTP/1.1\r\nHost: h\r\n\r\n")).toBe(
      `${head}Transfer-Encoding: chunked\r\nConnection: keep-alive\r\n\r\n2\r\nab\r\n3\r\ncde\r\n0\r\n\r\n`,
    );
    const old = new Client(serve({ handler }));
    expect(old.send("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")).toBe(`${head}Connection: close\r\n\r\nabcde`);
    expect(old.end).toBe("FIN");
    expect(new Client(serve({ handler })).send("HEAD / HTTP/1.1\r\nHost: h\r\n\r\n")).toBe(
      `${head}Connection: keep-alive\r\n\r\n`,
    );
  });

  test("has no body with 204", () => {
    const client = new Client(serve({ handler: () => ({ status: 204, headers: [], body: encode("x") }) }));
    expect(client.send("GET / HTTP/1.1\r\nHost: h\r\n\r\n")).toBe(
      `HTTP/1.1 204 No Content\r\nServer: nginx/1.10.0\r\nDate: ${DATE}\r\nConnection: keep-alive\r\n\r\n`,
    );
  });

  const refused: readonly [request: string, status: string][] = [
    ["PROXY TCP4 198.51.100.79 10.0.0.2 40000 80\r\n", "400 Bad Request"],
    ["\r\n\r\n\0\r\nQUIT\n", "400 Bad Request"],
    ["\x16\x03\x01\x02\0", "400 Bad Request"],
    ["GET / HTTP/1.1\r\n\r\n", "400 Bad Request"],
    ["GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", "400 Bad Request"],
    ["GET / HTTP/1.1\r\nHost: h\r\n folded\r\n\r\n", "400 Bad Request"],
    ["POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", "400 Bad Request"],
    ["POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 101\r\n\r\n", "413 Request Entity Too Large"],
    [`GET /${"a".repeat(9000)} HTTP/1.1\r\n`, "414 Request-URI Too Large"],
    [`GET / HTTP/1.1\r\nHost: h\r\nX: ${"a".repeat(20_000)}\r\n\r\n`, "431 Request Header Fields Too Large"],
    ["GET / HTTP/2.0\r\nHost: h\r\n\r\n", "505 HTTP Version Not Supported"],
  ];
  test.each(refused)("refuses %j", (request, status) => {
    const client = new Client(serve({ limits: { body: 100 } }));
    expect(client.send(request)).toBe(page(status));
    expect(client.end).toBe("FIN");
  });

  test("closes a connection that says nothing", () => {
    const net = serve({ idleTimeout: seconds(5) });
    const client = new Client(net);
    client.send("GET / HTTP/1.1\r\nHost: h\r\n\r\n");
    net.wait(4);
    expect(client.end).toBeUndefined();
    net.wait(2);
    expect(client.end).toBe("FIN");
  });

  test("closes after as many requests as it is told", () => {
    const client = new Client(serve({ mostRequests: 2 }));
    expect(client.send("GET / HTTP/1.1\r\nHost: h\r\n\r\n")).toContain("Connection: keep-alive");
    expect(client.send("GET / HTTP/1.1\r\nHost: h\r\n\r\n")).toContain("Connection: close");
    expect(client.end).toBe("FIN");
  });

  test("closes what is more than its connections", () => {
    const net = serve({ mostConnections: 1 });
    const first = new Client(net);
    const second = new Client(net);
    expect([first.end, second.end]).toEqual([undefined, "FIN"]);
    first.socket.end();
    net.wait(1);
    expect(new Client(net).send("GET / HTTP/1.1\r\nHost: h\r\n\r\n")).toBe(response("GET / "));
  });

  test("stops reading from a client that does not read", () => {
    const net = serve({
      handler: () => ({ status: 200, headers: [], body: new Uint8Array(20_000) }),
      mostRequests: 1000,
    });
    const client = new Client(net);
    client.socket.pause();
    let answered = 0;
    const unread = "GET / HTTP/1.1\r\nHost: h\r\n\r\n".repeat(400);
    client.socket.write(encode(unread));
    net.wait(5);
    client.socket.events.onData = (bytes) => {
      answered += bytes.length;
    };
    client.socket.resume();
    net.wait(20);
    expect(answered).toBeGreaterThan(400 * 20_000);
  });

  test("closed, ends its connections and frees its port", () => {
    const net = new TwoHosts();
    const options: HttpServerOptions = {
      port: 80,
      style: goStyle(() => DATE),
      handler: () => ({ status: 200, headers: [], body: encode("") }),
    };
    const server = serveHttp(net.server, options);
    const client = new Client(net);
    server.close();
    net.wait(1);
    expect(client.end).toBe("FIN");
    expect(net.run("curl -s 10.0.0.2").exitCode).toBe(7);
    serveHttp(net.server, options);
    expect(() => serveHttp(net.server, options)).toThrow(RangeError);
  });

  test("whose answers repeat, asks its handler once for what comes again, and again at another time", () => {
    let asked = 0;
    let date = DATE;
    const handler = (): ReturnType<HttpServerOptions["handler"]> => {
      asked += 1;
      return { status: 200, headers: [["Content-Type", "text/plain"]], body: encode("GET / ") };
    };
    const client = new Client(serve({ style: nginxStyle("1.10.0", () => date), handler, isRepeatable: true }));
    const request = "GET / HTTP/1.1\r\nHost: h\r\n\r\n";
    expect([client.send(request), client.send(request)]).toEqual([response("GET / "), response("GET / ")]);
    expect(asked).toBe(1);
    date = "Mon, 07 Dec 2026 00:00:01 GMT";
    expect(client.send(request)).toBe(response("GET / ").replace(DATE, date));
    expect(asked).toBe(2);
  });

  test("whose answers repeat, answers everything as one that makes each answer anew", () => {
    const get = "GET / HTTP/1.1\r\nHost: h\r\n\r\n";
    const post = "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n";
    const piece = fc
      .constantFrom(get, get, `${get}${get}`, `${get}GET`, " / HTTP/1.1\r\nHost: h\r\n\r\n", "\r\n", `${post}\r\nhi`)
      .chain((text) =>
        fc.constantFrom(
          text,
          text,
          `${post}Expect: 100-continue\r\n\r\n`,
          "hi",
          get.replace("Host", "Connection: close\r\nHost"),
        ),
      );
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 12 }), (pieces) => {
        const [plain, repeating] = [{}, { isRepeatable: true }].map((options) => {
          const client = new Client(serve({ ...options, mostRequests: 7 }));
          return [client.send(...pieces), client.end];
        });
        expect(repeating).toEqual(plain);
      }),
      { numRuns: 100 },
    );
  });

  test("has Go's fields in Go's order", () => {
    const handler = (): ReturnType<HttpServerOptions["handler"]> => ({
      status: 200,
      headers: [
        ["X-Content-Type-Options", "nosniff"],
        ["Content-Type", "text/plain; charset=utf-8"],
      ],
      body: encode("iptables"),
    });
    const client = new Client(serve({ style: goStyle(() => DATE), handler }));
    expect(client.send("GET /proxyMode HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")).toBe(
      `HTTP/1.1 200 OK\r\nContent-Type: text/plain; charset=utf-8\r\nX-Content-Type-Options: nosniff\r\nDate: ${DATE}\r\nContent-Length: 8\r\nConnection: close\r\n\r\niptables`,
    );
    expect(new Client(serve({ style: goStyle(() => DATE) })).send("X\r\n\r\n")).toContain(
      "HTTP/1.1 400 Bad Request\r\n",
    );
  });

  test("lives through any bytes in any pieces, and answers the next client", () => {
    const net = serve();
    const line = fc.constantFrom(
      "GET / HTTP/1.1\r\n",
      "Host: h\r\n",
      "Content-Length: 3\r\n",
      "Transfer-Encoding: chunked\r\n",
      "\r\n",
      "5\r\nhello\r\n",
      "0\r\n\r\n",
      "PROXY TCP4 1.1.1.1 2.2.2.2 1 2\r\n",
    );
    const bytes = fc.uint8Array({ maxLength: 40 }).map((array) => String.fromCharCode(...array));
    fc.assert(
      fc.property(fc.array(fc.oneof(line, bytes), { maxLength: 8 }), fc.nat(20), (parts, cut) => {
        const client = new Client(net);
        const text = parts.join("");
        client.send(text.slice(0, cut), text.slice(cut));
        client.socket.destroy();
        expect(client.received === "" || client.received.startsWith("HTTP/1.1 ")).toBe(true);
      }),
      { numRuns: 150 },
    );
    expect(new Client(net).send("GET / HTTP/1.1\r\nHost: h\r\n\r\n")).toBe(response("GET / "));
  });
});
