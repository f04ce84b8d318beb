import { execFileSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { type Browser, type BrowserContextOptions, chromium, type Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { natscope } from "../cli/command-line.ts";

/** Debian's. */
const CHROMIUM = "/usr/bin/chromium";
const isHere = existsSync(CHROMIUM);

describe.skipIf(!isHere && !process.env.CI)("the page of natscope report, from disk in Chromium, by keyboard", () => {
  const directory = mkdtempSync(join(tmpdir(), "natscope-report-"));
  const file = join(directory, "nodeport.html");
  let browser: Browser;

  beforeAll(async () => {
    if (!existsSync(join(import.meta.dirname, "../../dist/page/page.js")))
      execFileSync("npm", ["run", "--silent", "build:page"]);
    expect((await natscope(["report", "nodeport", "-o", file])).code).toBe(0);
    // As root there is no sandbox; a page that is our own needs none.
    browser = await chromium.launch({ executablePath: CHROMIUM, args: ["--no-sandbox"] });
  });

  afterAll(async () => {
    await browser?.close();
    rmSync(directory, { recursive: true });
  });

  /** Opens the page, does something, and sees that it asked nobody for anything and did not complain. */
  async function onPage(
    hash: string,
    work: (page: Page) => Promise<void>,
    options: BrowserContextOptions = {},
  ): Promise<void> {
    const context = await browser.newContext({ viewport: { width: 1440, height: 900 }, ...options });
    const page = await context.newPage();
    const [requests, complaints]: [string[], string[]] = [[], []];
    page.on("request", (request) => requests.push(request.url().replace(/#.*/, "")));
    page.on("console", (message) => complaints.push(message.text()));
    page.on("pageerror", (error) => complaints.push(String(error)));
    try {
      const url = `${pathToFileURL(file)}${hash}`;
      await page.goto(url);
      await work(page);
      expect(complaints).toEqual([]);
      expect(new Set(requests)).toEqual(new Set([String(pathToFileURL(file))]));
    } finally {
      await context.close();
    }
  }

  const selected = (page: Page): Promise<string | null> =>
    page.locator('[role="option"][aria-selected="true"]').getAttribute("aria-label");
  const addressOf = (page: Page): Promise<string> => page.evaluate(() => location.hash);

  it("begins at the first packet, and goes on and back with the arrows", async () => {
    await onPage("", async (page) => {
      expect(await selected(page)).toBe(
        "Packet 1: SYN, client to edge, 198.51.100.79:47914 to 203.0.113.4:31000. edge rewrites destination 203.0.113.4 to 10.240.0.4 (DNAT).",
      );
      await page.keyboard.press("ArrowRight");
      expect(await selected(page)).toContain("Packet 1: SYN, edge to kubernetes-node-6jst");
      expect(await addressOf(page)).toBe("#t=511000&p=1");
      await page.keyboard.press("End");
      expect(await page.locator(".player .when").textContent()).toContain("110/110");
      await page.keyboard.press("Home");
      await page.keyboard.press("ArrowDown");
      await page.keyboard.press("ArrowUp");
      expect(await addressOf(page)).toBe("#t=205000&p=1");
    });
  });

  it("tells a screen reader each moment, and shows what a box did with bytes, headers, rule and chains", async () => {
    await onPage("#t=511000&p=1", async (page) => {
      const status = page.locator(".moment").getByRole("status");
      expect(await status.textContent()).toContain(
        "rewrites source 198.51.100.79:47914 to 10.180.1.1:27219 (MASQUERADE)",
      );
      const details = page.getByRole("tabpanel");
      expect(await details.getByRole("button", { name: "kubernetes-node-6jst" }).getAttribute("aria-current")).toBe(
        "step",
      );
      expect(await details.textContent()).toContain(
        "PREROUTING → KUBE-SERVICES → KUBE-NODEPORTS → KUBE-EXT-IFSGUVPJVX5CWNQP → KUBE-SVC-IFSGUVPJVX5CWNQP → KUBE-SEP-UMAAAK2QFUFJNQOA",
      );
      expect(await details.textContent()).toContain(
        "The packet carries the mark for MASQUERADE 0x4000, set in PREROUTING.",
      );
      const changed = await details.locator("tr.rewritten").allTextContents();
      expect(changed).toEqual([
        "Source address (changed)198.51.100.7910.180.1.1",
        "Destination address (changed)10.240.0.410.180.1.136",
        "Source port (changed)4791427219",
        "Destination port (changed)310008080",
      ]);
      const [came, left] = await details.locator(".bytes").all();
      expect((await came?.locator(".byte.rewritten").allTextContents())?.join("").replace(/\s+/g, " ")).toBe(
        " c6 33 64 4f 0a f0 00 04 bb 2a 79 18",
      );
      expect((await left?.locator(".byte.rewritten").allTextContents())?.join("").replace(/\s+/g, " ")).toBe(
        " 0a b4 01 01 0a b4 01 88 6a 53 1f 90",
      );
    });
  });

  it("reaches everything with Tab, in order, with the focus to be seen", async () => {
    await onPage("", async (page) => {
      const seen: string[] = [];
      for (let i = 0; i < 16; i++) {
        await page.keyboard.press("Tab");
        seen.push(await page.evaluate(describeFocus));
      }
      expect(seen).toEqual([
        "summary What happens here",
        "button Colours: auto. Change",
        "button ? Help",
        "button ▶ Play",
        "button Step forward",
        "input Moment",
        "button Slower",
        "button Faster",
        "a Link to this moment",
        "select",
        "input",
        "input",
        "listbox Packets from box to box, in order of time",
        "tab Packet",
        "tabpanel",
        "button client",
      ]);
      const outline = await page.evaluate(() => getComputedStyle(document.activeElement ?? document.body).outlineStyle);
      expect(outline).toBe("solid");
    });
  });

  it("goes from the ladder to the details with Enter, and through the tabs with the arrows", async () => {
    await onPage("#t=511000&p=1", async (page) => {
      await page.getByRole("listbox").focus();
      await page.keyboard.press("ArrowDown");
      await page.keyboard.press("Enter");
      expect(await page.evaluate(describeFocus)).toBe("tabpanel");
      const before = await addressOf(page);
      await page.keyboard.press("ArrowDown");
      expect(await addressOf(page)).toBe(before);
      await page.keyboard.press("Shift+Tab");
      await page.keyboard.press("ArrowRight");
      expect(await page.getByRole("tabpanel").textContent()).toContain("Whom does source-ip-app-826191075-qehz4 see?");
      await page.keyboard.press("ArrowRight");
      const tables = page.getByRole("table");
      expect(await tables.count()).toBe(2);
      expect(await tables.nth(1).textContent()).toContain("TCP SYN_SENT");
      expect(await tables.nth(1).textContent()).toContain("10.180.1.136:8080 → 10.180.1.1:27219");
      await page.keyboard.press("ArrowRight");
      expect(await page.getByRole("tabpanel").textContent()).toContain("client_address=10.240.0.5");
    });
  });

  it("plays and pauses with the space bar, the packet moving on the drawing", async () => {
    await onPage("", async (page) => {
      for (let i = 0; i < 6; i++) await page.keyboard.press("+");
      expect(await page.getByLabel("Speed").textContent()).toBe("8×");
      await page.keyboard.press("Space");
      await page.waitForFunction(() => location.hash.includes("p=8"));
      const places = new Set<string | null>();
      while (places.size < 4) places.add(await page.locator(".packet").getAttribute("transform"));
      await page.keyboard.press("Space");
      expect(await page.getByRole("button", { name: "Play" }).count()).toBe(1);
      const stopped = await addressOf(page);
      await page.evaluate(() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done))));
      expect(await addressOf(page)).toBe(stopped);
    });
  });

  it("stands still for who wants no motion", async () => {
    await onPage(
      "",
      async (page) => {
        await page.keyboard.press("+");
        await page.keyboard.press("Space");
        const places = new Set<string | null>();
        await page.waitForFunction(() => location.hash.includes("t=511000"));
        for (let i = 0; i < 20; i++) places.add(await page.locator(".packet").getAttribute("transform"));
        expect(places.size).toBeLessThan(3);
      },
      { reducedMotion: "reduce" },
    );
  });

  it("filters by words and by connection, and keeps both in its address", async () => {
    await onPage("", async (page) => {
      await page.keyboard.press("/");
      await page.keyboard.type("masquerade syn");
      expect(await page.locator(".filters output").textContent()).toBe("6 hops");
      expect(await addressOf(page)).toContain("q=masquerade+syn");
      await page.keyboard.press("Escape");
      expect(await page.locator(".filters output").textContent()).toBe("110 hops");
      await page.getByLabel("Connection").focus();
      await page.keyboard.press("ArrowDown");
      await page.keyboard.press("ArrowDown");
      expect(await addressOf(page)).toContain("c=2");
      const shown = await page
        .locator('[role="option"]')
        .evaluateAll((rows) => rows.map((row) => row.classList.contains("c1")));
      expect(shown.length).toBeGreaterThan(3);
      expect(shown.every(Boolean)).toBe(true);
      await page.keyboard.press("Tab");
      await page.keyboard.press("Tab");
      await page.keyboard.press("Space");
      expect(await addressOf(page)).toContain("arp=1");
    });
  });

  it("opens at the moment that a link names, and follows a link on the page", async () => {
    await onPage("#t=2178000&c=2", async (page) => {
      expect(await selected(page)).toContain("edge to kubernetes-node-cx31");
      expect(await page.locator(".filters output").textContent()).not.toBe("110 hops");
      await page.evaluate(() => {
        location.hash = "#t=628000&p=8";
      });
      await page.waitForFunction(() => document.querySelector(".filters output")?.textContent === "110 hops");
      expect(await selected(page)).toContain("Packet 8: SYN, ACK, kubernetes-node-6jst to edge");
    });
  });

  it("has a help that takes the focus and gives it back", async () => {
    await onPage("", async (page) => {
      await page.keyboard.press("?");
      expect(await page.getByRole("dialog", { name: "How to read this page" }).count()).toBe(1);
      await page.keyboard.press("ArrowRight");
      await page.keyboard.press("Escape");
      expect(await page.getByRole("dialog").count()).toBe(0);
      expect(await selected(page)).toContain("client to edge");
    });
  });

  it("has names and roles for all of it", async () => {
    await onPage("", async (page) => {
      const tree = await page.locator("main").ariaSnapshot();
      const parts = [
        '- region "The network and what goes through it":',
        'img "The network: client, edge, kubernetes-node-',
        '- toolbar "Play the run":',
        '- slider "Moment"',
        '- search "Which packets are shown":',
        '- listbox "Packets from box to box, in order of time":',
        'option "Packet 1: SYN, client to edge, 198.51.100.79:47914 to 203.0.113.4:31000. edge rewrites destination 203.0.113.4 to 10.240.0.4 (DNAT)." [selected]',
        '- tab "Packet" [selected]',
        '- tabpanel "Packet":',
        '- list "The packet\'s way":',
      ];
      expect(parts.filter((part) => !tree.includes(part))).toEqual([]);
    });
  });

  it.each(["light", "dark"] as const)(
    "reads well in %s colours: text stands out from its ground as WCAG AA asks",
    async (colorScheme) => {
      await onPage(
        "#t=511000&p=1",
        async (page) => {
          expect(await page.evaluate(lowContrasts)).toEqual([]);
          await page.getByRole("tab", { name: "Conntrack" }).click();
          expect(await page.evaluate(lowContrasts)).toEqual([]);
        },
        { colorScheme },
      );
    },
  );

  it("changes its colours with the button, and remembers them", async () => {
    await onPage("", async (page) => {
      const ground = (): Promise<string> =>
        page.evaluate(() => getComputedStyle(document.documentElement).backgroundColor);
      const light = await ground();
      const button = page.getByRole("button", { name: /^Colours/ });
      await button.focus();
      await page.keyboard.press("Enter");
      await page.keyboard.press("Enter");
      const dark = await ground();
      expect(dark).not.toBe(light);
      await page.reload();
      expect(await ground()).toBe(dark);
    });
  });

  it("fits a telephone: nothing is wider than the screen", async () => {
    await onPage(
      "#t=511000&p=1",
      async (page) => {
        expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBe(390);
      },
      { viewport: { width: 390, height: 844 } },
    );
  });

  it("prints: the network, the ladder and every answer, on white", async () => {
    await onPage("", async (page) => {
      const paper = join(directory, "paper.pdf");
      await page.pdf({ path: paper, format: "A4" });
      expect(readFileSync(paper).subarray(0, 5).toString()).toBe("%PDF-");
      expect(statSync(paper).size).toBeGreaterThan(30_000);
      await page.emulateMedia({ media: "print" });
      await page.evaluate(() => window.dispatchEvent(new Event("beforeprint")));
      const text = (await page.locator("#paper").textContent()) ?? "";
      expect(text).toContain("Whom does source-ip-app-826191075-qehz4 see?");
      expect(text).toContain("client_address=10.240.0.3");
      expect(text).toContain("PREROUTING → KUBE-SERVICES → KUBE-NODEPORTS");
      expect(text).toContain("Connection tracking at the end of the step");
      expect(await page.locator("#paper .row").count()).toBe(110);
      expect(await page.locator("#page").isVisible()).toBe(false);
    });
  });

  it("stays quick with a run of thousands of hops", async () => {
    const large = join(directory, "large.html");
    await natscope(["report", "session-affinity", "-o", large]);
    const page = await browser.newPage();
    await page.goto(String(pathToFileURL(large)));
    await page.keyboard.press("End");
    expect(await page.locator('[role="option"]').count()).toBeLessThan(60);
    expect(await page.locator('[role="option"][aria-selected="true"]').count()).toBe(1);
    await page.close();
  });
});

/** The focused element's role or tag, and its name. Runs in the page. */
function describeFocus(): string {
  const element = document.activeElement;
  if (element === null) return "";
  const name = element.getAttribute("aria-label") ?? (element.matches("button, a, summary") ? element.textContent : "");
  return `${element.getAttribute("role") ?? element.tagName.toLowerCase()} ${name ?? ""}`.trim();
}

/** Texts whose colour is too near to their ground's (WCAG 2.2, 1.4.3), with the ratio. Runs in the page. */
function lowContrasts(): string[] {
  const parse = (text: string): number[] => (text.match(/[\d.]+/g) ?? []).map(Number);
  const luminance = ([r = 0, g = 0, b = 0]: number[]): number => {
    const [x = 0, y = 0, z = 0] = [r, g, b].map((part) => {
      const share = part / 255;
      return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * x + 0.7152 * y + 0.0722 * z;
  };
  const groundOf = (element: Element): number[] => {
    const row = element.closest(".row[aria-selected=true]")?.querySelector(".row-back");
    if (row !== null && row !== undefined) return parse(getComputedStyle(row).fill);
    for (let each: Element | null = element; each !== null; each = each.parentElement) {
      const color = parse(getComputedStyle(each).backgroundColor);
      if (color.length >= 3 && color[3] !== 0) return color;
    }
    return [255, 255, 255];
  };
  const low: string[] = [];
  for (const element of document.querySelectorAll("#page *")) {
    const own = [...element.childNodes].some((node) => node.nodeType === 3 && node.textContent?.trim());
    if (!own || element.closest(".spoken, :disabled, option, title") !== null) continue;
    const style = getComputedStyle(element);
    if (element instanceof SVGElement && element.closest(".box") !== null) continue;
    const ink = parse(element instanceof SVGElement ? style.fill : style.color);
    const [one, other] = [luminance(ink), luminance(groundOf(element))];
    const ratio = (Math.max(one, other) + 0.05) / (Math.min(one, other) + 0.05);
    if (ratio < 4.5) low.push(`${element.textContent?.trim().slice(0, 30)} ${ratio.toFixed(2)}`);
  }
  return low;
}
