import { formatIpv4, type Ipv4Address, ipv4, LOOPBACK_ADDRESS } from "../netstack/index.ts";
import { DnsClass, type DnsQuestion } from "../protocols/index.ts";
import { between, seconds, type Time } from "../sim/index.ts";
import { type DigPlan, readDigPlan } from "./dig-plan.ts";
import { headerText, questionLine, recordLine, sectionText, shortText } from "./dig-text.ts";
import { askDns, type DnsOutcome } from "./dns-client.ts";
import type { Process } from "./process.ts";
import { candidateNames } from "./resolver.ts";

const VERSION = "9.18";
const UDP_SIZE = 1232;
const EXIT_USAGE = 1;
const EXIT_NO_REPLY = 9;

/** dig 9.18, the short and the full form. It offers no cookie and prints no WHEN line: hosts have no calendar. */
export function dig(process: Process): void {
  const plan = readDigPlan(process.argv.slice(1));
  if (typeof plan === "string") {
    process.writeError(`${plan}\n`);
    return process.exit(EXIT_USAGE);
  }
  const { resolver } = process.host;
  if (plan.server === undefined) {
    const [server] = resolver.config.nameservers;
    return new Digging(process, plan).begin(server ?? LOOPBACK_ADDRESS);
  }
  const { server } = plan;
  const cancel = resolver.resolve(server, (resolution) => {
    const [address] = resolution.kind === "found" ? resolution.addresses : [];
    if (address !== undefined) return new Digging(process, plan).begin(address);
    process.writeError(`dig: couldn't get address for '${server}': not found\n`);
    process.exit(EXIT_NO_REPLY + 1);
  });
  process.atExit(cancel);
}

const FAILURES = {
  timeout: "timed out",
  refused: "connection refused",
  "host-unreachable": "host unreachable",
  "network-unreachable": "network unreachable",
} as const;

/** One dig: candidate names, and for each a few tries. */
class Digging {
  readonly #process: Process;
  readonly #plan: DigPlan;
  readonly #names: readonly string[];
  #server: Ipv4Address = ipv4(0);
  #asked: Time;

  constructor(process: Process, plan: DigPlan) {
    this.#process = process;
    this.#plan = plan;
    this.#asked = process.host.stack.clock.now();
    const absolute = plan.name.endsWith(".") ? plan.name : `${plan.name}.`;
    this.#names =
      plan.flags.get("search") === true ? candidateNames(plan.name, process.host.resolver.config) : [absolute];
  }

  begin(server: Ipv4Address): void {
    this.#server = server;
    this.#ask(0, this.#plan.tries);
  }

  #ask(index: number, tries: number): void {
    const { type, port, timeoutSeconds, flags } = this.#plan;
    const name = this.#names[index] ?? ".";
    const question: DnsQuestion = { name, type, class: DnsClass.in };
    this.#asked = this.#process.host.stack.clock.now();
    const overTcp = flags.get("tcp") === true || flags.get("vc") === true;
    const request = {
      server: this.#server,
      port,
      question,
      timeout: seconds(timeoutSeconds),
      transport: overTcp ? "tcp" : flags.get("ignore") === true ? "udp" : "udp-then-tcp",
      recursionDesired: flags.get("recurse") === true,
      ...(flags.get("edns") === true && { udpSize: UDP_SIZE }),
    } as const;
    const cancel = askDns(this.#process.host.stack, request, (outcome) => this.#take(outcome, index, tries));
    this.#process.atExit(cancel);
  }

  #take(outcome: DnsOutcome, index: number, tries: number): void {
    if (outcome.kind === "answer") {
      const isLast = index + 1 >= this.#names.length;
      if (outcome.message.answers.length === 0 && !isLast) return this.#ask(index + 1, this.#plan.tries);
      this.#process.write(
        this.#plan.flags.get("short") === true ? shortText(outcome.message) : this.#fullText(outcome),
      );
      return this.#process.exit(0);
    }
    const why = FAILURES[outcome.kind];
    this.#process.write(`;; communications error to ${formatIpv4(this.#server)}#${this.#plan.port}: ${why}\n`);
    if (tries > 1) return this.#ask(index, tries - 1);
    const heading = this.#plan.flags.get("short") === true ? "" : this.#heading();
    this.#process.write(`${heading};; no servers could be reached\n`);
    this.#process.exit(EXIT_NO_REPLY);
  }

  #heading(): string {
    if (this.#plan.flags.get("cmd") !== true) return "";
    const servers = this.#plan.server === undefined ? "" : "; (1 server found)\n";
    return `\n; <<>> DiG ${VERSION} <<>> ${this.#process.argv.slice(1).join(" ")}\n${servers};; global options: +cmd\n`;
  }

  #fullText(outcome: Extract<DnsOutcome, { kind: "answer" }>): string {
    const { message, bytes, transport } = outcome;
    const { flags, port } = this.#plan;
    const shows = (section: string): boolean => flags.get(section) === true;
    const parts = [this.#heading()];
    if (shows("comments")) parts.push(headerText(message));
    if (shows("question")) parts.push(sectionText("QUESTION", message.questions.map(questionLine), shows("comments")));
    if (shows("answer")) parts.push(sectionText("ANSWER", message.answers.map(recordLine), shows("comments")));
    if (shows("authority"))
      parts.push(sectionText("AUTHORITY", message.authorities.map(recordLine), shows("comments")));
    if (shows("additional"))
      parts.push(sectionText("ADDITIONAL", message.additionals.map(recordLine), shows("comments")));
    if (shows("stats")) {
      const took = Math.floor(between(this.#asked, this.#process.host.stack.clock.now()) / 1e6);
      const server = formatIpv4(this.#server);
      parts.push(
        `;; Query time: ${took} msec\n;; SERVER: ${server}#${port}(${server}) (${transport.toUpperCase()})\n` +
          `;; MSG SIZE  rcvd: ${bytes}\n\n`,
      );
    }
    return parts.join("");
  }
}
