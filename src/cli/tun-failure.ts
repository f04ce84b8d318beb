import { ConfigError } from "../scenario/index.ts";
import { TunUnavailable } from "../tun/index.ts";

/** Does `work`, which needs something of this machine. @throws ConfigError that says what is missing and how to see more. */
export async function needing<T>(command: string, work: () => T | Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof TunUnavailable)) throw error;
    throw new ConfigError([{ file: `natscope ${command}`, message: `${error.message} (natscope doctor tells more)` }]);
  }
}
