import type { RuleReference } from "../netstack/index.ts";
import type { Reason } from "./cause.ts";
import type { Change, Connection, Ending, Finding, JoinedConnection, Journey, JourneyHop } from "./explanation.ts";
import { sparedReason } from "./marking-causes.ts";
import { serviceOf } from "./rule-text.ts";

type Facts = Omit<Connection, "findings">;

/** Rules that tell something about a source that stayed as it was. */
export interface Clues {
  /** Those that would have had it marked for MASQUERADE, and did not match. */
  readonly spared: readonly RuleReference[];
  /** Those that ended a chain or a table. */
  readonly decisions: readonly RuleReference[];
}

/** What a reader will ask about a connection. */
export function findingsOf(facts: Facts, clues: Clues): Finding[] {
  return [...whoIsSeen(facts, clues), ...carriedOn(facts), ...(OUTCOMES[facts.outcome]?.(facts) ?? [])];
}

function addressOf(end: string): string {
  return end.split(":")[0] ?? end;
}

function original({ journeys }: Facts): readonly Journey[] {
  return journeys.filter(({ direction }) => direction === "original");
}

function whoIsSeen(facts: Facts, clues: Clues): Finding[] {
  const { reached, asked } = facts;
  if (reached === undefined || addressOf(asked.source).startsWith("127.")) return [];
  const [client, seen] = [addressOf(asked.source), addressOf(reached.as.source)];
  const question = `Whom does ${reached.box} see?`;
  const opened = facts.joined.find(({ side }) => side === "client");
  if (client === seen && opened !== undefined) return [openedFor(question, seen, opened)];
  if (client === seen) {
    const reason = whyKept(facts, clues);
    return [{ question, answer: `The client's own address, ${client}. ${reason.because}`, unless: reason.unless }];
  }
  const culprits = (reaching(facts)?.hops ?? []).flatMap((hop) =>
    hop.changes.filter(isSourceChange).map((change) => blame(change, hop, facts)),
  );
  const said = culprits.map(({ box, change, why }) => {
    return ` ${box} replaced it in ${change.hook} (${change.target}). ${why.because}`;
  });
  const choices = culprits.flatMap(({ change: { to, detail } }) =>
    detail === undefined ? [] : [{ question: `Why ${addressOf(to)}?`, answer: detail, unless: [] }],
  );
  const finding = {
    question,
    answer: `${seen}, not the client's address ${client}.${said.join("")}`,
    unless: culprits.flatMap(({ why }) => why.unless),
  };
  const forWhom = opened === undefined ? [] : [openedFor("For whom was this connection opened?", client, opened)];
  return [finding, ...choices, ...forWhom];
}

/** The packets that arrived: a connection's first ones may have ended on the way, as traceroute's do. */
function reaching(facts: Facts): Journey | undefined {
  const there = original(facts);
  return there.find(({ hops }) => hops.at(-1)?.end?.kind === "delivered") ?? there[0];
}

interface Culprit {
  readonly box: string;
  readonly change: Change;
  readonly why: Change;
}

/** Who replaced a source: the rule, which may have done it to a packet that went another way. */
function blame(change: Change, hop: JourneyHop, facts: Facts): Culprit {
  const passages = [hop, ...original(facts).flatMap(({ hops }) => hops.filter(({ box }) => box === hop.box))];
  const isSame = (each: Change): boolean => isSourceChange(each) && each.from === change.from && each.to === change.to;
  const passage =
    passages.find(({ changes }) => changes.some((each) => isSame(each) && each.rule !== undefined)) ?? hop;
  const made = passage.changes.find(isSame) ?? change;
  const mark = passage.changes.find(({ cause }) => cause === "masquerade-mark");
  return { box: hop.box, change: made, why: mark ?? made };
}

/** The program's own connection: nobody replaced an address, there never was another one in it. */
function openedFor(question: string, seen: string, opened: JoinedConnection): Finding {
  const { box, service, flow, step, number } = opened;
  return {
    question,
    answer: `${seen}, ${box}'s own address, not the client's address ${addressOf(flow.source)}. No packet was rewritten: ${service} on ${box} took the client's connection (step ${step}, connection ${number}: ${flow.source} → ${flow.destination}) and opened this one for it. The two have nothing in common but the bytes.`,
    unless: [
      `${box} passed the client's packets on instead of ending its connection`,
      "the client's address were told in the bytes: by the PROXY protocol, or for HTTP in X-Forwarded-For",
    ],
  };
}

/** Where a client's connection goes on. */
function carriedOn({ joined }: Facts): Finding[] {
  return joined
    .filter(({ side }) => side === "backend")
    .map(({ box, service, flow, step, number, backend }) => ({
      question: `How does it go on from ${box}?`,
      answer: `${service} on ${box} ends this connection and opens its own: step ${step}, connection ${number}, ${flow.source} → ${flow.destination}, to the backend ${backend}.`,
      unless: [],
    }));
}

function isSourceChange({ side, quoted, fields }: Change): boolean {
  return side === "source" && !quoted && fields.some(({ field }) => field === "source");
}

/** Why a source stayed, from the surest reason to the vaguest. */
function whyKept(facts: Facts, { spared, decisions }: Clues): Omit<Reason, "detail"> {
  const hops = original(facts).flatMap((journey) => journey.hops);
  const own = hops.find(({ changes }) => changes.some(({ cause }) => cause === "masquerade-mark"));
  if (own !== undefined)
    return {
      because: `${own.box} did masquerade the packet, but the address of the interface by which it leaves is the sender's own.`,
      unless: [],
    };
  const path = hops.flatMap(({ changes }) => changes.flatMap((each) => each.path));
  const local = path.find(({ chain }) => /^(?:KUBE-SVL-|local-)/.test(chain));
  const external = path.find(({ chain }) => /^(?:KUBE-EXT-|external-)/.test(chain));
  if (local !== undefined && external !== undefined)
    return {
      because: `The Service's externalTrafficPolicy is Local: ${external.chain} leads to ${local.chain}, which knows only endpoints on the node itself, and marks nothing for MASQUERADE. The endpoint's answer has to pass this node anyway.`,
      unless: ["the Service's externalTrafficPolicy were Cluster"],
    };
  const localSet = decisions
    .map(({ text }) => /--match-set (KUBE-\S+-LOCAL\S*)/.exec(text)?.[1])
    .find((set) => set !== undefined);
  if (localSet !== undefined)
    return {
      because: `The Service's externalTrafficPolicy is Local: a rule for the ipset ${localSet} ends the chain before anything is marked for MASQUERADE.`,
      unless: ["the Service's externalTrafficPolicy were Cluster"],
    };
  const reasons = spared.filter((rule) => isAbout(rule, decisions)).map((rule) => sparedReason(rule, serviceOf(rule)));
  return (
    reasons.find((reason) => reason !== undefined) ?? { because: "No rule on the way replaces the source.", unless: [] }
  );
}

/** In ipvs mode one rule stands for all Services: it tells something only where another says that a cluster address was asked. */
function isAbout(rule: RuleReference, decisions: readonly RuleReference[]): boolean {
  const [set] = /--match-set KUBE-\S+/.exec(rule.text) ?? [];
  return set === undefined || decisions.some(({ text }) => text.includes(`${set} `));
}

function drops(
  facts: Facts,
  direction: Journey["direction"],
): readonly { box: string; packets: number; end: Dropped }[] {
  return facts.journeys.flatMap((journey) =>
    journey.direction !== direction
      ? []
      : journey.hops.flatMap(({ box, end }) =>
          end?.kind === "dropped" ? [{ box, packets: journey.packets, end }] : [],
        ),
  );
}

type Dropped = Extract<Ending, { kind: "dropped" }>;

const OUTCOMES: Readonly<Partial<Record<Connection["outcome"], (facts: Facts) => readonly Finding[]>>> = {
  dropped: (facts) => drops(facts, "original").map((drop) => whyDropped("Why did nothing come back?", drop, facts)),
  refused: (facts) => {
    const [drop] = drops(facts, "original");
    return drop === undefined ? [] : [whyDropped("Who refused, and why?", drop, facts)];
  },
  rejected: (facts) => [
    ...drops(facts, "original").map((drop) => whyDropped("Who refused, and why?", drop, facts)),
    ...errors(facts),
  ],
  "answer-lost": (facts) => {
    const lost = drops(facts, "reply").filter(
      ({ end }) => end.reason !== "no-listener" && end.reason !== "tcp-refused-segment",
    );
    if (lost.length > 0) return lost.map((drop) => whyDropped("Why did the answer not arrive?", drop, facts));
    return [strayAnswer(facts)];
  },
  unanswered: (facts) => [
    {
      question: "Why did nothing come back?",
      answer:
        facts.reached === undefined
          ? "The packets were still under way when the step ended."
          : `The packet arrived at ${facts.reached.box} (${facts.reached.to}), which sent no answer.`,
      unless: [],
    },
  ],
};

function whyDropped(question: string, { box, packets, end }: ReturnType<typeof drops>[number], facts: Facts): Finding {
  const times =
    packets === 1
      ? ""
      : ` It was sent ${packets} times${facts.protocol === "TCP" ? ", as TCP repeats what is not acknowledged" : ""}, and ended there each time.`;
  return { question, answer: `The packet ended at ${box} (${end.reason}). ${end.because}${times}`, unless: end.unless };
}

function errors({ journeys }: Facts): Finding[] {
  return journeys
    .filter(({ direction, what }) => direction === "error" && what !== undefined)
    .map(({ what, hops, packets }) => ({
      question: "What was the sender told?",
      answer: `${hops[0]?.box} sent an ${what}${packets === 1 ? "" : `, ${packets} times`}. It quotes the packet it is about: by that the sender knows which connection failed.`,
      unless: [],
    }));
}

/** The endpoint answered somebody else, or as somebody else. */
function strayAnswer({ asked, journeys }: Facts): Finding {
  const last = journeys.find(({ direction }) => direction === "reply")?.hops.at(-1);
  const came = last === undefined ? "" : ` It came to ${last.box} as ${last.after.source} → ${last.after.destination}.`;
  return {
    question: "Why was the answer of no use?",
    answer: `The sender waits for an answer from ${asked.destination} to ${asked.source}.${came} It did not pass the box that translated the way there, so nobody translated it back.`,
    unless: [
      "the way back led through the box that translated the way there, as MASQUERADE or SNAT there would have it",
    ],
  };
}
