import { InvalidArgumentError, Option } from "commander";

/** Options that several commands share. */

export function seedOption(): Option {
  return new Option("--seed <number>", "what chance is drawn from: the same seed gives the same bytes")
    .argParser(parseSeed)
    .default(1);
}

/** Several seeds, and so several runs. */
export function seedsOption(): Option {
  return new Option("--seeds <list>", "one run with each of these seeds, such as 1..100 or 1,5,9").argParser(
    parseSeeds,
  );
}

/** How many runs at a time. */
export function jobsOption(): Option {
  return new Option("--jobs <number>", "of several runs so many at a time, each on a thread of its own")
    .argParser(parseJobs)
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

const MOST_SEEDS = 100_000;
const MOST_JOBS = 256;

function parseSeeds(text: string): number[] {
  const seeds = text.split(",").flatMap((part) => {
    const [from = "", to = from, more] = part.split("..");
    const [first, last] = [parseSeed(from), parseSeed(to)];
    if (more !== undefined || last < first || last - first >= MOST_SEEDS)
      throw new InvalidArgumentError(`Expected at most ${MOST_SEEDS} seeds, like 1..100 or 1,5,9.`);
    return Array.from({ length: last - first + 1 }, (_, index) => first + index);
  });
  return [...new Set(seeds)];
}

function parseJobs(text: string): number {
  if (/^\d{1,3}$/.test(text) && Number(text) >= 1 && Number(text) <= MOST_JOBS) return Number(text);
  throw new InvalidArgumentError(`Expected a number from 1 to ${MOST_JOBS}.`);
}

function parseSeed(text: string): number {
  if (/^\d{1,10}$/.test(text) && Number(text) <= 0xffffffff) return Number(text);
  throw new InvalidArgumentError("Expected a whole number from 0 to 4294967295.");
}
