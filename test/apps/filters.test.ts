import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { parseFilter } from "../../src/apps/filters.ts";
import { compilePattern } from "../../src/apps/pattern.ts";

const TEXT = `CLIENT VALUES:
client_address=10.0.0.1
command=GET

host=10.0.0.2:8080
`;

function filtered(words: readonly string[], text: string): string {
  const filter = parseFilter(words);
  return "fault" in filter ? `fault: ${filter.fault}` : filter.apply(text);
}

describe("filters", () => {
  const rows: readonly [words: string[], text: string, output: string][] = [
    [["grep", "-i", "CLIENT_address"], TEXT, "client_address=10.0.0.1\n"],
    [["grep", "client"], TEXT, "client_address=10.0.0.1\n"],
    [["grep", "-v", "="], TEXT, "CLIENT VALUES:\n\n"],
    [["grep", "-c", "="], TEXT, "3\n"],
    [["grep", "-q", "="], TEXT, ""],
    [["grep", "-n", "="], TEXT, "2:client_address=10.0.0.1\n3:command=GET\n5:host=10.0.0.2:8080\n"],
    [["grep", "-m1", "="], TEXT, "client_address=10.0.0.1\n"],
    [["grep", "-m", "0", "="], TEXT, ""],
    [["grep", "-oE", "[0-9]+\\.[0-9.]+"], TEXT, "10.0.0.1\n10.0.0.2\n"],
    [["egrep", "-o", "10(\\.[0-9]{1,3}){3}"], TEXT, "10.0.0.1\n10.0.0.2\n"],
    [["grep", "-o", "[0-9]\\+\\.[0-9.]*"], TEXT, "10.0.0.1\n10.0.0.2\n"],
    [["grep", "-F", "10.0.0.1"], "10.0.0.1\n10x0x0x1\n", "10.0.0.1\n"],
    [["grep", "10.0.0.1"], "10.0.0.1\n10x0x0x1\n", "10.0.0.1\n10x0x0x1\n"],
    [["grep", "-e", "GET", "-e", "VALUES"], TEXT, "CLIENT VALUES:\ncommand=GET\n"],
    [["grep", "-x", "command=GET"], TEXT, "command=GET\n"],
    [["grep", "-x", "command"], TEXT, ""],
    [["grep", "-w", "command"], TEXT, "command=GET\n"],
    [["grep", "-w", "client"], TEXT, ""],
    [["grep", "-A1", "command"], TEXT, "command=GET\n\n"],
    [["grep", "-n", "-A", "1", "-B", "1", "a"], "a\nb\nc\nd\na\n", "1:a\n2-b\n--\n4-d\n5:a\n"],
    [["grep", "^$"], TEXT, "\n"],
    [["grep", "a|b"], "a|b\na\n", "a|b\n"],
    [["grep", "-E", "^(a|b)$"], "a|b\na\n", "a\n"],
    [["grep", "a\\|b"], "xa\nxb\nxc\n", "xa\nxb\n"],
    [["grep", "*a"], "*a\na\n", "*a\n"],
    [["grep", "[[:space:]]b"], "a b\nab\n", "a b\n"],
    [["grep", "[^a]"], "aaa\nab\n", "ab\n"],
    [["grep", "[]x]"], "]\ny\n", "]\n"],
    [["grep", "a{2}"], "a{2}\naa\n", "a{2}\n"],
    [["grep", "-E", "a{2}"], "a{2}\naa\n", "aa\n"],
    [["grep", "--color=auto", "GET"], TEXT, "command=GET\n"],
    [["grep"], TEXT, "fault: Usage: grep [OPTION]... PATTERNS"],
    [["grep", "a", "file"], TEXT, "fault: grep: file: No such file or directory"],
    [["grep", "-Z", "a"], TEXT, "fault: grep: unknown or incomplete option '-Z'"],
    [["grep", "-E", "(a"], TEXT, "fault: grep: Unmatched ( or \\("],
    [["grep", "-E", "a)"], TEXT, "fault: grep: Unmatched ) or \\)"],
    [["grep", "[a"], TEXT, "fault: grep: Unmatched [, [^, [:, [., or [="],
    [["grep", "\\(a\\)\\1"], TEXT, "fault: grep: back references are not supported"],
    [["grep", "-oE", "(a+)+$"], "baaa\n", "aaa\n"],
    [["grep", "-oE", "a|ab|abc"], "xabcabx\n", "abc\nab\n"],
    [["grep", "-oi", "[k-m]+", "-E"], "xKLmx\n", "KLm\n"],
    [["grep", "-o", "\\<a\\w*"], "ab cab a-a\n", "ab\na\na\n"],
    [["grep", "-E", "[b-a]"], TEXT, "fault: grep: Invalid range end"],
    [["grep", "-E", "[[:foo:]]"], TEXT, "fault: grep: Invalid character class name"],
    [["grep", "-E", "((a{200}){200})"], TEXT, "fault: grep: pattern is too large"],
    [["grep", "-E", "a{9999}"], TEXT, "fault: grep: Invalid content of \\{\\}"],
    [["head", "-2"], TEXT, "CLIENT VALUES:\nclient_address=10.0.0.1\n"],
    [["head", "-n", "1"], "a\nb", "a\n"],
    [["head", "-n", "-1"], "a\nb\nc\n", "a\nb\n"],
    [["head", "-c", "3"], "abcdef", "abc"],
    [["head"], "1\n2\n3\n4\n5\n6\n7\n8\n9\n10\n11\n", "1\n2\n3\n4\n5\n6\n7\n8\n9\n10\n"],
    [["head", "file"], "", "fault: head: cannot open 'file' for reading: No such file or directory"],
    [["head", "-n", "x"], "", "fault: head: invalid number of lines: 'x'"],
    [["tail", "-n1"], "a\nb", "b"],
    [["tail", "-n", "+2"], "a\nb\nc\n", "b\nc\n"],
    [["tail", "-1"], "a\nb\n", "b\n"],
    [["cut", "-d=", "-f2"], "a=b=c\nx\n", "b\nx\n"],
    [["cut", "-d", "=", "-f", "2-", "-s"], "a=b=c\nx\n", "b=c\n"],
    [["cut", "-c1-3,5"], "abcdef\n", "abce\n"],
    [["cut", "-d=="], "", "fault: cut: you must specify a list of bytes, characters, or fields"],
    [["cut", "-f", "0"], "", "fault: cut: invalid field or range '0'"],
    [["sort"], "b\nB\na\n", "B\na\nb\n"],
    [["sort", "-rn"], "9\n10\n1\n", "10\n9\n1\n"],
    [["sort", "-u"], "b\na\nb\n", "a\nb\n"],
    [["sort", "-t=", "-k2"], "x=2\ny=1\n", "y=1\nx=2\n"],
    [["uniq"], "a\na\nb\na\n", "a\nb\na\n"],
    [["uniq", "-c"], "a\na\nb\n", "      2 a\n      1 b\n"],
    [["uniq", "-d"], "a\na\nb\n", "a\n"],
    [["wc", "-l"], "a\nb\n", "2\n"],
    [["wc"], "a b\nc\n", "      2       3       6\n"],
    [["wc", "-c"], "é\n", "3\n"],
    [["wc", "-m"], "é\n", "2\n"],
  ];
  test.each(rows)("%j", (words, text, output) => {
    expect(filtered(words, text)).toBe(output);
  });

  test("patterns are refused with a reason or compile, whatever they are", () => {
    const character = fc.constantFrom(..."ab.*+?()[]{}|\\^$-,1:9");
    const language = fc.constantFrom("basic" as const, "extended" as const, "fixed" as const);
    fc.assert(
      fc.property(fc.array(character, { maxLength: 12 }), language, (text, language) => {
        const compiled = compilePattern(text.join(""), { language });
        if ("fault" in compiled) {
          expect(compiled.fault).not.toBe("");
        } else {
          const match = compiled.find([97, 97, 98]);
          if (match !== undefined) expect(match.end).toBeGreaterThanOrEqual(match.start);
        }
      }),
      { numRuns: 3000 },
    );
  });

  test("a fixed pattern finds itself", () => {
    fc.assert(
      fc.property(fc.string({ minLength: 1, maxLength: 20 }), (text) => {
        const compiled = compilePattern(text, { language: "fixed" });
        if ("fault" in compiled) throw new Error(compiled.fault);
        const codes = [...`\n${text}\n`].map((character) => character.codePointAt(0) ?? 0);
        expect(compiled.find(codes)).toEqual({ start: 1, end: codes.length - 1 });
      }),
    );
  });

  test("extended patterns match what JavaScript's expressions match, and as long as can be", () => {
    const piece = fc.constantFrom("a", "b", ".", "[ab]", "[^a]", "(a|b)", "(ab)?", "a*", "b+", "(a|ba)*", "^", "$");
    const line = fc.string({ unit: fc.constantFrom("a", "b", "c"), maxLength: 10 });
    fc.assert(
      fc.property(fc.array(piece, { minLength: 1, maxLength: 5 }), line, (pieces, line) => {
        const pattern = pieces.join("");
        const compiled = compilePattern(pattern, { language: "extended" });
        if ("fault" in compiled) throw new Error(compiled.fault);
        const expected = new RegExp(pattern).exec(line);
        const match = compiled.find([...line].map((character) => character.charCodeAt(0)));
        expect(match?.start).toBe(expected?.index);
        if (match === undefined || expected === null) return;
        expect(match.end - match.start).toBeGreaterThanOrEqual(expected[0].length);
        expect(new RegExp(`^(?:${pattern})$`).test(line.slice(match.start, match.end)) || /[$^]/.test(pattern)).toBe(
          true,
        );
      }),
      { numRuns: 2000 },
    );
  });

  test("no pattern takes exponential time", () => {
    const compiled = compilePattern("(a|a|a)*(a+)+b", { language: "extended" });
    if ("fault" in compiled) throw new Error(compiled.fault);
    expect(compiled.find(new Array(5000).fill(97))).toBeUndefined();
  });
});
