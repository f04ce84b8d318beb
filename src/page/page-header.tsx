import type { VNode } from "preact";
import { useState } from "preact/hooks";
import type { ReportData } from "../explain/index.ts";
import { currentTheme, nextTheme } from "./theme.ts";
import { count } from "./words.ts";

interface HeaderProps {
  readonly data: ReportData;
  readonly onHelp: () => void;
}

/** What the page is about, and the two buttons that belong to the page itself. */
export function PageHeader({ data, onHelp }: HeaderProps): VNode {
  const { name, title, description } = data.scenario;
  const [theme, setTheme] = useState(currentTheme);
  return (
    <header class="head">
      <div class="head-text">
        <p class="kicker">
          natscope · <b>{name}</b> · seed {data.seed}
          {data.ok ? "" : " · not everything was as expected"}
        </p>
        <h1>{title}</h1>
        {description !== "" && (
          <details class="about">
            <summary>What happens here</summary>
            {description.split(/\n\s*\n/).map((paragraph) => (
              <p key={paragraph}>{paragraph}</p>
            ))}
          </details>
        )}
        <LeftOut data={data} />
      </div>
      <div class="head-buttons">
        <button type="button" onClick={() => setTheme(nextTheme())} aria-label={`Colours: ${theme}. Change`}>
          {theme === "auto" ? "◐ Auto" : theme === "light" ? "☀ Light" : "☾ Dark"}
        </button>
        <button type="button" onClick={onHelp} aria-keyshortcuts="?">
          ? Help
        </button>
      </div>
    </header>
  );
}

function LeftOut({ data: { leftOut, packets } }: { readonly data: ReportData }): VNode {
  return (
    <>
      {leftOut.packets > 0 && (
        <p class="note">
          This run has more packets than a page can show: the first {packets.length} are here, {leftOut.packets} later
          ones are left out. A capture (<code>natscope run --pcap</code>) has them all; <code>--at STEP</code> ends the
          report earlier.
        </p>
      )}
      {leftOut.boxes > 0 && (
        <p class="note">
          The drawing shows what the connections' packets passed; {count(leftOut.boxes, "machine")} that they did not
          pass are left out.
        </p>
      )}
    </>
  );
}
