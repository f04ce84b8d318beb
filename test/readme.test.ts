import { existsSync, readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { commandsOf, matchesTranscript, parseLesson } from "../src/lesson/index.ts";
import { natscope } from "./cli/command-line.ts";
import { inOwnDirectory, LESSON_FILES, lessonText, runLine } from "./lesson/lesson-checks.ts";

const README = readFileSync(new URL("../README.md", import.meta.url), "utf8");

describe("README.md", () => {
  it("shows what its commands print", async () => {
    const consoles = README.match(/^```console\n[\s\S]*?^```$/gm) ?? [];
    const text = `# 1. README\n\n${consoles.join("\n\n").replaceAll("$ npx natscope", "$ natscope")}\n`;
    const readme = parseLesson("01-readme.md", text);
    if ("message" in readme) throw new Error(readme.message);
    const commands = commandsOf(readme);
    expect(commands.length).toBeGreaterThan(2);
    await inOwnDirectory(async () => {
      for (const { typed, output } of commands) {
        const actual = await runLine(typed);
        expect(matchesTranscript(output, actual) ? "as shown" : actual, typed).toBe("as shown");
      }
    });
  });

  it("and the lessons name commands that are there", async () => {
    const { out } = await natscope(["--help"]);
    const known = new Set([...out.matchAll(/^ {2}([a-z-]+)/gm)].map((match) => match[1]));
    const texts = [README, ...LESSON_FILES.map(lessonText)];
    const named = texts.flatMap((text) =>
      [...text.matchAll(/(?:`|\$ )(?:npx )?natscope ([a-z-]+)/g)].map((match) => match[1]),
    );
    expect(named.length).toBeGreaterThan(50);
    expect([...new Set(named)].filter((name) => !known.has(name))).toEqual([]);
  });

  it("links to files that are there", async () => {
    const links = [...README.matchAll(/\]\(([^)#:]+)\)/g)].map((match) => match[1] ?? "");
    expect(links.length).toBeGreaterThan(4);
    expect(links.filter((link) => !existsSync(new URL(`../${link}`, import.meta.url)))).toEqual([]);
  });
});
