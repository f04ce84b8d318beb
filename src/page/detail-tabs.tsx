import type { VNode } from "preact";
import { useRef, useState } from "preact/hooks";
import type { ReportData, ReportMoment } from "../explain/index.ts";
import { ConnectionPanel } from "./connection-panel.tsx";
import { PacketPanel } from "./packet-panel.tsx";
import type { Filter } from "./rows.ts";
import { StepsPanel } from "./steps-panel.tsx";
import { TrackingPanel } from "./tracking-panel.tsx";
import { packetAt } from "./words.ts";

interface DetailTabsProps {
  readonly data: ReportData;
  readonly moment: ReportMoment | undefined;
  readonly onSelect: (index: number) => void;
  readonly onFilter: (change: Partial<Filter>) => void;
}

const TABS = [
  ["packet", "Packet"],
  ["connection", "Connection"],
  ["tracking", "Conntrack"],
  ["steps", "Steps"],
] as const;

type Tab = (typeof TABS)[number][0];

/** What there is to know about the moment at hand. */
export function DetailTabs(props: DetailTabsProps): VNode {
  const [tab, setTab] = useState<Tab>("packet");
  const list = useRef<HTMLDivElement>(null);
  const move = (by: number): void => {
    const next = (TABS.findIndex(([id]) => id === tab) + by + TABS.length) % TABS.length;
    setTab(TABS[next]?.[0] ?? tab);
    list.current?.querySelectorAll<HTMLElement>("[role=tab]")[next]?.focus();
  };
  return (
    <aside class="details">
      <div class="tabs" role="tablist" aria-label="Details" ref={list}>
        {TABS.map(([id, name]) => (
          <button
            key={id}
            type="button"
            role="tab"
            id={`tab-${id}`}
            aria-selected={tab === id}
            aria-controls="details"
            tabIndex={tab === id ? 0 : -1}
            onClick={() => setTab(id)}
            onKeyDown={({ key }) => {
              if (key === "ArrowRight") move(1);
              else if (key === "ArrowLeft") move(-1);
            }}
          >
            {name}
          </button>
        ))}
      </div>
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: Enter in the ladder leads here */}
      <div class="panel" id="details" role="tabpanel" aria-labelledby={`tab-${tab}`} tabIndex={0}>
        <Panel {...props} tab={tab} />
      </div>
    </aside>
  );
}

function Panel({ tab, data, moment, onSelect, onFilter }: DetailTabsProps & { readonly tab: Tab }): VNode {
  switch (tab) {
    case "packet":
      return <PacketPanel data={data} moment={moment} onSelect={onSelect} />;
    case "connection":
      return (
        <ConnectionPanel data={data} connection={moment && packetAt(data, moment)?.connection} onFilter={onFilter} />
      );
    case "tracking":
      return <TrackingPanel data={data} moment={moment} />;
    case "steps":
      return <StepsPanel data={data} onSelect={onSelect} />;
  }
}
