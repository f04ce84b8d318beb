import { parseIpv4 } from "../netstack/index.ts";
import { dnsTypeCode, parseName, reverseName } from "../protocols/index.ts";
import { DNS_PORT } from "./dns-client.ts";
import { parseSeconds, parseWhole } from "./options.ts";

/** What a dig command line says; `+` options with both forms are flags here. */
export interface DigPlan {
  server: string | undefined;
  name: string;
  type: string;
  port: number;
  timeoutSeconds: number;
  tries: number;
  isReverse: boolean;
  readonly flags: Map<string, boolean>;
}

const FLAGS: Readonly<Record<string, boolean>> = {
  short: false,
  tcp: false,
  vc: false,
  search: false,
  recurse: true,
  edns: true,
  ignore: false,
  cmd: true,
  comments: true,
  question: true,
  answer: true,
  authority: true,
  additional: true,
  stats: true,
};
const SECTIONS = ["cmd", "comments", "question", "answer", "authority", "additional", "stats"];

/** The plan, or what dig says about an argument. */
export function readDigPlan(args: readonly string[]): DigPlan | string {
  const flags = new Map(Object.entries(FLAGS));
  const plan: DigPlan = {
    server: undefined,
    name: ".",
    type: "",
    port: DNS_PORT,
    timeoutSeconds: 5,
    tries: 3,
    isReverse: false,
    flags,
  };
  const rest = [...args];
  let hasName = false;
  for (let arg = rest.shift(); arg !== undefined; arg = rest.shift()) {
    let problem: string | undefined;
    if (arg.startsWith("@")) plan.server = arg.slice(1);
    else if (arg.startsWith("+")) problem = takePlus(arg, plan);
    else if (arg.startsWith("-")) problem = takeDash(arg, rest, plan);
    else if (arg.toUpperCase() === "IN") continue;
    else if (dnsTypeCode(arg) !== undefined && !arg.includes(".")) plan.type = arg.toUpperCase();
    else if (parseName(arg) === undefined) problem = `dig: '${arg}' is not a legal name`;
    else if (hasName) problem = `dig: only one name is supported here, not also '${arg}'`;
    else {
      plan.name = arg;
      hasName = true;
    }
    if (problem !== undefined) return problem;
    if (plan.isReverse) hasName = true;
  }
  if (plan.type === "") plan.type = plan.isReverse ? "PTR" : hasName ? "A" : "NS";
  return plan;
}

function takePlus(arg: string, plan: DigPlan): string | undefined {
  const [name = "", value] = arg.slice(1).split("=");
  if (name === "time" || name === "timeout") {
    plan.timeoutSeconds = parseSeconds(value ?? "", 3600) ?? plan.timeoutSeconds;
  } else if (name === "tries") {
    plan.tries = parseWhole(value ?? "", 1, 20) ?? plan.tries;
  } else if (name === "retry") {
    plan.tries = (parseWhole(value ?? "", 0, 19) ?? plan.tries - 1) + 1;
  } else if (name === "all" || name === "noall") {
    for (const section of SECTIONS) plan.flags.set(section, name === "all");
  } else {
    const plain = name.replace(/^no/, "");
    const flag = Object.hasOwn(FLAGS, name) ? name : plain;
    if (!Object.hasOwn(FLAGS, flag)) return `Invalid option: ${arg}`;
    plan.flags.set(flag, flag === name);
  }
  return undefined;
}

function takeDash(arg: string, rest: string[], plan: DigPlan): string | undefined {
  const letter = arg.slice(1, 2);
  if (letter === "4") return undefined;
  const value = arg.length > 2 ? arg.slice(2) : rest.shift();
  if (value === undefined) return `Invalid option: ${arg}`;
  if (letter === "t") {
    if (dnsTypeCode(value) === undefined) return `;; Warning, ignoring invalid type ${value}`;
    plan.type = value.toUpperCase();
  } else if (letter === "p") {
    const port = parseWhole(value, 1, 65535);
    if (port === undefined) return `Couldn't parse port number '${value}'`;
    plan.port = port;
  } else if (letter === "x") {
    const address = parseIpv4(value);
    if (address === undefined) return `Invalid IP address ${value}`;
    plan.name = reverseName(address);
    plan.isReverse = true;
  } else if (letter === "q") {
    plan.name = value;
  } else {
    return `Invalid option: ${arg}`;
  }
  return undefined;
}
