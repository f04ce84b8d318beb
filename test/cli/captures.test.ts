import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { inDirectory, natscope } from "./command-line.ts";

const CAPTURES = new URL("../../captures/", import.meta.url);

it("captures/ has what the built-in scenarios give today (npm run build && npm run captures)", async () => {
  await inDirectory(async (directory) => {
    const { code, out } = await natscope(["captures", join(directory, "new")]);
    const names = readdirSync(join(directory, "new"));
    expect(out.split("\n").filter((line) => line !== "")).toHaveLength(names.length);
    expect(code).toBe(0);
    const kept = readdirSync(CAPTURES).filter((name) => name.endsWith(".pcapng"));
    expect(kept.sort()).toEqual(names.sort());
    const changed = names.filter((name) => {
      return !readFileSync(join(directory, "new", name)).equals(readFileSync(new URL(name, CAPTURES)));
    });
    expect(changed).toEqual([]);
  });
});
