import type { Random } from "../sim/index.ts";
import type { Sysctls } from "./context.ts";

/**
 * A free local port for a socket that asks for none. As in `__inet_hash_connect` (net/ipv4/inet_hashtables.c) the search begins at random and tries every
 * second port first, those of the range's first port's parity, and leaves the others to bind().
 */
export function chooseLocalPort(
  sysctls: Sysctls,
  random: Random,
  isFree: (port: number) => boolean,
): number | undefined {
  const [low, high] = sysctls.localPorts;
  const count = high - low + 1;
  const begin = random.below(count) & ~1;
  for (const parity of [0, 1]) {
    for (let step = 0; step < count; step += 2) {
      const port = low + ((begin + step) % count) + parity;
      if (port <= high && isFree(port)) return port;
    }
  }
  return undefined;
}
