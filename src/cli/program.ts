import { Command, InvalidArgumentError, Option } from "commander";
import { type CommandIo, ExitCode } from "./io.ts";
import { declareLive } from "./program-live.ts";
import { collect, jobsOption, seedOption, seedsOption, setOption } from "./program-options.ts";
import { declareWireshark } from "./program-wireshark.ts";
import { VERSION } from "./version.ts";

/*
 * Declares the commands. What each does is in its own file, imported when it is called: `natscope --help` loads none of them.
 */

/** Runs natscope with the words behind its name. The exit code is an {@link ExitCode}, or that of a command run by `natscope shell`. */
export async function runProgram(args: readonly string[], io: CommandIo): Promise<number> {
  let code: number = ExitCode.ok;
  const program = declareCommands((result) => {
    code = result;
  }, io);
  try {
    await program.parseAsync(withPlainFlags(args), { from: "user" });
    return code;
  } catch (error) {
    const { explainFailure } = await import("./failure.ts");
    return explainFailure(error, io);
  }
}

type Report = (code: number) => void;

function declareCommands(report: Report, io: CommandIo): Command {
  const program = new Command("natscope")
    .description("See in Wireshark what Linux, netfilter and kube-proxy do to every packet.")
    .version(VERSION)
    .exitOverride()
    .configureOutput({ writeOut: (text) => io.out(text), writeErr: (text) => io.err(text) })
    .showSuggestionAfterError()
    .showHelpAfterError("(natscope --help lists the commands)")
    .addHelpText("after", FIRST_STEPS);
  declareScenarios(program, report, io);
  declareRun(program, report, io);
  declareLooks(program, report, io);
  declareExplanations(program, report, io);
  declareKubeProxy(program, report, io);
  declareTrace(program, report, io);
  declareLive(program, report, io);
  declareWireshark(program, report, io);
  declareLesson(program, report, io);
  declareFiles(program, report, io);
  return program;
}

const FIRST_STEPS = `
To begin with:
  natscope run nodeport --pcap nodeport.pcapng   runs the tutorial's figure, and writes what Wireshark opens
  natscope why nodeport                          says why each address changed
  natscope lesson                                a course, from one packet through one NAT on`;

function declareScenarios(program: Command, report: Report, io: CommandIo): void {
  program
    .command("scenarios")
    .description("list the built-in scenarios")
    .option("--json", "as JSON")
    .action(async (flags) => report(await (await import("./scenarios.ts")).listScenarios(flags, io)));
}

function declareRun(program: Command, report: Report, io: CommandIo): void {
  program
    .command("run")
    .description("run a scenario; print each step as typed and what came back")
    .argument("<scenario|file...>", "a built-in scenario's name, or a file; several are run one after another")
    .option("--pcap <file>", "write the packets to a capture file; - is standard output")
    .addOption(new Option("--format <format>", "of the capture").choices(["pcapng", "pcap"]).default("pcapng"))
    .option("--only <point...>", "capture at these points only, such as node2/eth0 or 'node1/*'")
    .option("--filter <expression>", "capture these packets only, such as 'tcp.port == 8080'")
    .addOption(seedOption().conflicts("seeds"))
    .addOption(seedsOption())
    .addOption(jobsOption())
    .option("--trace", "print everything that happens to every packet")
    .option("--json", "print the results as JSON")
    .addOption(setOption())
    .action(async (given, flags) => report(await (await import("./run-many.ts")).runMany(given, flags, io)));
}

function declareLooks(program: Command, report: Report, io: CommandIo): void {
  const tables = ["raw", "mangle", "nat", "filter"];
  program
    .command("rules")
    .description("print a node's rules as iptables-save does, as they are after the run")
    .argument("<scenario|file>", "a built-in scenario's name, or a file")
    .requiredOption("--node <name>", "the node, router or host")
    .addOption(new Option("--table <table>", "this table only").choices(tables))
    .option("--at <step>", "after this step, by number or name, instead of the last; 0 is before the first")
    .option("--json", "as JSON")
    .addOption(seedOption())
    .addOption(setOption())
    .action(async (given, flags) => report(await (await import("./rules.ts")).rules(given, flags, io)));
  program
    .command("conntrack")
    .description("print a node's connection table as conntrack -L -o extended does, as it is after the run")
    .argument("<scenario|file>", "a built-in scenario's name, or a file")
    .requiredOption("--node <name>", "the node, router or host")
    .option("--at <step>", "after this step, by number or name, instead of the last; 0 is before the first")
    .addOption(
      new Option(
        "-E, --events",
        "what changed in it during the run, as conntrack -E -o timestamp,extended does",
      ).conflicts("statistics"),
    )
    .option("-S, --statistics", "counters, as conntrack -S shows them")
    .option("--json", "as JSON")
    .addOption(seedOption())
    .addOption(setOption())
    .action(async (given, flags) => report(await (await import("./conntrack.ts")).conntrack(given, flags, io)));
}

function declareExplanations(program: Command, report: Report, io: CommandIo): void {
  program
    .command("why")
    .description("run a scenario and say why each address and port changed: where, which rule, why it matched")
    .argument("<scenario|file>", "a built-in scenario's name, or a file")
    .argument("[step]", "this step only, by number or name")
    .addOption(new Option("--json", "as JSON").conflicts(["markdown", "mermaid"]))
    .addOption(new Option("--markdown", "as Markdown").conflicts("mermaid"))
    .option("--mermaid", "as a Mermaid sequence diagram")
    .addOption(seedOption())
    .addOption(setOption())
    .action(async (given, step, flags) => report(await (await import("./why.ts")).why(given, step, flags, io)));
  program
    .command("report")
    .description(
      "run a scenario and write one HTML page that shows it: the network, a ladder of all packets, every rewritten header",
    )
    .argument("<scenario|file>", "a built-in scenario's name, or a file")
    .option("-o, --output <file>", "SCENARIO.html when left out; - is standard output")
    .option("--at <step>", "end after this step, by number or name, instead of the last")
    .addOption(seedOption())
    .addOption(setOption())
    .addHelpText("after", REPORT_HELP)
    .action(async (given, flags) => report(await (await import("./report.ts")).report(given, flags, io)));
  program
    .command("inspect")
    .description("read captures: find each packet's records and print what changed at each capture point")
    .argument(
      "<files...>",
      "pcapng or pcap; - is standard input. Several are read as one capture, such as one pcap a point",
    )
    .option("--filter <expression>", "packets of which a record matches only, such as 'tcp.port == 8080'")
    .option("--json", "as JSON")
    .action(async (files, flags) => report((await import("./inspect.ts")).inspect(files, flags, io)));
}

const REPORT_HELP = `
The page is one file that needs no network: open it from disk, send it to somebody, print it. It plays the run hop by hop; choose a packet to see its bytes
and headers before and after each box, the rule that rewrote it and why, and the tables of connections at that moment. ? on the page lists its keys.

  natscope report nodeport
  natscope report home-nat --at 2 -o nat.html`;

function declareKubeProxy(program: Command, report: Report, io: CommandIo): void {
  const list = (value: string, before: readonly string[] | undefined): string[] => [
    ...(before ?? []),
    ...value.split(","),
  ];
  const localModes = ["ClusterCIDR", "NodeCIDR", "BridgeInterface", "InterfaceNamePrefix"];
  program
    .command("kube-proxy")
    .description("print the rules that a node's kube-proxy would write for a cluster's objects")
    .argument(
      "<objects...>",
      "files as kubectl get svc,endpointslices,nodes -A -o yaml prints them, or json; - is standard input",
    )
    .requiredOption("--node <name>", "the node; it need not be among the objects")
    .addOption(
      new Option("--node-ip <address>", "of the node; repeatable, the first is the primary one").argParser(list),
    )
    .addOption(new Option("--mode <mode>", "what kind of rules").choices(["iptables", "ipvs", "nftables"]))
    .option("--cluster-cidr <range>", "the pods' range")
    .option("--masquerade-all", "masquerade everything that is sent to cluster addresses")
    .addOption(new Option("--no-masquerade-all").hideHelp())
    .addOption(new Option("--iptables-masquerade-bit <bit>", "the mark's bit, 14 when left out").argParser(parseBit))
    .addOption(
      new Option("--nodeport-addresses <ranges>", "answer on nodePorts at these addresses only").argParser(list),
    )
    .addOption(new Option("--iptables-localhost-nodeports", "answer on nodePorts at 127.0.0.1 too").default(true))
    .addOption(new Option("--no-iptables-localhost-nodeports").hideHelp())
    .addOption(new Option("--detect-local-mode <mode>", "how to tell a pod of this node").choices(localModes))
    .option("--pod-bridge-interface <name>", "for --detect-local-mode BridgeInterface")
    .option("--pod-interface-name-prefix <prefix>", "for --detect-local-mode InterfaceNamePrefix")
    .option("--ipvs-scheduler <name>", "of ipvs mode, rr when left out")
    .addHelpText("after", "\nFlags without a value also take =true and =false, as kube-proxy's do.")
    .action(async (files, flags) => {
      const { iptablesMasqueradeBit, nodeportAddresses, iptablesLocalhostNodeports, ...same } = flags;
      const options = {
        ...same,
        ...(iptablesMasqueradeBit !== undefined && { masqueradeBit: iptablesMasqueradeBit }),
        ...(nodeportAddresses !== undefined && { nodePortAddresses: nodeportAddresses }),
        localhostNodePorts: iptablesLocalhostNodeports,
      };
      report(await (await import("./kube-proxy.ts")).kubeProxy(files, options, io));
    });
}

function declareTrace(program: Command, report: Report, io: CommandIo): void {
  program
    .command("trace")
    .description("walk a packet through a real node's rules, as iptables-save prints them")
    .requiredOption("--rules <file>", "what iptables-save printed; - is standard input")
    .requiredOption(
      "--packet <text>",
      "such as 'tcp 198.51.100.79:40000 > 10.240.0.4:31000' or 'icmp 10.0.0.1 > 10.0.0.2'",
    )
    .option("--in <interface>", "the packet comes in by this one")
    .option("--from-host", "the node sends the packet itself; so it is when its source is an --address")
    .option("--address <address@interface>", "the node's own, such as 10.240.0.4/24@eth0; repeatable", collect)
    .option(
      "--route <range=interface>",
      "such as 10.180.1.0/24=cbr0 or 'default=eth0,via 10.240.0.1'; repeatable",
      collect,
    )
    .addOption(
      new Option("--state <state>", "what the packet is to conntrack")
        .choices(["new", "established", "invalid"])
        .default("new"),
    )
    .option("--reply", "walk the first answer to the packet instead of the packet")
    .option("--flags <flags>", "TCP's, such as S, S., R or SYN,ACK; S for a first packet, . for a later one")
    .option("--mark <number>", "the packet's mark when it comes in, such as 0x4000")
    .option("--ttl <number>", "64 when left out")
    .option("--length <bytes>", "of the IP packet")
    .option("--mac <address>", "who sent it, for -m mac")
    .option("--recent <list[=hits]>", "the packet's address stands in this list of -m recent; repeatable", collect)
    .option("--lenient", "skip lines that cannot be read, with a warning")
    .option("--full", "print every rule that was tried, however many")
    .option("--all", "list every outcome that chance allows (-m statistic), with its exact probability")
    .option("--json", "as JSON, every rule that was tried among it")
    .addOption(seedOption())
    .addHelpText("after", TRACE_HELP)
    .action(async (flags) => report(await (await import("./trace.ts")).trace(flags, io)));
}

const TRACE_HELP = `
The rules say nothing of addresses and routes: give the node's own, as ip address and ip route print them. What no --address and no --route leads to
leaves by the interface of the first --address. Interfaces have an MTU of 1500, and forwarding is on.

In what is printed, * marks the rules that match; the others were tried. A port drawn at random (--random, --random-fully) is said to be.

  iptables-save > node.rules
  natscope trace --rules node.rules --packet 'tcp 198.51.100.79:40000 > 10.240.0.4:31000' --in eth0 \\
      --address 10.240.0.4/24@eth0 --address 10.180.1.1/24@cbr0 --route 10.180.0.0/16=eth0 --all`;

/** kube-proxy's boolean flags take `=true`, `=false` or nothing; commander's take nothing. */
function withPlainFlags(args: readonly string[]): string[] {
  const names = ["masquerade-all", "iptables-localhost-nodeports"];
  return args.map((arg) => {
    const match = /^--([a-z-]+)(?:=(true|false|1|0|t|f))?$/i.exec(arg);
    const [, name = "", value = "true"] = match ?? [];
    if (!names.includes(name)) return arg;
    const isOn = /^(true|1|t)$/i.test(value);
    return isOn ? `--${name}` : `--no-${name}`;
  });
}

function parseBit(text: string): number {
  if (/^\d{1,2}$/.test(text) && Number(text) < 32) return Number(text);
  throw new InvalidArgumentError("Expected a bit from 0 to 31.");
}

function declareLesson(program: Command, report: Report, io: CommandIo): void {
  program
    .command("lesson")
    .description("a course on NAT and Services: without a name lists the lessons, with one runs it, asks and grades")
    .argument("[name]", "a lesson's name or number")
    .option("--list", "list the lessons")
    .addOption(new Option("--show", "print the whole lesson, run nothing and ask nothing").conflicts("answers"))
    .option("--answers <a,b,c>", "to the questions, in order; otherwise each is a line of standard input")
    .option("--dir <directory>", "where captures and files of the lesson are kept")
    .addOption(new Option("--json", "the score as JSON; of the list, the list").conflicts("show"))
    .addHelpText("after", "\nThe exit code is 0 when every answer is right, 1 otherwise.")
    .action(async (name, flags) =>
      report(await (await import("./lesson.ts")).lesson(name, flags, { ...io, runProgram })),
    );
}

function declareFiles(program: Command, report: Report, io: CommandIo): void {
  program
    .command("validate")
    .description("check a scenario file without running it")
    .argument("<file>", "a scenario file, or a built-in scenario's name")
    .addOption(setOption())
    .action(async (file, flags) => report(await (await import("./validate.ts")).validate(file, flags, io)));
  program
    .command("init")
    .description("write a commented scenario file to start from")
    .argument("[file]", "the file to write", "scenario.yaml")
    .option("--force", "overwrite a file that is there")
    .action(async (file, flags) => report(await (await import("./init.ts")).init(file, flags, io)));
  program
    .command("schema")
    .description("print the JSON Schema of scenario files, for editors")
    .action(async () => report(await (await import("./schema.ts")).printSchema(io)));
  program
    .command("captures")
    .description("write the capture of every built-in scenario into a directory")
    .argument("<directory>", "made if it is not there")
    .addOption(jobsOption())
    .action(async (directory, flags) =>
      report(await (await import("./captures.ts")).writeCaptures(directory, flags, io)),
    );
}
