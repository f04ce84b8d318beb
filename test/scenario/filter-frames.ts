import {
  ArpOperation,
  address,
  EtherType,
  emitArp,
  emitEthernet,
  emitIcmp,
  emitIpv4Header,
  emitTcp,
  emitUdp,
  fillIpv4Checksum,
  IpProtocol,
  mac,
} from "../../src/netstack/index.ts";
import type { SeenFrame } from "../../src/scenario/filter-frame.ts";

const ETHERNET = { source: mac(0x0a580af40308), destination: mac(0x0a580af40301) };

/** 10.244.3.8:40000 to 10.0.170.92:80, with "GET" inside, seen at node3/cbr0. */
export function tcpFrame(flags: number): SeenFrame {
  const bytes = ipFrame(IpProtocol.tcp, 23);
  emitTcp(
    {
      sourcePort: 40000,
      destinationPort: 80,
      sequence: 1000,
      acknowledgment: 2000,
      headerLength: 20,
      flags,
      window: 64240,
      checksum: 0,
      urgentPointer: 0,
    },
    bytes,
    34,
  );
  bytes.set(new TextEncoder().encode("GET"), 54);
  return { bytes, start: 0, end: bytes.length, point: "node3/cbr0" };
}

/** 10.244.3.8:5000 to 10.0.170.92:53, eight bytes. */
export function udpFrame(): SeenFrame {
  const bytes = ipFrame(IpProtocol.udp, 16);
  emitUdp({ sourcePort: 5000, destinationPort: 53, length: 16, checksum: 0 }, bytes, 34);
  return { bytes, start: 0, end: bytes.length, point: "node3/cbr0" };
}

/** An echo request, identifier 7, sequence number 3. */
export function pingFrame(): SeenFrame {
  const bytes = ipFrame(IpProtocol.icmp, 8);
  emitIcmp({ type: 8, code: 0, checksum: 0, rest: (7 << 16) | 3 }, bytes, 34);
  return { bytes, start: 0, end: bytes.length, point: "node3/cbr0" };
}

/** Who has 10.244.3.8? */
export function arpFrame(): SeenFrame {
  const bytes = new Uint8Array(42);
  emitEthernet({ ...ETHERNET, type: EtherType.arp }, bytes, 0);
  emitArp(
    {
      operation: ArpOperation.request,
      senderMac: ETHERNET.source,
      senderIp: address("10.244.3.1"),
      targetMac: mac(0),
      targetIp: address("10.244.3.8"),
    },
    bytes,
    14,
  );
  return { bytes, start: 0, end: 42, point: "node3/cbr0" };
}

function ipFrame(protocol: number, length: number): Uint8Array {
  const bytes = new Uint8Array(34 + length);
  emitEthernet({ ...ETHERNET, type: EtherType.ipv4 }, bytes, 0);
  emitIpv4Header(
    {
      headerLength: 20,
      typeOfService: 0,
      totalLength: 20 + length,
      identification: 0x1234,
      dontFragment: true,
      moreFragments: false,
      fragmentOffset: 0,
      ttl: 63,
      protocol,
      checksum: 0,
      source: address("10.244.3.8"),
      destination: address("10.0.170.92"),
    },
    bytes,
    14,
  );
  fillIpv4Checksum(bytes, 14);
  return bytes;
}
