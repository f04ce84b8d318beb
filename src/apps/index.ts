/**
 * Programs that run on a host: what is typed in the tutorials (curl, wget, ping, traceroute, nslookup, dig, nc, ip) with the
 * output, request bytes and exit codes of the real ones, the pieces of a shell around them, and servers (the echo server,
 * HTTP, DNS, STUN, UDP echo).
 *
 * Everything goes through the host's stack: sockets, ICMP, its resolver. Nothing here reads a clock, a file or an
 * environment of its own. A program knows its `Process`, which holds what it printed and ends its sockets and timers with it;
 * it never waits, it is called back. Hosts have no files, so output goes to stdout or /dev/null; there is no TLS and no IPv6.
 * Programs refuse options that would change what goes over the network and are not built; they accept without effect those
 * that can have none here.
 *
 *     const host = { name: "client", stack, resolver: new StubResolver(stack, {}), environment: new Map() };
 *     echoServer(server, { version: "1.4", pod: { hostname: "pod" }, startDate: 0 });
 *     const process = runCommand(host, "curl -s 10.0.0.2:8080 | grep client_address");
 *     simulator.runUntil(() => process.exitCode !== undefined);
 *     process.stdout; // client_address=10.0.0.1
 */

// What a DNS server's answers are made of: passed on for nodes, which say what is in the cluster's zone.
export { canonicalName, DnsClass, type DnsData, DnsRcode, type DnsRecord, reverseName } from "../protocols/index.ts";
export { type CommandLineFault, type CommandList, isCommandLineFault, parseCommandLine } from "./command-line.ts";
export { COMMANDS } from "./commands.ts";
export { type DnsServerAnswer, type DnsServerOptions, dnsServer } from "./dns-server.ts";
export type { PodInformation } from "./echo-pages.ts";
export { type EchoServerOptions, echoServer } from "./echo-server.ts";
export type { Filter as TextFilter } from "./filter.ts";
export { parseFilter as parseTextFilter } from "./filters.ts";
export { formatHttpDate, httpDate } from "./http-date.ts";
export {
  type HttpAnswer,
  type HttpExchange,
  type HttpFraming,
  type HttpServerOptions,
  type HttpStyle,
  type Server,
  type ServerHost,
  serveHttp,
} from "./http-server.ts";
export { goStyle, nginxStyle } from "./http-styles.ts";
export { Process, type Program, type ProgramHost } from "./process.ts";
export {
  DEFAULT_RESOLVER_CONFIG,
  formatResolverConfig,
  type HostsEntry,
  type Resolution,
  type Resolver,
  type ResolverConfig,
  StubResolver,
} from "./resolver.ts";
export { runCommand } from "./shell.ts";
export { expandWord, tokenize } from "./shell-words.ts";
export { describeCloseReason } from "./sockets.ts";
export { straySegmentServer } from "./stray-segment-server.ts";
export { type StunServerOptions, stunServer } from "./stun-server.ts";
export { udpEchoServer } from "./udp-echo-server.ts";
