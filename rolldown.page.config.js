import { readdirSync, readFileSync } from "node:fs";
import { defineConfig } from "rolldown";

const STYLES = new URL("src/page/styles/", import.meta.url);

/** The page of `natscope report`: one script, and one style sheet of the files in src/page/styles by their names. `natscope report` writes both into its page. */
export default defineConfig({
  input: { page: "src/page/index.tsx" },
  platform: "browser",
  tsconfig: "src/page/tsconfig.json",
  output: { dir: "dist/page", format: "iife", cleanDir: true, minify: true, entryFileNames: "[name].js" },
  plugins: [
    {
      name: "styles",
      generateBundle() {
        const files = readdirSync(STYLES).sort();
        const source = files.map((file) => readFileSync(new URL(file, STYLES), "utf8")).join("\n");
        this.emitFile({ type: "asset", fileName: "page.css", source });
      },
    },
  ],
});
