import { defineConfig, type ViteUserConfig } from "vitest/config";

/** Tests that need Linux, root or other programs; they fail, not skip, when CI is set and something is missing. */
const config: ViteUserConfig = defineConfig({
  test: {
    include: ["test/system/**/*.test.ts"],
    testTimeout: 120_000,
    hookTimeout: 120_000,
    fileParallelism: false,
    // The kernel's clock runs on while the machine is busy: a TIME-WAIT second or a token bucket can then be over too early.
    retry: 2,
  },
});
export default config;
