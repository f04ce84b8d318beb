import { defineConfig, type ViteUserConfig } from "vitest/config";

const config: ViteUserConfig = defineConfig({
  // The examples import the package by its name, as its users do.
  resolve: { alias: { natscope: new URL("./src/index.ts", import.meta.url).pathname } },
  test: {
    include: ["test/**/*.test.ts", "examples/**/*.test.ts"],
    exclude: ["test/system/**"],
    testTimeout: 20_000,
  },
});
export default config;
