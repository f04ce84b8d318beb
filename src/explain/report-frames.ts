import {
  describeArp,
  describeIcmp,
  ETHERNET_HEADER_LENGTH,
  EtherType,
  formatMac,
  getMac,
  getU8,
  ICMP_HEADER_LENGTH,
  IpProtocol,
  networkLayer,
  parseArp,
  parseIcmp,
} from "../netstack/index.ts";
import type { DecodedField } from "./decoded-field.ts";
import { type Flow, formatEnd, protocolName, readIpv4Packet, readPacket, type SeenPacket } from "./flow.ts";
import type { HeaderLayout, ReportFrame } from "./report-data.ts";
import { decodeHeaders, tcpFlagNames } from "./report-headers.ts";
import { describePayload } from "./report-payload.ts";

/** Bytes of a frame that are shown. */
const SHOWN_BYTES = 512;

/** Frames as they were on the wire, each once: two sights of the same bytes have the same number. */
export class FrameTable {
  readonly frames: ReportFrame[] = [];
  readonly layouts: HeaderLayout[] = [];
  /** Bytes that are not shown. */
  cutBytes = 0;
  readonly #frames = new Map<string, number>();
  readonly #layouts = new Map<string, number>();

  /** The number of the frame with these bytes, of which nothing is kept. */
  add(bytes: Uint8Array): number {
    const key = String.fromCharCode(...bytes);
    const known = this.#frames.get(key);
    if (known !== undefined) return known;
    const number = this.frames.length;
    this.#frames.set(key, number);
    this.frames.push(this.#decode(bytes));
    return number;
  }

  #decode(bytes: Uint8Array): ReportFrame {
    const fields = decodeHeaders(bytes);
    this.cutBytes += Math.max(0, bytes.length - SHOWN_BYTES);
    return {
      bytes: hexText(bytes.subarray(0, SHOWN_BYTES)),
      length: bytes.length,
      ...summaryOf(bytes, fields),
      layout: this.#layoutOf(fields),
      values: fields.map(({ value }) => value),
    };
  }

  #layoutOf(fields: readonly DecodedField[]): number {
    const layout = fields.map(({ layer, name, at, length }) => ({ layer, name, at, length }));
    const key = layout.map(({ layer, name, at, length }) => `${layer} ${name} ${at} ${length}`).join();
    const known = this.#layouts.get(key);
    if (known !== undefined) return known;
    this.#layouts.set(key, this.layouts.length);
    return this.layouts.push(layout) - 1;
  }
}

function hexText(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

function summaryOf(
  bytes: Uint8Array,
  fields: readonly DecodedField[],
): { readonly source: string; readonly destination: string; readonly what: string } {
  const packet = readPacket(bytes);
  if (packet === undefined) return linkSummary(bytes);
  const { flow, header, tcpFlags } = packet;
  const ends = endsOf(flow);
  const inside = fields.find(({ layer }) => layer === "IPv4 inside");
  const carried = inside && readIpv4Packet(bytes, inside.at, bytes.length);
  if (carried !== undefined) return { ...endsOf(carried.flow), what: describeTunnelled(carried, fields) };
  if (header.fragmentOffset > 0) return { ...ends, what: `${protocolName(flow.protocol)}, a later fragment` };
  const payload = describePayload(fields);
  if (payload !== undefined) return { ...ends, what: payload };
  if (tcpFlags !== undefined) return { ...ends, what: describeSegment(tcpFlags, fields) };
  if (flow.protocol === IpProtocol.icmp) return { ...ends, what: describeIcmpAt(bytes) };
  const length = fields.find(({ layer }) => layer === "Data" || layer === "Text");
  const amount = length === undefined ? "" : `, ${bytes.length - length.at} bytes`;
  return { ...ends, what: `${protocolName(flow.protocol)}${amount}` };
}

function endsOf(flow: Flow): { readonly source: string; readonly destination: string } {
  return { source: formatEnd(flow, "source"), destination: formatEnd(flow, "destination") };
}

/** What is carried, behind the tunnel's name. */
function describeTunnelled({ flow, tcpFlags }: SeenPacket, fields: readonly DecodedField[]): string {
  const tunnel = fields.some(({ layer }) => layer === "VXLAN") ? "VXLAN" : "IP in IP";
  const segment = tcpFlags === undefined ? protocolName(flow.protocol) : describeSegment(tcpFlags, fields);
  return `${tunnel}: ${describePayload(fields) ?? segment}`;
}

function describeSegment(flags: number, fields: readonly DecodedField[]): string {
  const data = fields.find(({ layer }) => layer === "Data" || layer === "Text" || layer === "HTTP");
  if (data === undefined) return tcpFlagNames(flags);
  const bytes = fields.reduce((end, { at, length }) => Math.max(end, at + length), 0) - data.at;
  return `${bytes} bytes of data`;
}

function describeIcmpAt(bytes: Uint8Array): string {
  const at = ETHERNET_HEADER_LENGTH + (getU8(bytes, ETHERNET_HEADER_LENGTH) & 15) * 4;
  const icmp = bytes.length >= at + ICMP_HEADER_LENGTH ? parseIcmp(bytes, at, bytes.length) : undefined;
  return icmp === undefined ? "ICMP" : describeIcmp(icmp).replace(/ id \d+ seq (\d+)$/, ", number $1");
}

function linkSummary(bytes: Uint8Array): { source: string; destination: string; what: string } {
  if (bytes.length < ETHERNET_HEADER_LENGTH) return { source: "", destination: "", what: `${bytes.length} bytes` };
  const ends = { source: formatMac(getMac(bytes, 6)), destination: formatMac(getMac(bytes, 0)) };
  const network = networkLayer(bytes, 0, bytes.length);
  const arp = network?.type === EtherType.arp ? parseArp(bytes, network.at, bytes.length) : undefined;
  return { ...ends, what: arp === undefined ? "Ethernet" : describeArp(arp) };
}
