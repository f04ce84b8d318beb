import { formatIpv4, ipv4 } from "../netstack/index.ts";
import {
  DnsClass,
  type DnsMessage,
  type DnsQuestion,
  type DnsRecord,
  formatIpv6Text,
  octetsToUtf8,
} from "../protocols/index.ts";
import { rcodeName } from "./dns-names.ts";

/** What `+short` prints. */
export function shortText(message: DnsMessage): string {
  return message.answers.map((record) => `${dataText(record)}\n`).join("");
}

/** The comment lines before the sections. */
export function headerText(message: DnsMessage): string {
  const set: readonly (readonly [boolean, string])[] = [
    [message.response, "qr"],
    [message.authoritative, "aa"],
    [message.truncated, "tc"],
    [message.recursionDesired, "rd"],
    [message.recursionAvailable, "ra"],
    [message.authenticData, "ad"],
    [message.checkingDisabled, "cd"],
  ];
  const names = set.filter(([isSet]) => isSet).map(([, name]) => ` ${name}`);
  const { questions, answers, authorities, additionals, edns } = message;
  const extra = additionals.length + (edns === undefined ? 0 : 1);
  const counts = `QUERY: ${questions.length}, ANSWER: ${answers.length}, AUTHORITY: ${authorities.length}, ADDITIONAL: ${extra}`;
  const lines = [
    ";; Got answer:",
    `;; ->>HEADER<<- opcode: QUERY, status: ${rcodeName(message.rcode)}, id: ${message.id}`,
    `;; flags:${names.join("")}; ${counts}`,
  ];
  if (message.recursionDesired && !message.recursionAvailable) {
    lines.push(";; WARNING: recursion requested but not available");
  }
  if (edns !== undefined) {
    const flags = edns.dnssecOk ? " do" : "";
    lines.push("", ";; OPT PSEUDOSECTION:", `; EDNS: version: ${edns.version}, flags:${flags}; udp: ${edns.udpSize}`);
    return `${lines.join("\n")}\n`;
  }
  return `${lines.join("\n")}\n\n`;
}

/** A section with its title, empty without records. */
export function sectionText(title: string, lines: readonly string[], isTitled: boolean): string {
  if (lines.length === 0) return "";
  return `${isTitled ? `;; ${title} SECTION:\n` : ""}${lines.join("\n")}\n${isTitled ? "\n" : ""}`;
}

/** A question as a line of its section. */
export function questionLine(question: DnsQuestion): string {
  return `${tabTo(tabTo(`;${question.name}`, 32) + className(question.class), 40)}${question.type}`;
}

/** A record as a line of a zone file. */
export function recordLine(record: DnsRecord): string {
  const type = record.type === "other" ? `TYPE${record.code}` : record.type;
  const name = tabTo(record.name, 24);
  return `${tabTo(tabTo(tabTo(name + record.ttl, 32) + className(record.class), 40) + type, 48)}${dataText(record)}`;
}

/** Tabs up to a column, or one blank when the text is past it. */
function tabTo(text: string, column: number): string {
  let width = 0;
  for (const character of text) width = character === "\t" ? (Math.floor(width / 8) + 1) * 8 : width + 1;
  return width >= column ? `${text} ` : text + "\t".repeat(Math.ceil((column - width) / 8));
}

function className(code: number): string {
  return code === DnsClass.in ? "IN" : `CLASS${code}`;
}

function dataText(record: DnsRecord): string {
  switch (record.type) {
    case "A":
      return formatIpv4(ipv4(record.address));
    case "AAAA":
      return formatIpv6Text(record.address);
    case "CNAME":
    case "NS":
    case "PTR":
      return record.target;
    case "SRV":
      return `${record.priority} ${record.weight} ${record.port} ${record.target}`;
    case "SOA": {
      const { primary, mailbox, serial, refresh, retry, expire, minimum } = record;
      return [primary, mailbox, serial, refresh, retry, expire, minimum].join(" ");
    }
    case "TXT":
      return record.strings.map((text) => `"${octetsToUtf8(text)}"`).join(" ");
    case "other":
      return `\\# ${record.data.length} ${[...record.data].map((byte) => byte.toString(16).padStart(2, "0").toUpperCase()).join("")}`;
  }
}
