import { Fragment, type VNode } from "preact";
import type { JoinedConnection, ReportConnection, ReportData } from "../explain/index.ts";
import { Unless } from "./change-card.tsx";
import { ConnectionMark } from "./connection-mark.tsx";
import type { Filter } from "./rows.ts";
import { count } from "./words.ts";

interface ConnectionPanelProps {
  readonly data: ReportData;
  readonly connection: number | undefined;
  readonly onFilter: (change: Partial<Filter>) => void;
}

/** The connection of the packet at hand: how it went, and what a reader will ask about it. */
export function ConnectionPanel({ data, connection, onFilter }: ConnectionPanelProps): VNode {
  const found = connection === undefined ? undefined : data.connections[connection];
  if (found === undefined || connection === undefined)
    return <p class="quiet">This frame belongs to no connection: it is ARP, by which neighbours find each other.</p>;
  return (
    <>
      <h2>
        <ConnectionMark connection={connection} />
        {found.protocol} connection, step {found.step}
      </h2>
      <ConnectionStory data={data} connection={found} />
      <p>
        <button type="button" onClick={() => onFilter({ connection })}>
          Show this connection only
        </button>{" "}
        <button type="button" onClick={() => onFilter({ connection: undefined })}>
          Show all
        </button>
      </p>
    </>
  );
}

interface StoryProps {
  readonly data: ReportData;
  readonly connection: ReportConnection;
}

/** How a connection went, and why. */
export function ConnectionStory({ data, connection }: StoryProps): VNode {
  const { opener, asked, outcome, reached, packets, findings, joined } = connection;
  return (
    <>
      <dl class="facts">
        <dt>asked by</dt>
        <dd>
          {opener}: <code>{asked.source}</code> → <code>{asked.destination}</code>
          {nameOf(data, asked.destination)}
        </dd>
        <dt>outcome</dt>
        <dd class={outcome === "answered" ? "good" : "bad"}>{outcome.replace("-", " ")}</dd>
        {reached !== undefined && (
          <>
            <dt>reached</dt>
            <dd>
              {reached.box} ({reached.to}), as <code>{reached.as.source}</code> → <code>{reached.as.destination}</code>
            </dd>
          </>
        )}
        {joined.map((other) => (
          <Fragment key={`${other.step} ${other.number}`}>
            <dt>{other.side === "backend" ? "carried on" : "taken from"}</dt>
            <dd>
              <ConnectionMark connection={placeOf(data, other)} />
              <code>{other.flow.source}</code> → <code>{other.flow.destination}</code>, by {other.service} on{" "}
              {other.box}: a connection of its own
            </dd>
          </Fragment>
        ))}
        <dt>packets</dt>
        <dd>
          {packets.original} there, {packets.reply} back
          {packets.errors > 0 ? `, ${count(packets.errors, "ICMP error")}` : ""}
        </dd>
      </dl>
      {findings.map(({ question, answer, unless }) => (
        <article class="card" key={question}>
          <h3>{question}</h3>
          <p>{answer}</p>
          <Unless unless={unless} />
        </article>
      ))}
    </>
  );
}

/** A connection's place in the report; `undefined` when it was left out. */
function placeOf({ connections }: ReportData, { step, number }: JoinedConnection): number | undefined {
  const place = connections.findIndex((each) => each.step === step && each.number === number);
  return place < 0 ? undefined : place;
}

function nameOf({ names }: ReportData, end: string): string {
  const name = names[end.split(":")[0] ?? ""];
  return name === undefined ? "" : ` (${name})`;
}
