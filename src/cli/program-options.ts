import { InvalidArgumentError, Option } from "commander";

/** Options that several commands share. */

export function seedOption(): Option {
  return new Option("--seed <number>", "what chance is drawn from: the same seed gives the same bytes")
    .argParser(parseSeed)
    .default(1);
}

export function setOption(): Option {
  return new Option(
    "--set <path=value>",
    "change the scenario, such as cluster.proxy.masqueradeAll=true; repeatable",
  ).argParser(collect);
}

/** For options that may be given several times. */
export function collect(value: string, before: readonly string[] | undefined): string[] {
  return [...(before ?? []), value];
}

function parseSeed(text: string): number {
  if (/^\d{1,10}$/.test(text) && Number(text) <= 0xffffffff) return Number(text);
  throw new InvalidArgumentError("Expected a whole number from 0 to 4294967295.");
}
