import { readdirSync, readFileSync } from "node:fs";
import { dirname, join, relative, resolve } from "node:path";
import { describe, expect, it } from "vitest";

/** docs/design.md §2: who may import whom. `cli` and `index.ts` may import everything; every folder may import itself. */
const MAY_IMPORT: Readonly<Record<string, readonly string[]>> = {
  sim: [],
  pcap: ["sim"],
  netstack: ["sim"],
  protocols: [],
  nat: ["netstack", "sim"],
  lb: ["netstack", "sim", "protocols"],
  apps: ["netstack", "sim", "protocols"],
  kube: ["nat"],
  nodes: ["sim", "netstack", "nat", "lb", "kube", "apps", "pcap"],
  scenario: ["nodes", "sim", "netstack", "nat", "lb", "kube", "apps", "pcap", "protocols"],
  explain: ["scenario", "nodes", "sim", "netstack", "nat", "lb", "kube", "apps", "pcap", "protocols"],
  lesson: ["explain", "scenario", "netstack", "apps", "pcap"],
  page: ["explain"],
  tun: ["sim", "netstack"],
  wireshark: [],
};
/** Folders at the edge, which may do I/O. */
const EDGE = new Set(["cli", "tun"]);
const SOURCE = resolve(import.meta.dirname, "../src");

interface Import {
  readonly file: string;
  readonly folder: string;
  readonly target: string;
}

function sourceFiles(): string[] {
  return readdirSync(SOURCE, { recursive: true, encoding: "utf8" })
    .filter((name) => /\.tsx?$/.test(name))
    .map((name) => join(SOURCE, name))
    .sort();
}

function importsOf(file: string): Import[] {
  const text = readFileSync(file, "utf8");
  const folder = folderOf(file);
  const statements = text.matchAll(
    /^(?:import|export)[^;"']*?\sfrom\s+["']([^"']+)["']|^import\s+["']([^"']+)["']|\bimport\(["']([^"']+)["']\)/gm,
  );
  return [...statements].map((match) => ({
    file: relative(SOURCE, file),
    folder,
    target: match[1] ?? match[2] ?? match[3] ?? "",
  }));
}

function folderOf(path: string): string {
  const [first = "", second] = relative(SOURCE, path).split("/");
  return second === undefined ? "" : first;
}

const IMPORTS = sourceFiles().flatMap(importsOf);
const ACROSS = IMPORTS.filter(({ target }) => target.startsWith(".")).map((each) => ({
  ...each,
  path: resolve(SOURCE, dirname(each.file), each.target),
}));

describe("the import table", () => {
  it("is kept by every file", () => {
    const forbidden = ACROSS.filter(({ folder, path }) => {
      const target = folderOf(path);
      if (folder === target || folder === "cli" || folder === "") return false;
      return !(MAY_IMPORT[folder] ?? []).includes(target);
    });
    expect(forbidden.map(({ file, target }) => `${file} imports ${target}`)).toEqual([]);
  });

  it("names every folder", () => {
    const folders = new Set(
      sourceFiles()
        .map(folderOf)
        .filter((name) => name !== "" && name !== "cli"),
    );
    expect([...folders].filter((name) => MAY_IMPORT[name] === undefined)).toEqual([]);
  });

  it("is entered through index.ts only", () => {
    const past = ACROSS.filter(({ folder, path }) => {
      const target = folderOf(path);
      return target !== folder && target !== "" && relative(SOURCE, path) !== `${target}/index.ts`;
    });
    expect(past.map(({ file, target }) => `${file} imports ${target}`)).toEqual([]);
  });

  it("gives the report's page nothing of natscope but types", () => {
    const files = sourceFiles().filter((file) => folderOf(file) === "page");
    const outside = files.flatMap((file) =>
      [...readFileSync(file, "utf8").matchAll(/^(import|export) (?!type )[^;]*?"(\.\.\/[^"]+)"/gm)].map(
        ([, , target]) => `${relative(SOURCE, file)} imports ${target}`,
      ),
    );
    expect(files.length).toBeGreaterThan(20);
    expect(outside).toEqual([]);
  });

  it("keeps Node's own modules at the edge", () => {
    const nodeImports = IMPORTS.filter(({ folder, target }) => target.startsWith("node:") && !EDGE.has(folder));
    expect(nodeImports.map(({ file, target }) => `${file} imports ${target}`)).toEqual([]);
  });

  it("finds the imports it is about", () => {
    expect(IMPORTS.length).toBeGreaterThan(100);
  });
});
