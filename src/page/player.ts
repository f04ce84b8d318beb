import { useEffect, useRef, useState } from "preact/hooks";

/** How fast it may go, in times of the ordinary speed. */
export const SPEEDS = [0.25, 0.5, 1, 2, 4, 8] as const;
/** How long one way takes at the ordinary speed, and how long a packet then stands in the box, in milliseconds. */
const TRAVEL = 900;
const STAY = 700;

export interface Player {
  readonly isPlaying: boolean;
  readonly speed: number;
  /** Which of the moments is shown, and how many there are. */
  readonly at: number;
  readonly count: number;
  readonly pause: () => void;
  readonly toggle: () => void;
  readonly step: (by: number) => void;
  readonly goTo: (at: number) => void;
  readonly setSpeed: (speed: number) => void;
  /** How far the packet has gone on its way, from 0 to 1; told on every frame of the animation. */
  readonly follow: (listener: (share: number) => void) => () => void;
}

export interface Played {
  readonly at: number;
  readonly count: number;
  readonly go: (at: number) => void;
}

/** Plays moments one after another. */
export function usePlayer(played: Played): Player {
  const [isPlaying, setPlaying] = useState(false);
  const [speed, setSpeed] = useState(1);
  const listeners = useRef(new Set<(share: number) => void>());
  const current = useRef(played);
  current.current = played;
  useEffect(() => {
    if (!isPlaying) {
      for (const listener of listeners.current) listener(1);
      return;
    }
    return animate(speed, {
      tell: (share) => {
        for (const listener of listeners.current) listener(share);
      },
      next: () => {
        const { at, count, go } = current.current;
        if (at + 1 < count) go(at + 1);
        else setPlaying(false);
      },
    });
  }, [isPlaying, speed, played.at]);
  const goTo = (at: number): void => played.go(Math.min(Math.max(at, 0), played.count - 1));
  return {
    isPlaying,
    speed,
    at: played.at,
    count: played.count,
    pause: () => setPlaying(false),
    toggle: () => {
      if (!isPlaying && played.at + 1 >= played.count) goTo(0);
      setPlaying(!isPlaying);
    },
    step: (by) => {
      setPlaying(false);
      goTo(played.at + by);
    },
    goTo: (at) => {
      setPlaying(false);
      goTo(at);
    },
    setSpeed,
    follow: (listener) => {
      listeners.current.add(listener);
      return () => listeners.current.delete(listener);
    },
  };
}

interface Animated {
  readonly tell: (share: number) => void;
  readonly next: () => void;
}

/** Lets one way go by; the returned function stops it. */
function animate(speed: number, { tell, next }: Animated): () => void {
  const isStill = matchMedia("(prefers-reduced-motion: reduce)").matches;
  let began: number | undefined;
  let request = requestAnimationFrame(draw);
  function draw(now: number): void {
    began ??= now;
    const share = ((now - began) * speed) / TRAVEL;
    tell(isStill ? 1 : Math.min(1, share));
    if ((now - began) * speed >= TRAVEL + STAY) next();
    else request = requestAnimationFrame(draw);
  }
  return () => cancelAnimationFrame(request);
}
