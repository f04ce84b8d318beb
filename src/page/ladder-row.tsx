import type { VNode } from "preact";
import type { JourneyHop, ReportData } from "../explain/index.ts";
import { connectionClass } from "./connection-mark.tsx";
import { type LadderGeometry, rowHeight, shortName } from "./ladder-geometry.ts";
import { addressChanges, dropIn, entering, leaving, targetName } from "./passages.ts";
import { describeMoment, type MomentRow, type Row } from "./rows.ts";
import { formatSpan, frameAt, packetAt, whatAt } from "./words.ts";

interface RowProps<Kind extends Row["kind"]> {
  readonly data: ReportData;
  readonly row: Extract<Row, { kind: Kind }>;
  readonly top: number;
  readonly geometry: LadderGeometry;
}

interface LadderRowProps extends RowProps<Row["kind"]> {
  readonly isSelected: boolean;
  readonly onSelect: (index: number) => void;
  readonly place: { readonly index: number; readonly count: number };
}

/** The id of a moment's row. */
export function rowId(index: number): string {
  return `moment-${index}`;
}

/** The names above the lanes. */
export function LadderHead({
  lanes,
  geometry,
}: {
  readonly lanes: readonly string[];
  readonly geometry: LadderGeometry;
}): VNode {
  const { width, headHeight, names } = geometry;
  return (
    <svg
      class="ladder-head"
      width={width}
      height={headHeight}
      viewBox={`0 0 ${width} ${headHeight}`}
      aria-hidden="true"
    >
      {lanes.map((name) => {
        const x = geometry.lanes.get(name) ?? 0;
        const lines = names?.get(name);
        if (lines === undefined)
          return (
            <text key={name} class="lane-name" transform={`translate(${x + 2} ${headHeight - 8}) rotate(-58)`}>
              <title>{name}</title>
              {shortName(name)}
            </text>
          );
        return (
          <text key={name} class="lane-name" text-anchor="middle">
            <title>{name}</title>
            {lines.map((line, index) => (
              <tspan key={line} x={x} y={headHeight - 10 - (lines.length - 1 - index) * 13}>
                {line}
              </tspan>
            ))}
          </text>
        );
      })}
    </svg>
  );
}

/** The lanes themselves, one for each box. */
export function LadderLanes({ geometry }: { readonly geometry: LadderGeometry }): VNode {
  return (
    <g>
      {[...geometry.lanes].map(([name, x]) => (
        <line key={name} class="lane" x1={x} x2={x} y1={0} y2={geometry.height} />
      ))}
    </g>
  );
}

/** A line of the ladder. */
export function LadderRow({ row, ...props }: LadderRowProps): VNode {
  if (row.kind === "step") return <StepBand {...props} row={row} />;
  if (row.kind === "pause") return <PauseBand {...props} row={row} />;
  const { data, top, geometry, isSelected, onSelect, place } = props;
  const color = connectionClass(packetAt(data, row.moment)?.connection);
  return (
    <g
      id={rowId(row.index)}
      role="option"
      class={`row ${color} ${packetAt(data, row.moment)?.direction ?? "arp"}`}
      transform={`translate(0 ${top})`}
      aria-selected={isSelected}
      aria-label={describeMoment(data, row.moment)}
      aria-posinset={place.index}
      aria-setsize={place.count}
      onClick={() => onSelect(row.index)}
    >
      <rect
        class="row-back"
        x={2}
        y={1}
        width={geometry.width - 4}
        height={rowHeight("moment", geometry.isNarrow) - 2}
        rx={6}
      />
      <Arrow data={data} row={row} geometry={geometry} />
      <RowWords data={data} row={row} geometry={geometry} />
    </g>
  );
}

function StepBand({ row, top, geometry }: RowProps<"step">): VNode {
  const { number, name, shown, on } = row.step;
  const room = Math.floor(geometry.width / 7.4);
  const command = `${on === "" ? "" : `${on}$ `}${shown.split("\n", 1)[0]}`;
  const title = `Step ${number}${name === "" ? "" : `: ${name}`}`;
  return (
    <g class="band step" transform={`translate(0 ${top})`}>
      <title>{`${title}\n${command}`}</title>
      <rect x={0} y={4} width={geometry.width} height={32} />
      <text x={12} y={25}>
        <tspan class="band-title">{cut(title, room)}</tspan>
        <tspan class="band-command" dx={12}>
          {cut(command, Math.max(0, room - title.length - 3))}
        </tspan>
      </text>
    </g>
  );
}

function PauseBand({ row, top, geometry }: RowProps<"pause">): VNode {
  return (
    <g class="band pause" transform={`translate(0 ${top})`}>
      <line x1={8} x2={geometry.width - 8} y1={13} y2={13} />
      <text x={geometry.isNarrow ? 12 : 14} y={17}>
        {formatSpan(row.span)} pass
      </text>
    </g>
  );
}

type ArrowProps = Omit<RowProps<"moment">, "top">;

/** How far from its lane an arrow begins and ends. */
const GAP = 5;

function Arrow({ data, row, geometry }: ArrowProps): VNode {
  const { moment } = row;
  const y = geometry.isNarrow ? 16 : 23;
  const from = geometry.lanes.get(moment.from) ?? 0;
  const to = moment.to === undefined ? undefined : geometry.lanes.get(moment.to);
  const sent = moment.leaves === 0 ? leaving(data, moment)?.hop : undefined;
  const came = entering(data, moment)?.hop;
  return (
    <g class="arrow">
      {to === undefined ? (
        <Broken at={from} y={y} isOnWire={moment.frame !== undefined} />
      ) : (
        <Line from={from} to={to} y={y} />
      )}
      {isChanging(sent) && <Change x={from} y={y - 4} />}
      {to !== undefined && isChanging(came) && <Change x={to} y={y + 4} />}
      {to !== undefined && dropIn(came) !== undefined && <Cross x={to} y={y + 4} />}
      {to !== undefined && came?.end?.kind === "delivered" && <circle class="delivered" cx={to} cy={y + 4} r={4} />}
    </g>
  );
}

function isChanging(hop: JourneyHop | undefined): boolean {
  return hop !== undefined && addressChanges(hop).length > 0;
}

function Line({ from, to, y }: { readonly from: number; readonly to: number; readonly y: number }): VNode {
  if (from === to)
    return <path class="wire" d={`M${from} ${y - 6}h18a5 5 0 0 1 5 5v2a5 5 0 0 1-5 5h-12m5-4l-5 4l5 4`} />;
  const way = Math.sign(to - from);
  const [start, end] = [from + way * GAP, to - way * GAP];
  return (
    <>
      <line class="wire" x1={start} y1={y - 4} x2={end} y2={y + 4} />
      <path class="head" d={`M${end} ${y + 4}l${-way * 9} -5.5l${way * 1.5} 5l${-way * 3} 4.5z`} />
    </>
  );
}

/** What never arrives: lost on the wire, or ended in its sender. */
function Broken({ at, y, isOnWire }: { readonly at: number; readonly y: number; readonly isOnWire: boolean }): VNode {
  if (!isOnWire) return <Cross x={at} y={y} />;
  return (
    <>
      <line class="wire broken" x1={at + GAP} y1={y - 3} x2={at + 26} y2={y} />
      <Cross x={at + 32} y={y} />
    </>
  );
}

function Change({ x, y }: { readonly x: number; readonly y: number }): VNode {
  return <path class="changing" d={`M${x} ${y - 7}l7 7l-7 7l-7-7z`} />;
}

function Cross({ x, y }: { readonly x: number; readonly y: number }): VNode {
  return <path class="cross" d={`M${x - 5} ${y - 5}l10 10m0-10l-10 10`} />;
}

function RowWords({ data, row, geometry }: ArrowProps): VNode {
  const { moment } = row;
  const packet = packetAt(data, moment);
  const frame = frameAt(data, moment);
  const { isNarrow, textAt } = geometry;
  const [first, second] = isNarrow ? [40, 55] : [19, 36];
  const left = leaving(data, moment)?.hop;
  const done = [moment.leaves === 0 ? left : undefined, entering(data, moment)?.hop].flatMap((hop) =>
    hop === undefined
      ? []
      : [...addressChanges(hop).map((change) => targetName(change, packet?.direction)), ...endOf(hop)],
  );
  const tail = moment.lost === undefined ? [...new Set(done)].join(", ") : `lost: ${moment.lost}`;
  const room = Math.max(8, 33 - tail.length);
  return (
    <>
      {!isNarrow && (
        <text class="row-time" x={12} y={27}>
          {(moment.time / 1e9).toFixed(6)}
        </text>
      )}
      <text class="row-what" x={textAt} y={first}>
        {packet?.connection !== undefined && <tspan class="row-mark">{packet.connection + 1} </tspan>}
        <tspan>{cut(whatAt(data, moment), room)}</tspan>
        {tail !== "" && (
          <tspan class={done.length > 0 && dropped(data, row) ? "row-drop" : "row-done"} dx={8}>
            {tail}
          </tspan>
        )}
      </text>
      {frame !== undefined && (
        <text class="row-ends" x={textAt} y={second}>
          <tspan class={isRewritten(left, "source") ? "changed" : ""}>{frame.source}</tspan>
          <tspan class="to"> → </tspan>
          <tspan class={isRewritten(left, "destination") ? "changed" : ""}>{frame.destination}</tspan>
        </text>
      )}
    </>
  );
}

function dropped(data: ReportData, { moment }: MomentRow): boolean {
  return dropIn(entering(data, moment)?.hop) !== undefined || moment.to === undefined;
}

function endOf(hop: JourneyHop): string[] {
  const drop = dropIn(hop);
  return drop === undefined ? [] : [`✕ ${drop.reason}`];
}

function isRewritten(hop: JourneyHop | undefined, side: "source" | "destination"): boolean {
  return hop?.changes.some((change) => change.side === side && !change.quoted) ?? false;
}

function cut(text: string, length: number): string {
  return text.length > length ? `${text.slice(0, Math.max(0, length - 1))}…` : text;
}
