import type { VNode } from "preact";
import type { ByteRange, HeaderRow } from "./header-rows.ts";

interface HeaderTableProps {
  readonly rows: readonly HeaderRow[];
  readonly isPassing: boolean;
  readonly onPoint: (row: HeaderRow | undefined) => void;
}

/** A packet's headers before and after a box, field by field, what changed marked. */
export function HeaderTable({ rows, isPassing, onPoint }: HeaderTableProps): VNode {
  const layers = [...new Set(rows.map(({ layer }) => layer))];
  const came = rows.some(({ before }) => before !== undefined);
  return (
    <table class="headers">
      <caption>
        {isPassing ? "Headers as it came and as it left" : came ? "Headers as it came" : "Headers as it left"}
      </caption>
      <thead>
        <tr>
          <th scope="col">Field</th>
          <th scope="col">{isPassing || came ? "came" : "left"}</th>
          {isPassing && <th scope="col">left</th>}
        </tr>
      </thead>
      {layers.map((layer) => (
        <tbody key={layer}>
          <tr>
            <th class="layer" scope="rowgroup" colSpan={isPassing ? 3 : 2}>
              {layer}
            </th>
          </tr>
          {rows
            .filter((row) => row.layer === layer)
            .map((row, index) => (
              <Field key={`${row.name} ${index}`} row={row} isPassing={isPassing} onPoint={onPoint} />
            ))}
        </tbody>
      ))}
    </table>
  );
}

interface FieldProps extends Omit<HeaderTableProps, "rows"> {
  readonly row: HeaderRow;
}

function Field({ row, isPassing, onPoint }: FieldProps): VNode {
  const { name, before, after, change } = row;
  return (
    <tr class={change} onMouseEnter={() => onPoint(row)} onMouseLeave={() => onPoint(undefined)}>
      <th scope="row" title={describeRange(row.beforeAt ?? row.afterAt)}>
        {name}
        {change !== "none" && <span class="spoken"> (changed)</span>}
      </th>
      <td>{isPassing ? before : (before ?? after)}</td>
      {isPassing && <td>{change === "none" ? <span class="same">same</span> : after}</td>}
    </tr>
  );
}

function describeRange(range: ByteRange | undefined): string {
  if (range === undefined) return "";
  return range.length === 1 ? `byte ${range.at}` : `bytes ${range.at}–${range.at + range.length - 1}`;
}
