import type { Command } from "commander";
import type { CommandIo } from "./io.ts";
import { seedOption, setOption } from "./program-options.ts";

/** The commands about Wireshark. `open` gives back the exit code of what it started. */
export function declareWireshark(program: Command, report: (code: number) => void, io: CommandIo): void {
  const wireshark = program.command("wireshark").description("natscope's captures at home in Wireshark");
  wireshark
    .command("install")
    .description("write a Wireshark profile and the extcap program that lists the capture points of natscope up")
    .option("--force", "overwrite files that were changed since")
    .action(async (flags) => report((await import("./wireshark-install.ts")).installWireshark(flags, io)));
  wireshark
    .command("uninstall")
    .description("take away what install wrote")
    .option("--force", "files that were changed since, too")
    .action(async (flags) => report((await import("./wireshark-install.ts")).uninstallWireshark(flags, io)));
  wireshark
    .command("profile")
    .description("print what install would write, and where")
    .option("--json", "as JSON")
    .action(async (flags) => report((await import("./wireshark-install.ts")).printWiresharkProfile(flags, io)));
  wireshark
    .command("open")
    .description("run a scenario and show its packets in Wireshark, or show a capture")
    .argument("<scenario|file|capture>", "a built-in scenario's name, a scenario file, or a .pcapng or .pcap file")
    .argument("[words...]", "for Wireshark, after --")
    .option("--program <program>", "start this instead of Wireshark, such as tshark; or set NATSCOPE_WIRESHARK")
    .option("--only <point...>", "capture at these points only")
    .option("--filter <expression>", "capture these packets only")
    .addOption(seedOption())
    .addOption(setOption())
    .action(async (given, words, flags) =>
      report(await (await import("./wireshark-open.ts")).openInWireshark(given, words, flags, io)),
    );
  program
    .command("extcap", { hidden: true })
    .argument("[words...]")
    .allowUnknownOption()
    .helpOption(false)
    .action(async (words) => report(await (await import("./wireshark-extcap.ts")).extcap(words, io)));
}
