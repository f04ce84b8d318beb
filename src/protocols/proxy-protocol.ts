import { getU8 } from "./big-endian.ts";
import { bytesToOctets, octetsToBytes } from "./octets.ts";
import { type ProxyHeaderV1, parseProxyV1 } from "./proxy-protocol-v1.ts";
import { type ProxyHeaderV2, parseProxyV2, V2_FIXED_LENGTH, V2_SIGNATURE } from "./proxy-protocol-v2.ts";

/** A PROXY protocol header of either version. */
export type ProxyHeader = ProxyHeaderV1 | ProxyHeaderV2;

/** What the first bytes of a stream are. Every answer but `need-more` is final: more bytes do not change it. */
export type ProxyDetection =
  | { readonly kind: "need-more" }
  | { readonly kind: "header"; readonly header: ProxyHeader; readonly length: number }
  | { readonly kind: "absent" }
  | { readonly kind: "invalid"; readonly reason: string };

const V1_PREFIX = octetsToBytes("PROXY ");
/** Most bytes of a version 1 header, CRLF included (proxy-protocol.txt §2.1). */
const V1_LIMIT = 107;
const NEED_MORE: ProxyDetection = { kind: "need-more" };

/**
 * Looks for a PROXY header at the start of a stream. To be called with all bytes so far until it says something else than
 * `need-more`; `length` is then how many bytes belong to the header, the rest is the application's.
 */
export function detectProxyHeader(bytes: Uint8Array): ProxyDetection {
  if (beginsAlike(bytes, V1_PREFIX)) return bytes.length < V1_PREFIX.length ? NEED_MORE : detectV1(bytes);
  if (beginsAlike(bytes, V2_SIGNATURE)) return bytes.length < V2_SIGNATURE.length ? NEED_MORE : detectV2(bytes);
  return { kind: "absent" };
}

/** Whether the bytes agree with `prefix` as far as both go. */
function beginsAlike(bytes: Uint8Array, prefix: Uint8Array): boolean {
  return bytes.subarray(0, prefix.length).every((byte, index) => byte === prefix[index]);
}

function detectV1(bytes: Uint8Array): ProxyDetection {
  const text = bytesToOctets(bytes, 0, Math.min(bytes.length, V1_LIMIT));
  const end = text.indexOf("\r\n");
  if (end < 0) return text.length < V1_LIMIT ? NEED_MORE : invalid("no CRLF in the first 107 bytes");
  const header = parseProxyV1(text.slice(0, end));
  return typeof header === "string" ? invalid(header) : { kind: "header", header, length: end + 2 };
}

function detectV2(bytes: Uint8Array): ProxyDetection {
  if (bytes.length > V2_SIGNATURE.length && getU8(bytes, V2_SIGNATURE.length) >>> 4 !== 2) {
    return invalid("version is not 2");
  }
  if (bytes.length < V2_FIXED_LENGTH) return NEED_MORE;
  const length = V2_FIXED_LENGTH + getU8(bytes, 14) * 256 + getU8(bytes, 15);
  if (bytes.length < length) return NEED_MORE;
  const header = parseProxyV2(bytes.subarray(0, length));
  return typeof header === "string" ? invalid(header) : { kind: "header", header, length };
}

function invalid(reason: string): ProxyDetection {
  return { kind: "invalid", reason };
}
