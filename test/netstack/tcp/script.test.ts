import { describe, expect, it } from "vitest";
import { ms } from "../../../src/sim/index.ts";
import { established, opening } from "../../support/tcp-script.ts";

describe("a script", () => {
  it("fails when the host sends nothing", () => {
    const { host } = established();
    expect(() => host.sends({ flags: "." })).toThrow(/expected .* after/);
  });

  it.each([
    ["flags", { flags: "P." }],
    ["sequence number", { flags: "S", seq: 1 }],
    ["length", { flags: "S", length: 1 }],
    ["window", { flags: "S", window: 1 }],
    ["options", { flags: "S", options: {} }],
    ["time", { flags: "S", at: 5 }],
  ])("fails on another %s", (_, line) => {
    const { host } = opening();
    expect(() => host.sends(line)).toThrow();
  });

  it("fails when silence was expected, showing what was said", () => {
    const { host } = opening();
    expect(() => host.isSilent()).toThrow(/\[S\] seq 0/);
  });

  it("fires timers at their own moment while time passes", () => {
    const script = opening();
    script.after(ms(2500));
    script.host.sends({ flags: "S", at: 0 });
    script.host.sends({ flags: "S", at: 1000 });
    script.host.sends({ flags: "S", at: 2000 });
    expect(script.now).toBe(ms(2500));
  });
});
