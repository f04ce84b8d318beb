import {
  formatIpvsRules,
  formatNftTable,
  iptablesRules,
  ipvsRules,
  type KubeObject,
  type KubeProxyFlags,
  kubeProxyConfig,
  nftablesRules,
  ofKind,
  type ProxyInput,
  type ProxyNode,
  readObjects,
} from "../kube/index.ts";
import { formatRuleset } from "../nat/index.ts";
import { type Ipv4Address, parseIpv4 } from "../netstack/index.ts";
import { ConfigError, readYaml } from "../scenario/index.ts";
import { type CommandIo, ExitCode } from "./io.ts";
import { inputName, readTextOrInput } from "./text-file.ts";

/** The options of `natscope kube-proxy`: kube-proxy's own flags, and the node. */
export interface KubeProxyOptions extends KubeProxyFlags {
  readonly node: string;
  /** The first is the primary one. */
  readonly nodeIp?: readonly string[];
  readonly mode?: "iptables" | "ipvs" | "nftables";
}

/** A large cluster's objects; `kubectl get -o json` is read quicker. */
const LONGEST_OBJECTS = 64 * 1024 * 1024;

/** `natscope kube-proxy OBJECTS…|-`: the rules that a node's kube-proxy would write for these objects. */
export async function kubeProxy(files: readonly string[], options: KubeProxyOptions, io: CommandIo): Promise<ExitCode> {
  const objects = readFiles(files, io);
  const { node: name, nodeIp, ...flags } = options;
  const nodes = ofKind(objects, "Node").map(({ metadata }) => metadata.name);
  if (nodes.length > 0 && !nodes.includes(name)) tell(`--node ${name}`, [unknownNode(nodes)], io);
  const object = ofKind(objects, "Node").find(({ metadata }) => metadata.name === name);
  const addresses = nodeIp?.map(readNodeIp);
  const node: ProxyNode = { name, ...(object && { object }), ...(addresses && { addresses }) };
  const serviceCidrs = ofKind(objects, "ServiceCIDR").flatMap(({ spec }) => spec.cidrs);
  const { config, problems } = kubeProxyConfig(node, { ...flags, serviceCidrs });
  if (problems.length > 0) throw new ConfigError(problems.map((message) => ({ file: "kube-proxy", message })));
  const services = ofKind(objects, "Service");
  io.out(formatRules({ services, endpointSlices: ofKind(objects, "EndpointSlice"), config }));
  return ExitCode.ok;
}

function unknownNode(nodes: readonly string[]): string {
  const more = nodes.length > MOST_NOTES ? ", …" : "";
  return `there is no Node of this name, so that nothing is known of it; there is ${nodes.slice(0, MOST_NOTES).join(", ")}${more}`;
}

function formatRules(input: ProxyInput): string {
  switch (input.config.mode) {
    case "nftables":
      return formatNftTable(nftablesRules(input));
    case "ipvs":
      return formatIpvsRules(ipvsRules(input));
    default:
      return formatRuleset(iptablesRules(input));
  }
}

/** More notes than these are told by their number. */
const MOST_NOTES = 10;

/** All objects; of two of the same name the later one, whichever files they are in. What is left aside is noted. */
function readFiles(files: readonly string[], io: CommandIo): readonly KubeObject[] {
  const read = files.map((file) => {
    const { objects, notes, problems } = readObjects(readValues(file, io));
    if (problems.length > 0) throw new ConfigError(problems.map((message) => ({ file: inputName(file), message })));
    tell(inputName(file), notes, io);
    return objects;
  });
  const { objects, notes } = readObjects(read.flat());
  tell("objects", notes, io);
  return objects;
}

function tell(file: string, notes: readonly string[], io: CommandIo): void {
  for (const message of notes.slice(0, MOST_NOTES)) io.err(`note: ${file}: ${message}\n`);
  if (notes.length > MOST_NOTES) io.err(`note: ${file}: … and ${notes.length - MOST_NOTES} more\n`);
}

const EMPTY = "empty; expected objects, as kubectl get services,endpointslices,nodes -A -o json prints them";

/** The documents of a file, JSON or YAML. */
function readValues(file: string, io: CommandIo): readonly unknown[] {
  const text = readTextOrInput(file, io);
  if (text.trim() === "") throw new ConfigError([{ file: inputName(file), message: EMPTY }]);
  const json = parseJson(text);
  if (json !== undefined) return json;
  const { documents, problems } = readYaml(inputName(file), text, LONGEST_OBJECTS);
  if (problems.length > 0) throw new ConfigError(problems);
  return documents.map(({ value }) => value);
}

/** JSON is YAML as well, but read many times quicker; and what kubectl prints several times over, one after another, is no YAML. */
function parseJson(text: string): readonly unknown[] | undefined {
  if (!/^\s*[{[]/.test(text)) return undefined;
  try {
    return text.split(/(?<=^\})\s*\n(?=\{)/m).map((document): unknown => JSON.parse(document));
  } catch {
    return undefined;
  }
}

function readNodeIp(text: string): Ipv4Address {
  const address = parseIpv4(text);
  if (address !== undefined) return address;
  throw new ConfigError([{ file: `--node-ip ${text}`, message: "expected an IPv4 address like 10.240.0.4" }]);
}
