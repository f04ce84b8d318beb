import { describe, expect, test } from "vitest";
import { dnsServer, echoServer } from "../../src/apps/index.ts";
import { address } from "../../src/netstack/index.ts";
import { after, seconds } from "../../src/sim/index.ts";
import { answer, ScriptedServer } from "./scripted-server.ts";
import { TwoHosts } from "./two-hosts.ts";

const OK = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";
const GET = "GET / HTTP/1.1\r\nHost: 10.0.0.2\r\nUser-Agent: curl/7.88.1\r\nAccept: */*\r\n\r\n";

describe("the bytes curl sends", () => {
  const rows: readonly [command: string, request: string][] = [
    ["curl 10.0.0.2", GET],
    ["curl -q -s -S --noproxy * --connect-timeout 3 -m 6 http://10.0.0.2/", GET],
    ["curl http://10.0.0.2:80", GET],
    ["curl '10.0.0.2/a/../b?x=y#z'", GET.replace("GET /", "GET /b?x=y")],
    ["curl --path-as-is 10.0.0.2/a/../b", GET.replace("GET /", "GET /a/../b")],
    ["curl 10.0.0.2?x=y", GET.replace("GET /", "GET /?x=y")],
    ["curl -I 10.0.0.2", GET.replace("GET", "HEAD")],
    ["curl --http1.0 10.0.0.2", GET.replace("HTTP/1.1", "HTTP/1.0")],
    ["curl -A ua 10.0.0.2", GET.replace("curl/7.88.1", "ua")],
    ["curl -A '' 10.0.0.2", GET.replace("User-Agent: curl/7.88.1\r\n", "")],
    [
      "curl -d a=b -d c=d -H 'X-Y: z' 10.0.0.2",
      "POST / HTTP/1.1\r\nHost: 10.0.0.2\r\nUser-Agent: curl/7.88.1\r\nAccept: */*\r\nX-Y: z\r\nContent-Length: 7\r\n" +
        "Content-Type: application/x-www-form-urlencoded\r\n\r\na=b&c=d",
    ],
    [
      "curl -H 'Host: foo' -A ua -X PUT --data-binary xyz 10.0.0.2",
      "PUT / HTTP/1.1\r\nHost: foo\r\nUser-Agent: ua\r\nAccept: */*\r\nContent-Length: 3\r\n" +
        "Content-Type: application/x-www-form-urlencoded\r\n\r\nxyz",
    ],
    ["curl -H 'Host;' -H 'User-Agent:' -H 'X-E;' 10.0.0.2", "GET / HTTP/1.1\r\nHost:\r\nAccept: */*\r\nX-E:\r\n\r\n"],
    [
      "curl -u a:b 10.0.0.2",
      "GET / HTTP/1.1\r\nHost: 10.0.0.2\r\nAuthorization: Basic YTpi\r\nUser-Agent: curl/7.88.1\r\nAccept: */*\r\n\r\n",
    ],
    [
      "curl -e http://ref/ --compressed 10.0.0.2",
      "GET / HTTP/1.1\r\nHost: 10.0.0.2\r\nUser-Agent: curl/7.88.1\r\nAccept: */*\r\n" +
        "Accept-Encoding: deflate, gzip, br, zstd\r\nReferer: http://ref/\r\n\r\n",
    ],
    ["curl -G -d a=b -d c=d '10.0.0.2/?z=1'", GET.replace("GET /", "GET /?z=1&a=b&c=d")],
    [
      "curl --data-urlencode 'a=b c' --data-raw @x 10.0.0.2",
      "POST / HTTP/1.1\r\nHost: 10.0.0.2\r\nUser-Agent: curl/7.88.1\r\nAccept: */*\r\nContent-Length: 8\r\n" +
        "Content-Type: application/x-www-form-urlencoded\r\n\r\na=b+c&@x",
    ],
    ["curl --haproxy-protocol --local-port 5000 10.0.0.2", `PROXY TCP4 10.0.0.1 10.0.0.2 5000 80\r\n${GET}`],
    ["curl --resolve foo:80:10.0.0.2 foo", GET.replace("Host: 10.0.0.2", "Host: foo")],
    ["curl -H 'X: a\\r\nInjected: b' 10.0.0.2", GET],
  ];
  test.each(rows)("%s", (command, request) => {
    const net = new TwoHosts();
    const server = new ScriptedServer(net, 80, answer(OK));
    net.run(command);
    expect(server.requests).toEqual([request]);
  });

  test("have no line break out of an option", () => {
    const net = new TwoHosts();
    const server = new ScriptedServer(net, 80, answer(OK));
    net.run(["curl", "-H", "X: a\r\nInjected: b", "10.0.0.2"]);
    expect(server.requests).toEqual([GET]);
  });

  test("name a port that is not 80 in the Host field", () => {
    const net = new TwoHosts();
    const server = new ScriptedServer(net, 31380, answer(OK));
    net.run("curl http://10.0.0.2:31380/");
    expect(server.requests).toEqual([GET.replace("Host: 10.0.0.2", "Host: 10.0.0.2:31380")]);
  });
});

describe("curl's messages and exit codes", () => {
  const rows: readonly [name: string, reply: Parameters<typeof answer>, outcome: [number, string, string]][] = [
    ["an answer", [OK], [0, "hello", ""]],
    [
      "chunks",
      ["HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n2\r\nlo\r\n0\r\n\r\n"],
      [0, "hello", ""],
    ],
    ["a body up to the end", ["HTTP/1.0 200 OK\r\n\r\nbye", "close"], [0, "bye", ""]],
    ["an error page", ["HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\n\r\nno"], [0, "no", ""]],
    ["no content", ["HTTP/1.1 204 No Content\r\n\r\n"], [0, "", ""]],
    ["nothing", ["", "close"], [52, "", "curl: (52) Empty reply from server\n"]],
    [
      "too little",
      ["HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nhello", "close"],
      [18, "hello", "curl: (18) transfer closed with 45 bytes remaining to read\n"],
    ],
    [
      "chunks without the last one",
      ["HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n", "close"],
      [18, "hello", "curl: (18) transfer closed with outstanding read data remaining\n"],
    ],
    [
      "a chunk without a size",
      ["HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nhello\r\n0\r\n\r\n"],
      [56, "", "curl: (56) Illegal or missing hexadecimal sequence in chunked-encoding\n"],
    ],
    ["no HTTP", ["JUNK\r\n\r\n", "close"], [1, "", "curl: (1) Received HTTP/0.9 when not allowed\n"]],
    ["a reset", ["", "reset"], [56, "", "curl: (56) Recv failure: Connection reset by peer\n"]],
  ];
  test.each(rows)("for %s", (_, reply, [exitCode, stdout, stderr]) => {
    const net = new TwoHosts();
    new ScriptedServer(net, 80, answer(...reply));
    expect(net.run("curl 10.0.0.2")).toEqual({ exitCode, stdout, stderr });
  });

  const failures: readonly [command: string, exitCode: number, stderr: string][] = [
    ["curl", 2, "curl: try 'curl --help' or 'curl --manual' for more information\n"],
    [
      "curl -q --foo",
      2,
      "curl: option --foo: is unknown\ncurl: try 'curl --help' or 'curl --manual' for more information\n",
    ],
    [
      "curl --max-time",
      2,
      "curl: option --max-time: requires parameter\ncurl: try 'curl --help' or 'curl --manual' for more information\n",
    ],
    [
      "curl -m x 127.0.0.1",
      2,
      "curl: option -m: expected a proper numerical parameter\n" +
        "curl: try 'curl --help' or 'curl --manual' for more information\n",
    ],
    ["curl -k", 2, "curl: no URL specified!\ncurl: try 'curl --help' or 'curl --manual' for more information\n"],
    ["curl 'http://a b/'", 3, "curl: (3) URL using bad/illegal format or missing URL\n"],
    ["curl http://127.0.0.1:99999/", 3, "curl: (3) URL using bad/illegal format or missing URL\n"],
    ["curl http:///", 3, "curl: (3) URL using bad/illegal format or missing URL\n"],
    ["curl https://10.0.0.2/", 1, 'curl: (1) Protocol "https" not supported or disabled in libcurl\n'],
    ["curl foo://10.0.0.2", 1, 'curl: (1) Protocol "foo" not supported or disabled in libcurl\n'],
    ["curl nosuch", 6, "curl: (6) Could not resolve host: nosuch\n"],
    [
      "curl 10.0.0.2:81",
      7,
      "curl: (7) Failed to connect to 10.0.0.2 port 81 after 20 ms: Couldn't connect to server\n",
    ],
    [
      "curl --connect-timeout 1 10.0.0.9:8080",
      28,
      "curl: (28) Failed to connect to 10.0.0.9 port 8080 after 1000 ms: Timeout was reached\n",
    ],
    ["curl -m 1 10.0.0.9", 28, "curl: (28) Connection timed out after 1000 milliseconds\n"],
    ["curl -m 1 --connect-timeout 1 10.0.0.9", 28, "curl: (28) Connection timed out after 1000 milliseconds\n"],
    ["curl 10.0.0.9", 7, "curl: (7) Failed to connect to 10.0.0.9 port 80 after 3000 ms: Couldn't connect to server\n"],
    [
      "curl --interface 9.9.9.9 10.0.0.2",
      45,
      "curl: (45) bind failed with errno 99: Cannot assign requested address\n",
    ],
    ["curl --interface foo0 10.0.0.2", 45, "curl: (45) Couldn't bind to 'foo0'\n"],
    [
      "curl -d @file 10.0.0.2",
      26,
      "curl: Can't open 'file'!\ncurl: (26) Failed to open/read local data from file/application\n",
    ],
    ["curl -s 10.0.0.2:81", 7, ""],
    [
      "curl -sS 10.0.0.2:81",
      7,
      "curl: (7) Failed to connect to 10.0.0.2 port 81 after 20 ms: Couldn't connect to server\n",
    ],
  ];
  test.each(failures)("%s", (command, exitCode, stderr) => {
    expect(new TwoHosts().run(command)).toEqual({ exitCode, stdout: "", stderr });
  });

  test("a transfer that does not end in time says how far it came", () => {
    const net = new TwoHosts();
    new ScriptedServer(net, 80, answer("HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nhello"));
    new ScriptedServer(net, 81, () => {});
    expect(net.run("curl -m 1 10.0.0.2")).toEqual({
      exitCode: 28,
      stdout: "hello",
      stderr: "curl: (28) Operation timed out after 1000 milliseconds with 5 out of 50 bytes received\n",
    });
    expect(net.run("curl -m 1 10.0.0.2:81").stderr).toBe(
      "curl: (28) Operation timed out after 1000 milliseconds with 0 bytes received\n",
    );
  });

  test("a network without a route is unreachable at once", () => {
    const net = new TwoHosts();
    net.client.stack.addressing.routes.removeWhere((route) => route.via !== undefined);
    expect(net.run("curl -v 10.1.1.1")).toEqual({
      exitCode: 7,
      stdout: "",
      stderr:
        "*   Trying 10.1.1.1:80...\n* Immediate connect fail for 10.1.1.1: Network is unreachable\n" +
        "* Failed to connect to 10.1.1.1 port 80 after 0 ms: Couldn't connect to server\n* Closing connection 0\n" +
        "curl: (7) Failed to connect to 10.1.1.1 port 80 after 0 ms: Couldn't connect to server\n",
    });
  });

  test("--connect-timeout also bounds the name's resolution", () => {
    const net = new TwoHosts({ resolver: { nameservers: [address("10.0.0.9")] } });
    expect(net.run("curl --connect-timeout 1 name").stderr).toBe(
      "curl: (28) Resolving timed out after 1000 milliseconds\n",
    );
  });
});

describe("curl -v", () => {
  test("shows the connection, the request and the response's head", () => {
    const net = new TwoHosts();
    echoServer(net.server, { version: "1.4", pod: { hostname: "pod" }, startDate: 0 });
    expect(net.run("curl -v -o /dev/null 10.0.0.2:8080")).toEqual({
      exitCode: 0,
      stdout: "",
      stderr: `*   Trying 10.0.0.2:8080...
* Connected to 10.0.0.2 (10.0.0.2) port 8080 (#0)
> GET / HTTP/1.1
> Host: 10.0.0.2:8080
> User-Agent: curl/7.88.1
> Accept: */*
> 
< HTTP/1.1 200 OK
< Server: nginx/1.10.0
< Date: Thu, 01 Jan 1970 00:00:00 GMT
< Content-Type: text/plain
< Transfer-Encoding: chunked
< Connection: keep-alive
< 
* Connection #0 to host 10.0.0.2 left intact
`,
    });
  });

  test("shows one address after the other being tried", () => {
    const net = new TwoHosts();
    expect(net.run("curl -v --resolve a:80:10.0.0.9,10.0.0.2 --connect-timeout 2 a").stderr).toBe(
      `* Added a:80:10.0.0.9,10.0.0.2 to DNS cache
* Hostname a was found in DNS cache
*   Trying 10.0.0.9:80...
* ipv4 connect timeout after 1000ms, move on!
*   Trying 10.0.0.2:80...
* connect to 10.0.0.2 port 80 failed: Connection refused
* Failed to connect to a port 80 after 1020 ms: Couldn't connect to server
* Closing connection 0
curl: (7) Failed to connect to a port 80 after 1020 ms: Couldn't connect to server
`,
    );
  });

  test("with -f leaves out the empty line of a refused response", () => {
    const net = new TwoHosts();
    new ScriptedServer(net, 80, answer("HTTP/1.1 404 Not Found\r\nContent-Length: 5\r\n\r\nhello"));
    expect(net.run("curl -sSfv 10.0.0.2").stderr).toContain(
      "< HTTP/1.1 404 Not Found\n< Content-Length: 5\n* The requested URL returned error: 404\n* Closing connection 0\n" +
        "curl: (22) The requested URL returned error: 404\n",
    );
  });
});

describe("curl", () => {
  test("asks several URLs over one connection, and closes it first", () => {
    const net = new TwoHosts();
    const ends: string[] = [];
    net.server.stack.tcp.listen({ port: 80 }, (socket) => {
      socket.events = {
        onData: () => socket.write(new TextEncoder().encode(OK)),
        onEnd: () => {
          ends.push(`FIN from port ${socket.remote.port}`);
          socket.end();
        },
      };
    });
    const format = "%{num_connects} %{http_code}\\n";
    const { stdout } = net.run(["curl", "--local-port", "5000-5001", "-w", format, "10.0.0.2/a", "10.0.0.2/b"]);
    net.wait(1);
    expect(stdout).toBe("hello1 200\nhello0 200\n");
    expect(ends).toEqual(["FIN from port 5000"]);
  });

  test("asks again on a new connection when the kept one turns out to be closed", () => {
    const net = new TwoHosts();
    let connections = 0;
    net.server.stack.tcp.listen({ port: 80 }, (socket) => {
      connections += 1;
      let requests = 0;
      socket.events = {
        onData: () => {
          requests += 1;
          if (requests === 1) socket.write(new TextEncoder().encode(OK));
          else socket.end();
        },
        onEnd: () => socket.end(),
      };
    });
    expect(net.run("curl -s 10.0.0.2/a 10.0.0.2/b")).toEqual({ exitCode: 0, stdout: "hellohello", stderr: "" });
    expect(connections).toBe(2);
  });

  test("follows redirects with -L, turning POST into GET, up to --max-redirs", () => {
    const net = new TwoHosts();
    const moved = "HTTP/1.1 302 Found\r\nLocation: /x\r\nContent-Length: 3\r\n\r\nabc";
    const server = new ScriptedServer(net, 80, (socket, request) => {
      socket.write(new TextEncoder().encode(request.startsWith("GET /x") ? OK : moved));
    });
    new ScriptedServer(net, 81, answer(moved));
    expect(net.run("curl -sL -d a=b -w '%{num_redirects}' 10.0.0.2").stdout).toBe("hello1");
    expect(server.requests[1]).toBe(GET.replace("GET /", "GET /x"));
    expect(net.run("curl -w '%{http_code} %{redirect_url}' 10.0.0.2").stdout).toBe("abc302 http://10.0.0.2/x");
    expect(net.run("curl -sSL --max-redirs 2 10.0.0.2:81")).toEqual({
      exitCode: 47,
      stdout: "",
      stderr: "curl: (47) Maximum (2) redirects followed\n",
    });
  });

  test("-i, -I and -D - print the head", () => {
    const net = new TwoHosts();
    new ScriptedServer(net, 80, (socket, request) => {
      const head = "HTTP/1.1 200 OK\r\nX-Case: Kept\r\nContent-Length: 5\r\n\r\n";
      socket.write(new TextEncoder().encode(request.startsWith("HEAD") ? head : `${head}hello`));
    });
    const head = "HTTP/1.1 200 OK\r\nX-Case: Kept\r\nContent-Length: 5\r\n\r\n";
    expect(net.run("curl -i 10.0.0.2").stdout).toBe(`${head}hello`);
    expect(net.run("curl -I 10.0.0.2").stdout).toBe(head);
    expect(net.run("curl -D - -o /dev/null 10.0.0.2").stdout).toBe(head);
  });

  test("-w prints times of the virtual clock, addresses and ports", () => {
    const net = new TwoHosts();
    new ScriptedServer(net, 80, answer(OK));
    net.run("ping -c 1 10.0.0.2");
    const format =
      "%{http_code} %{remote_ip}:%{remote_port} %{local_ip}:%{local_port} %{size_download} %{time_connect} %{time_total} " +
      "%{url_effective} %{method} %{http_version} %{scheme} %{exitcode}%{errormsg} 100%%\\t%{foo}.\\n";
    expect(net.run(["curl", "-so", "/dev/null", "--local-port", "4000", "-w", format, "10.0.0.2"])).toEqual({
      exitCode: 0,
      stdout: "200 10.0.0.2:80 10.0.0.1:4000 5 0.010002 0.020004 http://10.0.0.2/ GET 1.1 HTTP 0 100%\t.\n",
      stderr: "curl: unknown --write-out variable: 'foo'\n",
    });
    expect(net.run("curl -s -w '%{http_code} %{exitcode} %{remote_port}' 10.0.0.2:9").stdout).toBe("000 7 0");
  });

  test.each([
    ["", 60 * 10 + 1, "curl: (56) Recv failure: Connection timed out\n"],
    ["--keepalive-time 10", 101, "curl: (56) Recv failure: Connection timed out\n"],
    ["--no-keepalive", 3600, ""],
  ])("notices by its probes that a server has vanished: %s", (options, limit, stderr) => {
    const net = new TwoHosts();
    const vanish = net.simulator.timer(() => net.link.impair("both", { up: false }));
    new ScriptedServer(net, 80, () => vanish.set(after(net.simulator.now(), seconds(1))));
    expect(net.run(`curl -sS ${options} 10.0.0.2`, limit)).toEqual({
      exitCode: stderr === "" ? undefined : 56,
      stdout: "",
      stderr,
    });
  });

  test("--retry waits 1, 2, 4 … seconds and says so", () => {
    const net = new TwoHosts();
    const server = new ScriptedServer(
      net,
      80,
      answer("HTTP/1.1 503 Service Unavailable\r\nContent-Length: 1\r\n\r\n!"),
    );
    const began = net.simulator.now();
    expect(net.run("curl --retry 2 10.0.0.2")).toEqual({
      exitCode: 0,
      stdout: "!!!",
      stderr:
        "Warning: Problem : HTTP error. Will retry in 1 seconds. 2 retries left.\n" +
        "Warning: Problem : HTTP error. Will retry in 2 seconds. 1 retries left.\n",
    });
    expect(server.requests.length).toBe(3);
    expect(Math.floor((net.simulator.now() - began) / 1e9)).toBe(3);
    expect(net.run("curl --retry 1 --retry-connrefused 10.0.0.2:9").stderr).toBe(
      "curl: (7) Failed to connect to 10.0.0.2 port 9 after 10 ms: Couldn't connect to server\n" +
        "Warning: Problem : connection refused. Will retry in 1 seconds. 1 retries \nWarning: left.\n" +
        "curl: (7) Failed to connect to 10.0.0.2 port 9 after 10 ms: Couldn't connect to server\n",
    );
  });

  test("cannot write files, as hosts have none", () => {
    const net = new TwoHosts();
    new ScriptedServer(net, 80, answer(OK));
    expect(net.run("curl -o page.html 10.0.0.2")).toEqual({
      exitCode: 23,
      stdout: "",
      stderr: "curl: (23) Failure writing output to destination\n",
    });
  });

  test("the next --local-port is taken when one is in use", () => {
    const net = new TwoHosts();
    new ScriptedServer(net, 80, answer(OK));
    net.client.stack.tcp.listen({ port: 5000 }, () => {});
    expect(net.run("curl -sv --local-port 5000-5001 10.0.0.2").stderr).toContain(
      "* Bind to local port 5000 failed, trying next\n* Local port: 5001\n",
    );
  });

  test("asks a DNS server for names, and answers for localhost itself", () => {
    const net = new TwoHosts({ resolver: { nameservers: [address("10.0.0.2")], search: ["svc"], ndots: 5 } });
    const asked: string[] = [];
    new ScriptedServer(net, 80, answer(OK));
    dnsServer(net.server, {
      answer: (question) => {
        asked.push(question.name);
        if (question.name !== "web.svc.") return { rcode: 3 };
        return { answers: [{ name: question.name, class: 1, ttl: 5, type: "A", address: address("10.0.0.2") }] };
      },
    });
    expect(net.run("curl -s web").stdout).toBe("hello");
    expect(net.run("curl -sS localhost").stderr).toBe(
      "curl: (7) Failed to connect to localhost port 80 after 0 ms: Couldn't connect to server\n",
    );
    expect(asked).toEqual(["web.svc."]);
  });

  test("a large body arrives whole", () => {
    const net = new TwoHosts();
    const body = "0123456789abcdef".repeat(40_000);
    new ScriptedServer(net, 80, answer(`HTTP/1.1 200 OK\r\nContent-Length: ${body.length}\r\n\r\n${body}`));
    expect(net.run("curl -s 10.0.0.2").stdout).toBe(body);
  });
});
