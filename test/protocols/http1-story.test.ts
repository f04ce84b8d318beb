import { describe, expect, it } from "vitest";
import { hex } from "./hex.ts";
import { storyOf } from "./http1-story.ts";

describe("storyOf()", () => {
  it("joins pieces of one body, and keeps apart what an event separates", () => {
    const piece = { kind: "body", bytes: hex("'a'") } as const;
    const end = { kind: "end", trailers: [] } as const;
    const tunnel = { kind: "tunnel", bytes: hex("ff") } as const;
    expect(storyOf([piece, piece, end, piece, tunnel])).toEqual(["body aa", "end", "body a", "tunnel \xff"]);
  });
});
