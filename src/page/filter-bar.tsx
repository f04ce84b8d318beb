import type { RefObject, VNode } from "preact";
import type { ReportData } from "../explain/index.ts";
import type { Filter } from "./rows.ts";
import { count } from "./words.ts";

interface FilterBarProps {
  readonly data: ReportData;
  readonly filter: Filter;
  readonly found: number;
  readonly search: RefObject<HTMLInputElement>;
  readonly onChange: (change: Partial<Filter>) => void;
}

/** Which packets are shown. */
export function FilterBar({ data, filter, found, search, onChange }: FilterBarProps): VNode {
  const chosen = filter.connection === undefined ? "" : String(filter.connection);
  return (
    <search class="filters" aria-label="Which packets are shown">
      <label>
        <span>Connection</span>
        <select
          value={chosen}
          onChange={({ currentTarget: { value } }) =>
            onChange({ connection: value === "" ? undefined : Number(value) })
          }
        >
          <option value="">all {data.connections.length}</option>
          {data.connections.map(({ protocol, asked, outcome, step }, index) => (
            <option key={index} value={String(index)}>
              {index + 1} · step {step} · {protocol} {asked.source} → {asked.destination} · {outcome}
            </option>
          ))}
        </select>
      </label>
      <label class="grows">
        <span>Search</span>
        <input
          ref={search}
          type="search"
          placeholder="an address, SYN, DNAT, KUBE-SVC, a box …"
          value={filter.text}
          aria-keyshortcuts="/"
          onInput={({ currentTarget: { value } }) => onChange({ text: value })}
          onKeyDown={(event) => {
            if (event.key !== "Escape") return;
            onChange({ text: "" });
            event.currentTarget.blur();
          }}
        />
      </label>
      <label class="check">
        <input
          type="checkbox"
          checked={filter.showsArp}
          onChange={({ currentTarget: { checked } }) => onChange({ showsArp: checked })}
        />
        <span>ARP</span>
      </label>
      <output>{count(found, "hop")}</output>
    </search>
  );
}
