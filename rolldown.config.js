import { defineConfig } from "rolldown";

/**
 * The command line in a few files instead of some five hundred: what is loaded is what makes it start late. The library is what tsc writes, module by
 * module. Chunks lie two folders below the package's root, as src/cli does, so that both find scenarios/ and package.json.
 */
export default defineConfig({
  input: {
    natscope: "src/cli/main.ts",
    "frame-worker": "src/tun/frame-worker.ts",
    "job-worker": "src/cli/job-worker.ts",
    "output-worker": "src/cli/output-worker.ts",
    "namespace-setup": "src/tun/namespace-setup.ts",
  },
  platform: "node",
  external: ["koffi", "cap", "tuntap2"],
  output: { dir: "dist/bin", format: "esm", cleanDir: true, chunkFileNames: "[name]-[hash].js" },
});
