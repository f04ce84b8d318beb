import { formatIpv4, getU8, getU16, ipv4 } from "../netstack/index.ts";
import { type DnsMessage, type DnsRecord, parseDns } from "../protocols/index.ts";
import type { DecodedField, HeaderRange } from "./decoded-field.ts";

/** Lines of a text that are shown one by one. */
const MOST_LINES = 40;
const FIRST_LINE = /^(?:[A-Z]{3,10} \S+ HTTP\/1\.[01]|HTTP\/1\.[01] \d{3}.*|PROXY (?:TCP4|TCP6|UNKNOWN).*)$/;
const DNS_PORT = 53;

/** What lies behind the transport header: HTTP and DNS taken apart, other text as text, anything else as its length. */
export function payloadFields(range: HeaderRange): DecodedField[] {
  if (range.end <= range.at) return [];
  return dnsFields(range) ?? textFields(range) ?? [dataField(range)];
}

/** A payload in few words; `undefined` where it says nothing to a reader. */
export function describePayload(fields: readonly DecodedField[]): string | undefined {
  return fields.find(({ name }) => name === "Start line" || name === "Message")?.value;
}

function dataField({ at, end }: HeaderRange): DecodedField {
  return { layer: "Data", name: "Bytes", at, length: end - at, value: `${end - at} bytes` };
}

function textFields({ bytes, at, end }: HeaderRange): DecodedField[] | undefined {
  for (let i = at; i < end; i++) if (!isText(getU8(bytes, i))) return undefined;
  const text = String.fromCharCode(...bytes.subarray(at, end));
  const isHttp = FIRST_LINE.test(text.split("\r\n", 1)[0] ?? "");
  const fields: DecodedField[] = [];
  let place = at;
  for (const line of text.split("\n")) {
    if (fields.length === MOST_LINES) return [...fields, dataField({ bytes, at: place, end })];
    const value = line.replace(/\r$/, "");
    const name = isHttp && place === at ? "Start line" : "Line";
    if (value !== "") fields.push({ layer: isHttp ? "HTTP" : "Text", name, at: place, length: value.length, value });
    place += line.length + 1;
  }
  return fields;
}

function isText(byte: number): boolean {
  return (byte >= 32 && byte < 127) || byte === 9 || byte === 10 || byte === 13;
}

/** The UDP header stands right before the message. */
function dnsFields({ bytes, at, end }: HeaderRange): DecodedField[] | undefined {
  const isPort = at >= 8 && (getU16(bytes, at - 8) === DNS_PORT || getU16(bytes, at - 6) === DNS_PORT);
  const message = isPort ? parseDns(bytes.subarray(at, end)) : undefined;
  if (message === undefined) return undefined;
  const add = (name: string, from: number, length: number, value: string): DecodedField => ({
    layer: "DNS",
    name,
    at: from,
    length,
    value,
  });
  const rest = (name: string, value: string): DecodedField => add(name, at + 12, end - at - 12, value);
  return [
    add("Identifier", at, 2, String(message.id)),
    add("Message", at + 2, 2, describeDns(message)),
    ...message.questions.map(({ name, type }) => rest("Question", `${name} ${type}`)),
    ...message.answers.map((record) => rest("Answer", describeRecord(record))),
    ...message.authorities.map((record) => rest("Authority", describeRecord(record))),
  ];
}

function describeDns({ response, questions, answers, rcode }: DnsMessage): string {
  const [question] = questions;
  const asked = question === undefined ? "" : ` ${question.type} ${question.name}`;
  if (!response) return `DNS query${asked}`;
  if (rcode !== 0) return `DNS ${RCODES[rcode] ?? `error ${rcode}`}${asked}`;
  const found = answers.map(dataText).join(", ");
  return `DNS answer${asked}: ${found === "" ? "nothing" : found}`;
}

const RCODES: Readonly<Record<number, string>> = {
  1: "FORMERR",
  2: "SERVFAIL",
  3: "NXDOMAIN",
  4: "NOTIMP",
  5: "REFUSED",
};

function describeRecord(record: DnsRecord): string {
  const type = record.type === "other" ? `TYPE${record.code}` : record.type;
  return `${record.name} ${record.ttl} ${type} ${dataText(record)}`;
}

function dataText(record: DnsRecord): string {
  switch (record.type) {
    case "A":
      return formatIpv4(ipv4(record.address));
    case "CNAME":
    case "NS":
    case "PTR":
      return record.target;
    case "SRV":
      return `${record.target}:${record.port}`;
    case "SOA":
      return record.primary;
    case "TXT":
      return record.strings.map((text) => JSON.stringify(text)).join(" ");
    default:
      return record.type === "AAAA" ? "an IPv6 address" : "";
  }
}
