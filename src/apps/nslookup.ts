import { formatIpv4, type Ipv4Address, ipv4, LOOPBACK_ADDRESS, parseIpv4 } from "../netstack/index.ts";
import {
  DnsClass,
  type DnsMessage,
  DnsRcode,
  type DnsRecord,
  dnsTypeCode,
  formatIpv6Text,
  octetsToUtf8,
  parseName,
  reverseName,
} from "../protocols/index.ts";
import { seconds } from "../sim/index.ts";
import { askDns, type DnsOutcome } from "./dns-client.ts";
import { rcodeName } from "./dns-names.ts";
import { parseOptions } from "./options.ts";
import type { Process } from "./process.ts";
import { withoutFinalDot } from "./resolver.ts";

const SYNTAX = {
  options: { type: "value" },
  aliases: { query: "type", querytype: "type", q: "type" },
  longDash: 1,
} as const;
/** busybox waits five seconds in all and asks twice. */
const ATTEMPTS = 2;
const ATTEMPT_TIMEOUT = seconds(2.5);
const USAGE = "Usage: nslookup [-type=QUERY_TYPE] HOST [DNS_SERVER]\n\nQuery DNS about HOST\n";

interface Query {
  readonly name: string;
  readonly type: string;
}

/** nslookup as busybox has it: A and AAAA, search domains only for names without a dot, one blank line after each answer. */
export function nslookup(process: Process): void {
  const options = parseOptions(process.argv.slice(1), SYNTAX);
  const [host, server, ...more] = "fault" in options ? [] : options.operands;
  if ("fault" in options || host === undefined || more.length > 0) {
    process.writeError(USAGE);
    return process.exit(1);
  }
  const type = options.value("type");
  if (type !== undefined && dnsTypeCode(type) === undefined) return fail(process, `invalid query type "${type}"`);
  if (parseName(host) === undefined) return fail(process, `invalid host name "${host}"`);
  const queries = queriesFor(process, host, type?.toUpperCase());
  const [configured] = process.host.resolver.config.nameservers;
  if (server === undefined) {
    // Without a configured server the C library's default is this host itself.
    return new Asking(process, queries, configured ?? LOOPBACK_ADDRESS).begin();
  }
  const cancel = process.host.resolver.resolve(server, (resolution) => {
    const [address] = resolution.kind === "found" ? resolution.addresses : [];
    if (address === undefined) fail(process, `can't resolve '${server}'`);
    else new Asking(process, queries, address).begin();
  });
  process.atExit(cancel);
}

function fail(process: Process, text: string): void {
  process.writeError(`nslookup: ${text}\n`);
  process.exit(1);
}

function queriesFor(process: Process, host: string, type: string | undefined): Query[] {
  const address = parseIpv4(host);
  if (address !== undefined && type === undefined) return [{ name: reverseName(address), type: "PTR" }];
  const { search } = process.host.resolver.config;
  const names = host.includes(".") || search.length === 0 ? [host] : search.map((domain) => `${host}.${domain}`);
  return (type === undefined ? ["A", "AAAA"] : [type]).flatMap((each) => names.map((name) => ({ name, type: each })));
}

/** All queries of one call, asked at once and printed in order when all are answered. */
class Asking {
  readonly #process: Process;
  readonly #queries: readonly Query[];
  readonly #server: Ipv4Address;
  readonly #answers: (DnsMessage | undefined)[];
  #left: number;
  #isOver = false;

  constructor(process: Process, queries: readonly Query[], server: Ipv4Address) {
    this.#process = process;
    this.#queries = queries;
    this.#server = server;
    this.#answers = queries.map(() => undefined);
    this.#left = queries.length;
  }

  begin(): void {
    for (const [index, query] of this.#queries.entries()) this.#ask(query, index, ATTEMPTS);
  }

  #ask(query: Query, index: number, attempts: number): void {
    const question = { name: query.name, type: query.type, class: DnsClass.in };
    const request = { server: this.#server, question, timeout: ATTEMPT_TIMEOUT, transport: "udp" } as const;
    const cancel = askDns(this.#process.host.stack, request, (outcome) => this.#take(outcome, index, attempts));
    this.#process.atExit(cancel);
  }

  #take(outcome: DnsOutcome, index: number, attempts: number): void {
    const query = this.#queries[index];
    if (this.#isOver || query === undefined) return;
    if (outcome.kind === "answer") {
      const isFailure = outcome.message.rcode === DnsRcode.serverFailure;
      if (isFailure && attempts > 0) return this.#ask(query, index, attempts - 1);
      this.#answers[index] = outcome.message;
      this.#left -= 1;
      if (this.#left === 0) this.#print();
    } else if (outcome.kind === "timeout" && attempts > 1) this.#ask(query, index, attempts - 1);
    else this.#giveUp(READ_ERRORS[outcome.kind]);
  }

  #giveUp(complaint: string): void {
    this.#isOver = true;
    this.#process.writeError(complaint);
    this.#process.write(";; connection timed out; no servers could be reached\n\n");
    this.#process.exit(1);
  }

  #print(): void {
    const server = formatIpv4(this.#server);
    this.#process.write(`Server:\t\t${server}\nAddress:\t${server}:53\n\n`);
    let exitCode = 0;
    for (const [index, answer] of this.#answers.entries()) {
      const query = this.#queries[index];
      if (answer === undefined || query === undefined) continue;
      if (answer.rcode === DnsRcode.noError) {
        for (const record of answer.answers) this.#process.write(recordText(record));
      } else {
        this.#process.write(`** server can't find ${query.name.replace(/\.$/, "")}: ${rcodeName(answer.rcode)}\n`);
        exitCode = 1;
      }
      this.#process.write("\n");
    }
    this.#process.exit(exitCode);
  }
}

/** What a read from the socket says, on stderr. */
const READ_ERRORS = {
  timeout: "",
  refused: "nslookup: read: Connection refused\n",
  "host-unreachable": "nslookup: read: No route to host\n",
  "network-unreachable": "nslookup: read: Network is unreachable\n",
} as const;

function recordText(record: DnsRecord): string {
  const name = withoutFinalDot(record.name);
  switch (record.type) {
    case "A":
      return `Name:\t${name}\nAddress: ${formatIpv4(ipv4(record.address))}\n`;
    case "AAAA":
      return `Name:\t${name}\nAddress: ${formatIpv6Text(record.address)}\n`;
    case "CNAME":
      return `${name}\tcanonical name = ${withoutFinalDot(record.target)}\n`;
    case "NS":
      return `${name}\tnameserver = ${withoutFinalDot(record.target)}\n`;
    case "PTR":
      return `${name}\tname = ${withoutFinalDot(record.target)}\n`;
    case "SRV":
      return `${name}\tservice = ${record.priority} ${record.weight} ${record.port} ${withoutFinalDot(record.target)}\n`;
    case "TXT":
      return `${name}\ttext = "${octetsToUtf8(record.strings.join(""))}"\n`;
    case "SOA":
      return (
        `${name}\n\torigin = ${withoutFinalDot(record.primary)}\n\tmail addr = ${withoutFinalDot(record.mailbox)}\n` +
        `\tserial = ${record.serial}\n\trefresh = ${record.refresh}\n\tretry = ${record.retry}\n` +
        `\texpire = ${record.expire}\n\tminimum = ${record.minimum}\n`
      );
    default:
      return "";
  }
}
