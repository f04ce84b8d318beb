import { ConfigError } from "../scenario/index.ts";
import { TunUnavailable } from "../tun/index.ts";

/** What does as well where a command lacks a right. */
const INSTEAD: { readonly [command: string]: string } = {
  up: "run it as root, or natscope shell, which needs no root; ",
};

/** Does `work`, which needs something of this machine. @throws ConfigError that says what is missing and how to see more. */
export async function needing<T>(command: string, work: () => T | Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof TunUnavailable)) throw error;
    const remedy = process.getuid?.() === 0 ? "" : (INSTEAD[command] ?? "");
    const message = `${error.message} (${remedy}natscope doctor tells more)`;
    throw new ConfigError([{ file: `natscope ${command}`, message }]);
  }
}
