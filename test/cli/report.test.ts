import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import type { ReportData } from "../../src/explain/index.ts";
import { HOME, home } from "../explain/explained.ts";
import { inDirectory, natscope } from "./command-line.ts";

/** What the page reads of itself. */
function dataIn(page: string): ReportData {
  const [, text = ""] = /<script type="application\/json" id="report">([^<]*)<\/script>/.exec(page) ?? [];
  return JSON.parse(text) as ReportData;
}

describe("natscope report", () => {
  it("writes one file, and says where it is and how to open it", async () => {
    await inDirectory(async (directory) => {
      const file = join(directory, "nat.html");
      const { code, out, err } = await natscope(["report", "nodeport", "-o", file]);
      expect({ code, err }).toEqual({ code: 0, err: "" });
      expect(out).toMatch(
        /^written: \S+nat\.html \(\d+ kB, 44 packets\)\nopen it in a browser: file:\/\/\S+nat\.html\n$/,
      );
      expect(dataIn(readFileSync(file, "utf8"))).toMatchObject({ version: 1, seed: 1, scenario: { name: "nodeport" } });
    });
  });

  it("names the file after the scenario", async () => {
    await inDirectory(async (directory) => {
      const before = process.cwd();
      process.chdir(directory);
      try {
        await natscope(["report", "nodeport"]);
        expect(existsSync(join(directory, "nodeport.html"))).toBe(true);
      } finally {
        process.chdir(before);
      }
    });
  });

  it("writes to standard output, the same bytes on every run", async () => {
    const [first, again] = [
      await natscope(["report", "home-nat", "-o", "-"]),
      await natscope(["report", "home-nat", "-o", "-"]),
    ];
    expect(first.out).toMatch(/^<!doctype html>\n<html lang="en">/);
    expect(first.out).toBe(again.out);
  });

  it("takes --at, --seed and --set", async () => {
    const { out } = await natscope([
      "report",
      "clusterip",
      "--at",
      "3",
      "--seed",
      "7",
      "--set",
      "cluster.proxy.masqueradeAll=true",
      "-o",
      "-",
    ]);
    const { seed, steps, hops } = dataIn(out);
    expect({ seed, steps: steps.length }).toEqual({ seed: 7, steps: 3 });
    expect(hops.some(({ changes }) => changes.some(({ target }) => target === "MASQUERADE"))).toBe(true);
    const wrong = await natscope(["report", "nodeport", "--at", "9", "-o", "-"]);
    expect(wrong).toMatchObject({ code: 2, out: "" });
    expect(wrong.err).toBe("--at 9: there is no such step; expected a number from 0 to 1, or one of ask every node\n");
  });

  it("asks for nothing but itself", async () => {
    const { out } = await natscope(["report", "nodeport", "-o", "-"]);
    expect(out).toContain("default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data:");
    const withoutData = out.replace(/<script type="application\/json"[\s\S]*?<\/script>/, "");
    expect(withoutData).not.toMatch(/<(?:link|img|iframe|script[^>]*\ssrc)/i);
    expect(withoutData).not.toMatch(/@import|url\((?!["']?data:)/i);
    // Names of XML, which nobody fetches.
    expect(withoutData.replaceAll(/https?:\/\/www\.w3\.org\/[\w/]+/g, "")).not.toMatch(/https?:\/\//);
  });

  it("keeps what a scenario calls things from becoming a part of the page", async () => {
    await inDirectory(async (directory) => {
      const file = join(directory, "lab.yaml");
      const title = "</script><script>alert(1)</script><!-- \u2028 & <b>";
      const text = HOME.replace("title: A home", `title: ${JSON.stringify(title)}`).replace(
        "STEPS",
        `  - { name: ${JSON.stringify(title)}, run: "echo '</script>' \\"<!--\\"", on: pc }`,
      );
      writeFileSync(file, text);
      const { out } = await natscope(["report", file, "-o", "-"]);
      expect(out.match(/<script/g)).toHaveLength(2);
      expect(out.match(/<\/script>/g)).toHaveLength(2);
      expect(out).toContain("<title>home: &lt;/script&gt;&lt;script&gt;alert(1)");
      const data = dataIn(out);
      expect(data.scenario.title).toBe(title);
      expect(data.steps[0]?.name).toBe(title);
      expect(data.steps[0]?.commands[0]?.stdout).toBe("</script> <!--\n");
    });
  });

  it("ends with 1 when something was not as expected, and the page tells what", async () => {
    await inDirectory(async (directory) => {
      const file = join(directory, "lab.yaml");
      writeFileSync(
        file,
        HOME.replace("STEPS", "  - { run: ping -c 1 198.51.100.80, on: pc, expect: { exitCode: 1 } }"),
      );
      const { code, out } = await natscope(["report", file, "-o", "-"]);
      expect(code).toBe(1);
      expect(dataIn(out)).toMatchObject({ ok: false });
      expect(dataIn(out).steps[0]?.commands[0]?.unmet).toEqual(["exitCode: expected 1, was 0"]);
    });
  });

  it("says in a line why it could not write", async () => {
    const { code, err } = await natscope(["report", "nodeport", "-o", "/no/such/place.html"]);
    expect(code).toBe(2);
    expect(err).toBe("-o /no/such/place.html: cannot be written: no such file or directory\n");
  });

  it("ends with 130 at Ctrl-C, and writes nothing", async () => {
    await inDirectory(async (directory) => {
      const file = join(directory, "lab.yaml");
      writeFileSync(file, home("ping -c 300 198.51.100.80"));
      let now = 0;
      const clock = (): number => {
        now += 100;
        return now;
      };
      const page = join(directory, "lab.html");
      const { code } = await natscope(["report", file, "-o", page], { now: clock, isInterrupted: async () => true });
      expect({ code, written: existsSync(page) }).toEqual({ code: 130, written: false });
    });
  });
});
