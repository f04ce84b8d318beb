import type { VNode } from "preact";
import type { ReportMoment } from "../explain/index.ts";
import { nextSpeed } from "./keys.ts";
import { type Player, SPEEDS } from "./player.ts";
import { formatTime } from "./words.ts";

interface PlayerBarProps {
  readonly player: Player;
  readonly moment: ReportMoment | undefined;
  /** What of the page's address names this moment. */
  readonly link: string;
}

/** Play, pause, step, speed, and where in the run it is. */
export function PlayerBar({ player, moment, link }: PlayerBarProps): VNode {
  const { isPlaying, at, count, speed } = player;
  return (
    <div class="player" role="toolbar" aria-label="Play the run">
      <button type="button" onClick={() => player.goTo(0)} aria-label="First" title="First (Home)" disabled={at === 0}>
        |◀
      </button>
      <button type="button" onClick={() => player.step(-1)} aria-label="Step back" title="Back (←)" disabled={at === 0}>
        ◀
      </button>
      <button type="button" class="primary" onClick={() => player.toggle()} title="Space" disabled={count === 0}>
        {isPlaying ? "❚❚ Pause" : "▶ Play"}
      </button>
      <button
        type="button"
        onClick={() => player.step(1)}
        aria-label="Step forward"
        title="On (→)"
        disabled={at + 1 >= count}
      >
        ▶
      </button>
      <input
        type="range"
        aria-label="Moment"
        aria-valuetext={moment === undefined ? "none" : `${at + 1} of ${count}, ${formatTime(moment.time)}`}
        min={0}
        max={Math.max(0, count - 1)}
        value={at}
        onInput={(event) => player.goTo(Number(event.currentTarget.value))}
      />
      <span class="when">
        {moment === undefined ? "—" : formatTime(moment.time)}
        <small>
          {" "}
          {count === 0 ? 0 : at + 1}/{count}
        </small>
      </span>
      <Speed player={player} speed={speed} />
      <a class="here" href={link} title="The address of this moment, to copy">
        Link to this moment
      </a>
    </div>
  );
}

function Speed({ player, speed }: { readonly player: Player; readonly speed: number }): VNode {
  return (
    <span class="speed">
      <button
        type="button"
        aria-label="Slower"
        title="Slower (−)"
        onClick={() => player.setSpeed(nextSpeed(speed, -1))}
        disabled={speed === SPEEDS[0]}
      >
        −
      </button>
      <output aria-label="Speed">{speed}×</output>
      <button
        type="button"
        aria-label="Faster"
        title="Faster (+)"
        onClick={() => player.setSpeed(nextSpeed(speed, 1))}
        disabled={speed === SPEEDS.at(-1)}
      >
        +
      </button>
    </span>
  );
}
