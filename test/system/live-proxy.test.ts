import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { type AddressInfo, connect, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { asUser, missingFor, natscope, run } from "./live-shell.ts";

/*
 * Real servers in a pod's place, behind the emulated network's NAT and its proxying load balancer: what they are told of the client is what a pod would be.
 */

const missing = missingFor("test/system/live-proxy.test.ts", ["curl", "nginx", "haproxy"]);

describe.skipIf(missing.length > 0)("a real server in a pod's place", () => {
  let folder = "";
  const servers: ChildProcess[] = [];
  const ports = { nginx: 0, plain: 0, haproxy: 0 };

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), "natscope-live-"));
    [ports.nginx, ports.plain, ports.haproxy] = [await freePort(), await freePort(), await freePort()];
    await begin("nginx", ["-c", file("nginx.conf", nginxConfiguration(folder, ports))], ports.nginx);
    await begin("haproxy", ["-db", "-f", file("haproxy.cfg", haproxyConfiguration(ports.haproxy))], ports.haproxy);
  });
  afterAll(async () => {
    for (const server of servers) {
      server.kill();
      if (server.exitCode === null) await once(server, "exit");
    }
    rmSync(folder, { recursive: true, force: true });
  });

  function file(name: string, text: string): string {
    writeFileSync(join(folder, name), text);
    return join(folder, name);
  }

  async function begin(program: string, words: readonly string[], port: number): Promise<void> {
    const server = spawn(program, words, { stdio: "ignore" });
    servers.push(server);
    while (!(await answers(port))) {
      if (server.exitCode !== null) throw new Error(`${program} did not start`);
    }
  }

  async function curls(backends: readonly string[], line: string): Promise<string[]> {
    const options = backends.flatMap((backend) => ["--backend", backend]);
    const words = [...asUser, ...natscope, "shell", "loadbalancer-proxy", ...options, "--", "bash", "-c", line];
    const { stdout, stderr } = await run(words);
    expect(stderr).toBe("");
    return stdout.trim().split("\n");
  }

  test.each(["nginx", "haproxy"] as const)("%s reads the balancer's PROXY headers, of both versions", async (which) => {
    const line = "for a in 143 144; do curl -s -m 20 203.0.113.$a; done";
    const lines = await curls([`proxy-app=127.0.0.1:${ports[which]}`], line);
    expect(lines).toEqual(["PROXY says 198.51.100.79", "PROXY says 198.51.100.79"]);
  });

  test("nginx takes a header it does not expect for a malformed request, and hangs up on one that is missing", async () => {
    const backends = [`source-ip-app=127.0.0.1:${ports.plain}`, `proxy-app=127.0.0.1:${ports.nginx}`];
    const line =
      "curl -s -m 20 -o /dev/null -w '%{http_code}\\n' 203.0.113.145; curl -s -m 20 203.0.113.146; echo $?; curl -s -m 20 203.0.113.141";
    expect(await curls(backends, line)).toEqual(["400", "52", "forwarded for 198.51.100.79"]);
  });
});

function nginxConfiguration(folder: string, ports: { readonly nginx: number; readonly plain: number }): string {
  const folders = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"];
  return `daemon off; master_process off; pid ${folder}/pid; error_log ${folder}/errors; events {}
http {
  access_log off;
  ${folders.map((each) => `${each}_temp_path ${folder}/${each};`).join(" ")}
  server { listen 127.0.0.1:${ports.nginx} proxy_protocol; location / { return 200 "PROXY says $proxy_protocol_addr\\n"; } }
  server { listen 127.0.0.1:${ports.plain}; location / { return 200 "forwarded for $http_x_forwarded_for\\n"; } }
}
`;
}

function haproxyConfiguration(port: number): string {
  return `defaults
  mode http
  timeout client 20s
frontend pods
  bind 127.0.0.1:${port} accept-proxy
  http-request return status 200 content-type text/plain lf-string "PROXY says %[src]\\n"
`;
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, "close");
  return port;
}

function answers(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, "127.0.0.1", () => {
      socket.destroy();
      resolve(true);
    });
    socket.once("error", () => setTimeout(() => resolve(false), 20));
  });
}
