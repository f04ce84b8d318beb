import { address, type TcpSocket } from "../src/netstack/index.ts";
import { kubeRules, TCP_PORT, VIP } from "./kube-rules.ts";
import { buildPath } from "./path.ts";

const CHUNK = new Uint8Array(64 * 1024).fill(0x61);
/**
 * The sender's buffer, as `iperf3 -w 256K` bounds it. Without a bound it grows to 4 MB, and as nothing holds a virtual network up, all of it is under way at
 * once: the figure would be that of the machine's memory.
 */
const SEND_BUFFER = { initial: 65_536, most: 262_144 };

/** One TCP connection through the router's DNAT and MASQUERADE; the function that comes back sends so many bytes and gives Gbit of payload a second. */
export function tcpBulk(): (bytes: number) => number {
  const { network, client, server } = buildPath(kubeRules(1));
  client.stack.tcp.settings = { ...client.stack.tcp.settings, sendBuffer: SEND_BUFFER };
  let received = 0;
  server.stack.tcp.listen({ port: TCP_PORT }, (socket) => {
    socket.events = {
      onData: (bytes) => {
        received += bytes.length;
      },
    };
  });
  let left = 0;
  let writable = true;
  const fill = (): void => {
    while (left > 0 && writable) {
      const chunk = left < CHUNK.length ? CHUNK.subarray(0, left) : CHUNK;
      left -= chunk.length;
      writable = socket.write(chunk);
    }
  };
  const opened = client.stack.tcp.connect(
    { to: address(VIP), port: TCP_PORT },
    {
      onDrain: () => {
        writable = true;
        fill();
      },
    },
  );
  if (typeof opened === "string") throw new Error(opened);
  const socket: TcpSocket = opened;
  return (bytes) => {
    const before = received;
    left = bytes;
    const began = performance.now();
    fill();
    network.simulator.runUntil(() => received - before >= bytes);
    const seconds = (performance.now() - began) / 1000;
    if (received - before !== bytes) throw new Error(`${received - before} of ${bytes} bytes arrived`);
    return (bytes * 8) / 1e9 / seconds;
  };
}
