import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { address, setU16, setU32 } from "../src/netstack/index.ts";
import { datagramFrom, RouterHooks, restore } from "./hooks.ts";

const FIRST_SOURCE = address("10.64.0.1");
const PORTS = 50_000;

/** Bytes that one connection takes when there are `count`: the heap and the buffers beside it, before and after. */
export function conntrackBytes(count: number): { readonly bytes: number; readonly residentBytes: number } {
  const hooks = new RouterHooks({ masqueradeAll: false, most: count * 2 });
  const before = memory();
  const datagram = datagramFrom("10.64.0.1", 1);
  const { packet } = datagram;
  for (let i = 0; i < count; i++) {
    restore(datagram);
    // Without UDP's checksum, which would have to be made anew.
    setU32(packet.bytes, packet.ip + 12, FIRST_SOURCE + Math.floor(i / PORTS));
    setU16(packet.bytes, packet.transport, 1024 + (i % PORTS));
    setU16(packet.bytes, packet.transport + 6, 0);
    hooks.pass(packet);
  }
  const now = memory();
  if (hooks.connections() !== count) throw new Error(`${hooks.connections()} of ${count} connections are there`);
  return { bytes: (now.held - before.held) / count, residentBytes: (now.resident - before.resident) / count };
}

function memory(): { readonly held: number; readonly resident: number } {
  setFlagsFromString("--expose-gc");
  const collect = runInNewContext("gc") as () => void;
  collect();
  const { heapUsed, arrayBuffers, rss } = process.memoryUsage();
  return { held: heapUsed + arrayBuffers, resident: rss };
}
