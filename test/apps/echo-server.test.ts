import { describe, expect, test } from "vitest";
import { type EchoServerOptions, echoServer } from "../../src/apps/index.ts";
import { address } from "../../src/netstack/index.ts";
import { emitProxyV2 } from "../../src/protocols/index.ts";
import { TwoHosts } from "./two-hosts.ts";

const USUAL: EchoServerOptions = {
  version: "1.4",
  pod: { hostname: "source-ip-app-826191075-qehz4" },
  startDate: 1_480_550_400_000,
};

function serve(options: Partial<EchoServerOptions> = {}): TwoHosts {
  const net = new TwoHosts();
  echoServer(net.server, { ...USUAL, ...options });
  return net;
}

/** What comes back for `bytes`, up to the connection's end or a second of silence. */
function exchange(net: TwoHosts, bytes: Uint8Array | string, pieces: number[] = []): string {
  let received = "";
  const socket = net.client.stack.tcp.connect(
    { to: address("10.0.0.2"), port: 8080 },
    {
      onConnect: () => {
        if (typeof socket !== "string")
          socket.write(typeof bytes === "string" ? new TextEncoder().encode(bytes) : bytes);
      },
      onData: (data) => {
        pieces.push(data.length);
        received += new TextDecoder().decode(data);
      },
      onEnd: () => {
        received += "<FIN>";
      },
    },
  );
  net.wait(1);
  return received;
}

describe("echoserver:1.4", () => {
  test("sends nginx's head, a chunk for each line, and everything in one segment", () => {
    const pieces: number[] = [];
    const net = serve();
    expect(exchange(net, "GET / HTTP/1.1\r\nHost: 10.240.0.4:31000\r\nAccept: */*\r\n\r\n", pieces)).toBe(
      [
        "HTTP/1.1 200 OK",
        "Server: nginx/1.10.0",
        "Date: Thu, 01 Dec 2016 00:00:00 GMT",
        "Content-Type: text/plain",
        "Transfer-Encoding: chunked",
        "Connection: keep-alive",
        "",
        "f\r\nCLIENT VALUES:\n",
        "18\r\nclient_address=10.0.0.1\n",
        "c\r\ncommand=GET\n",
        "c\r\nreal path=/\n",
        "a\r\nquery=nil\n",
        "14\r\nrequest_version=1.1\n",
        "24\r\nrequest_uri=http://10.240.0.4:8080/\n",
        "1\r\n\n",
        "f\r\nSERVER VALUES:\n",
        "2a\r\nserver_version=nginx: 1.10.0 - lua: 10001\n",
        "1\r\n\n",
        "12\r\nHEADERS RECEIVED:\n",
        "b\r\naccept=*/*\n",
        "16\r\nhost=10.240.0.4:31000\n",
        "6\r\nBODY:\n",
        "14\r\n-no body in request-",
        "0",
        "",
        "",
      ].join("\r\n"),
    );
    expect(pieces.length).toBe(1);
  });

  const pages: readonly [request: string, lines: string[]][] = [
    [
      "GET /a/b?c=d&e HTTP/1.1\r\nHost: NodePort.Example.:80\r\n\r\n",
      ["real path=/a/b?c=d&e", "query=c=d&e", "request_uri=http://nodeport.example:8080/a/b?c=d&e"],
    ],
    ["GET /? HTTP/1.1\r\nHost: h\r\n\r\n", ["query=", "request_uri=http://h:8080/?"]],
    ["GET http://other/x HTTP/1.1\r\nHost: h\r\n\r\n", ["real path=/x", "request_uri=http://other:8080/x"]],
    ["GET http://other HTTP/1.1\r\nHost: h\r\n\r\n", ["real path=/", "request_uri=http://other:8080/"]],
    ["GET / HTTP/1.0\r\n\r\n", ["request_version=1", "request_uri=http://_:8080/"]],
    ["POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\na=b", ["command=POST", "content-length=3"]],
    [
      "GET / HTTP/1.1\r\nHost: h\r\nZ: 1\r\nX-Forwarded-For: 198.51.100.79\r\nAccept: a\r\nz: 2\r\nUnder_score: no\r\n\r\n",
      ["accept=a", "host=h", "x-forwarded-for=198.51.100.79", "z=12", "BODY:"],
    ],
  ];
  test.each(pages)("%j", (request, lines) => {
    const received = exchange(serve(), request);
    const text = received.replace(/\r\n[0-9a-f]+\r\n/g, "").replaceAll("\r\n", "\n");
    for (const line of lines) expect(`\n${text}\n`).toContain(`${line}\n`);
    expect(text).not.toContain("under_score");
  });

  test("prints a body that nginx keeps in memory, and not a longer one", () => {
    const net = serve();
    expect(net.run("curl -s -d hello 10.0.0.2:8080").stdout).toMatch(/BODY:\nhello$/);
    expect(net.run(["curl", "-s", "-d", "x".repeat(16_385), "10.0.0.2:8080"]).stdout).toMatch(
      /BODY:\n-no body in request-$/,
    );
  });

  test("answers a PROXY header it does not expect with 400", () => {
    expect(exchange(serve(), "PROXY TCP4 198.51.100.79 10.0.0.2 40000 8080\r\nGET / HTTP/1.1\r\nHost: h\r\n\r\n")).toBe(
      "HTTP/1.1 400 Bad Request\r\nServer: nginx/1.10.0\r\nDate: Thu, 01 Dec 2016 00:00:00 GMT\r\nContent-Type: text/html\r\n" +
        'Content-Length: 173\r\nConnection: close\r\n\r\n<html>\r\n<head><title>400 Bad Request</title></head>\r\n<body bgcolor="white">\r\n' +
        "<center><h1>400 Bad Request</h1></center>\r\n<hr><center>nginx/1.10.0</center>\r\n</body>\r\n</html>\r\n<FIN>",
    );
  });
});

describe("an echo server that expects a PROXY header", () => {
  const request = new TextEncoder().encode("GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n");
  const addresses = {
    family: "inet",
    transport: "stream",
    source: address("198.51.100.79"),
    destination: address("203.0.113.140"),
    sourcePort: 40_000,
    destinationPort: 80,
  } as const;
  const headers: readonly [name: string, header: Uint8Array, lines: string | undefined][] = [
    [
      "version 1",
      new TextEncoder().encode("PROXY TCP4 198.51.100.79 203.0.113.140 40000 80\r\n"),
      "proxy_protocol_addr=198.51.100.79 proxy_protocol_port=40000",
    ],
    [
      "version 2",
      emitProxyV2({ version: 2, command: "proxy", addresses, tlvs: [] }),
      "proxy_protocol_addr=198.51.100.79 proxy_protocol_port=40000",
    ],
    ["UNKNOWN", new TextEncoder().encode("PROXY UNKNOWN\r\n"), undefined],
    ["LOCAL", emitProxyV2({ version: 2, command: "local" }), undefined],
  ];
  test.each(headers)("learns the client from %s and still sees its peer", (_, header, lines) => {
    const text = exchange(serve({ proxyProtocol: "required" }), new Uint8Array([...header, ...request]));
    const values = text.match(/client_address=[\d.]+|proxy_protocol_\w+=\S+/g)?.join(" ");
    expect(values).toBe(`client_address=10.0.0.1${lines === undefined ? "" : ` ${lines}`}`);
  });

  test("hangs up without a word when there is none", () => {
    const net = serve({ proxyProtocol: "required" });
    expect(exchange(net, request)).toBe("<FIN>");
    expect(net.run("curl -s -S 10.0.0.2:8080")).toEqual({
      exitCode: 52,
      stdout: "",
      stderr: "curl: (52) Empty reply from server\n",
    });
    expect(net.run("curl -s --haproxy-protocol 10.0.0.2:8080 | grep proxy_protocol_addr").stdout).toBe(
      "proxy_protocol_addr=10.0.0.1\n",
    );
  });
});

describe("echoserver:1.10", () => {
  test("prints its layout", () => {
    const downward = { nodeName: "node1", podName: "web-1", podNamespace: "default", podIp: "10.180.1.136" };
    const net = serve({ version: "1.10", pod: { hostname: "web-1", downward } });
    expect(
      net.run(["curl", "-i", "-s", "-H", "X: <a>", "-H", "X: 2", "10.0.0.2:8080/?q"]).stdout.replaceAll("\r", ""),
    ).toBe(`HTTP/1.1 200 OK
Date: Thu, 01 Dec 2016 00:00:00 GMT
Content-Type: text/plain
Transfer-Encoding: chunked
Connection: keep-alive
Server: echoserver



Hostname: web-1

Pod Information:
	node name:	node1
	pod name:	web-1
	pod namespace:	default
	pod IP:	10.180.1.136

Server values:
	server_version=nginx: 1.13.3 - lua: 10008

Request Information:
	client_address=10.0.0.1
	method=GET
	real path=/?q
	query=q
	request_version=1.1
	request_scheme=http
	request_uri=http://10.0.0.2:8080/?q

Request Headers:
	accept=*/*
	host=10.0.0.2:8080
	user-agent=curl/7.88.1
	x=&lt;a&gt;
	x=2

Request Body:
	-no body in request-

`);
  });
});
