import {
  formatIpv4,
  ipv4,
  type PacketEvent,
  type PacketField,
  type RewriteCause,
  type RuleReference,
} from "../netstack/index.ts";

type Rewrite = Extract<PacketEvent, { kind: "rewritten" }>;

/** Packets that may be on their way through boxes with something to tell; beyond it the oldest one's comment is lost. */
const PENDING_LIMIT = 10_000;

/** What happened to one packet in one box since it came in. */
interface Story {
  /** The chains that led to the rule at hand, built-in chain first. */
  path: string[];
  table: string;
  /** The last rule that matched: the one that ended the packet, if a rule did. */
  rule: RuleReference | undefined;
  readonly lines: string[];
  rewrites: { readonly event: Rewrite; readonly path: string }[];
}

/**
 * Collects from the event stream, per box and packet, the words for a capture's comments: which hook, which chains and rule, which field from what to
 * what. Forwarding's TTL is left out: it is in every packet and explains nothing.
 */
export class CommentWriter {
  readonly #stories = new Map<string, Story>();

  read(event: PacketEvent): void {
    if (event.kind === "hook") this.#enterHook(event);
    else if (event.kind === "rule" && event.matched) this.#follow(event);
    else if (event.kind === "rewritten" && event.cause.kind !== "forwarding") this.#rewritten(event);
    else if (event.kind === "queued") this.#say(event, `waits for ARP: who has ${formatIpv4(event.nextHop)}?`);
    else if (event.kind === "reassembled") this.#say(event, `reassembled from ${event.from} fragments`);
    else if (event.kind === "balanced") this.#say(event, `${event.service} → ${event.backend}: ${event.reason}`);
    else if (event.kind === "encapsulated" || event.kind === "decapsulated") this.#say(event, describeTunnel(event));
    else if (event.kind === "dropped") this.#dropped(event);
  }

  /** Takes what there is to tell about a packet that leaves `node` or ends there; empty when nothing happened to it. */
  take(node: string, lineage: number): string {
    const key = `${node} ${lineage}`;
    const story = this.#stories.get(key);
    if (story === undefined) return "";
    this.#stories.delete(key);
    tellRewrites(story);
    return story.lines.join("\n");
  }

  /** Adds a line behind what has happened so far. */
  #say(event: PacketEvent, line: string): void {
    const story = this.#story(event);
    tellRewrites(story);
    story.lines.push(line);
  }

  #enterHook(event: Extract<PacketEvent, { kind: "hook" }>): void {
    const story = this.#stories.get(`${event.node} ${event.lineage}`);
    if (story === undefined) return;
    tellRewrites(story);
    story.path = [];
    story.rule = undefined;
  }

  /** A rule of a chain that is on the path already means that the chains behind it have returned. */
  #follow(event: Extract<PacketEvent, { kind: "rule" }>): void {
    const story = this.#story(event);
    const { table, chain } = event.rule;
    if (table !== story.table) story.path = [];
    story.table = table;
    story.rule = event.rule;
    const place = story.path.indexOf(chain);
    if (place >= 0) story.path.length = place + 1;
    else story.path.push(chain);
  }

  #rewritten(event: Rewrite): void {
    const story = this.#story(event);
    story.rewrites.push({ event, path: `${story.table} ${story.path.join(" → ")}` });
  }

  #dropped(event: Extract<PacketEvent, { kind: "dropped" }>): void {
    const story = this.#story(event);
    tellRewrites(story);
    const where = story.path.length > 0 ? ` in ${story.table} ${story.path.join(" → ")}` : "";
    story.lines.push(`dropped: ${event.reason}${where}`);
    const byRule = event.reason === "rule-drop" || event.reason === "rule-reject";
    const rule = event.rule ?? (byRule ? story.rule : undefined);
    if (rule !== undefined) story.lines.push(`  rule: -A ${rule.chain} ${rule.text}`);
  }

  #story(event: PacketEvent): Story {
    const key = `${event.node} ${event.lineage}`;
    const known = this.#stories.get(key);
    if (known !== undefined) return known;
    if (this.#stories.size >= PENDING_LIMIT) {
      const [oldest] = this.#stories.keys();
      if (oldest !== undefined) this.#stories.delete(oldest);
    }
    const story: Story = { path: [], table: "", rule: undefined, lines: [], rewrites: [] };
    this.#stories.set(key, story);
    return story;
  }
}

function describeTunnel(event: Extract<PacketEvent, { kind: "encapsulated" | "decapsulated" }>): string {
  return `${event.kind} ${event.in.toUpperCase()} ${formatIpv4(event.source)} → ${formatIpv4(event.destination)}`;
}

/** Turns the rewrites so far into lines, one for each side that one cause changed. */
function tellRewrites(story: Story): void {
  const rewrites = story.rewrites;
  story.rewrites = [];
  while (rewrites.length > 0) {
    const first = rewrites.shift();
    if (first === undefined) return;
    const partner = rewrites.findIndex(({ event }) => isSameSide(event, first.event));
    const second = partner < 0 ? undefined : rewrites.splice(partner, 1)[0]?.event;
    story.lines.push(...describeRewrite(first.event, second, first.path));
  }
}

function isSameSide(a: Rewrite, b: Rewrite): boolean {
  return (
    a.hook === b.hook && a.quoted === b.quoted && a.cause.kind === b.cause.kind && sideOf(a.field) === sideOf(b.field)
  );
}

function sideOf(field: PacketField): string {
  return field.startsWith("source") ? "source" : field.startsWith("destination") ? "destination" : field;
}

function describeRewrite(first: Rewrite, second: Rewrite | undefined, path: string): string[] {
  const isAddress = first.field === "source" || first.field === "destination";
  const [address, port] = isAddress ? [first, second] : [second, first];
  const value = (which: "from" | "to"): string => {
    if (address === undefined) return `port ${port?.[which]}`;
    return formatIpv4(ipv4(address[which])) + (port === undefined ? "" : `:${port[which]}`);
  };
  const isSide = sideOf(first.field) !== first.field || isAddress;
  const plain = (number: number): string => (first.field === "mark" ? `0x${number.toString(16)}` : String(number));
  const change = isSide
    ? `${sideOf(first.field)} ${value("from")} → ${value("to")}`
    : `${first.field} ${plain(first.from)} → ${plain(first.to)}`;
  const quoted = first.quoted ? "quoted packet: " : "";
  return [`${quoted}${change}, ${describeCause(first.cause, first.hook, path)}`, ...ruleLine(first.cause)];
}

function describeCause(cause: RewriteCause, hook: string, path: string): string {
  if (cause.kind === "rule") return `${cause.target} in ${path}`;
  if (cause.kind === "balancer") return `${hook.toUpperCase()}: balancer ${cause.service} → ${cause.backend}`;
  if (cause.kind === "mapping") return `${hook.toUpperCase()}: ${cause.direction}, mapping ${cause.mapping}`;
  if (cause.kind === "clash") return `${hook.toUpperCase()}: the port is taken by another connection`;
  if (cause.kind === "conntrack") return `${hook.toUpperCase()}: conntrack entry, ${cause.direction} direction`;
  return "forwarding";
}

function ruleLine(cause: RewriteCause): string[] {
  return cause.kind === "rule" ? [`  rule: -A ${cause.rule.chain} ${cause.rule.text}`] : [];
}
