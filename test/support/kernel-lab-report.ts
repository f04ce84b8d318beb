import type { KernelLab } from "./kernel-lab.ts";
import {
  type ComparedPoint,
  compareScenario,
  countDifferences,
  formatTable,
  type LabScenario,
  type Servers,
} from "./kernel-lab-scenario.ts";

/** Gathers what scenarios found, for the table that is printed at the end. */
export class KernelReport {
  readonly #rows: (ComparedPoint & { readonly scenario: string })[] = [];

  /**
   * Compares one scenario and gives what differs, with its place. What differs is tried once more: chance may draw a port that has a meaning here, and a busy
   * machine may be late.
   */
  async compare(lab: KernelLab, servers: Servers, scenario: LabScenario): Promise<string[]> {
    let points = await compareScenario(lab, servers, scenario);
    if (countDifferences(points) > 0) points = await compareScenario(lab, servers, scenario);
    this.#rows.push(...points.map((point) => ({ ...point, scenario: scenario.name })));
    return points.flatMap(({ point, differences }) => differences.map((line) => `${point}: ${line}`));
  }

  table(): string {
    return formatTable(this.#rows);
  }
}
