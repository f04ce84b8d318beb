import { ByteWriter } from "./byte-writer.ts";
import type { DnsRecordFrame } from "./dns-record.ts";

/** What an OPT record says, RFC 6891 §6.1; the high bits of the response code are in the message's `rcode`. */
export interface DnsEdns {
  /** Largest UDP payload the sender takes. */
  readonly udpSize: number;
  readonly version: number;
  readonly dnssecOk: boolean;
  readonly options: readonly { readonly code: number; readonly data: Uint8Array }[];
}

const OPT = 41;
const DNSSEC_OK = 0x8000;
/** What every receiver takes over UDP without EDNS, RFC 1035 §2.3.4. */
const PLAIN_UDP_SIZE = 512;

/** Reads an OPT record; `undefined` when it is malformed. */
export function parseEdns(frame: DnsRecordFrame): { edns: DnsEdns; rcodeHigh: number } | undefined {
  if (frame.name !== ".") return undefined;
  const { data } = frame;
  const options: { code: number; data: Uint8Array }[] = [];
  while (data.left > 0 && !data.failed) {
    const code = data.u16();
    options.push({ code, data: data.raw(data.u16()) });
  }
  if (data.failed) return undefined;
  const version = (frame.ttl >>> 16) & 0xff;
  const dnssecOk = (frame.ttl & DNSSEC_OK) !== 0;
  return { edns: { udpSize: frame.class, version, dnssecOk, options }, rcodeHigh: frame.ttl >>> 24 };
}

/** The bytes of an OPT record, with the high bits of `rcode`. */
export function emitEdns(edns: DnsEdns, rcode: number): Uint8Array {
  const writer = new ByteWriter();
  writer.u8(0);
  writer.u16(OPT);
  writer.u16(edns.udpSize);
  writer.u8(rcode >>> 4);
  writer.u8(edns.version);
  writer.u16(edns.dnssecOk ? DNSSEC_OK : 0);
  const lengthAt = writer.length;
  writer.u16(0);
  for (const option of edns.options) {
    writer.u16(option.code);
    writer.u16(option.data.length);
    writer.raw(option.data);
  }
  writer.patchU16(lengthAt, writer.length - lengthAt - 2);
  return writer.finish();
}

/** How large an answer over UDP may be: what the query's EDNS allows, 512 without, never more than the server's own limit. */
export function dnsUdpLimit(edns: DnsEdns | undefined, serverLimit: number): number {
  return Math.max(PLAIN_UDP_SIZE, Math.min(edns?.udpSize ?? PLAIN_UDP_SIZE, serverLimit));
}
