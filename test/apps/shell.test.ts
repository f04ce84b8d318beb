import { describe, expect, test } from "vitest";
import { echoServer, isCommandLineFault, parseCommandLine, runCommand } from "../../src/apps/index.ts";
import { TwoHosts } from "./two-hosts.ts";

const environment = { NODES: "10.0.0.2 10.0.0.9", NODEPORT: "31380", EMPTY: "", SPACED: "a  b" };

describe("a command line", () => {
  const rows: readonly [line: string, stdout: string][] = [
    ["echo a   b", "a b\n"],
    ["echo 'a   b' \"c  d\" e\\ f", "a   b c  d e f\n"],
    ["echo a'b'\"c\"d", "abcd\n"],
    ['echo "it\'s" \'say "x"\' "a\\"b\\$c\\\\d\\e"', 'it\'s say "x" a"b$c\\d\\e\n'],
    [`echo $NODEPORT \${NODEPORT}x "$NODEPORT" '$NODEPORT' \\$NODEPORT`, "31380 31380x 31380 $NODEPORT $NODEPORT\n"],
    ['echo $SPACED "$SPACED" x$SPACED', "a b a  b xa b\n"],
    ['echo a $EMPTY b $MISSING c "$EMPTY" d', "a b c  d\n"],
    ["echo 100$ a$ .", "100$ a$ .\n"],
    ["echo a; echo b ;echo c", "a\nb\nc\n"],
    ["echo a # a comment; echo b", "a\n"],
    ["echo a#b", "a#b\n"],
    ["true && echo yes || echo no", "yes\n"],
    ["false && echo yes || echo no", "no\n"],
    ["false || echo yes; false && echo no; echo end", "yes\nend\n"],
    ["for n in 1 2 3; do echo n$n; done", "n1\nn2\nn3\n"],
    ["for node in $NODES; do echo $node:$NODEPORT; done", "10.0.0.2:31380\n10.0.0.9:31380\n"],
    ["for a in x y; do for b in 1 2; do echo $a$b; done; done; echo $a", "x1\nx2\ny1\ny2\ny\n"],
    ["for a in x y\ndo\n  echo $a\ndone\n", "x\ny\n"],
    ["for a in $EMPTY; do echo $a; done", ""],
    ["X=5; Y=$X$X; echo $Y", "55\n"],
    ["echo for do done", "for do done\n"],
    ["echo a > /dev/null; echo b 2>/dev/null; echo c 2>&1", "b\nc\n"],
    ["echo one | grep o | head -1", "one\n"],
    ["", ""],
    ["   # nothing", ""],
    ["echo a \\\n b", "a b\n"],
  ];
  test.each(rows)("%s", (line, stdout) => {
    expect(new TwoHosts({ environment }).run(line)).toEqual({ exitCode: 0, stdout, stderr: "" });
  });

  const faults: readonly [line: string, column: number, fault: RegExp][] = [
    ["echo 'a", 6, /single quote is not closed/],
    ['echo "a', 6, /double quote is not closed/],
    ["echo $(ls)", 6, /command substitution/],
    ["echo `ls`", 6, /command substitution/],
    ['echo "`ls`"', 7, /command substitution/],
    [`echo \${A:-b}`, 6, /only \$\{NAME\}/],
    ["echo $1", 6, /special parameter \$1/],
    ["echo $?", 6, /special parameter \$\?/],
    ["sleep 1 &", 9, /background/],
    ["(echo a)", 1, /subshells/],
    ["echo a > file", 8, /only go to \/dev\/null/],
    ["cat < file", 5, /reading from files/],
    ["echo a |", 9, /ends unexpectedly/],
    ["| grep a", 1, /unexpected `\|`/],
    ["echo a &&", 10, /ends unexpectedly/],
    ["echo a ;; echo b", 9, /unexpected `;`/],
    ["for", 4, /variable's name must follow/],
    ["for 1 in a; do echo; done", 5, /variable's name must follow/],
    ["for a of b; do echo; done", 7, /`in` must follow/],
    ["for a in b; echo; done", 13, /`do` must follow/],
    ["for a in b; do echo", 20, /`done` must end/],
    ["for a in b; do done", 16, /`done` must end/],
    ["echo a; done", 9, /unexpected word/],
    ["echo a\\", 7, /nothing follows the backslash/],
    [
      "for a in 1; do for b in 1; do for c in 1; do for d in 1; do for e in 1; do echo; done; done; done; done; done",
      61,
      /more than 4 deep/,
    ],
    ["a".repeat(70_000), 1, /longer than/],
  ];
  test.each(faults)("%s is refused", (line, column, fault) => {
    const parsed = parseCommandLine(line);
    if (!isCommandLineFault(parsed)) throw new Error("it was understood");
    expect(parsed.fault).toMatch(fault);
    expect(parsed.column).toBe(column);
  });

  test("that is refused ends with 2 and says where", () => {
    expect(new TwoHosts().run("echo 'a")).toEqual({
      exitCode: 2,
      stdout: "",
      stderr: "sh: 1: Syntax error at column 6: a single quote is not closed\n",
    });
  });

  test("with an unknown command ends with 127 and goes on behind it", () => {
    expect(new TwoHosts().run("foo; echo a")).toEqual({
      exitCode: 0,
      stdout: "a\n",
      stderr: "sh: 1: foo: not found\n",
    });
    expect(new TwoHosts().run(["foo"])).toEqual({ exitCode: 127, stdout: "", stderr: "sh: 1: foo: not found\n" });
    expect(new TwoHosts().run("grep a").stderr).toContain("it must stand behind a |");
  });

  test("ends with the exit code of the command, not of the filter", () => {
    const net = new TwoHosts();
    expect(net.run("curl -s 10.0.0.2:9 | grep x")).toEqual({ exitCode: 7, stdout: "", stderr: "" });
    expect(net.run("echo a | grep x").exitCode).toBe(0);
    expect(net.run("echo a | sed s/a/b/")).toEqual({
      exitCode: 2,
      stdout: "",
      stderr:
        "sh: 1: sed: cannot stand behind a |: of filters there are grep, egrep, fgrep, head, tail, cut, sort, uniq, wc\n",
    });
  });

  test("with 2>&1 hands stderr to the filter", () => {
    const net = new TwoHosts();
    expect(net.run("curl -sS 10.0.0.2:9 2>&1 | grep -o 'port [0-9]*'")).toEqual({
      exitCode: 7,
      stdout: "port 9\n",
      stderr: "",
    });
    expect(net.run("curl -sS 10.0.0.2:9 2>/dev/null").stderr).toBe("");
  });

  test("runs the tutorial's loop as typed", () => {
    const net = new TwoHosts({ environment });
    echoServer(net.server, { version: "1.4", pod: { hostname: "pod" }, startDate: 0, port: 31380 });
    const line = "for node in $NODES; do curl --connect-timeout 1 -s $node:$NODEPORT | grep -i client_address; done";
    expect(net.run(line)).toEqual({ exitCode: 28, stdout: "client_address=10.0.0.1\n", stderr: "" });
  });

  test("ends by itself however often its loops go round", () => {
    const items = Array.from({ length: 50 }, (_, index) => index).join(" ");
    const loops = (body: string): string =>
      ["a", "b", "c"].reduce((inner, name) => `for ${name} in ${items}; do ${inner}; done`, body);
    const { exitCode, stderr } = new TwoHosts().run(loops("true"));
    expect(exitCode).toBe(2);
    expect(stderr).toBe("sh: 1: more than 10000 commands in one line\n");
  });

  test("killed, ends its command and keeps what that printed", () => {
    const net = new TwoHosts();
    const process = runCommand(net.client, "echo a; ping -c 100 10.0.0.2; echo b");
    net.wait(1.5);
    expect(process.exitCode).toBeUndefined();
    process.kill();
    expect(process.exitCode).toBe(137);
    expect(process.stdout).toBe(
      "a\nPING 10.0.0.2 (10.0.0.2) 56(84) bytes of data.\n" +
        "64 bytes from 10.0.0.2: icmp_seq=1 ttl=64 time=20.0 ms\n64 bytes from 10.0.0.2: icmp_seq=2 ttl=64 time=10.0 ms\n",
    );
    net.wait(10);
    expect(net.simulator.inFlight).toBe(0);
  });
});
