import { chmodSync, existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { readCapture } from "../../src/pcap/index.ts";
import { inDirectory, natscope } from "./command-line.ts";

interface OwnFile {
  readonly part: string;
  readonly path: string;
  readonly state: string;
}

/** Gives the test a home of its own. */
function atHome<T>(work: (home: string) => Promise<T>): Promise<T> {
  return inDirectory((home) => {
    vi.stubEnv("HOME", home);
    // Without tshark, which takes its time to say where its folders are.
    vi.stubEnv("PATH", home);
    vi.stubEnv("WIRESHARK_CONFIG_DIR", join(home, "shark"));
    return work(home);
  });
}

async function files(): Promise<readonly OwnFile[]> {
  return JSON.parse((await natscope(["wireshark", "profile", "--json"])).out) as OwnFile[];
}

beforeEach(() => vi.stubEnv("NATSCOPE_WIRESHARK", ""));
afterEach(() => void vi.unstubAllEnvs());

test("install writes the profile and the extcap program, a second time changes nothing, uninstall takes all away", () =>
  atHome(async (home) => {
    const { code, out } = await natscope(["wireshark", "install"]);
    expect(code).toBe(0);
    expect(out.match(/^written: .*/gm)).toHaveLength(3);
    expect((await files()).map(({ part, state }) => `${part} ${state}`)).toEqual([
      "profile current",
      "profile current",
      "extcap current",
    ]);
    const again = await natscope(["wireshark", "install"]);
    expect(again.out.match(/^there already: .*/gm)).toHaveLength(3);
    writeFileSync(join(home, "shark/profiles/natscope/recent"), "what Wireshark remembers of its windows");
    await natscope(["wireshark", "uninstall"]);
    expect((await files()).map(({ state }) => state)).toEqual(["missing", "missing", "missing"]);
    expect(existsSync(join(home, "shark/profiles/natscope"))).toBe(false);
  }));

test("what a user has changed stays, unless --force is given", () =>
  atHome(async (home) => {
    await natscope(["wireshark", "install"]);
    const preferences = join(home, "shark/profiles/natscope/preferences");
    writeFileSync(preferences, "mine: TRUE\n");
    const install = await natscope(["wireshark", "install"]);
    expect([install.code, install.err]).toEqual([
      1,
      `kept: ${preferences}: it was changed since; --force overwrites it\n`,
    ]);
    const uninstall = await natscope(["wireshark", "uninstall"]);
    expect([uninstall.code, readFileSync(preferences, "utf8")]).toEqual([1, "mine: TRUE\n"]);
    expect((await natscope(["wireshark", "install", "--force"])).out).toContain(`written anew: ${preferences}\n`);
    expect(readFileSync(preferences, "utf8")).toContain("tcp.analyze_sequence_numbers: FALSE");
  }));

test("a file of another version that nobody has changed is replaced", () =>
  atHome(async (home) => {
    await natscope(["wireshark", "install"]);
    // The digest of the text above the seal, as some other version would have written it.
    const older = "@Old@tcp@[0,0,0][1,1,1]\n# As natscope wrote it: 0524d63d128612b1\n";
    const path = join(home, "shark/profiles/natscope/colorfilters");
    writeFileSync(path, older);
    expect((await natscope(["wireshark", "install"])).out).toContain(`written anew: ${path}\n`);
  }));

test("doctor tells whether the profile and the extcap program are there", () =>
  atHome(async () => {
    const found = async (): Promise<unknown> => {
      const list = JSON.parse((await natscope(["doctor", "--json"])).out) as { what: string; isThere: boolean }[];
      return list.filter(({ what }) => what.startsWith("Wireshark ")).map(({ isThere }) => isThere);
    };
    expect(await found()).toEqual([false, false]);
    await natscope(["wireshark", "install"]);
    expect(await found()).toEqual([true, true]);
  }));

/** A program in Wireshark's place: keeps its words and the file it was to show. */
function standIn(home: string): string {
  const program = join(home, "shark.sh");
  writeFileSync(program, `#!/bin/sh\necho "$1 $2 $3 $5" > ${home}/words\n/bin/cp "$4" ${home}/shown.pcapng\nexit 3\n`);
  chmodSync(program, 0o755);
  return program;
}

test("open runs a scenario, starts Wireshark with the profile, and returns its exit code", () =>
  atHome(async (home) => {
    const { code, err } = await natscope(["wireshark", "open", "home-nat", "--program", standIn(home), "--", "-x"]);
    expect(code).toBe(3);
    expect(err.match(/^written: .*$/gm)).toHaveLength(2);
    expect(readFileSync(join(home, "words"), "utf8")).toBe("-C natscope -r -x\n");
    expect(readCapture(readFileSync(join(home, "shown.pcapng"))).packets.length).toBeGreaterThan(50);
  }));

test("open shows a capture that is there as it is", () =>
  atHome(async (home) => {
    vi.stubEnv("NATSCOPE_WIRESHARK", standIn(home));
    const file = join(home, "mine.pcapng");
    await natscope(["run", "home-nat", "--pcap", file]);
    expect((await natscope(["wireshark", "open", file])).code).toBe(3);
    expect(readFileSync(join(home, "shown.pcapng")).equals(readFileSync(file))).toBe(true);
  }));

test("open refuses options that are for scenarios where it is given a capture", () =>
  atHome(async (home) => {
    const file = join(home, "mine.pcapng");
    writeFileSync(file, "");
    const { code, err } = await natscope(["wireshark", "open", file, "--filter", "tcp"]);
    expect(code).toBe(2);
    expect(err).toContain(
      `--filter: is for scenarios, and ${file} is a capture; for a display filter, end with: -- -Y FILTER`,
    );
  }));

test("open says how to get Wireshark where there is none", () =>
  atHome(async () => {
    const { code, err } = await natscope(["wireshark", "open", "home-nat", "--program", "/no/such/wireshark"]);
    expect(code).toBe(2);
    expect(err).toContain("/no/such/wireshark: cannot be started: no such file or directory; get it from");
  }));
