import type { VNode } from "preact";
import { useLayoutEffect, useMemo, useRef, useState } from "preact/hooks";
import type { ReportData } from "../explain/index.ts";
import { formatPlace, readPlace } from "./deep-link.ts";
import { DetailTabs } from "./detail-tabs.tsx";
import { FilterBar } from "./filter-bar.tsx";
import { HelpDialog } from "./help-dialog.tsx";
import { useKeys } from "./keys.ts";
import { Ladder } from "./ladder.tsx";
import { MomentLine } from "./moment-line.tsx";
import { PageHeader } from "./page-header.tsx";
import { usePlayer } from "./player.ts";
import { PlayerBar } from "./player-bar.tsx";
import { type Filter, lanesOf, type MomentRow, rowsOf } from "./rows.ts";
import { TopologyView } from "./topology.tsx";
import { layOut } from "./topology-layout.ts";

/** The page: what is chosen, and the parts that show it. */
export function App({ data }: { readonly data: ReportData }): VNode {
  const [place, setPlace] = usePlace(data);
  const [helps, setHelps] = useState(false);
  const search = useRef<HTMLInputElement>(null);
  const drawing = useMemo(() => layOut(data.topology), [data]);
  const rows = useMemo(() => rowsOf(data, place.filter), [data, place.filter]);
  const lanes = useMemo(() => lanesOf(rows, drawing.order), [rows, drawing]);
  const moments = useMemo(() => rows.filter((row): row is MomentRow => row.kind === "moment"), [rows]);
  const at = Math.max(
    0,
    moments.findIndex(({ index }) => index >= place.moment),
  );
  const shown = moments[at];
  const select = (index: number): void => setPlace({ ...place, moment: index });
  const player = usePlayer({ at, count: moments.length, go: (next) => select(moments[next]?.index ?? place.moment) });
  const filter = (change: Partial<Filter>): void => {
    player.pause();
    setPlace({ ...place, filter: { ...place.filter, ...change } });
  };
  useKeys({ player, search, helps, setHelps });
  return (
    <>
      <PageHeader data={data} onHelp={() => setHelps(true)} />
      <main>
        <section class="stage" aria-label="The network and what goes through it">
          <TopologyView drawing={drawing} data={data} moment={shown?.moment} player={player} />
          <PlayerBar player={player} moment={shown?.moment} link={formatPlace(place, data)} />
          <MomentLine data={data} moment={shown?.moment} />
          <FilterBar data={data} filter={place.filter} found={moments.length} search={search} onChange={filter} />
          <Ladder data={data} rows={rows} lanes={lanes} selected={shown?.index} onSelect={select} />
        </section>
        <DetailTabs data={data} moment={shown?.moment} onSelect={select} onFilter={filter} />
      </main>
      {helps && <HelpDialog onClose={() => setHelps(false)} />}
    </>
  );
}

type Place = ReturnType<typeof readPlace>;

/** What is chosen is also in the page's address, so that it can be linked to. */
function usePlace(data: ReportData): [Place, (place: Place) => void] {
  const [place, setPlace] = useState(() => readPlace(location.hash, data));
  const written = useRef(location.hash);
  useLayoutEffect(() => {
    const follow = (): void => {
      if (location.hash !== written.current) setPlace(readPlace(location.hash, data));
    };
    window.addEventListener("hashchange", follow);
    return () => window.removeEventListener("hashchange", follow);
  }, [data]);
  const choose = (next: Place): void => {
    written.current = formatPlace(next, data);
    history.replaceState(null, "", written.current);
    setPlace(next);
  };
  return [place, choose];
}
