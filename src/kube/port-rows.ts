import type { Rule } from "../nat/index.ts";
import { compareServicePorts, type ServicePort } from "./service-ports.ts";

/** A service port's rules in one chain, in place of those that it had there before. */
export interface PortRow {
  readonly port: ServicePort;
  readonly rules: readonly Rule[];
}

/** The rules that service ports have in one chain to which many add, in the ports' order. It never changes: another one is made of it. */
export class PortRows {
  readonly rules: readonly Rule[];
  /** Whose each rule is. */
  readonly #owners: readonly ServicePort[];

  constructor(rules: readonly Rule[] = [], owners: readonly ServicePort[] = []) {
    this.rules = rules;
    this.#owners = owners;
  }

  /** These rows in place of the same ports' own; the same object when that is how it is. */
  with(rows: readonly PortRow[]): PortRows {
    const rules: (readonly Rule[])[] = [];
    const owners: (readonly ServicePort[])[] = [];
    let at = 0;
    let isSame = true;
    for (const row of rows.toSorted((a, b) => compareServicePorts(a.port, b.port))) {
      const from = this.#placeOf(row.port, at);
      const to = this.#endOf(row.port, from);
      isSame &&= to - from === row.rules.length && row.rules.every((rule, index) => rule === this.rules[from + index]);
      rules.push(this.rules.slice(at, from), row.rules);
      owners.push(this.#owners.slice(at, from), Array<ServicePort>(row.rules.length).fill(row.port));
      at = to;
    }
    if (isSame) return this;
    rules.push(this.rules.slice(at));
    owners.push(this.#owners.slice(at));
    return new PortRows(joined(rules), joined(owners));
  }

  /** Where a port's rules begin, or would. */
  #placeOf(port: ServicePort, low: number): number {
    let [from, to] = [low, this.#owners.length];
    while (from < to) {
      const middle = (from + to) >> 1;
      const owner = this.#owners[middle];
      if (owner !== undefined && compareServicePorts(owner, port) < 0) from = middle + 1;
      else to = middle;
    }
    return from;
  }

  #endOf(port: ServicePort, from: number): number {
    let to = from;
    for (let owner = this.#owners[to]; owner !== undefined && compareServicePorts(owner, port) === 0; ) {
      to += 1;
      owner = this.#owners[to];
    }
    return to;
  }
}

/** One list of several: quicker than `flat` where they are few and long. */
function joined<T>(lists: readonly (readonly T[])[]): readonly T[] {
  return lists.length > MANY ? lists.flat() : ([] as T[]).concat(...lists);
}

const MANY = 1000;
