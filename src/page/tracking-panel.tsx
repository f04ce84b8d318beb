import type { VNode } from "preact";
import type { ReportData, ReportMoment } from "../explain/index.ts";
import { ConnectionMark } from "./connection-mark.tsx";
import { type TrackedLine, tablesAt } from "./tracked-lines.ts";
import { formatTime } from "./words.ts";

interface TrackingPanelProps {
  readonly data: ReportData;
  readonly moment: ReportMoment | undefined;
}

/** Lines of one table that are shown. */
const MOST_LINES = 60;

/** The boxes' tables of connections, as they are at the moment at hand. */
export function TrackingPanel({ data, moment }: TrackingPanelProps): VNode {
  if (moment === undefined) return <p class="quiet">Choose a line of the ladder.</p>;
  const tables = [...tablesAt(data, moment)];
  return (
    <>
      <h2>
        Connection tracking<small class="quiet"> at {formatTime(moment.arrived ?? moment.time)}</small>
      </h2>
      <p class="quiet">
        A line is a connection as it was asked for, and the answer as it is expected. Where the two are no mirror
        images, a rule has rewritten the first packet; all others follow the line.
      </p>
      {tables.length === 0 && <p>No box knows of a connection yet.</p>}
      {tables.map(([box, lines]) => (
        <TrackedTable key={box} box={box} lines={lines} />
      ))}
    </>
  );
}

interface TrackedTableProps {
  readonly box: string;
  readonly lines: readonly TrackedLine[];
}

/** One box's table. */
export function TrackedTable({ box, lines }: TrackedTableProps): VNode {
  return (
    <div class="wide">
      <table class="tracking">
        <caption>{box}</caption>
        <thead>
          <tr>
            <th scope="col">state</th>
            <th scope="col">left</th>
            <th scope="col">asked → expected answer</th>
          </tr>
        </thead>
        <tbody>
          {lines.slice(0, MOST_LINES).map((line, index) => (
            <Line key={index} line={line} />
          ))}
        </tbody>
      </table>
      {lines.length > MOST_LINES && <p class="quiet">and {lines.length - MOST_LINES} more</p>}
    </div>
  );
}

function Line({ line: { life, now, left, isFresh } }: { readonly line: TrackedLine }): VNode {
  const { original, reply } = life;
  const flags = [now.replied ? "" : "unreplied", now.assured ? "assured" : ""].filter(Boolean).join(", ");
  return (
    <tr class={isFresh ? "fresh" : ""}>
      <td>
        <ConnectionMark connection={life.connection} />
        {life.protocol} {now.state ?? ""}
        {isFresh && <span class="spoken"> (changed now)</span>}
        <small class="quiet">{flags}</small>
      </td>
      <td class="number">{left} s</td>
      <td>
        <code>
          {original.source} → {original.destination}
        </code>
        <br />
        <code>
          <span class={reply.source === original.destination ? "" : "changed"}>{reply.source}</span> →{" "}
          <span class={reply.destination === original.source ? "" : "changed"}>{reply.destination}</span>
        </code>
      </td>
    </tr>
  );
}
