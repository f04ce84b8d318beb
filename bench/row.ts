/** One row of the table: what is measured, in rounds, and what it shall reach. */
export interface Row {
  readonly name: string;
  readonly what: string;
  readonly unit: string;
  readonly target: string;
  /** Rounds of the full run; the first one is the cold one. */
  readonly rounds: number;
  /** Sets everything up; what comes back measures one round. */
  prepare(quick: boolean): Promise<RowRounds> | RowRounds;
  /** Whether the medians are as wanted. */
  isMet(medians: { readonly figure: number; readonly ratio: number | undefined }): boolean;
}

/** A row that is set up. */
export interface RowRounds {
  round(): number;
  /** The same by somebody else, in turns with {@link round}, so that both see the same machine. */
  readonly peer?: Peer;
  /** What stands beside the figure when no peer runs. */
  readonly beside?: string;
  /** What is said of the figure beyond the figure itself, after the last round. */
  note?(): string | undefined;
}

export interface Peer {
  readonly name: string;
  round(): number;
  close?(): void;
}

/** A row's result, as `--json` prints it. */
export interface RowResult {
  readonly name: string;
  readonly what: string;
  readonly unit: string;
  readonly target: string;
  /** The median of the warm rounds. */
  readonly figure: number;
  /** The first round in a fresh process. */
  readonly cold: number;
  /** The figure over the peer's, the median of pairs of rounds; `undefined` without a peer. */
  readonly ratio: number | undefined;
  readonly ok: boolean;
  /** What else was measured or is known: the peer's figure, or why there is none. */
  readonly beside: string;
}

/** Measures a row: figure and peer in turns, medians over the rounds after the first. */
export async function measureRow(row: Row, quick: boolean): Promise<RowResult> {
  const rounds = await row.prepare(quick);
  try {
    const cold = rounds.round();
    const own: number[] = [];
    const others: number[] = [];
    const count = quick ? Math.min(row.rounds, 3) : row.rounds;
    for (let i = 0; i < count; i++) {
      own.push(rounds.round());
      if (rounds.peer !== undefined) others.push(rounds.peer.round());
    }
    const figure = median(own);
    const ratio = others.length === 0 ? undefined : median(own.map((each, i) => each / (others[i] ?? Number.NaN)));
    const beside = [besideText(rounds, others, ratio), rounds.note?.()].filter((text) => text !== undefined).join("; ");
    const { name, what, unit, target } = row;
    return { name, what, unit, target, figure, cold, ratio, ok: row.isMet({ figure, ratio }), beside };
  } finally {
    rounds.peer?.close?.();
  }
}

function besideText(
  { peer, beside }: RowRounds,
  others: readonly number[],
  ratio: number | undefined,
): string | undefined {
  if (peer === undefined || ratio === undefined) return beside;
  return `${peer.name} ${formatFigure(median(others))}: × ${ratio.toFixed(2)}`;
}

/** The middle one; of an even number the lower of the two. */
export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.floor((sorted.length - 1) / 2)] ?? Number.NaN;
}

/** Three digits that count, and groups of three. */
export function formatFigure(figure: number): string {
  if (figure >= 100) return Math.round(figure).toLocaleString("en-US");
  return figure.toPrecision(3);
}
