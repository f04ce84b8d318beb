import type { RefObject } from "preact";
import { useLayoutEffect } from "preact/hooks";
import { type Player, SPEEDS } from "./player.ts";

export interface Keyed {
  readonly player: Player;
  readonly search: RefObject<HTMLInputElement>;
  readonly helps: boolean;
  readonly setHelps: (helps: boolean) => void;
}

/** The keys, as the help lists them. */
export const KEYS: readonly (readonly [keys: string, what: string])[] = [
  ["→ or ↓", "the next way of a packet"],
  ["← or ↑", "the one before"],
  ["Home, End", "the first and the last"],
  ["Page up, Page down", "ten back, ten on"],
  ["Space", "play, pause"],
  ["+ −", "faster, slower"],
  ["Enter", "from the ladder to what happened to the packet"],
  ["/", "search"],
  ["Esc", "leave the search, close this help"],
  ["?", "this help"],
];

/** Keys that work everywhere on the page, unless what has the focus needs them itself. */
export function useKeys(keyed: Keyed): void {
  // At once, not after the next paint: a key must not be met by what the page was before.
  useLayoutEffect(() => {
    const press = (event: KeyboardEvent): void => {
      if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey || keyed.helps) return;
      const action = isTyping(event.target) || isScrolling(event) ? undefined : actionOf(event, keyed);
      if (action === undefined) return;
      event.preventDefault();
      action();
    };
    window.addEventListener("keydown", press);
    return () => window.removeEventListener("keydown", press);
  });
}

function actionOf({ key, target }: KeyboardEvent, { player, search, setHelps }: Keyed): (() => void) | undefined {
  switch (key) {
    case "ArrowRight":
    case "ArrowDown":
      return () => player.step(1);
    case "ArrowLeft":
    case "ArrowUp":
      return () => player.step(-1);
    case "PageDown":
      return () => player.step(10);
    case "PageUp":
      return () => player.step(-10);
    case "Home":
      return () => player.goTo(0);
    case "End":
      return () => player.goTo(player.count - 1);
    case " ":
      return isPressable(target) ? undefined : () => player.toggle();
    case "+":
      return () => player.setSpeed(nextSpeed(player.speed, 1));
    case "-":
      return () => player.setSpeed(nextSpeed(player.speed, -1));
    case "/":
      return () => search.current?.focus();
    case "?":
      return () => setHelps(true);
    default:
      return undefined;
  }
}

/** One up or down in the list of speeds. */
export function nextSpeed(speed: number, by: number): number {
  const place = SPEEDS.map(Number).indexOf(speed) + by;
  return SPEEDS[Math.min(Math.max(place, 0), SPEEDS.length - 1)] ?? 1;
}

function isTyping(target: EventTarget | null): boolean {
  return target instanceof HTMLElement && target.matches("input, select, textarea, [role=tab], .scrolls");
}

/** What scrolls needs the keys that go up and down. */
function isScrolling({ key, target }: KeyboardEvent): boolean {
  const scrolls = ["ArrowUp", "ArrowDown", "PageUp", "PageDown", "Home", "End"].includes(key);
  return scrolls && target instanceof HTMLElement && target.closest(".panel") !== null;
}

function isPressable(target: EventTarget | null): boolean {
  return target instanceof HTMLElement && target.matches("button, summary, a");
}
