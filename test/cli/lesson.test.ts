import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { inDirectory, natscope } from "./command-line.ts";

const RIGHT = "203.0.113.7,b,63,a";

/** Standard input, line by line. */
function typing(...lines: string[]): { readLine: () => Promise<string | undefined> } {
  const rest = [...lines];
  return { readLine: async () => rest.shift() };
}

describe("natscope lesson", () => {
  it("lists the lessons", async () => {
    const { code, out } = await natscope(["lesson"]);
    expect(code).toBe(0);
    expect(out).toMatch(/^ 1 {2}one-packet +One packet through one NAT\n 2 {2}replies +How the answer finds back\n/);
    expect(out).toMatch(/^13 {2}real-node +A real node$/m);
    expect((await natscope(["lesson", "--list"])).out).toBe(out);
  });

  it("lists them as JSON", async () => {
    const { out } = await natscope(["lesson", "--list", "--json"]);
    expect(JSON.parse(out)[0]).toEqual({
      number: 1,
      name: "one-packet",
      title: "One packet through one NAT",
      questions: 4,
    });
  });

  it("runs the commands, asks, and exits 0 when all answers are right", async () => {
    const { code, out, err } = await natscope(["lesson", "one-packet", "--answers", RIGHT]);
    expect({ code, err }).toEqual({ code: 0, err: "" });
    expect(out).toMatch(/^1\. One packet through one NAT\n/);
    expect(out).toContain("  $ natscope run home-nat --only 'home-router/*' --pcap router.pcapng\n  laptop$ curl");
    expect(out).toContain("> 203.0.113.7\nRight.\nThe router's public address.");
    expect(out).toMatch(/\n4 of 4 right; the next lesson: natscope lesson replies\n$/);
  });

  it("exits 1 when an answer is wrong, and says the right one", async () => {
    const { code, out } = await natscope(["lesson", "1", "--answers", "203.0.113.7,b,64,a"]);
    expect(code).toBe(1);
    expect(out).toContain("> 64\nNo. The answer is 63.\n");
    expect(out).toContain("3 of 4 right");
  });

  it("says why it cannot use a directory", async () => {
    const { code, err } = await natscope(["lesson", "1", "--answers", RIGHT, "--dir", "package.json/here"]);
    expect({ code, err }).toEqual({
      code: 2,
      err: "--dir package.json/here: cannot be used: a part of its path is not a directory\n",
    });
  });

  it("gives the score as JSON", async () => {
    const { code, out } = await natscope(["lesson", "one-packet", "--answers", "203.0.113.7,c,63,a", "--json"]);
    expect(code).toBe(1);
    const result = JSON.parse(out);
    expect(result).toMatchObject({ lesson: "one-packet", ok: false, right: 3, of: 4 });
    expect(result.questions[1]).toEqual({
      number: 2,
      prompt: "The rule is asked in POSTROUTING. Which fact must the router know before MASQUERADE can do its work?",
      given: "c",
      answer: "b",
      right: false,
    });
  });

  it("takes answers from standard input, a line each; what is left unanswered is not right", async () => {
    const { code, out } = await natscope(["lesson", "one-packet"], typing("203.0.113.7", "B", "63"));
    expect(code).toBe(1);
    expect(out).toContain("> 203.0.113.7\nRight.");
    expect(out).toContain("> \nThe answer is a.");
    expect(out).toContain("3 of 4 right");
    const all = await natscope(["lesson", "one-packet", "--json"], typing(...RIGHT.split(",")));
    expect({ code: all.code, right: JSON.parse(all.out).right }).toEqual({ code: 0, right: 4 });
  });

  it("waits for Enter before each command where somebody is at the terminal", async () => {
    await inDirectory(async (directory) => {
      const enter = ["", ""];
      const { code, out } = await natscope(["lesson", "one-packet", "--dir", directory], {
        ...typing(...enter, "203.0.113.7", "b", "63", "a", ""),
        inputIsTerminal: true,
      });
      expect(code).toBe(0);
      expect(out.match(/Enter runs it\./g)).toHaveLength(3);
      expect(out).toContain("> Right.");
    });
  });

  it("shows a lesson without running it or giving answers away", async () => {
    const { code, out } = await natscope(["lesson", "one-packet", "--show"]);
    expect(code).toBe(0);
    expect(out).toContain("Question 1. What is the packet's source address");
    expect(out).not.toContain("The router's public address. The server cannot even tell");
  });

  it("leaves captures in --dir, and nothing anywhere without it", async () => {
    await inDirectory(async (directory) => {
      await natscope(["lesson", "one-packet", "--answers", RIGHT, "--dir", join(directory, "new")]);
      expect(existsSync(join(directory, "new", "router.pcapng"))).toBe(true);
    });
    await natscope(["lesson", "one-packet", "--answers", RIGHT]);
    expect(existsSync("router.pcapng")).toBe(false);
  });

  it("does not overwrite a file of the lesson that the reader has changed", async () => {
    await inDirectory(async (directory) => {
      const file = join(directory, "errors.yaml");
      writeFileSync(file, "# mine\n");
      await natscope(["lesson", "icmp", "--answers", "a,192.168.1.10,b,a", "--dir", directory]).catch(() => undefined);
      expect(readFileSync(file, "utf8")).toBe("# mine\n");
    });
  });

  it.each([
    [["lesson", "one-paket"], 'lesson one-paket: there is no such lesson; did you mean "one-packet"?\n'],
    [
      ["lesson", "99"],
      "lesson 99: there is no such lesson; there is one-packet, replies, ports, icmp, hairpin, clusterip, nodeport, local, load-balancer, proxies, dsr, keep-the-client and real-node\n",
    ],
    [
      ["lesson", "one-packet", "--answers", "a,b"],
      "--answers a,b: one-packet has 4 questions; expected as many answers, with commas between them\n",
    ],
  ])("refuses %j", async (args, message) => {
    expect(await natscope(args)).toMatchObject({ code: 2, out: "", err: message });
  });
});
