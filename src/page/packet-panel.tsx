import type { VNode } from "preact";
import { useMemo, useState } from "preact/hooks";
import type { ReportData, ReportMoment, ReportPacket } from "../explain/index.ts";
import { BytesView } from "./bytes-view.tsx";
import { ChangeCard, DropCard } from "./change-card.tsx";
import { ConnectionMark } from "./connection-mark.tsx";
import { bytesOf, changedBytes, type HeaderRow, headerRows } from "./header-rows.ts";
import { HeaderTable } from "./header-table.tsx";
import { addressChanges, dropIn, type Passage, passagesOf, telling } from "./passages.ts";
import { packetAt, whatAt } from "./words.ts";

interface PacketPanelProps {
  readonly data: ReportData;
  readonly moment: ReportMoment | undefined;
  readonly onSelect: (index: number) => void;
}

/** A packet's way from box to box, and what the box at hand did to it. */
export function PacketPanel({ data, moment, onSelect }: PacketPanelProps): VNode {
  if (moment === undefined) return <p class="quiet">Choose a line of the ladder.</p>;
  const packet = packetAt(data, moment);
  const shown = telling(data, moment);
  return (
    <>
      <h2>
        <ConnectionMark connection={packet?.connection} />
        {whatAt(data, moment)}
        <small class="quiet"> packet #{packet?.lineage}</small>
      </h2>
      <WayOfPacket data={data} moment={moment} shown={shown} onSelect={onSelect} />
      {shown === undefined ? (
        <NoPassage data={data} moment={moment} />
      ) : (
        <PassageView
          key={`${moment.packet} ${shown.index}`}
          data={data}
          passage={shown}
          lost={moment.lost}
          direction={packet?.direction}
        />
      )}
    </>
  );
}

/** A frame that no box did anything with but take it or leave it: ARP. */
function NoPassage({ data, moment }: { readonly data: ReportData; readonly moment: ReportMoment }): VNode {
  return (
    <>
      <p>
        From {moment.from} to {moment.to ?? "nobody"}: the frame is for the network itself. No rule looks at it, nothing
        is rewritten.
      </p>
      <FrameView data={data} before={moment.frame} after={undefined} />
    </>
  );
}

interface WayProps extends PacketPanelProps {
  readonly moment: ReportMoment;
  readonly shown: Passage | undefined;
}

function WayOfPacket({ data, moment, shown, onSelect }: WayProps): VNode | null {
  const passages = passagesOf(data, moment);
  if (passages.length === 0) return null;
  return (
    <ol class="boxes" aria-label="The packet's way">
      {passages.map((passage) => {
        const { hop, index } = passage;
        const sign = dropIn(hop) !== undefined ? "✕ " : addressChanges(hop).length > 0 ? "◆ " : "";
        return (
          <li key={index}>
            <button
              type="button"
              aria-current={index === shown?.index ? "step" : undefined}
              class={sign === "◆ " ? "change" : sign === "" ? "" : "drop"}
              onClick={() => onSelect(momentOf(data, moment.packet, index))}
            >
              {sign}
              {hop.box}
            </button>
          </li>
        );
      })}
    </ol>
  );
}

/** The moment at which a packet's passage is told: where it comes in, or where it leaves its sender. */
function momentOf({ moments }: ReportData, packet: number, passage: number): number {
  const own = (enters: boolean): number =>
    moments.findIndex((each) => each.packet === packet && (enters ? each.enters : each.leaves) === passage);
  return Math.max(0, own(true) >= 0 ? own(true) : own(false));
}

interface PassageProps {
  readonly data: ReportData;
  readonly passage: Passage;
  readonly lost: string | undefined;
  readonly direction: ReportPacket["direction"];
}

function PassageView({ data, passage, lost, direction }: PassageProps): VNode {
  const { hop, place } = passage;
  const shown = hop.changes.filter(({ side }) => side !== "ttl");
  const drop = dropIn(hop);
  return (
    <section aria-label={`In ${hop.box}`}>
      <h3>
        In {hop.box}
        <small class="quiet">
          {hop.in === undefined ? "" : ` · in by ${hop.in}`}
          {hop.out === undefined ? "" : ` · out by ${hop.out}`}
          {hop.nextHop === undefined ? "" : ` to ${hop.nextHop}`}
          {hop.state === undefined ? "" : ` · ${hop.state}`}
        </small>
      </h3>
      <p class="ends">
        <code>
          {hop.before.source} → {hop.before.destination}
        </code>
        {hop.after.source + hop.after.destination !== hop.before.source + hop.before.destination && (
          <>
            <span class="becomes"> becomes </span>
            <code class="changed">
              {hop.after.source} → {hop.after.destination}
            </code>
          </>
        )}
      </p>
      {hop.notes.map((note) => (
        <p key={note}>{note}</p>
      ))}
      {shown.map((change) => (
        <ChangeCard
          key={`${change.hook} ${change.side} ${change.from} ${change.quoted}`}
          change={change}
          direction={direction}
        />
      ))}
      {drop !== undefined && <DropCard drop={drop} />}
      {lost !== undefined && <p class="card drop">The link lost it on the way: {lost}.</p>}
      {hop.end?.kind === "delivered" && <p class="card good">It has arrived: delivered to {hop.end.to}.</p>}
      {shown.length === 0 && hop.end === undefined && (
        <p class="quiet">
          {place.before === undefined ? "Made and sent here." : "Passed on; no address or port was changed."}
        </p>
      )}
      <FrameView data={data} before={place.before} after={place.after} />
    </section>
  );
}

interface FrameViewProps {
  readonly data: ReportData;
  readonly before: number | undefined;
  readonly after: number | undefined;
}

function FrameView({ data, before, after }: FrameViewProps): VNode | null {
  const rows = useMemo(() => headerRows(data, before, after), [data, before, after]);
  const [pointed, setPointed] = useState<HeaderRow | undefined>(undefined);
  if (rows.length === 0) return <p class="quiet">It was on no wire here, so there are no bytes to show.</p>;
  const bytes = (title: string, number: number | undefined, which: "beforeAt" | "afterAt"): VNode | null =>
    number === undefined ? null : (
      <BytesView
        title={title}
        bytes={bytesOf(data, number)}
        length={data.frames[number]?.length ?? 0}
        changed={changedBytes(rows, which)}
        pointed={pointed?.[which]}
      />
    );
  return (
    <>
      <HeaderTable rows={rows} isPassing={before !== undefined && after !== undefined} onPoint={setPointed} />
      {bytes("Bytes as it came", before, "beforeAt")}
      {bytes("Bytes as it left", after, "afterAt")}
    </>
  );
}
