import { existsSync, readdirSync, readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { readContents } from "../src/cli/contents.ts";
import { findPackets } from "../src/lesson/index.ts";
import { readCapture } from "../src/pcap/index.ts";

const ROOT = new URL("../", import.meta.url).pathname;
const GALLERY = readFileSync(`${ROOT}docs/gallery.md`, "utf8");

interface Entry {
  readonly name: string;
  readonly seen: string;
  readonly filter: string;
}

/** `| [capture](file) | what you see | filter |`, the filter as code. */
const ENTRIES: readonly Entry[] = [
  ...GALLERY.matchAll(/^\| \[([a-z0-9-]+)\]\(\.\.\/captures\/\1\.pcapng\) \| (.+) \| `(.+)` \|$/gm),
].map(([, name = "", seen = "", filter = ""]) => ({ name, seen, filter }));

describe("docs/gallery.md", () => {
  it("lists the built-in scenarios in their order, and so each capture", () => {
    const scenarios = readContents().flatMap((chapter) => chapter.scenarios.map(({ name }) => name));
    expect(ENTRIES.map(({ name }) => name)).toEqual(scenarios);
    const captures = readdirSync(`${ROOT}captures`).filter((name) => name.endsWith(".pcapng"));
    expect(captures.filter((name) => !scenarios.includes(name.replace(/\.pcapng$/, "")))).toEqual([]);
    expect(captures.length).toBeGreaterThan(30);
  });

  it.each(ENTRIES.filter(({ name }) => existsSync(`${ROOT}captures/${name}.pcapng`)))(
    "$name: its filter shows some of the packets, not none and not all",
    ({ name, filter }) => {
      const { packets } = readCapture(new Uint8Array(readFileSync(`${ROOT}captures/${name}.pcapng`)));
      const shown = findPackets(packets, filter)?.length ?? 0;
      expect(shown).toBeGreaterThan(0);
      expect(shown).toBeLessThan(packets.length);
    },
  );
});
