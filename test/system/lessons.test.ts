import { execFileSync, spawnSync } from "node:child_process";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { listPackets } from "../../src/lesson/index.ts";
import {
  capturedPackets,
  inOwnDirectory,
  isAsShown,
  LESSON_FILES,
  readLesson,
  refreshLesson,
  runLine,
  type Shown,
} from "../lesson/lesson-checks.ts";

/** With UPDATE_LESSONS=1 the lists in the lessons are written anew. */
const UPDATES = process.env.UPDATE_LESSONS !== undefined;
const isMissing = spawnSync("tshark", ["--version"]).error !== undefined;
if (isMissing) {
  const message = "tshark not found: install it with apt-get install tshark";
  if (process.env.CI) throw new Error(message);
  console.warn(`test/system/lessons.test.ts is skipped: ${message}`);
}

/** Numbers of the packets that Wireshark shows with a display filter. */
function shownByTshark(capture: string, filter: string): number[] {
  const args = ["-n", "-r", capture, "-Y", filter, "-T", "fields", "-e", "frame.number"];
  const output = execFileSync("tshark", args, { encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] });
  return output
    .split("\n")
    .filter((line) => line !== "")
    .map(Number);
}

describe.skipIf(isMissing)("the display filters of the lessons, in tshark", () => {
  it.each(LESSON_FILES)("%s: show the packets that the lesson lists", async (file) => {
    const shown: Shown[] = await inOwnDirectory(async () => {
      const lists: Shown[] = [];
      for (const block of readLesson(file).blocks) {
        if (block.kind === "file") writeFileSync(block.name, block.text);
        // Of the commands only those matter here that write a capture.
        for (const { typed } of block.kind === "console" ? block.commands : [])
          if (typed.includes("--pcap")) await runLine(typed);
        if (block.kind !== "packets") continue;
        const { capture, filter, list, line } = block;
        expect(existsSync(capture), `${file}:${line}: ${capture}`).toBe(true);
        const actual = listPackets(capturedPackets(capture), shownByTshark(capture, filter)).join("\n");
        lists.push({ where: filter, shown: list, actual, line });
      }
      return lists;
    });
    expect(shown.length).toBeGreaterThan(0);
    const stale = shown.filter((each) => !isAsShown(each));
    if (UPDATES) expect(refreshLesson(file, stale)).toEqual([]);
    else expect(stale.map(({ where, actual }) => `${where}\n${actual}`)).toEqual([]);
    expect(shown.filter(({ actual }) => /^0 packets$/m.test(actual))).toEqual([]);
  });
});

describe.skipIf(isMissing)("the display filters of the gallery, in tshark", () => {
  const captures = new URL("../../captures/", import.meta.url).pathname;
  const gallery = readFileSync(new URL("../../docs/gallery.md", import.meta.url), "utf8");
  const entries = [...gallery.matchAll(/^\| \[([a-z0-9-]+)\]\(\.\.\/captures\/\1\.pcapng\) \| .+ \| `(.+)` \|$/gm)].map(
    ([, name = "", filter = ""]) => ({
      name,
      filter,
      file: join(captures, `${name}.pcapng`),
    }),
  );

  it.each(entries.filter(({ file }) => existsSync(file)))("$name: shows packets", ({ file, filter }) => {
    expect(shownByTshark(file, filter).length).toBeGreaterThan(0);
  });
});
