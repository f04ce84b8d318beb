import type { EventStream, PacketEvent } from "../netstack/index.ts";
import { suggestion } from "./config-error.ts";
import type { CountExpectation, PacketExpectation } from "./model.ts";
import type { Unmet } from "./result.ts";

/** Counts the packets that a step's expectations are about, while it runs. */
export class PacketWatch {
  readonly #expected: readonly Watched[];
  /** Every capture point that has seen anything. */
  readonly #points = new Set<string>();
  readonly #stop: () => void;

  constructor(events: EventStream, expected: readonly PacketExpectation[]) {
    this.#expected = expected.map((each) => ({ ...each, point: pointPattern(each.at), seen: 0 }));
    this.#stop = expected.length === 0 ? () => {} : events.read((event) => this.#see(event));
  }

  /** Ends the watch and says which expectations are not met. */
  finish(): Unmet[] {
    this.#stop();
    return this.#expected.filter(({ count, seen }) => !holds(count, seen)).map((each) => this.#describe(each));
  }

  #see(event: PacketEvent): void {
    if (event.kind !== "arrived" && event.kind !== "sent") return;
    const point = `${event.node}/${event.interface}`;
    this.#points.add(point);
    for (const each of this.#expected) {
      if (!each.point.test(point)) continue;
      const { bytes } = event;
      if (each.filter?.matches({ bytes, start: 0, end: bytes.length, point }) ?? true) each.seen += 1;
    }
  }

  #describe({ at, filter, count, point, seen }: Watched): Unmet {
    const what = filter === undefined ? "packets" : `packets with ${filter.text}`;
    const points = [...this.#points];
    const isSeen = points.some((name) => point.test(name));
    const hint = seen > 0 || isSeen ? "" : `: no packet at all went through there${suggestion(at, points)}`;
    return { what: "packets", expected: `${count.relation} ${count.count} ${what} at ${at}`, actual: `${seen}${hint}` };
  }
}

interface Watched extends PacketExpectation {
  readonly point: RegExp;
  seen: number;
}

function holds({ relation, count }: CountExpectation, seen: number): boolean {
  switch (relation) {
    case "==":
      return seen === count;
    case "!=":
      return seen !== count;
    case ">=":
      return seen >= count;
    case "<=":
      return seen <= count;
    case ">":
      return seen > count;
    case "<":
      return seen < count;
  }
}

/** As in `--only`: `*` stands for any characters. */
function pointPattern(text: string): RegExp {
  const source = text.replace(/[.+^${}()|[\]\\?]/g, "\\$&").replace(/\*+/g, ".*");
  return new RegExp(`^${source}$`, "su");
}
