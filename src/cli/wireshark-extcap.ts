import { createWriteStream } from "node:fs";
import type { Socket } from "node:net";
import type { Writable } from "node:stream";
import { compileDisplayFilter } from "../scenario/index.ts";
import { describeDataLinks, describeInterfaces, type OfferedInterface, offeredInterfaces } from "../wireshark/index.ts";
import { describeFileError } from "./file-error.ts";
import { type CommandIo, ExitCode } from "./io.ts";
import { askLive, findLiveRuns, type ReachableRun } from "./live-runs.ts";
import { JSON_BEGINS, type PointRequest, parseRefusal } from "./point-requests.ts";
import { VERSION } from "./version.ts";

/** What Wireshark asks for, as extcap(4) has it. */
interface ExtcapWords {
  readonly question: (typeof QUESTIONS)[number][1] | undefined;
  readonly interface: string;
  readonly fifo: string;
  readonly filter: string;
}

/** `natscope extcap …`: what Wireshark starts, through the script that `natscope wireshark install` writes. */
export async function extcap(args: readonly string[], io: CommandIo): Promise<ExitCode> {
  const words = readWords(args);
  switch (words.question) {
    case "interfaces":
      io.out(describeInterfaces(offeredInterfaces(await findLiveRuns()), VERSION));
      return ExitCode.ok;
    case "dlts":
      io.out(describeDataLinks());
      return ExitCode.ok;
    case "config":
      return ExitCode.ok;
    case "filter":
      return checkFilter(words.filter, io);
    case "capture":
      return capture(words, io);
    case undefined:
      io.err("extcap: expected what Wireshark asks, such as --extcap-interfaces\n");
      return ExitCode.wrongUse;
  }
}

/** Both `--name value` and `--name=value`; what is not known, such as `--extcap-version=4.0`, is not needed. */
function readWords(args: readonly string[]): ExtcapWords {
  const place = (name: string): number => args.findIndex((arg) => arg === name || arg.startsWith(`${name}=`));
  const value = (name: string): string => {
    const at = place(name);
    return (args[at] === name ? args[at + 1] : args[at]?.slice(name.length + 1)) ?? "";
  };
  return {
    question: QUESTIONS.find(([name]) => place(name) >= 0)?.[1],
    interface: value("--extcap-interface"),
    fifo: value("--fifo"),
    filter: value("--extcap-capture-filter"),
  };
}

/** A filter is a question by itself only where nothing is captured with it. */
const QUESTIONS = [
  ["--capture", "capture"],
  ["--extcap-interfaces", "interfaces"],
  ["--extcap-dlts", "dlts"],
  ["--extcap-config", "config"],
  ["--extcap-capture-filter", "filter"],
] as const;

/** Wireshark takes any output for a complaint. */
function checkFilter(filter: string, io: CommandIo): ExitCode {
  const compiled = filter.trim() === "" ? undefined : compileDisplayFilter(filter);
  if (compiled !== undefined && "fault" in compiled) io.out(`${compiled.fault.message}\n`);
  return ExitCode.ok;
}

/** Copies packets into Wireshark's pipe until the network ends or Wireshark has enough. */
async function capture(words: ExtcapWords, io: CommandIo): Promise<ExitCode> {
  const runs = await findLiveRuns();
  const offered = offeredInterfaces(runs).find(({ name }) => name === words.interface);
  const run = runs.find(({ pid }) => pid === offered?.pid);
  if (offered === undefined || run === undefined) {
    io.err(`natscope: ${words.interface}: no running network has this interface any more; refresh the list\n`);
    return ExitCode.wrongUse;
  }
  const output = createWriteStream(words.fifo, { flags: "w" });
  return copy(await connect(run, offered, words.filter), output, io);
}

async function connect(run: ReachableRun, { point }: OfferedInterface, filter: string): Promise<Socket> {
  const request: PointRequest = {
    want: "packets",
    ...(point !== undefined && { point }),
    ...(filter !== "" && { filter }),
  };
  return askLive(run.path, request);
}

/** The pipe's and the socket's own limits keep a slow Wireshark from filling memory: the network leaves packets out, and counts them. */
function copy(socket: Socket, output: Writable, io: CommandIo): Promise<ExitCode> {
  return new Promise((resolve) => {
    const end = (code: ExitCode): void => {
      process.off("SIGTERM", stop).off("SIGINT", stop);
      socket.destroy();
      resolve(code);
    };
    const stop = (): void => end(ExitCode.ok);
    const fail = (message: string): void => {
      io.err(`natscope: ${message}\n`);
      end(ExitCode.wrongUse);
    };
    process.on("SIGTERM", stop).on("SIGINT", stop);
    socket.once("error", (error) => fail(describeFileError(error)));
    // Also where the network ended without a word.
    socket.once("close", () => output.end());
    // Wireshark has closed its end: the capture is over.
    output.once("error", (error: NodeJS.ErrnoException) =>
      error.code === "EPIPE" ? stop() : fail(describeFileError(error)),
    );
    output.once("finish", stop);
    socket.once("data", (first) => {
      const refusal = first[0] === JSON_BEGINS ? parseRefusal(first.toString("utf8")) : undefined;
      if (refusal !== undefined) return fail(refusal);
      output.write(first);
      socket.pipe(output);
    });
  });
}
