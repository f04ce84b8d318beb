import type { VNode } from "preact";
import type { ReportData, ReportStep } from "../explain/index.ts";
import { ChangeCard, DropCard } from "./change-card.tsx";
import { ConnectionMark } from "./connection-mark.tsx";
import { ConnectionStory } from "./connection-panel.tsx";
import { geometryOf } from "./ladder-geometry.ts";
import { LadderHead, LadderLanes, LadderRow } from "./ladder-row.tsx";
import { addressChanges, dropIn } from "./passages.ts";
import { lanesOf, type Row, rowsOf } from "./rows.ts";
import { StepOutput } from "./steps-panel.tsx";
import { TopologyView } from "./topology.tsx";
import { type Drawing, layOut } from "./topology-layout.ts";
import { tablesAt } from "./tracked-lines.ts";
import { TrackedTable } from "./tracking-panel.tsx";

/** Rows of ladders that are printed, and how many stand together on a page. */
const MOST_ROWS = 400;
const ROWS_TOGETHER = 14;
/** Of a ladder on paper, in pixels. */
const WIDTH = 1040;

/** The run for paper: what was done, the ladder of each step, and what there is to say about each connection. */
export function PrintedReport({ data }: { readonly data: ReportData }): VNode {
  const drawing = layOut(data.topology);
  const all = rowsOf(data, { connection: undefined, text: "", showsArp: false });
  const rows = all.slice(0, MOST_ROWS);
  const { title, name, description } = data.scenario;
  return (
    <>
      <h1>{title}</h1>
      <p class="kicker">
        natscope · {name} · seed {data.seed}
      </p>
      {description.split(/\n\s*\n/).map((paragraph) => (
        <p key={paragraph}>{paragraph}</p>
      ))}
      <TopologyView drawing={drawing} data={data} moment={undefined} />
      {all.length > rows.length && (
        <p class="note">
          The ladder has {all.length} lines; the first {rows.length} are printed.
        </p>
      )}
      {data.steps.map((step) => (
        <PrintedStep key={step.number} data={data} drawing={drawing} step={step} rows={rowsOfStep(rows, step)} />
      ))}
    </>
  );
}

function rowsOfStep(rows: readonly Row[], step: ReportStep): Row[] {
  const begin = rows.findIndex((row) => row.kind === "step" && row.step === step);
  if (begin < 0) return [];
  const end = rows.findIndex((row, index) => index > begin && row.kind === "step");
  return rows.slice(begin + 1, end < 0 ? rows.length : end);
}

interface PrintedStepProps {
  readonly data: ReportData;
  readonly drawing: Drawing;
  readonly step: ReportStep;
  readonly rows: readonly Row[];
}

function PrintedStep({ data, drawing, step, rows }: PrintedStepProps): VNode {
  const lanes = lanesOf(rows, drawing.order);
  const told = new Set(rows.map((row) => row.kind === "moment" && data.packets[row.moment.packet]?.connection));
  const parts = Array.from({ length: Math.ceil(rows.length / ROWS_TOGETHER) }, (_, part) =>
    rows.slice(part * ROWS_TOGETHER, (part + 1) * ROWS_TOGETHER),
  );
  return (
    <section class="printed-step">
      <h2>
        {step.number}. {step.name === "" ? step.shown : step.name}
      </h2>
      <StepOutput step={step} />
      {parts.map((part, index) => (
        <PrintedLadder key={index} data={data} rows={part} lanes={lanes} />
      ))}
      {data.connections.map((connection, index) =>
        told.has(index) ? (
          <section class="printed-connection" key={index}>
            <h3>
              <ConnectionMark connection={index} /> {connection.protocol}
            </h3>
            <ConnectionStory data={data} connection={connection} />
            <FirstPacketsChanges data={data} connection={index} />
          </section>
        ) : null,
      )}
      <TablesAfter data={data} rows={rows} />
    </section>
  );
}

/** What was done to a connection's first packet: the later ones follow it. */
function FirstPacketsChanges({ data, connection }: { readonly data: ReportData; readonly connection: number }): VNode {
  const packet = data.packets.find((each) => each.connection === connection && each.direction === "original");
  const hops = (packet?.way ?? []).flatMap(({ hop }) => data.hops[hop] ?? []);
  return (
    <>
      {hops.map((hop) => {
        const changes = addressChanges(hop);
        const drop = dropIn(hop);
        if (changes.length === 0 && drop === undefined) return null;
        return (
          <section key={hop.box}>
            <h4>In {hop.box}</h4>
            {changes.map((change) => (
              <ChangeCard key={`${change.hook} ${change.side}`} change={change} direction="original" isOpen={true} />
            ))}
            {drop !== undefined && <DropCard drop={drop} />}
          </section>
        );
      })}
    </>
  );
}

/** The tables of connections when a step was over. */
function TablesAfter({ data, rows }: Pick<PrintedStepProps, "data" | "rows">): VNode | null {
  const last = rows.findLast((row) => row.kind === "moment");
  const tables = last === undefined ? [] : [...tablesAt(data, last.moment)];
  if (tables.length === 0) return null;
  return (
    <section>
      <h3>Connection tracking at the end of the step</h3>
      {tables.map(([box, lines]) => (
        <TrackedTable key={box} box={box} lines={lines} />
      ))}
    </section>
  );
}

type PrintedLadderProps = Pick<PrintedStepProps, "data" | "rows"> & { readonly lanes: readonly string[] };

function PrintedLadder({ data, rows, lanes }: PrintedLadderProps): VNode {
  const geometry = geometryOf(rows, lanes, WIDTH);
  return (
    <figure class="printed-ladder" style={{ "--wide": `${geometry.width}px` }}>
      <LadderHead lanes={lanes} geometry={geometry} />
      <svg
        width={geometry.width}
        height={geometry.height}
        viewBox={`0 0 ${geometry.width} ${geometry.height}`}
        role="img"
        aria-label="Packets from box to box"
      >
        <LadderLanes geometry={geometry} />
        {rows.map((row, index) => (
          <LadderRow
            key={index}
            data={data}
            row={row}
            top={geometry.tops[index] ?? 0}
            geometry={geometry}
            isSelected={false}
            onSelect={() => {}}
            place={{ index: index + 1, count: rows.length }}
          />
        ))}
      </svg>
    </figure>
  );
}
