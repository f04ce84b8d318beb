import { build } from "rolldown";
import natscope from "../rolldown.config.js";

/** The command line as it is shipped, and the benchmarks, which measure it beside the library: in dist-bench, so that dist stays what it is. */
await build({ ...natscope, output: { ...natscope.output, dir: "dist-bench/bin" } });
await build({
  input: { run: "bench/run.ts", goodput: "bench/goodput.ts" },
  platform: "node",
  external: natscope.external,
  output: { dir: "dist-bench/suite", format: "esm", cleanDir: true },
});
