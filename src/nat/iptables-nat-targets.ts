import { formatIpv4, ipv4 } from "../netstack/index.ts";
import { prefixLengthOf, readDottedQuad, readHostAndMask } from "./iptables-addresses.ts";
import { splitWord, type Word } from "./iptables-lexer.ts";
import type { OfKind, RuleHead, TargetModule } from "./iptables-modules.ts";
import { SERVICE_PORTS } from "./iptables-names.ts";
import { formatRange, readRisingRange, readUint } from "./iptables-numbers.ts";
import { flag, type Given, need, refuse, value } from "./iptables-options.ts";
import type { AddressRange, NatRange, NumberRange, PortOptions, Target } from "./rule.ts";

/** Protocols whose ports NAT may choose: ICMP (its id), TCP, UDP, DCCP, SCTP (extensions/libxt_NAT.c). */
const PROTOCOLS_WITH_PORTS: readonly number[] = [1, 6, 17, 33, 132];
const NAT_PORT = { max: 65535, what: "a port" };

export const snat: TargetModule<OfKind<Target, "snat">> = {
  options: [value("to-source"), flag("random"), flag("random-fully"), flag("persistent")],
  read: (given, head) => ({
    kind: "snat",
    ...readNatRange(need(given, "to-source").value, given, head),
    ...readFlags(given),
  }),
  format: (target) => ` --to-source ${formatNatRange(target)}${formatFlags(target)}`,
};

export const dnat: TargetModule<OfKind<Target, "dnat">> = {
  options: [value("to-destination"), flag("random"), flag("persistent")],
  read: (given, head) => ({
    kind: "dnat",
    ...readNatRange(need(given, "to-destination").value, given, head),
    ...readFlags(given),
  }),
  format: (target) => ` --to-destination ${formatNatRange(target)}${formatFlags(target)}`,
};

export const masquerade: TargetModule<OfKind<Target, "masquerade">> = {
  options: [value("to-ports"), flag("random"), flag("random-fully")],
  read: (given, head) => ({ kind: "masquerade", ...readToPorts(given, head), ...readFlags(given) }),
  format: (target) => `${formatToPorts(target.ports)}${formatFlags(target)}`,
};

export const redirect: TargetModule<OfKind<Target, "redirect">> = {
  options: [value("to-ports"), flag("random")],
  read: (given, head) => ({ kind: "redirect", ...readToPorts(given, head), ...readFlags(given) }),
  format: (target) => `${formatToPorts(target.ports)}${formatFlags(target)}`,
};

export const netmap: TargetModule<OfKind<Target, "netmap">> = {
  options: [value("to")],
  read(given) {
    const { address, mask } = readHostAndMask(need(given, "to").value);
    return { kind: "netmap", address: ipv4(address & mask), mask };
  },
  /** A mask that is no prefix is printed as /32 (extensions/libipt_NETMAP.c, `netmask2bits`). */
  format: (target) => ` --to ${formatIpv4(target.address)}/${prefixLengthOf(target.mask) ?? 32}`,
};

/** Reads `ADDRESS[-ADDRESS][:PORT[-PORT[/BASE]]]`; the address may be missing. */
function readNatRange(word: Word, given: Given, head: RuleHead): NatRange {
  const [addresses, ports, more] = splitWord(word, ":");
  if (addresses === undefined || more !== undefined || word.text === "")
    refuse(word, `"${word.text}" is not a place to map to`, "write ADDRESS[-ADDRESS][:PORT[-PORT]]");
  if (ports === undefined) return { addresses: readAddressRange(addresses) };
  needPorts(given, head);
  return {
    ...(addresses.text !== "" && { addresses: readAddressRange(addresses) }),
    ...readPortsAndBase(ports),
  };
}

function readAddressRange(word: Word): AddressRange {
  const [first, last, more] = splitWord(word, "-");
  if (first === undefined || more !== undefined)
    refuse(word, `"${word.text}" is not a range of addresses`, "write FIRST-LAST");
  const from = readDottedQuad(first);
  return { from, to: last === undefined ? from : readDottedQuad(last) };
}

function readPortsAndBase(word: Word): Pick<NatRange, "ports" | "portBase"> {
  const [range, base, more] = splitWord(word, "/");
  if (range === undefined || more !== undefined)
    refuse(word, `"${word.text}" is not a range of ports`, "write FROM-TO");
  const ports = readPortRange(range);
  if (base === undefined) return { ports };
  if (!range.text.includes("-"))
    refuse(base, "a base port shifts a range of ports, and there is only one", "write FROM-TO/BASE");
  return { ports, portBase: readUint(base, { ...NAT_PORT, min: 1 }) };
}

/** `80`, `80-90`, or a service's name, which cannot be in a range. */
function readPortRange(word: Word): NumberRange {
  const known = SERVICE_PORTS.get(word.text);
  if (known !== undefined) return { from: known, to: known };
  return readRisingRange({ ...word, text: word.text.replace("-", ":") }, NAT_PORT);
}

function readToPorts(given: Given, head: RuleHead): { readonly ports?: NumberRange } {
  const option = given.options.get("to-ports");
  if (option === undefined) return {};
  needPorts(given, head);
  return { ports: readPortRange(option.value) };
}

function needPorts(given: Given, head: RuleHead): void {
  if (head.protocol === undefined || !PROTOCOLS_WITH_PORTS.includes(head.protocol.protocol))
    refuse(given.at, `${given.module} to a port needs a protocol that has ports`, "add -p tcp, udp, sctp or dccp");
}

function readFlags(given: Given): PortOptions & { readonly persistent?: true } {
  return {
    ...(given.options.has("random") && { random: true }),
    ...(given.options.has("random-fully") && { randomFully: true }),
    ...(given.options.has("persistent") && { persistent: true }),
  };
}

function formatFlags(target: PortOptions & { readonly persistent?: true }): string {
  const random = target.random ? " --random" : "";
  const fully = target.randomFully ? " --random-fully" : "";
  return `${random}${fully}${target.persistent ? " --persistent" : ""}`;
}

function formatNatRange({ addresses, ports, portBase }: NatRange): string {
  const first = addresses === undefined ? "" : formatIpv4(addresses.from);
  const last = addresses === undefined || addresses.to === addresses.from ? "" : `-${formatIpv4(addresses.to)}`;
  const base = portBase === undefined ? "" : `/${portBase}`;
  return `${first}${last}${ports === undefined ? "" : `:${formatRange(ports, "-")}${base}`}`;
}

function formatToPorts(ports: NumberRange | undefined): string {
  return ports === undefined ? "" : ` --to-ports ${formatRange(ports, "-")}`;
}
