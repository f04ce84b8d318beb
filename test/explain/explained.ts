import { readFileSync } from "node:fs";
import {
  type Connection,
  type Explanation,
  explainNetwork,
  explainRun,
  formatWhyText,
  type TextStyle,
} from "../../src/explain/index.ts";
import { formatIpv4, ipv4, type PacketEvent } from "../../src/netstack/index.ts";
import { ScenarioRun } from "../../src/scenario/index.ts";
import { load } from "../scenario/sample-scenario.ts";

/** No colours, 100 columns. */
export const PLAIN: TextStyle = {
  width: 100,
  strong: (text) => text,
  aside: (text) => text,
  good: (text) => text,
  bad: (text) => text,
};

export function builtin(name: string): string {
  return readFileSync(new URL(`../../scenarios/${name}.yaml`, import.meta.url), "utf8");
}

export function golden(name: string): string {
  return readFileSync(new URL(`golden/${name}`, import.meta.url), "utf8");
}

export async function explain(text: string, step?: number, sets: readonly string[] = []): Promise<Explanation> {
  return explainRun(load(text, sets), { seed: 1, ...(step !== undefined && { step }) });
}

/** What `natscope why` prints of one connection. */
export async function whyText(text: string, step: number, sets: readonly string[] = []): Promise<string> {
  return formatWhyText(await explain(text, step, sets), PLAIN);
}

/** Each rewritten field of a run, once as the events tell it and once as the explanation does, in a comparable form. */
export async function rewrites(
  text: string,
  seed: number,
  sets: readonly string[] = [],
): Promise<{ readonly told: string[]; readonly explained: string[] }> {
  const run = new ScenarioRun(load(text, sets), { seed });
  const told: string[] = [];
  run.lab.network.events.read((event) => {
    if (event.kind === "rewritten") told.push(rewriteLine(event));
  });
  const explainer = explainNetwork(run.lab.network);
  await run.run();
  const explained = explainer.finish().flatMap(explainedLines);
  return { told: told.sort(), explained: explained.sort() };
}

function rewriteLine({ node, hook, field, from, to, quoted }: Extract<PacketEvent, { kind: "rewritten" }>): string {
  const show = (value: number): string => {
    if (field === "source" || field === "destination") return formatIpv4(ipv4(value));
    return field === "mark" ? `0x${value.toString(16)}` : String(value);
  };
  return `${node} ${hook.toUpperCase()} ${field} ${show(from)} ${show(to)} ${quoted === true}`;
}

function explainedLines({ journeys }: Connection): string[] {
  return journeys.flatMap(({ hops }) =>
    hops.flatMap(({ box, changes }) =>
      changes.flatMap(({ hook, fields, quoted, packets }) =>
        fields.flatMap(({ field, from, to }) =>
          Array<string>(packets).fill(`${box} ${hook} ${field} ${from} ${to} ${quoted}`),
        ),
      ),
    ),
  );
}

/** A home: two PCs behind a box that masquerades and filters, a server outside. */
export const HOME = `version: 1
name: home
title: A home
networks: { lan: {}, internet: {} }
hosts:
  pc:
    interfaces: { eth0: { network: lan, address: 192.168.1.10/24 } }
    gateway: 192.168.1.1
  other:
    interfaces: { eth0: { network: lan, address: 192.168.1.11/24 } }
    gateway: 192.168.1.1
  server:
    interfaces: { eth0: { network: internet, address: 198.51.100.80/24 } }
    servers: [{ kind: echo, port: 80 }]
  stranger:
    interfaces: { eth0: { network: internet, address: 198.51.100.99/24 } }
    routes: [{ to: 192.168.1.0/24, via: 198.51.100.7 }]
routers:
  box:
    interfaces:
      lan: { network: lan, address: 192.168.1.1/24 }
      wan: { network: internet, address: 198.51.100.7/24 }
    iptables:
      nat:
        PREROUTING: [-i wan -p tcp --dport 8080 -j DNAT --to-destination 192.168.1.11:80]
        POSTROUTING: [-o wan -j MASQUERADE]
      filter:
        FORWARD:
          - -p tcp --dport 81 -m comment --comment "no such thing" -j REJECT
          - -p tcp --dport 82 -j REJECT --reject-with tcp-reset
          - -p tcp --dport 83 -j DROP
steps:
STEPS
`;

/** {@link HOME} with one command. */
export function home(run: string, on = "pc"): string {
  return HOME.replace("STEPS", `  - { run: ${JSON.stringify(run)}, on: ${on} }`);
}
