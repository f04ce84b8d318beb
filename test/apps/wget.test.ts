import { describe, expect, test } from "vitest";
import { echoServer } from "../../src/apps/index.ts";
import { answer, ScriptedServer } from "./scripted-server.ts";
import { TwoHosts } from "./two-hosts.ts";

describe("wget", () => {
  test("sends what busybox sends, and the echo server says so", () => {
    const net = new TwoHosts();
    echoServer(net.server, { version: "1.4", pod: { hostname: "pod" }, startDate: 0, port: 80 });
    expect(net.run("wget -qO - 10.0.0.2")).toEqual({
      exitCode: 0,
      stderr: "",
      stdout: `CLIENT VALUES:
client_address=10.0.0.1
command=GET
real path=/
query=nil
request_version=1.1
request_uri=http://10.0.0.2:80/

SERVER VALUES:
server_version=nginx: 1.10.0 - lua: 10001

HEADERS RECEIVED:
connection=close
host=10.0.0.2
user-agent=Wget
BODY:
-no body in request-`,
    });
  });

  const requests: readonly [command: string, request: string][] = [
    ["wget -qO - 10.0.0.2", "GET / HTTP/1.1\r\nHost: 10.0.0.2\r\nUser-Agent: Wget\r\nConnection: close\r\n\r\n"],
    [
      "wget -qO - http://10.0.0.2/a?b",
      "GET /a?b HTTP/1.1\r\nHost: 10.0.0.2\r\nUser-Agent: Wget\r\nConnection: close\r\n\r\n",
    ],
    [
      "wget --header 'X-A: b' --post-data 'a=b' -U ua -O - 10.0.0.2:80",
      "POST / HTTP/1.1\r\nHost: 10.0.0.2:80\r\nUser-Agent: ua\r\nConnection: close\r\nX-A: b\r\n" +
        "Content-Type: application/x-www-form-urlencoded\r\nContent-Length: 3\r\n\r\na=b",
    ],
  ];
  test.each(requests)("%s sends its request", (command, request) => {
    const net = new TwoHosts();
    const server = new ScriptedServer(net, 80, answer("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", "close"));
    net.run(command);
    expect(server.requests).toEqual([request]);
  });

  test("says what it does without -q", () => {
    const net = new TwoHosts();
    new ScriptedServer(net, 80, answer("HTTP/1.1 200 OK\r\nServer: a\r\nContent-Length: 5\r\n\r\nhello", "close"));
    expect(net.run("wget -S -O /dev/null 10.0.0.2")).toEqual({
      exitCode: 0,
      stdout: "",
      stderr: `Connecting to 10.0.0.2 (10.0.0.2:80)
  HTTP/1.1 200 OK
  Server: a
  Content-Length: 5
  
saving to '/dev/null'
null                 100% |********************************|     5  0:00:00 ETA
'/dev/null' saved
`,
    });
    expect(net.run("wget -O - 10.0.0.2 10.0.0.2").stderr).toBe(
      `Connecting to 10.0.0.2 (10.0.0.2:80)
writing to stdout
-                    100% |********************************|     5  0:00:00 ETA
written to stdout
`.repeat(2),
    );
    expect(net.run("wget --spider 10.0.0.2").stderr).toBe("Connecting to 10.0.0.2 (10.0.0.2:80)\nremote file exists\n");
  });

  const failures: readonly [reply: Parameters<typeof answer>, stdout: string, stderr: string][] = [
    [["HTTP/1.1 404 Not Found\r\n\r\nno", "close"], "", "wget: server returned error: HTTP/1.1 404 Not Found\n"],
    [["HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nhello", "close"], "hello", "wget: connection closed prematurely\n"],
    [["JUNK\r\n\r\n", "close"], "", "wget: error getting response\n"],
    [["", "close"], "", "wget: error getting response\n"],
    [["", "reset"], "", "wget: error getting response: Connection reset by peer\n"],
    [["HTTP/1.1 302 Found\r\nLocation: /x\r\n\r\n", "close"], "", "wget: too many redirections\n"],
  ];
  test.each(failures)("tells %j apart", (reply, stdout, stderr) => {
    const net = new TwoHosts();
    new ScriptedServer(net, 80, answer(...reply));
    expect(net.run("wget -qO - 10.0.0.2")).toEqual({ exitCode: 1, stdout, stderr });
  });

  const refusals: readonly [command: string, stderr: string][] = [
    ["wget -qO - 10.0.0.2:9", "wget: can't connect to remote host (10.0.0.2): Connection refused\n"],
    ["wget -qO - 10.0.0.9", "wget: can't connect to remote host (10.0.0.9): No route to host\n"],
    ["wget -T 2 -qO - 10.0.0.9", "wget: download timed out\n"],
    ["wget -O - nosuch", "wget: bad address 'nosuch'\n"],
    ["wget -O - https://10.0.0.2/", "wget: not an http or ftp url: https://10.0.0.2/\n"],
  ];
  test.each(refusals)("%s", (command, stderr) => {
    expect(new TwoHosts().run(command)).toEqual({ exitCode: 1, stdout: "", stderr });
  });

  test("cannot write files, as hosts have none", () => {
    const net = new TwoHosts();
    new ScriptedServer(net, 80, answer("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", "close"));
    expect(net.run("wget -q 10.0.0.2").stderr).toBe("wget: can't open 'index.html': Read-only file system\n");
  });

  test("leaves closing to the server", () => {
    const net = new TwoHosts();
    const order: string[] = [];
    new ScriptedServer(net, 80, (socket) => {
      const { onEnd } = socket.events;
      socket.events.onEnd = () => {
        order.push("client's FIN");
        onEnd?.();
      };
      socket.write(new TextEncoder().encode("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"));
      socket.end();
      order.push("server's FIN");
    });
    net.run("wget -qO - 10.0.0.2");
    net.wait(1);
    expect(order).toEqual(["server's FIN", "client's FIN"]);
  });
});
