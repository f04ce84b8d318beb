import type { Interface } from "../netstack/index.ts";
import type { Host } from "../nodes/index.ts";
import { ConfigError, type Lab, listed, suggestion } from "../scenario/index.ts";
import type { CommandIo } from "./io.ts";

/** Each of the kernel's interfaces has a thread of its own. */
const MOST_INTERFACES = 64;

/** Whose place the kernel takes: of whom `--as` names; by itself the client's, or of whoever ran the last command. @throws ConfigError */
export function hostToReplace(lab: Lab, named: string | undefined): Host {
  for (const name of named === undefined ? likelyHosts(lab) : [named]) {
    const host = lab.find(name);
    if (host !== undefined) return host;
  }
  const message =
    named === undefined
      ? "there is no host whose place a real program could take; name a node or pod with --as"
      : `there is no such host${suggestion(named, [...lab.network.hosts.keys()])}`;
  throw new ConfigError([{ file: named === undefined ? lab.scenario.file : `--as ${named}`, message }]);
}

/** Nodes and routers last: what they do beside forwarding, the kernel does not. */
function likelyHosts(lab: Lab): string[] {
  const { steps, machines } = lab.scenario;
  const users = steps.flatMap((step) => (step.kind === "run" ? [step.on] : [])).reverse();
  const ends = users.filter((name) => lab.find(name)?.stack.host.sysctls.forwarding === false);
  const hosts = machines.filter(({ kind }) => kind === "host").map(({ name }) => name);
  return ["client", ...ends, ...hosts, ...users];
}

/**
 * The interfaces whose places the kernel takes: those with a cable, and bridges. Tunnels and the like send by the emulated host's other interfaces.
 * @throws ConfigError when there is none, or too many.
 */
export function interfacesToReplace(host: Host, { network }: Lab): Interface[] {
  const found = host.stack.addressing.interfaces.filter(
    ({ name }) => network.linkAt(host.name, name) !== undefined || host.bridge(name) !== undefined,
  );
  if (found.length > 0 && found.length <= MOST_INTERFACES) return found;
  const message =
    found.length === 0
      ? "it has no interface whose place the kernel could take"
      : `it has ${found.length} interfaces, and the kernel gets no more than ${MOST_INTERFACES}; name another with --as`;
  throw new ConfigError([{ file: host.name, message }]);
}

/** Says what of the host the kernel does not take over with the interfaces `taken`. */
export function noteWhatStays(
  { name, stack, netfilter, natGateway }: Host,
  taken: readonly Interface[],
  io: CommandIo,
): void {
  const staying = stack.addressing.interfaces.filter((each) => each !== stack.loopback && !taken.includes(each));
  const names = listed(staying.map((each) => each.name));
  if (staying.length > 0)
    io.err(`note: ${names} of ${name} ${staying.length === 1 ? "stays" : "stay"} with the emulated host\n`);
  if (natGateway !== undefined) io.err(`note: the kernel does without the NAT of ${name}\n`);
  if ((netfilter?.ruleset.size ?? 0) > 0)
    io.err(`note: the kernel does without the rules of ${name}, which natscope rules --node ${name} prints\n`);
}
