import type { RefObject, VNode } from "preact";
import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import type { ReportData } from "../explain/index.ts";
import { geometryOf, type LadderGeometry, rowHeight, rowsBetween } from "./ladder-geometry.ts";
import { LadderHead, LadderLanes, LadderRow, rowId } from "./ladder-row.tsx";
import type { Row } from "./rows.ts";

interface LadderProps {
  readonly data: ReportData;
  readonly rows: readonly Row[];
  readonly lanes: readonly string[];
  /** A moment's place in the report. */
  readonly selected: number | undefined;
  readonly onSelect: (index: number) => void;
}

/** Rows beyond the edge that are drawn too, in pixels. */
const MARGIN = 300;

/** What went from box to box, time going down. Only what is in sight is drawn, so that a long run is as quick as a short one. */
export function Ladder({ data, rows, lanes, selected, onSelect }: LadderProps): VNode {
  const frame = useRef<HTMLDivElement>(null);
  const [view, setView] = useState({ top: 0, height: 800, width: 900 });
  useView(frame, setView);
  const geometry = useMemo(() => geometryOf(rows, lanes, view.width), [rows, lanes, view.width]);
  useSelectedInSight(frame, { geometry, rows, selected });
  const [first, end] = rowsBetween(geometry, view.top - MARGIN, view.top + view.height + MARGIN);
  const shown = rows.slice(first, end);
  const isShown = shown.some((row) => row.kind === "moment" && row.index === selected);
  return (
    <div class="ladder" ref={frame}>
      <LadderHead lanes={lanes} geometry={geometry} />
      <div
        class="rungs"
        role="listbox"
        tabIndex={0}
        aria-label="Packets from box to box, in order of time"
        aria-activedescendant={isShown && selected !== undefined ? rowId(selected) : undefined}
        onKeyDown={(event) => {
          if (event.key === "Enter") document.getElementById("details")?.focus();
        }}
      >
        <svg width={geometry.width} height={Math.max(geometry.height, 40)} role="presentation">
          <LadderLanes geometry={geometry} />
          {shown.map((row, index) => (
            <LadderRow
              key={keyOf(row)}
              data={data}
              row={row}
              top={geometry.tops[first + index] ?? 0}
              geometry={geometry}
              isSelected={row.kind === "moment" && row.index === selected}
              onSelect={onSelect}
              place={{ index: first + index + 1, count: rows.length }}
            />
          ))}
          {rows.length === 0 && (
            <text class="row-what" x={20} y={24}>
              Nothing matches.
            </text>
          )}
        </svg>
      </div>
    </div>
  );
}

function keyOf(row: Row): string {
  if (row.kind === "moment") return `m${row.index}`;
  return row.kind === "step" ? `s${row.step.number}` : `p${row.time}`;
}

interface View {
  readonly top: number;
  readonly height: number;
  readonly width: number;
}

/** Follows what part of the ladder is to be seen. */
function useView(frame: RefObject<HTMLDivElement>, setView: (view: View) => void): void {
  useEffect(() => {
    const element = frame.current;
    if (element === null) return;
    const look = (): void =>
      setView({ top: element.scrollTop, height: element.clientHeight, width: element.clientWidth });
    const observer = new ResizeObserver(look);
    observer.observe(element);
    element.addEventListener("scroll", look, { passive: true });
    look();
    return () => {
      observer.disconnect();
      element.removeEventListener("scroll", look);
    };
  }, [frame, setView]);
}

interface Sought {
  readonly geometry: LadderGeometry;
  readonly rows: readonly Row[];
  readonly selected: number | undefined;
}

/** Scrolls the selected row into sight, with what comes before and after it. */
function useSelectedInSight(frame: RefObject<HTMLDivElement>, { geometry, rows, selected }: Sought): void {
  useEffect(() => {
    const element = frame.current;
    const place = rows.findIndex((row) => row.kind === "moment" && row.index === selected);
    if (element === null || place < 0) return;
    const height = rowHeight("moment", geometry.isNarrow);
    const top = geometry.tops[place] ?? 0;
    const room = element.clientHeight - geometry.headHeight;
    if (top - height < element.scrollTop) element.scrollTop = top - 2 * height;
    else if (top + 2 * height > element.scrollTop + room) element.scrollTop = top + 3 * height - room;
  }, [frame, geometry, rows, selected]);
}
