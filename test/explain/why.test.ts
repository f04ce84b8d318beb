import { readdirSync } from "node:fs";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { explainNetwork, formatWhyMarkdown, formatWhyMermaid, formatWhyText } from "../../src/explain/index.ts";
import { address } from "../../src/netstack/index.ts";
import { line } from "../support/hosts.ts";
import { builtin, explain, golden, home, PLAIN, rewrites, whyText } from "./explained.ts";

/** All scenarios that come with natscope. */
const BUILTIN = readdirSync(new URL("../../scenarios/", import.meta.url))
  .filter((file) => file.endsWith(".yaml") && file !== "contents.yaml" && file !== "template.yaml")
  .map((file) => file.replace(".yaml", ""));

describe("natscope why tells", () => {
  it.each([
    ["nodeport", 1, "nodeport.txt"],
    ["nodeport-local", 2, "nodeport-local.txt"],
    ["clusterip", 3, "clusterip.txt"],
  ] as const)("step %2$i of %1$s as written", async (name, step, file) => {
    expect(await whyText(builtin(name), step)).toBe(golden(file));
  });

  it("a home's MASQUERADE, which nobody but the box knows of", async () => {
    expect(await whyText(home("curl -s 198.51.100.80"), 1)).toBe(golden("home.txt"));
  });

  it("a REJECT, the ICMP error that came of it and the rule's own comment", async () => {
    expect(await whyText(home("curl -s 198.51.100.80:81"), 1)).toBe(golden("reject.txt"));
  });
});

/** The one connection of a home's command. */
async function onlyConnection(run: string, on?: string): ReturnType<typeof connectionsOf> {
  return connectionsOf(home(run, on));
}

async function connectionsOf(text: string): Promise<Awaited<ReturnType<typeof explain>>["steps"][0]["connections"][0]> {
  const connections = (await explain(text, 1)).steps[0]?.connections ?? [];
  expect(connections).toHaveLength(1);
  return connections[0]!;
}

describe("a connection's outcome is", () => {
  it.each([
    ["curl -s 198.51.100.80", "answered"],
    ["ping -c 2 198.51.100.80", "answered"],
    ["curl -s 198.51.100.80:84", "refused"],
    ["curl -s 198.51.100.80:81", "rejected"],
    ["curl -s 198.51.100.80:82", "rejected"],
    ["curl -s --connect-timeout 2 198.51.100.80:83", "dropped"],
    ["curl -s --connect-timeout 5 198.51.100.77", "rejected"],
    ["curl -s --connect-timeout 5 192.168.1.77", "rejected"],
    ["curl -s --connect-timeout 5 203.0.113.9", "rejected"],
  ])("of %s: %s", async (run, outcome) => {
    expect((await onlyConnection(run)).outcome).toBe(outcome);
  });

  it("answer-lost where the answer goes past the box that translated the way there, with what the asker waits for", async () => {
    const text = home("curl -s --connect-timeout 2 198.51.100.7:8080", "stranger")
      .replace(
        "gateway: 192.168.1.1\n  server",
        "gateway: 192.168.1.2\n    servers: [{ kind: echo, port: 80 }]\n  server",
      )
      .replace(
        "routers:\n",
        `routers:
  bypass:
    interfaces:
      lan: { network: lan, address: 192.168.1.2/24 }
      wan: { network: internet, address: 198.51.100.8/24 }
`,
      );
    const { outcome, findings } = await connectionsOf(text);
    expect(outcome).toBe("answer-lost");
    expect(findings.at(-1)?.question).toBe("Why was the answer of no use?");
    expect(findings.at(-1)?.answer).toMatch(
      /^The sender waits for an answer from 198\.51\.100\.7:8080 to 198\.51\.100\.99:\d+\. It came to stranger as 192\.168\.1\.11:80 → 198\.51\.100\.99:\d+\. It did not pass/,
    );
  });
});

describe("what happened to a packet that ends", () => {
  it("is counted for a TCP that repeats itself", async () => {
    const { packets, findings } = await onlyConnection("curl -s --connect-timeout 2 198.51.100.80:83");
    expect(packets).toEqual({ original: 2, reply: 0, errors: 0 });
    expect(findings[0]?.answer).toContain("It was sent 2 times, as TCP repeats what is not acknowledged");
  });

  it("is told with the sender's own errors where it never left its sender", async () => {
    const { packets, findings, asked } = await onlyConnection("curl -s --connect-timeout 5 192.168.1.77");
    expect(asked.destination).toBe("192.168.1.77:80");
    expect(packets).toEqual({ original: 3, reply: 0, errors: 3 });
    expect(findings[0]?.answer).toContain("The packet ended at pc (neighbour-unreachable).");
  });

  it("names a chain's policy that dropped it", async () => {
    const text = home("curl -s --connect-timeout 1 198.51.100.80")
      .replace("      filter:\n", "      filter:\n        OUTPUT: []\n")
      .replace("    iptables:\n", "    iptables:\n");
    const policy = text.replace(
      / {4}iptables:[\s\S]*steps:/,
      "    iptables: |\n      *filter\n      :FORWARD DROP [0:0]\n      COMMIT\nsteps:",
    );
    const { journeys } = await connectionsOf(policy);
    expect(journeys[0]?.hops.at(-1)?.end).toMatchObject({
      kind: "dropped",
      reason: "rule-drop",
      because: "No rule of filter FORWARD accepted it, and the chain's policy is DROP.",
    });
  });
});

describe("whom the endpoint sees", () => {
  const question = "Whom does source-ip-app-826191075-qehz4 see?";

  it("is the client under --masquerade-all no more", async () => {
    const sets = ["cluster.proxy.masqueradeAll=true"];
    const [connection] = (await explain(builtin("clusterip"), 3, sets)).steps[0]?.connections ?? [];
    const finding = connection?.findings.find((each) => each.question === question);
    expect(finding?.answer).toBe(
      "10.240.0.3, not the client's address 10.244.3.8. kubernetes-node-jj1t replaced it in POSTROUTING (MASQUERADE). kube-proxy runs with --masquerade-all: it masquerades everything that goes to the cluster address of Service default/clusterip.",
    );
    expect(finding?.unless).toEqual(["kube-proxy ran without --masquerade-all"]);
  });

  it("says which rule would have replaced a Pod's address, and why it did not", async () => {
    const [connection] = (await explain(builtin("clusterip"), 3)).steps[0]?.connections ?? [];
    const finding = connection?.findings.find((each) => each.question === question);
    expect(finding?.answer).toContain("only if no Pod sent it (Pods are those in 10.244.0.0/16)");
  });
});

describe("a Service's rules are known in each of kube-proxy's modes", () => {
  async function whomItSees(sets: readonly string[]): Promise<string | undefined> {
    const [connection] = (await explain(builtin("nodeport"), 1, sets)).steps[0]?.connections ?? [];
    return connection?.findings.find(({ question }) => question.startsWith("Whom"))?.answer;
  }

  it.each([
    ["iptables", "Service default/nodeport has externalTrafficPolicy: Cluster"],
    ["nftables", "Service default/nodeport has externalTrafficPolicy: Cluster"],
    [
      "ipvs",
      "It came for the Service from outside (ipset KUBE-NODE-PORT-TCP), and the Service's externalTrafficPolicy is Cluster",
    ],
  ])("%s", async (mode, reason) => {
    expect(await whomItSees([`cluster.proxy.mode=${mode}`])).toContain(reason);
  });

  it("tells the two traffic policies apart where a node has no endpoint", async () => {
    const text = builtin("clusterip");
    const explanation = await explain(
      text.replace(
        /^steps:[\s\S]*/m,
        `steps:
  - kubectl: patch svc clusterip -p '{"spec":{"internalTrafficPolicy":"Local"}}'
  - { run: wget -T 1 -qO - 10.0.170.92, on: busybox }
`,
      ),
      2,
    );
    const answer = explanation.steps[0]?.connections[0]?.findings[0];
    expect(answer?.answer).toContain("Service default/clusterip has internalTrafficPolicy: Local");
    expect(answer?.unless[1]).toContain(
      'kubectl patch svc clusterip -p \'{"spec":{"internalTrafficPolicy":"Cluster"}}\'',
    );
  });
});

describe("every rewritten field of a run stands in exactly one explanation", () => {
  it.each(BUILTIN)("of %s", async (name) => {
    const { told, explained } = await rewrites(builtin(name), 1);
    expect(told.length).toBeGreaterThan(10);
    expect(explained).toEqual(told);
  });

  it("with lost, doubled and late packets", async () => {
    const links =
      "links:\n  client/eth0: { loss: 5%, duplicate: 10%, jitter: 2ms }\n  edge/eth1: { duplicate: 10%, loss: 5%, reorder: 10%, reorderDelay: 3ms }\nsteps:";
    const text = builtin("nodeport")
      .replace("steps:", links)
      .replace(/ {4}expect:[\s\S]*$/, "");
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 1, max: 1_000_000 }), async (seed) => {
        const { told, explained } = await rewrites(text, seed);
        expect(explained).toEqual(told);
      }),
      { numRuns: 10 },
    );
  });

  it.each([
    "traceroute 198.51.100.80",
    "ping -c 3 198.51.100.80",
    "curl -s --connect-timeout 5 198.51.100.77",
    "curl -s 198.51.100.80:84",
  ])("of %s, quotations in ICMP errors too", async (run) => {
    const { told, explained } = await rewrites(home(run), 1);
    expect(told.length).toBeGreaterThan(0);
    expect(explained).toEqual(told);
  });
});

describe("connections are told apart", () => {
  it("when a later one has the same addresses and ports", async () => {
    const command = "curl -s --local-port 40000 198.51.100.80";
    const steps = `  - { run: ${command}, on: pc }\n  - { wait: 3m }\n  - { run: ${command}, on: pc }`;
    const { steps: explained } = await explain(home("x").replace(/ {2}- \{ run.*\}/, steps));
    expect(
      explained.map(({ connections }) => connections.map(({ asked, outcome }) => `${asked.source} ${outcome}`)),
    ).toEqual([["192.168.1.10:40000 answered"], [], ["192.168.1.10:40000 answered"]]);
  });

  it("and told together when only their ports differ", async () => {
    const text = await whyText(home("traceroute 198.51.100.80"), 1);
    expect(text.match(/^Connections? \d.*/gm)?.[1]).toMatch(/^Connections 2 and 3 went the same way: /);
  });

  it("and only the first thousand are kept", () => {
    const { net, a } = line();
    const explainer = explainNetwork(net);
    const socket = a.udp.open({ onDatagram: () => {} });
    // Neighbours are asked for by the first; no more than a hundred packets wait for one.
    for (let port = 1; port <= 1003; port++) {
      socket.send({ to: address("10.0.2.2"), port, payload: new Uint8Array(1) });
      net.run();
    }
    const told = explainer.finish();
    expect([told.length, told.at(-1)?.asked.destination]).toEqual([1000, "10.0.2.2:1000"]);
  });

  it("and it is said how many were not; of many that went the same way fifty are named", async () => {
    const explained = await explain(home("curl -s 198.51.100.80"));
    const [step] = explained.steps;
    const [connection] = step!.connections;
    const connections = Array.from({ length: 1000 }, (_, index) => ({ ...connection!, number: index + 1 }));
    const text = formatWhyText(
      { ...explained, steps: [{ ...step!, connections, further: 3 }] },
      { ...PLAIN, width: 1e5 },
    );
    expect(text).toContain("\nConnection 1 of 1003: ");
    expect(text).toMatch(/\nConnections 2, 3, [\d, ]*, 51 and 949 more went the same way: .*, …\n/);
    expect(text).toContain("\n3 more connections began in this step. Only the first 1000 are told of.\n");
  });
});

describe("a program that ends connections and opens its own", () => {
  const relay = (run: string): string =>
    home(run).replace(
      "  server:\n",
      "  relay:\n    interfaces: { eth0: { network: lan, address: 192.168.1.12/24 } }\n    gateway: 192.168.1.1\n" +
        "    servers: [{ kind: tcp-proxy, port: 80, to: 198.51.100.80:80 }]\n  server:\n",
    );

  it("joins the client's connection with the one it opened for it", async () => {
    const { steps } = await explain(relay("curl -s 192.168.1.12"), 1);
    const [taken, opened] = steps[0]?.connections ?? [];
    const by = { box: "relay", service: "tcp-proxy:80", backend: "198.51.100.80" };
    expect(taken?.joined).toEqual([{ side: "backend", step: 1, number: 2, flow: opened?.asked, ...by }]);
    expect(opened?.joined).toEqual([{ side: "client", step: 1, number: 1, flow: taken?.asked, ...by }]);
    expect([taken?.opener, opened?.opener]).toEqual(["pc", "relay"]);
  });

  it("is told at both ends, in each form", async () => {
    const explanation = await explain(relay("curl -s 192.168.1.12"), 1);
    const [taken, opened] = (explanation.steps[0]?.connections ?? []).map(
      ({ asked }) => `${asked.source} → ${asked.destination}`,
    );
    const text = formatWhyText(explanation, { ...PLAIN, width: 1000 });
    const on = `tcp-proxy:80 on relay ends this connection and opens its own: step 1, connection 2, ${opened}, to the backend 198.51.100.80.`;
    const back = `tcp-proxy:80 on relay took the client's connection (step 1, connection 1: ${taken}) and opened this one for it.`;
    expect(text).toContain(`  How does it go on from relay?\n    ${on}`);
    expect(text).toContain("  For whom was this connection opened?\n");
    expect(text).toContain(back);
    expect(formatWhyMarkdown(explanation)).toContain("**How does it go on from relay?**");
    const diagram = formatWhyMermaid(explanation);
    expect(diagram).toContain(`: carries it on with step 1, connection 2: ${opened}\n`);
    expect(diagram).toContain(`: opens this connection for step 1, connection 1: ${taken}\n`);
  });

  it("is kube-proxy in userspace mode, behind the rules that lead to it", async () => {
    const { steps } = await explain(builtin("mode-userspace"), 2);
    const connections = steps[0]?.connections ?? [];
    const opened = connections.find(({ joined }) => joined.some(({ side }) => side === "client"));
    const [whom] = opened?.findings ?? [];
    expect(whom?.question).toBe("Whom does source-ip-app-826191075-qehz4 see?");
    expect(whom?.answer).toMatch(
      /^10\.240\.0\.\d, kubernetes-node-\w+'s own address, not the client's address 10\.180\.\d\.\d+\. No packet was rewritten: /,
    );
  });
});

describe("the forms", () => {
  it("Markdown says the same, with rules as code", async () => {
    expect(formatWhyMarkdown(await explain(home("curl -s 198.51.100.80:81"), 1))).toBe(golden("reject.md"));
  });

  it("Mermaid draws a sequence diagram", async () => {
    expect(formatWhyMermaid(await explain(builtin("nodeport-local"), 2))).toBe(golden("nodeport-local.mmd"));
  });

  it("Mermaid takes names that mean something to it", () => {
    const flow = { source: "10.0.0.1", destination: "10.0.0.2" };
    const hop = { before: flow, after: flow, changes: [], notes: [] };
    const connection = {
      number: 1,
      protocol: "ICMP",
      opener: "end",
      asked: flow,
      outcome: "answered" as const,
      packets: { original: 1, reply: 0, errors: 0 },
      joined: [],
      findings: [],
      entries: [],
      journeys: [
        {
          direction: "original" as const,
          packets: 1,
          time: 0,
          hops: [
            { box: "end", ...hop },
            { box: "a#1;<b>", ...hop },
          ],
        },
      ],
    };
    const step = { number: 1, name: "", commands: [], connections: [connection] };
    expect(formatWhyMermaid({ scenario: "x", seed: 1, names: {}, steps: [step] })).toBe(`sequenceDiagram
  participant b1 as #101;nd
  participant b2 as a#35;1#59;#60;b#62;
  Note over b1,b2: Step 1, connection 1: ICMP to 10.0.0.2, answered
  b1->>b2: 10.0.0.1 → 10.0.0.2
`);
  });

  it("text keeps to the terminal's width, but for single words", async () => {
    const explanation = await explain(builtin("nodeport"), 1);
    for (const width of [60, 80, 132]) {
      const lines = formatWhyText(explanation, { ...PLAIN, width }).split("\n");
      const tooLong = lines.filter(
        (line) => line.length > width && line.trim().includes(" ") && !line.startsWith("  client$"),
      );
      expect(tooLong).toEqual([]);
    }
  });

  it("colours stand around whole lines and leave the words alone", async () => {
    const explanation = await explain(builtin("nodeport-local"), 2);
    const paint = (code: number) => (text: string) => `\x1b[${code}m${text}\x1b[0m`;
    const style = { width: 100, strong: paint(1), aside: paint(2), good: paint(32), bad: paint(31) };
    const coloured = formatWhyText(explanation, style);
    expect(coloured).toContain("\x1b[31mno answer: dropped on its way there\x1b[0m");
    // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
    expect(coloured.replace(/\x1b\[\d+m/g, "")).toBe(formatWhyText(explanation, PLAIN));
  });

  it("JSON has the documented keys", async () => {
    const explanation = await explain(builtin("nodeport"), 1);
    expect(Object.keys(explanation)).toEqual(["scenario", "seed", "names", "steps"]);
    const [step] = explanation.steps;
    expect(Object.keys(step!)).toEqual(["number", "name", "commands", "connections"]);
    const [connection] = step!.connections;
    expect(connection).toMatchObject({
      number: 1,
      protocol: "TCP",
      opener: "client",
      outcome: "answered",
      asked: { destination: "203.0.113.4:31000" },
      reached: { box: "source-ip-app-826191075-qehz4", to: "tcp 8080" },
      packets: { original: 6, reply: 4, errors: 0 },
    });
    const change = connection!.journeys[0]!.hops[2]!.changes.find(({ target }) => target === "MASQUERADE");
    expect(change).toMatchObject({
      hook: "POSTROUTING",
      side: "source",
      packets: 6,
      byRule: 1,
      cause: "service-masquerade",
      rule: { table: "nat", chain: "KUBE-POSTROUTING", number: 3 },
      path: [
        { chain: "POSTROUTING", number: 1 },
        { chain: "KUBE-POSTROUTING", number: 3 },
      ],
    });
    expect(JSON.parse(JSON.stringify(explanation))).toEqual(explanation);
  });
});

describe("of two boxes in a row that replace the source", () => {
  const twice = (run: string): string =>
    home(run)
      .replace("internet: {} }", "internet: {}, far: {} }")
      .replace("network: internet, address: 198.51.100.80/24 } }", "network: far, address: 192.0.2.80/24 } }")
      .replace(
        "routers:",
        "routers:\n  second:\n    interfaces: { in: { network: internet, address: 198.51.100.1/24 }, out: { network: far, address: 192.0.2.7/24 } }\n    iptables: { nat: { POSTROUTING: [-o out -j SNAT --to-source 192.0.2.7] } }",
      )
      .replace(
        "    iptables:\n      nat:\n        PREROUTING",
        "    gateway: 198.51.100.1\n    iptables:\n      nat:\n        PREROUTING",
      );

  it("each is asked for the address that it chose itself", async () => {
    const { findings } = await connectionsOf(twice("curl -s --connect-timeout 2 192.0.2.80"));
    expect(findings.map(({ question }) => question).slice(0, 2)).toEqual([
      "Whom does server see?",
      "Why 198.51.100.7?",
    ]);
    expect(findings[1]?.answer).toContain("towards 192.0.2.80: wan (198.51.100.7)");
  });

  it("both rules are named, though the packet that met the first one ended at the second", async () => {
    const { findings, journeys } = await connectionsOf(twice("traceroute -n -I -q 1 192.0.2.80"));
    expect(findings[0]?.answer).toContain("box replaced it in POSTROUTING (MASQUERADE). Rule 1 of POSTROUTING says so");
    expect(findings[0]?.answer).toContain("second replaced it in POSTROUTING (SNAT). Rule 1 of POSTROUTING says so");
    const masquerade = { table: "nat", chain: "POSTROUTING", number: 1, text: "-o wan -j MASQUERADE" };
    const remembered = journeys
      .flatMap(({ direction, hops }) => hops.filter(({ box }) => box === "box").map((hop) => ({ direction, ...hop })))
      .flatMap(({ direction, changes }) => changes.map((change) => ({ direction, ...change })))
      .filter(({ target }) => target === "conntrack");
    expect(new Set(remembered.map(({ direction }) => direction))).toEqual(new Set(["original", "reply", "error"]));
    for (const change of remembered) expect(change.remembered).toEqual(masquerade);
    expect(remembered.find(({ direction }) => direction === "original")?.because).toBe(
      "Connection tracking on box remembers how the connection is translated (rule 1 of POSTROUTING: -o wan -j MASQUERADE); its nat table is asked for the first packet only.",
    );
  });
});
