import { expect, test } from "vitest";
import { takesColours } from "../../src/cli/style.ts";

test.each([
  [true, {}, true],
  [false, {}, false],
  [true, { NO_COLOR: "1" }, false],
  // no-color.org: "when present and not an empty string".
  [true, { NO_COLOR: "" }, true],
  [true, { TERM: "dumb" }, false],
  [false, { FORCE_COLOR: "1" }, true],
  [false, { FORCE_COLOR: "3", NO_COLOR: "1" }, true],
  [true, { FORCE_COLOR: "0" }, false],
  [false, { FORCE_COLOR: "" }, false],
])("on a terminal: %s, with %o there are colours: %s", (isTerminal, environment, expected) => {
  expect(takesColours(isTerminal, environment)).toBe(expected);
});
