/**
 * protocols: the texts that programs speak above TCP and UDP, read from bytes and written to bytes. HTTP/1.1 and DNS over
 * both, the PROXY protocol and the `Forwarded` headers by which a proxy tells where a connection came from, and STUN, by
 * which a host learns what a NAT made of its address.
 *
 * Nothing here opens a socket, knows a time or sends anything: pieces of a stream or whole datagrams go in, values come
 * out. Over TCP the readers are incremental, and a stream cut differently gives the same result. Bytes from the network
 * never throw: they give `undefined`, an `error` event or a reason. Values handed in for writing that cannot be written
 * (a header with a line break, a port of 70000) are the caller's mistake and do throw.
 *
 * It refuses to guess. Where two readers could understand the same bytes differently, as with two lengths in one HTTP
 * request, the message is an error. There is no TLS, no HTTP/2, no content coding, no DNS zone transfer, and STUN has no
 * credentials.
 *
 * Octets that need not be UTF-8 (header values, TXT strings, DNS labels) are octet strings, one character a byte; IPv4
 * addresses are unsigned 32-bit numbers in binary protocols and text in textual ones.
 *
 *     const parser = new HttpRequestParser({ body: 1_000_000 });
 *     for (const event of parser.push(bytesFromTcp)) {
 *       if (event.kind === "error") respond(event.error.status);
 *       if (event.kind === "head") console.log(event.head.method, header(event.head.headers, "host"));
 *     }
 */
export { type DnsEdns, dnsUdpLimit } from "./dns-edns.ts";
export {
  DNS_QUERY,
  type DnsHeader,
  type DnsMessage,
  type DnsQuestion,
  DnsRcode,
  emitDns,
  parseDns,
  parseDnsHeader,
} from "./dns-message.ts";
export { canonicalName, type DnsLabels, formatName, parseName, reverseName, sameName } from "./dns-name.ts";
export { DnsClass, type DnsData, type DnsRecord, dnsTypeCode, dnsTypeName } from "./dns-record.ts";
export { DnsStreamReader, emitDnsStream } from "./dns-stream.ts";
export {
  appendXForwardedFor,
  type ForwardedElement,
  type ForwardedNode,
  type ForwardedPort,
  formatForwarded,
  formatForwardedNode,
  parseForwarded,
  parseForwardedNode,
  parseXForwardedFor,
} from "./forwarded.ts";
export type { BodyFraming } from "./http1-body.ts";
export { emitChunk, emitLastChunk } from "./http1-chunked.ts";
export { emitRequest, emitResponse, reasonPhrase } from "./http1-emit.ts";
export type { HttpError, HttpFault } from "./http1-fault.ts";
export {
  type HttpHeader,
  type HttpHeaders,
  type HttpVersion,
  header,
  headerTokens,
  headerValues,
  keepsAlive,
  withHeader,
  withoutHopByHop,
} from "./http1-headers.ts";
export { type HttpMessage, HttpMessageCollector } from "./http1-message.ts";
export type { HttpEvent, HttpLimits } from "./http1-parser.ts";
export { type HttpRequest, type HttpRequestEvent, HttpRequestParser } from "./http1-request.ts";
export { type HttpResponse, type HttpResponseEvent, HttpResponseParser } from "./http1-response.ts";
export { formatIpv6Text, parseIpv6Text } from "./ip-text.ts";
export { octetsToUtf8, utf8ToOctets } from "./octets.ts";
export { detectProxyHeader, type ProxyDetection, type ProxyHeader } from "./proxy-protocol.ts";
export { emitProxyV1, type ProxyHeaderV1 } from "./proxy-protocol-v1.ts";
export {
  emitProxyV2,
  type ProxyAddresses,
  type ProxyHeaderV2,
  type ProxyTlv,
  ProxyTlvType,
} from "./proxy-protocol-v2.ts";
export {
  emitStun,
  parseStun,
  STUN_BINDING,
  type StunClass,
  type StunMessage,
  stunAttribute,
  unknownRequiredAttributes,
} from "./stun.ts";
export type { StunAddressType, StunAttribute } from "./stun-attribute.ts";
