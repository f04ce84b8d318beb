import {
  type DropReason,
  formatIpv4,
  type Hook,
  type HookHost,
  type HookVerdict,
  IcmpType,
  type Ipv4Address,
  type Packet,
  type PacketHook,
  UnreachableCode,
} from "../netstack/index.ts";
import { Conntrack } from "./conntrack.ts";
import type { ConntrackEntry, ConntrackStatistics } from "./conntrack-entry.ts";
import type { ConntrackSysctls } from "./conntrack-sysctls.ts";
import { type CompiledChain, compileTable } from "./evaluate.ts";
import { type Plan, type PlannedStep, planHooks, stepsOf } from "./hook-plan.ts";
import { IpSets } from "./ipset.ts";
import { type ListKind, tableNamesList } from "./named-lists.ts";
import { Nat } from "./nat.ts";
import { dropReasonOf, PacketWalk, type RuleEnvironment, Verdict } from "./packet-walk.ts";
import { RecentLists } from "./recent-list.ts";
import type { Rule, Ruleset, Table } from "./rule.ts";
import { describeState, trackingIn } from "./tracking.ts";
import { type VirtualServer, VirtualServers } from "./virtual-servers.ts";
import { tellHook } from "./walk-events.ts";

/** What a host's netfilter needs: the host, and its conntrack settings. */
export interface NetfilterOptions {
  readonly host: HookHost;
  readonly sysctls?: Partial<ConntrackSysctls>;
  /** "auto", the default, tracks connections when a rule asks about them or there is a nat table: Linux loads the module then. */
  readonly tracking?: "auto" | "on" | "off";
  /** False before Linux 4.19: of two UDP packets that begin one translated connection at once, one is dropped (`nf_ct_resolve_clash`). */
  readonly settlesTranslated?: boolean;
}

/** What every host begins with: the plan for it is made once. */
const NO_RULES: Ruleset = new Map();

/** The firewall, the connection tracking and the address translation of one host. */
export class Netfilter implements PacketHook {
  readonly sets: IpSets = new IpSets();
  readonly #virtualServers = new VirtualServers();
  readonly #host: HookHost;
  readonly #conntrack: Conntrack;
  readonly #nat: Nat;
  readonly #environment: RuleEnvironment;
  readonly #tracking: "auto" | "on" | "off";
  /** What rules count, by their matches; most hosts have no such rule. */
  #states: WeakMap<object, unknown> | undefined;
  #ruleset: Ruleset = NO_RULES;
  #plan: Plan;
  #tracks = false;
  /** A walk not in use: a rule may send a packet, which passes the hooks while the first one still does. */
  #spare: PacketWalk | undefined;

  constructor(options: NetfilterOptions) {
    this.#host = options.host;
    this.#tracking = options.tracking ?? "auto";
    this.#conntrack = new Conntrack(options.host, options.sysctls, options.settlesTranslated);
    this.#nat = new Nat(this.#conntrack, options.host.random);
    this.#environment = {
      host: options.host,
      conntrack: this.#conntrack,
      sets: this.sets,
      recents: new RecentLists(),
      hashlimits: new Map(),
      state: (of, create) => this.#state(of, create),
    };
    this.#plan = this.#makePlan();
  }

  /** Conntrack wants whole datagrams (`nf_defrag_ipv4`). */
  get wantsDatagrams(): boolean {
    return this.#tracks;
  }

  /** Some rules count or measure packets, and are asked of every one: those in nat are asked of a connection's first only. */
  get wantsSegments(): boolean {
    for (const table of this.#ruleset.values())
      if (table.name !== "nat" && compileTable(table).asksEachSegment) return true;
    return false;
  }

  get ruleset(): Ruleset {
    return this.#ruleset;
  }

  /** Counters as `conntrack -S` shows them. */
  get statistics(): Readonly<ConntrackStatistics> {
    return this.#conntrack.statistics;
  }

  /** Connections that are tracked now. */
  get connections(): number {
    return this.#conntrack.table.count;
  }

  get sysctls(): Readonly<ConntrackSysctls> {
    return this.#conntrack.sysctls;
  }

  /** Replaces all tables, as `iptables-restore` does: rules that count begin anew; connections and their translation stay. */
  setRules(ruleset: Ruleset): void {
    const before = this.#ruleset;
    this.#ruleset = ruleset;
    this.#states = undefined;
    this.#forgetNamed();
    this.#plan = this.#makePlan(before);
  }

  /** Lists and tables live as long as a rule names them; the new rules are there before the old ones go. */
  #forgetNamed(): void {
    const { recents, hashlimits } = this.#environment;
    if (recents.size === 0 && hashlimits.size === 0) return;
    const tables = [...this.#ruleset.values()];
    const isNamed = (kind: ListKind, name: string): boolean =>
      tables.some((table) => tableNamesList(table, kind, name));
    recents.keep((name) => isNamed("recent", name));
    for (const name of hashlimits.keys()) if (!isNamed("hashlimit", name)) hashlimits.delete(name);
  }

  /** Replaces the virtual servers, as `ipvsadm-restore` does. */
  setVirtualServers(servers: readonly VirtualServer[]): void {
    this.#virtualServers.set(servers);
    this.#plan = this.#makePlan();
  }

  /** Replaces some tables and leaves the others. */
  updateTables(tables: Ruleset | readonly Table[]): void {
    const changed = tables instanceof Map ? [...tables.values()] : (tables as readonly Table[]);
    const merged = new Map(this.#ruleset);
    for (const table of changed) merged.set(table.name, table);
    const before = this.#ruleset;
    this.#ruleset = merged;
    this.#plan = this.#makePlan(before);
  }

  /** Changes kernel parameters from now on; entries keep the time they have. */
  setSysctls(sysctls: Partial<ConntrackSysctls>): void {
    Object.assign(this.#conntrack.sysctls, sysctls);
  }

  /** Takes a packet through the tables of a hook, and says what becomes of it. */
  run(hook: Hook, packet: Packet): HookVerdict {
    const walk = this.#spare ?? new PacketWalk(this.#environment);
    this.#spare = undefined;
    walk.begin(hook, packet);
    const verdict = walk.isTold ? this.#runTold(hook, packet, walk) : this.#runSteps(hook, packet, walk, 0);
    walk.end();
    this.#spare = walk;
    return verdict;
  }

  /** A connection's first packets: the entry is made when one of them has passed all hooks. */
  isUnsettled(packet: Packet): boolean {
    return this.#tracks && this.#conntrack.isUnconfirmed(packet);
  }

  attach(answer: Packet, packet: Packet): void {
    if (this.#tracks) this.#conntrack.attach(answer, packet);
  }

  /** All connections, as `conntrack -L` lists them. */
  list(): ConntrackEntry[] {
    return Array.from(this.#conntrack.slots(), (slot) => this.#conntrack.entry(slot));
  }

  /** Ends the connections for which `predicate` holds, as `conntrack -D` does; gives their number. */
  deleteWhere(predicate: (entry: ConntrackEntry) => boolean): number {
    let deleted = 0;
    for (const slot of this.#conntrack.slots()) {
      if (!predicate(this.#conntrack.entry(slot))) continue;
      this.#conntrack.destroy(slot);
      deleted += 1;
    }
    return deleted;
  }

  /** An interface lost an address: what MASQUERADE gave it to ends. */
  onAddressRemoved(interfaceName: string, address: Ipv4Address): void {
    this.#nat.addressRemoved(interfaceName, address);
  }

  #runSteps(hook: Hook, packet: Packet, walk: PacketWalk, from: number): HookVerdict {
    const steps = stepsOf(this.#plan, hook);
    for (let i = from; i < steps.length; i++) {
      const verdict = this.#runStep(steps[i] as PlannedStep, hook, packet, walk);
      // Sent on by a virtual server: it is not for this host any more.
      if (verdict === "redirected") return "accept";
      if (verdict !== "accept") return verdict;
    }
    return "accept";
  }

  /** With readers: the hook is told of when the packet's connection is known, unless rules are asked before that. */
  #runTold(hook: Hook, packet: Packet, walk: PacketWalk): HookVerdict {
    const tracksFirst = stepsOf(this.#plan, hook)[0]?.step === "conntrack";
    if (tracksFirst) {
      const verdict = this.#conntrack.track(hook, packet);
      if (verdict !== "accept") return verdict;
    }
    tellHook(this.#host, hook, packet, describeState(trackingIn(packet, this.#conntrack.table)));
    return this.#runSteps(hook, packet, walk, tracksFirst ? 1 : 0);
  }

  #runStep(planned: PlannedStep, hook: Hook, packet: Packet, walk: PacketWalk): "accept" | "redirected" | DropReason {
    switch (planned.step) {
      case "virtual-servers":
        return this.#sendToServer(hook, packet, walk);
      case "conntrack": {
        const verdict = this.#conntrack.track(hook, packet);
        walk.changed();
        return verdict;
      }
      case "confirm":
        return this.#conntrack.confirm(packet);
      case "nat": {
        const verdict = this.#nat.run(walk, planned.chain);
        walk.changed();
        return verdict;
      }
      default: {
        const verdict = (planned.chain as CompiledChain).decide(walk);
        return verdict === Verdict.accept ? "accept" : dropReasonOf(verdict);
      }
    }
  }

  /** `ip_vs_in`: a new connection to a virtual server goes on to a real one, and is refused when there is none. */
  #sendToServer(hook: Hook, packet: Packet, walk: PacketWalk): "accept" | "redirected" | DropReason {
    walk.look();
    const server = this.#virtualServers.find(walk);
    if (server === undefined) return "accept";
    const real = this.#virtualServers.pick(walk, this.#host.clock.now());
    if (real === undefined) {
      this.#host.sendIcmpError(packet, IcmpType.unreachable, UnreachableCode.port);
      return dropReasonOf(Verdict.reject);
    }
    const service = `ipvs ${formatIpv4(server.address)}:${server.port}`;
    const backend = `${formatIpv4(real.address)}:${real.port}`;
    const verdict = this.#nat.redirect(walk, real, { kind: "balancer", service, backend, direction: "original" });
    if (verdict !== "accept") return verdict;
    walk.changed();
    return hook === "input" ? "redirected" : "accept";
  }

  #makePlan(before: Ruleset = this.#ruleset): Plan {
    this.#tracks = this.#tracking === "on" || (this.#tracking === "auto" && asksConntrack(this.#ruleset));
    const options = { tracks: this.#tracks, hasVirtualServers: this.#virtualServers.count > 0 };
    return planHooks(this.#ruleset, options, before);
  }

  #state<T>(of: object, create: () => T): T {
    this.#states ??= new WeakMap();
    const known = this.#states.get(of) as T | undefined;
    if (known !== undefined) return known;
    const made = create();
    this.#states.set(of, made);
    return made;
  }
}

/** Would these rules make Linux load connection tracking? */
function asksConntrack(ruleset: Ruleset): boolean {
  if (ruleset.has("nat")) return true;
  for (const table of ruleset.values()) {
    for (const chain of table.chains.values()) if (chain.rules.some(ruleAsksConntrack)) return true;
  }
  return false;
}

function ruleAsksConntrack(rule: Rule): boolean {
  const kind = rule.target?.kind;
  if (kind === "connmark" || kind === "notrack" || kind === "ct") return true;
  return rule.matches.some(({ kind }) => kind === "conntrack" || kind === "state" || kind === "connmark");
}
