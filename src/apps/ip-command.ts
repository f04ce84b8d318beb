import {
  formatInterfaceAddress,
  formatIpv4,
  formatMac,
  type Interface,
  type Ipv4Address,
  parseCidr,
  parseIpv4,
  type Route,
  type Stack,
} from "../netstack/index.ts";
import type { Process } from "./process.ts";

/** What a subcommand prints, or why it does not. */
type Shown = { readonly text: string } | { readonly error: string; readonly exitCode: number };

type Show = (stack: Stack, args: readonly string[], indexOf: (name: string) => number) => Shown;

const OBJECTS: readonly (readonly [name: string, show: Show])[] = [
  ["address", showAddresses],
  ["link", showLinks],
  ["route", showRoutes],
  ["neighbour", showNeighbours],
];

/**
 * `ip addr`, `ip link`, `ip route` and `ip neigh`, which show and do not change. The form is the short one of busybox, as in
 * the tutorials; there are no IPv6 lines, as there is no IPv6.
 */
export function ip(process: Process): void {
  const args = process.argv.slice(1).filter((arg) => arg !== "-4");
  const [typed = "", ...rest] = args;
  const { stack, interfaceIndexes } = process.host;
  const object =
    typed === "" ? undefined : OBJECTS.find(([name]) => name.startsWith(typed.replace("neighbor", "neighbour")));
  const indexOf = (name: string): number =>
    interfaceIndexes?.get(name) ?? stack.addressing.interfaces.findIndex((one) => one.name === name) + 1;
  const shown: Shown =
    object === undefined
      ? { error: `Object "${typed}" is unknown, try "ip help".`, exitCode: 1 }
      : object[1](stack, ["show", "list", "ls", "lst"].includes(rest[0] ?? "") ? rest.slice(1) : rest, indexOf);
  if ("error" in shown) process.writeError(`${shown.error}\n`);
  else process.write(shown.text);
  process.exit("error" in shown ? shown.exitCode : 0);
}

/** The interfaces a `dev NAME` or a bare name asks for; all without one. */
function chosenInterfaces(stack: Stack, args: readonly string[], object: string): readonly Interface[] | Shown {
  if (args.length === 0) return stack.addressing.interfaces;
  const name = args[0] === "dev" ? args[1] : args[0];
  if (name === undefined || args.length > (args[0] === "dev" ? 2 : 1)) return unknownCommand(args.at(-1) ?? "", object);
  const found = stack.interface(name);
  return found === undefined ? { error: `Device "${name}" does not exist.`, exitCode: 1 } : [found];
}

function isShown(chosen: readonly Interface[] | Shown): chosen is Shown {
  return "text" in chosen || "error" in chosen;
}

function unknownCommand(word: string, object: string): Shown {
  return { error: `Command "${word}" is unknown, try "ip ${object} help".`, exitCode: 255 };
}

function showAddresses(stack: Stack, args: readonly string[], indexOf: (name: string) => number): Shown {
  const chosen = chosenInterfaces(stack, args, "address");
  if (isShown(chosen)) return chosen;
  const lines = chosen.flatMap((one) => [
    ...linkLines(one, one === stack.loopback, indexOf(one.name)),
    ...one.addresses.flatMap((own) => [
      `    inet ${formatInterfaceAddress(own)} scope ${one === stack.loopback ? "host" : "global"} ${one.name}`,
      "       valid_lft forever preferred_lft forever",
    ]),
  ]);
  return { text: textOf(lines) };
}

function showLinks(stack: Stack, args: readonly string[], indexOf: (name: string) => number): Shown {
  const chosen = chosenInterfaces(stack, args, "link");
  if (isShown(chosen)) return chosen;
  return { text: textOf(chosen.flatMap((one) => linkLines(one, one === stack.loopback, indexOf(one.name)))) };
}

function linkLines(one: Interface, isLoopback: boolean, index: number): string[] {
  const kind = isLoopback ? ["LOOPBACK"] : one.resolves ? ["BROADCAST", "MULTICAST"] : ["POINTOPOINT", "NOARP"];
  const flags = one.up ? [...kind, "UP", "LOWER_UP"] : kind;
  const hardware = isLoopback
    ? "loopback 00:00:00:00:00:00 brd 00:00:00:00:00:00"
    : one.resolves
      ? `ether ${formatMac(one.mac)} brd ff:ff:ff:ff:ff:ff`
      : "none";
  return [`${index}: ${one.name}: <${flags.join(",")}> mtu ${one.mtu} qdisc noqueue`, `    link/${hardware}`];
}

function showRoutes(stack: Stack, args: readonly string[]): Shown {
  if (args[0] === "get") return showRouteTo(stack, args[1] ?? "");
  const [wanted, ...more] = args;
  const routes = stack.addressing.routes.list();
  if (wanted === undefined) return { text: textOf(routes.map(routeLine)) };
  if (wanted === "dev") return { text: textOf(routes.filter((one) => one.out.name === more[0]).map(routeLine)) };
  const range = wanted === "default" ? parseCidr("0.0.0.0/0") : parseCidr(wanted);
  if (range === undefined || more.length > 0) return unknownCommand(more[0] ?? wanted, "route");
  const same = (route: Route): boolean =>
    route.destination.network === range.network && route.destination.prefixLength === range.prefixLength;
  return { text: textOf(routes.filter(same).map(routeLine)) };
}

/** Every line of iproute2's ends with a blank. */
function routeLine(route: Route): string {
  const { destination, out, via, source, metric } = route;
  const range =
    destination.prefixLength === 32
      ? formatIpv4(destination.network)
      : `${formatIpv4(destination.network)}/${destination.prefixLength}`;
  const isConnected = via === undefined && out.addresses.some((own) => own.address === source);
  const parts = [
    destination.prefixLength === 0 ? "default" : range,
    via === undefined ? "" : `via ${formatIpv4(via)}`,
    `dev ${out.name}`,
    isConnected ? "proto kernel" : "",
    via === undefined ? "scope link" : "",
    source === undefined ? "" : `src ${formatIpv4(source)}`,
    metric === undefined ? "" : `metric ${metric}`,
  ];
  return parts
    .filter((part) => part !== "")
    .map((part) => `${part} `)
    .join("");
}

function showRouteTo(stack: Stack, typed: string): Shown {
  const destination = parseIpv4(typed);
  if (destination === undefined)
    return { error: `Error: inet prefix is expected rather than "${typed}".`, exitCode: 1 };
  const hop = stack.addressing.hop(destination);
  const source = stack.addressing.sourceFor(destination);
  if (hop === undefined) return { error: "RTNETLINK answers: Network is unreachable", exitCode: 2 };
  const isLocal = stack.addressing.isLocal(destination);
  const parts = [
    isLocal ? "local " : "",
    `${formatIpv4(destination)} `,
    hop.nextHop === destination ? "" : `via ${formatIpv4(hop.nextHop)} `,
    `dev ${hop.out.name} `,
    source === undefined ? "" : `src ${formatIpv4(source)} `,
    `uid 0 \n    cache ${isLocal ? "<local> " : mtuNote(stack, destination, hop.out)}\n`,
  ];
  return { text: parts.join("") };
}

function mtuNote(stack: Stack, destination: Ipv4Address, out: Interface): string {
  const mtu = stack.pathMtu(destination);
  return mtu < out.mtu ? `mtu ${mtu} ` : "";
}

function showNeighbours(stack: Stack, args: readonly string[]): Shown {
  const chosen = chosenInterfaces(stack, args, "neighbour");
  if (isShown(chosen)) return chosen;
  const entries = stack.link.neighbours.list().filter((entry) => chosen.includes(entry.on));
  const lines = entries.map(({ on, address, mac, state }) => {
    const dev = args.length > 0 ? "" : `dev ${on.name} `;
    const known = state === "incomplete" || state === "failed" ? "" : `lladdr ${formatMac(mac)} `;
    return `${formatIpv4(address)} ${dev}${known}${state.toUpperCase()} `;
  });
  return { text: textOf(lines) };
}

function textOf(lines: readonly string[]): string {
  return lines.map((line) => `${line}\n`).join("");
}
