/**
 * The page of `natscope report`: one file that shows a run to somebody who wants to see where an address changed.
 *
 * It reads one JSON value, `ReportData` (src/explain/report-data.ts), from a script element of its own page, and draws it: the network, a ladder of
 * everything that went from box to box, what each box did to the packet at hand, and its table of connections at that moment. It asks no network for
 * anything, keeps no state but the address behind `#` and the chosen colours, and knows of natscope only that value's types. Rows (rows.ts), places in the
 * drawing (topology-layout.ts), differences between headers (header-rows.ts) and times left in the tables (tracked-lines.ts) are computed by plain functions;
 * components only draw. The build (rolldown.page.config.js) makes one script and one style sheet of this folder, and `natscope report` puts them into the page.
 *
 * ```html
 * <div id="page"></div>
 * <script type="application/json" id="report">{"version":1,…}</script>
 * ```
 */

import { render } from "preact";
import type { ReportData } from "../explain/index.ts";
import { App } from "./app.tsx";
import { PrintedReport } from "./printed-report.tsx";
import { startTheme } from "./theme.ts";

function start(): void {
  const text = document.getElementById("report")?.textContent;
  const page = document.getElementById("page");
  const paper = document.getElementById("paper");
  if (text === undefined || text === null || page === null || paper === null) return;
  const data = JSON.parse(text) as ReportData;
  startTheme();
  render(<App data={data} />, page);
  // What goes on paper is made when somebody prints.
  window.addEventListener("beforeprint", () => render(<PrintedReport data={data} />, paper));
  window.addEventListener("afterprint", () => render(null, paper));
}

start();
