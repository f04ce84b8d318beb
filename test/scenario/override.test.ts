import { describe, expect, it } from "vitest";
import { ConfigError, parseOverride } from "../../src/scenario/index.ts";
import { applyOverride } from "../../src/scenario/override.ts";
import { load, refusal, SAMPLE } from "./sample-scenario.ts";

describe("parseOverride()", () => {
  it.each([
    ["cluster.version=1", ["cluster", "version"], 1],
    ["steps.0.run=curl x", ["steps", 0, "run"], "curl x"],
    ["steps[12].expect.exitCode=[0, 28]", ["steps", 12, "expect", "exitCode"], [0, 28]],
    ['hosts.pc.sysctls."net.ipv4.ip_forward"=1', ["hosts", "pc", "sysctls", "net.ipv4.ip_forward"], 1],
    ["links.client/eth0={ loss: 5% }", ["links", "client/eth0"], { loss: "5%" }],
    ["title=a=b", ["title"], "a=b"],
    ["title=", ["title"], ""],
  ])("reads %s", (text, path, value) => {
    expect(parseOverride(text)).toEqual({ text, path, value });
  });

  it.each(["title", "=x", ".title=x", "a..b=x", "a b=x", "a.=x"])("refuses %j", (text) => {
    expect(() => parseOverride(text)).toThrow(
      new ConfigError([
        { file: `--set ${text}`, message: "expected path=value, like cluster.proxy.masqueradeAll=true" },
      ]),
    );
  });

  it("refuses a value that is not YAML", () => {
    expect(() => parseOverride("title=[")).toThrow("--set title=[: expected a value in YAML behind the =");
  });
});

describe("applyOverride()", () => {
  it("replaces, adds and leaves the original alone", () => {
    const before = { a: { b: 1 }, list: [{ name: "x", v: 1 }, { name: "y" }] };
    expect(applyOverride(before, parseOverride("a.c.d=2"))).toEqual({ ...before, a: { b: 1, c: { d: 2 } } });
    expect(applyOverride(before, parseOverride("list.y.v=3"))).toEqual({
      a: { b: 1 },
      list: [
        { name: "x", v: 1 },
        { name: "y", v: 3 },
      ],
    });
    expect(before).toEqual({ a: { b: 1 }, list: [{ name: "x", v: 1 }, { name: "y" }] });
  });

  it("changes one of two places that share an anchor", () => {
    const shared = { mtu: 1500 };
    expect(applyOverride({ a: shared, b: shared }, parseOverride("a.mtu=9000"))).toEqual({
      a: { mtu: 9000 },
      b: { mtu: 1500 },
    });
  });

  it("cannot reach an object's prototype", () => {
    const changed = applyOverride({}, parseOverride("__proto__.polluted=true"));
    expect(Object.keys(changed as object)).toEqual(["__proto__"]);
    expect(({} as { polluted?: boolean }).polluted).toBeUndefined();
  });
});

describe("loadScenario() with --set", () => {
  it("takes the value in place of the file's", () => {
    expect(load(SAMPLE, ["cluster.proxy.masqueradeAll=true"]).clusters[0]?.proxy).toMatchObject({
      masqueradeAll: true,
    });
    expect(load(SAMPLE, ["cluster.nodes.beta.labels.zone=z1"]).clusters[0]?.nodes[1]?.labels).toEqual({ zone: "z1" });
  });

  it.each([
    [
      "cluster.proxy.mode=foo",
      '--set cluster.proxy.mode=foo: cluster.proxy.mode: expected one of iptables, ipvs, nftables, userspace, got "foo"',
    ],
    [
      "networks.inside.mtux=1",
      '--set networks.inside.mtux=1: networks.inside: unknown key "mtux"; did you mean "mtu"?',
    ],
    [
      "steps.7.run=x",
      "--set steps.7.run=x: the list has no item 7; expected a position from 0 to 0, or an item's name",
    ],
    [
      "title.x=1",
      '--set title.x=1: there is nothing under which "x" could be set: the path leads through a single value',
    ],
  ])("refuses %s", (set, expected) => {
    expect(refusal(SAMPLE, [set])).toBe(expected);
  });
});
