import { Command, InvalidArgumentError, Option } from "commander";
import { type CommandIo, ExitCode } from "./io.ts";
import { VERSION } from "./version.ts";

/*
 * Declares the commands. What each does is in its own file, imported when it is called: `natscope --help` loads none of them.
 */

/** Runs natscope with the words behind its name. */
export async function runProgram(args: readonly string[], io: CommandIo): Promise<ExitCode> {
  let code: ExitCode = ExitCode.ok;
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

type Report = (code: ExitCode) => void;

function declareCommands(report: Report, io: CommandIo): Command {
  const program = new Command("natscope")
    .description("See in Wireshark what Linux, netfilter and kube-proxy do to every packet.")
    .version(VERSION)
    .exitOverride()
    .configureOutput({ writeOut: (text) => io.out(text), writeErr: (text) => io.err(text) })
    .showSuggestionAfterError()
    .showHelpAfterError("(natscope --help lists the commands)");
  declareScenarios(program, report, io);
  declareRun(program, report, io);
  declareLooks(program, report, io);
  declareKubeProxy(program, report, io);
  declareFiles(program, report, io);
  return program;
}

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
    .argument("<scenario|file>", "a built-in scenario's name, or a file")
    .option("--pcap <file>", "write the packets to a capture file; - is standard output")
    .addOption(new Option("--format <format>", "of the capture").choices(["pcapng", "pcap"]).default("pcapng"))
    .option("--only <point...>", "capture at these points only, such as node2/eth0 or 'node1/*'")
    .option("--filter <expression>", "capture these packets only, such as 'tcp.port == 8080'")
    .addOption(seedOption())
    .option("--trace", "print everything that happens to every packet")
    .option("--json", "print the results as JSON")
    .addOption(setOption())
    .action(async (given, flags) => report(await (await import("./run.ts")).run(given, flags, io)));
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
    .option("--json", "as JSON")
    .addOption(seedOption())
    .addOption(setOption())
    .action(async (given, flags) => report(await (await import("./conntrack.ts")).conntrack(given, flags, io)));
}

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
    .action(async (directory) => report(await (await import("./captures.ts")).writeCaptures(directory, io)));
}

function seedOption(): Option {
  return new Option("--seed <number>", "what chance is drawn from: the same seed gives the same bytes")
    .argParser(parseSeed)
    .default(1);
}

function setOption(): Option {
  return new Option(
    "--set <path=value>",
    "change the scenario, such as cluster.proxy.masqueradeAll=true; repeatable",
  ).argParser((value: string, before: readonly string[] | undefined) => [...(before ?? []), value]);
}

function parseSeed(text: string): number {
  if (/^\d{1,10}$/.test(text) && Number(text) <= 0xffffffff) return Number(text);
  throw new InvalidArgumentError("Expected a whole number from 0 to 4294967295.");
}
