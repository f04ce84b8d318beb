import { type Command, Option } from "commander";
import type { CommandIo } from "./io.ts";
import { collect, seedOption, setOption } from "./program-options.ts";

const SCENARIO = ["<scenario|file>", "a built-in scenario's name, or a file"] as const;

/** The commands in which real packets meet a scenario's network. `shell` gives back the exit code of what ran in it. */
export function declareLive(program: Command, report: (code: number) => void, io: CommandIo): void {
  liveOptions(program.command("shell").description("a shell, or a command, in the client's place; needs no root"))
    .argument(...SCENARIO)
    .argument("[command...]", "after --")
    .addOption(
      new Option("--way <way>", "how the namespace is reached").choices(["tun", "veth", "either"]).default("either"),
    )
    .action(async (given, words, flags) => report(await (await import("./shell.ts")).shell(given, words, flags, io)));
  liveOptions(
    program.command("up").description("keep a scenario running, with this machine's kernel in the client's place"),
  )
    .argument(...SCENARIO)
    .option("--configure", "set the interface's address and routes")
    .option("--force", "take ranges that the machine uses already")
    .option("--name <interface>", "the interface's name")
    .action(async (given, flags) => report(await (await import("./up.ts")).up(given, flags, io)));
  liveOptions(program.command("capture").description("send packets of a real interface into a scenario's network"))
    .argument(...SCENARIO)
    .requiredOption("--interface <name>", "the real interface")
    .option("--match <filter>", "which packets, as tcpdump takes it")
    .action(async (given, flags) => report(await (await import("./capture-live.ts")).captureLive(given, flags, io)));
  captureOptions(program.command("replay").description("send a capture file's packets into a scenario's network"))
    .argument("<capture>", "pcapng or pcap")
    .argument(...SCENARIO)
    .requiredOption("--from <host>", "who sends them")
    .option("--fast", "as fast as possible, instead of with the capture's own timing")
    .action(async (file, given, flags) => report(await (await import("./replay.ts")).replay(file, given, flags, io)));
  program
    .command("doctor")
    .description("what of this machine natscope can use, and how to get the rest")
    .option("--json", "as JSON")
    .action(async (flags) => report(await (await import("./doctor.ts")).doctor(flags, io)));
}

function captureOptions(command: Command): Command {
  return command
    .option("--at <step>", "after this step, by number or name, instead of the last; 0 is before the first")
    .option("--pcap <file>", "write the packets to a capture file; - is standard output")
    .option("--only <point...>", "capture at these points only")
    .option("--filter <expression>", "capture these packets only")
    .addOption(seedOption())
    .addOption(setOption());
}

function liveOptions(command: Command): Command {
  return captureOptions(command)
    .option("--as <host>", "whose place the real kernel takes")
    .option("--backend <pod=address:port>", "a real server in a pod's place; repeatable", collect);
}
