/** The colours: as the system has them, or as the reader chose. */
export type Theme = "auto" | "light" | "dark";

const KEY = "natscope-theme";
const NEXT: Readonly<Record<Theme, Theme>> = { auto: "light", light: "dark", dark: "auto" };

/** Takes up what was chosen before. */
export function startTheme(): void {
  setTheme(readTheme());
}

/** What is chosen now. */
export function currentTheme(): Theme {
  const chosen = document.documentElement.dataset.theme;
  return chosen === "light" || chosen === "dark" ? chosen : "auto";
}

/** Goes on to the next of the three, and gives it. */
export function nextTheme(): Theme {
  const next = NEXT[currentTheme()];
  setTheme(next);
  return next;
}

function setTheme(theme: Theme): void {
  if (theme === "auto") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = theme;
  try {
    localStorage.setItem(KEY, theme);
  } catch {
    // A page from disk may have no storage: then the choice lasts as long as the page.
  }
}

function readTheme(): Theme {
  try {
    const kept = localStorage.getItem(KEY);
    return kept === "light" || kept === "dark" ? kept : "auto";
  } catch {
    return "auto";
  }
}
