import { fileURLToPath } from "node:url";
import type { ReportData } from "../explain/index.ts";
import { ConfigError } from "../scenario/index.ts";
import { readTextFile } from "./text-file.ts";

/** `dist/page/` in the package, where the build puts what src/page is made into. */
const DIRECTORY = fileURLToPath(new URL("../../dist/page/", import.meta.url));

/** What the page may do: draw itself. It asks nobody for anything. */
const POLICY =
  "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'";

/** The report's page as one HTML file. @throws ConfigError when natscope was not built. */
export function reportPage(data: ReportData): string {
  const style = readPart("page.css");
  const script = readPart("page.js");
  const { name, title } = data.scenario;
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="${POLICY}">
<title>${escapeText(`${name}: ${title}`)}</title>
<style>${style}</style>
</head>
<body>
<noscript>This page draws itself with JavaScript, which is switched off here.</noscript>
<div id="page"></div>
<div id="paper"></div>
<script type="application/json" id="report">${jsonForScript(data)}</script>
<script>${script.replaceAll("</script", "<\\/script").replaceAll("<!--", "<\\!--")}</script>
</body>
</html>
`;
}

/** JSON that cannot end the script element that holds it, whatever a scenario calls things, and that is JavaScript too. */
function jsonForScript(data: ReportData): string {
  return JSON.stringify(data).replace(
    /[<>&\u2028\u2029]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}

function escapeText(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
}

function readPart(name: string): string {
  try {
    return readTextFile(`${DIRECTORY}${name}`);
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    throw new ConfigError([
      { file: `${DIRECTORY}${name}`, message: "the report's page is not built. Try: npm run build" },
    ]);
  }
}
