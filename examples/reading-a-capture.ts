import { formatIpv4, interfaceAddress, Network, readCapture, readIpv4Header, runCommand } from "natscope";

/** Writes a capture to memory and reads it back: which packet was seen where, and when. */
export function main(print: (line: string) => void): void {
  const chunks: Uint8Array[] = [];
  const capture = {
    target: { format: "pcapng", sink: (chunk: Uint8Array) => void chunks.push(chunk.slice()) },
  } as const;
  const network = new Network({ seed: 1, capture });
  const lan = network.addSwitch("lan");
  const [a, b] = [network.addHost("a"), network.addHost("b")];
  network.attach(a, lan, { name: "eth0", addresses: [interfaceAddress("10.0.0.1/24")] });
  network.attach(b, lan, { name: "eth0", addresses: [interfaceAddress("10.0.0.2/24")] });
  const ping = runCommand(a, "ping -c 1 10.0.0.2");
  network.simulator.runUntil(() => ping.exitCode !== undefined);
  network.capture?.finish();

  const bytes = new Uint8Array(chunks.reduce((length, chunk) => length + chunk.length, 0));
  let place = 0;
  for (const chunk of chunks) {
    bytes.set(chunk, place);
    place += chunk.length;
  }
  const file = readCapture(bytes);
  for (const packet of file.packets) {
    if (packet.bytes[12] !== 8 || packet.bytes[13] !== 0) continue;
    const { source, destination } = readIpv4Header(packet.bytes, 14);
    print(
      `packet ${packet.packetId} ${packet.interface.name} ${packet.direction}: ${formatIpv4(source)} > ${formatIpv4(destination)}`,
    );
  }
}
