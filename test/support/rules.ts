import fc from "fast-check";
import type {
  AddressMatch,
  AddressRange,
  AddressType,
  CtState,
  CtStatus,
  InterfaceMatch,
  Match,
  NumberRange,
  PortsMatch,
  RejectWith,
  Rule,
  Target,
} from "../../src/nat/rule.ts";
import { type Ipv4Address, ipv4 } from "../../src/netstack/ipv4-address.ts";

/*
 * Arbitrary rules that a kernel takes: what depends on the protocol comes with it, and each place has the targets that belong there.
 * Values are in the one form that text is read into: lists in the order of printing, rates in the unit in which they are printed.
 */

/** A table and a chain that rules are made for. */
export type RulePlace = "filter FORWARD" | "mangle FORWARD" | "raw PREROUTING" | "nat PREROUTING" | "nat POSTROUTING";

/** Sets that `-m set` may name: these must exist when a kernel loads the rules. */
export const IPSETS: readonly string[] = [
  "hosts hash:ip",
  "services hash:ip,port",
  "networks hash:net",
  "ports bitmap:port range 0-65535",
];

/** The chain that jumps lead to. */
export const OTHER_CHAIN = "natscope-other";

type Kind<U extends { readonly kind: string }, K extends string> = Extract<U, { readonly kind: K }>;

const not = fc.constantFrom<{ not?: true }>({}, { not: true });
const u32 = fc.oneof(
  fc.nat(),
  fc.constantFrom(0, 1, 0x4000, 0xff00, 0xffff, 0xffffffff),
  fc.integer({ min: 0, max: 0xffffffff }),
);
const mask = fc.oneof(fc.constant(0xffffffff), u32);
const ipAddress: fc.Arbitrary<Ipv4Address> = fc.integer({ min: 0x01000000, max: 0xdfffffff }).map(ipv4);
const prefix: fc.Arbitrary<number> = fc
  .integer({ min: 1, max: 32 })
  .map((length) => (0xffffffff << (32 - length)) >>> 0);
const name = fc.string({
  unit: fc.constantFrom(..."abcdefghijklmnopqrstuvwxyz0123456789._-"),
  minLength: 1,
  maxLength: 11,
});
const interfaceMatch: fc.Arbitrary<InterfaceMatch> = fc
  .tuple(name, fc.constantFrom("", "", "+"), not)
  .map(([base, end, negation]) => ({ name: `e${base}${end}`, ...negation }));
/** Printable text, quotation marks and backslashes among it. */
const text = fc.string({
  unit: fc.oneof(
    fc.integer({ min: 32, max: 126 }).map(String.fromCharCode),
    fc.constantFrom('"', "\\", "'", "é", "→", "\t"),
  ),
  maxLength: 40,
});

const addressMatch: fc.Arbitrary<AddressMatch> = fc
  .tuple(ipAddress, fc.oneof(prefix, fc.constantFrom(0xff00ff00, 0x000000ff)), not)
  .map(([bits, addressMask, negation]) => ({ address: ipv4(bits & addressMask), mask: addressMask, ...negation }));
const connectionAddress: fc.Arbitrary<AddressMatch> = fc
  .tuple(ipAddress, prefix, not)
  .map(([address, addressMask, negation]) => ({ address, mask: addressMask, ...negation }));

function rangeUpTo(max: number): fc.Arbitrary<NumberRange> {
  const number = fc.integer({ min: 0, max });
  return fc
    .oneof(
      number.map((only): [number, number] => [only, only]),
      fc.tuple(number, number),
    )
    .map(([one, other]) => ({ from: Math.min(one, other), to: Math.max(one, other) }))
    .filter(({ from, to }) => from > 0 || to < max);
}

const addressRange: fc.Arbitrary<AddressRange> = fc
  .tuple(ipAddress, ipAddress)
  .map(([one, other]) => ({ from: ipv4(Math.min(one, other)), to: ipv4(Math.max(one, other)) }));
const ports: fc.Arbitrary<PortsMatch> = fc
  .tuple(rangeUpTo(65535), not)
  .map(([range, negation]) => ({ range, ...negation }));

/** Some of the fields, at least one of them. */
function someOf<T extends object>(
  fields: { [K in keyof T]-?: fc.Arbitrary<Exclude<T[K], undefined>> },
): fc.Arbitrary<T> {
  const model = fields as { [K in keyof T]: fc.Arbitrary<T[K]> };
  return fc
    .record(model, { requiredKeys: [] })
    .filter((made) => Object.keys(made).length > 0) as unknown as fc.Arbitrary<T>;
}

/** The fields there, if any. */
function anyOf<T extends object>(
  fields: { [K in keyof T]-?: fc.Arbitrary<Exclude<T[K], undefined>> },
): fc.Arbitrary<T> {
  return fc.oneof(fc.constant({} as T), someOf<T>(fields));
}

function subset<T>(...all: T[]): fc.Arbitrary<T[]> {
  return fc.subarray(all, { minLength: 1 });
}

function withNot<T extends object>(value: fc.Arbitrary<T>): fc.Arbitrary<T & { not?: true }> {
  return fc.tuple(value, not).map(([made, negation]) => ({ ...made, ...negation }));
}

const tcpFlags = withNot(fc.record({ mask: fc.integer({ min: 1, max: 0x3f }), set: fc.nat(0x3f) }));
const tcp: fc.Arbitrary<Match> = anyOf<Omit<Kind<Match, "tcp">, "kind">>({
  sourcePort: ports,
  destinationPort: ports,
  flags: tcpFlags,
  option: withNot(fc.record({ kind: fc.integer({ min: 1, max: 255 }) })),
}).map((fields) => ({ kind: "tcp", ...fields }));
const udp: fc.Arbitrary<Match> = anyOf<Omit<Kind<Match, "udp">, "kind">>({
  sourcePort: ports,
  destinationPort: ports,
}).map((fields) => ({ kind: "udp", ...fields }));
const sctp: fc.Arbitrary<Match> = anyOf<Omit<Kind<Match, "sctp">, "kind">>({
  sourcePort: ports,
  destinationPort: ports,
}).map((fields) => ({ kind: "sctp", ...fields }));
const icmp: fc.Arbitrary<Match> = withNot(
  fc.oneof(
    fc.nat(255).map((type) => ({ type, code: { from: 0, to: 255 } })),
    fc.tuple(fc.nat(254), fc.nat(255)).map(([type, code]) => ({ type, code: { from: code, to: code } })),
  ),
).map((fields) => ({ kind: "icmp", ...fields }));
const multiport: fc.Arbitrary<Match> = withNot(
  fc.record({
    which: fc.constantFrom("source" as const, "destination" as const, "either" as const),
    ports: fc.array(rangeUpTo(65535), { minLength: 1, maxLength: 7 }),
  }),
).map((fields) => ({ kind: "multiport", ...fields }));
const tcpmss: fc.Arbitrary<Match> = withNot(fc.record({ range: rangeUpTo(65535) })).map((fields) => ({
  kind: "tcpmss",
  ...fields,
}));

const comment: fc.Arbitrary<Match> = text.map((words) => ({ kind: "comment", text: words }));
const mark: fc.Arbitrary<Match> = withNot(fc.record({ value: u32, mask })).map((fields) => ({
  kind: "mark",
  ...fields,
}));
const connmark: fc.Arbitrary<Match> = withNot(fc.record({ value: u32, mask })).map((fields) => ({
  kind: "connmark",
  ...fields,
}));
const states = subset<CtState>("INVALID", "NEW", "RELATED", "ESTABLISHED", "UNTRACKED", "SNAT", "DNAT");
const statuses = fc.oneof(
  fc.constant<CtStatus[]>(["NONE"]),
  subset<CtStatus>("EXPECTED", "SEEN_REPLY", "ASSURED", "CONFIRMED"),
);
const conntrack: fc.Arbitrary<Match> = someOf<Omit<Kind<Match, "conntrack">, "kind">>({
  state: withNot(fc.record({ states })),
  status: withNot(fc.record({ statuses })),
  protocol: withNot(fc.record({ protocol: fc.nat(255) })),
  originalSource: connectionAddress,
  originalDestination: connectionAddress,
  replySource: connectionAddress,
  replyDestination: connectionAddress,
  originalSourcePort: ports,
  originalDestinationPort: ports,
  replySourcePort: ports,
  replyDestinationPort: ports,
  expires: withNot(fc.record({ range: rangeUpTo(0xffffffff) })),
  direction: fc.constantFrom("ORIGINAL" as const, "REPLY" as const),
}).map((fields) => ({ kind: "conntrack", ...fields }));
const state: fc.Arbitrary<Match> = withNot(
  fc.record({ states: subset<CtState>("INVALID", "NEW", "RELATED", "ESTABLISHED", "UNTRACKED") }),
).map((fields) => ({ kind: "state", ...fields }));
const types = subset<AddressType>(
  "UNSPEC",
  "UNICAST",
  "LOCAL",
  "BROADCAST",
  "ANYCAST",
  "MULTICAST",
  "BLACKHOLE",
  "UNREACHABLE",
  "PROHIBIT",
  "THROW",
  "NAT",
  "XRESOLVE",
);
const addrtype: fc.Arbitrary<Match> = someOf<Pick<Kind<Match, "addrtype">, "source" | "destination">>({
  source: withNot(fc.record({ types })),
  destination: withNot(fc.record({ types })),
}).map((fields) => ({ kind: "addrtype", ...fields }));
const random: fc.Arbitrary<Match> = withNot(
  fc.record({
    probability: fc.oneof(
      fc.integer({ min: 0, max: 2 ** 31 }),
      fc.integer({ min: 0, max: 4096 }).map((n) => n * 2 ** 19),
    ),
  }),
).map((fields) => ({ kind: "statistic", mode: "random", ...fields }));
const nth: fc.Arbitrary<Match> = withNot(
  fc
    .tuple(fc.integer({ min: 1, max: 1000 }), fc.nat(999))
    .map(([every, packet]) => ({ every, packet: packet % every })),
).map((fields) => ({ kind: "statistic", mode: "nth", ...fields }));
const recentName = fc.nat(1e9).map((number) => `r${number}`);
const recentShape = { name: recentName, mask, side: fc.constantFrom("source" as const, "destination" as const) };
const recent: fc.Arbitrary<Match> = fc
  .oneof(
    withNot(fc.record({ action: fc.constantFrom("set" as const, "remove" as const), ...recentShape })),
    withNot(fc.record({ action: fc.constantFrom("rcheck" as const, "update" as const), ...recentShape })).chain(
      (base) =>
        fc
          .record(
            {
              seconds: fc.integer({ min: 1, max: 2 ** 31 - 1 }),
              reap: fc.constant(true as const),
              hitcount: fc.integer({ min: 1, max: 20 }),
              rttl: fc.constant(true as const),
            },
            { requiredKeys: [] },
          )
          .filter(({ seconds, reap }) => seconds !== undefined || reap === undefined)
          .map((conditions) => ({ ...base, ...conditions })),
    ),
  )
  .map((fields) => ({ kind: "recent", ...fields }));
const rate = fc.oneof(
  fc.record({ rate: fc.integer({ min: 2, max: 50 }), unit: fc.constant("second" as const) }),
  fc.record({ rate: fc.constantFrom(7, 9, 11, 13, 17, 29, 31, 59), unit: fc.constant("minute" as const) }),
  fc.record({ rate: fc.constantFrom(7, 11, 25, 59), unit: fc.constant("hour" as const) }),
);
const limit: fc.Arbitrary<Match> = fc
  .tuple(rate, fc.integer({ min: 1, max: 20 }))
  .map(([{ rate: count, unit }, burst]) => ({ kind: "limit", rate: count, unit, burst }));
const hashlimit: fc.Arbitrary<Match> = fc
  .record({
    base: fc.record({
      name: fc.nat(1e9).map((number) => `h${number}`),
      above: fc.boolean(),
      burst: fc.integer({ min: 1, max: 100 }),
      mode: fc.subarray(["srcip" as const, "srcport" as const, "dstip" as const, "dstport" as const]),
    }),
    rate,
    more: fc.record(
      {
        sourceMask: fc.nat(31),
        destinationMask: fc.nat(31),
        size: fc.integer({ min: 1, max: 5000 }),
        maximum: fc.integer({ min: 1, max: 50_000 }),
        expireMs: fc.constantFrom(999, 12_345, 90_000),
        collectMs: fc.constantFrom(500, 2500),
      },
      { requiredKeys: [] },
    ),
  })
  .map(({ base, rate: speed, more }) => ({ kind: "hashlimit", ...base, ...speed, ...more }));
const set: fc.Arbitrary<Match> = withNot(
  fc.record({
    name: fc.constantFrom("hosts", "services", "networks", "ports"),
    flags: fc.array(fc.constantFrom("src" as const, "dst" as const), { minLength: 1, maxLength: 3 }),
  }),
).map((fields) => ({ kind: "set", ...fields }));
const physdev: fc.Arbitrary<Match> = someOf<Omit<Kind<Match, "physdev">, "kind">>({
  in: interfaceMatch,
  out: interfaceMatch,
  isIn: not,
  isOut: not,
  isBridged: not,
}).map((fields) => ({ kind: "physdev", ...fields }));
const length: fc.Arbitrary<Match> = withNot(fc.record({ range: rangeUpTo(65535) })).map((fields) => ({
  kind: "length",
  ...fields,
}));
const ttl: fc.Arbitrary<Match> = fc
  .oneof(
    withNot(fc.record({ comparison: fc.constant("eq" as const), value: fc.nat(255) })),
    fc.record({ comparison: fc.constantFrom("lt" as const, "gt" as const), value: fc.nat(255) }),
  )
  .map((fields) => ({ kind: "ttl", ...fields }));
const iprange: fc.Arbitrary<Match> = someOf<Omit<Kind<Match, "iprange">, "kind">>({
  source: withNot(fc.record({ range: addressRange })),
  destination: withNot(fc.record({ range: addressRange })),
}).map((fields) => ({ kind: "iprange", ...fields }));
const mac: fc.Arbitrary<Match> = withNot(
  fc.record({ source: fc.nat(2 ** 31 - 1).map((bits) => bits * 2 ** 17 + 5) }),
).map((fields) => ({ kind: "mac", ...fields }));

const anywhere = [
  comment,
  mark,
  connmark,
  conntrack,
  state,
  addrtype,
  random,
  nth,
  recent,
  limit,
  hashlimit,
  set,
  physdev,
  length,
  ttl,
  iprange,
];

const PROTOCOL_MATCHES: ReadonlyMap<number, readonly fc.Arbitrary<Match>[]> = new Map([
  [1, [icmp]],
  [6, [tcp, multiport, tcpmss]],
  [17, [udp, multiport]],
  [132, [sctp, multiport]],
  [33, [multiport]],
]);

const plain: fc.Arbitrary<Target> = fc.constantFrom<Target>(
  { kind: "accept" },
  { kind: "return" },
  { kind: "jump", chain: OTHER_CHAIN },
  { kind: "goto", chain: OTHER_CHAIN },
);
const log: fc.Arbitrary<Target> = fc
  .record({
    level: fc.nat(7),
    prefix: text.filter((words) => new TextEncoder().encode(words).length <= 29),
    options: fc.subarray([1, 2, 4, 8, 32]).map((bits) => bits.reduce((sum, bit) => sum + bit, 0)),
  })
  .map((fields) => ({ kind: "log", ...fields }));
const setMark: fc.Arbitrary<Target> = fc.record({ value: u32, mask }).map((fields) => ({ kind: "mark", ...fields }));
const setConnmark: fc.Arbitrary<Target> = fc.oneof(
  fc.record({ value: u32, mask }).map((fields): Target => ({ kind: "connmark", action: "set", ...fields })),
  fc
    .record({
      action: fc.constantFrom("save" as const, "restore" as const),
      connectionMask: u32,
      packetMask: u32,
    })
    .map((fields): Target => ({ kind: "connmark", ...fields })),
);
const reject: fc.Arbitrary<Target> = fc
  .constantFrom<Exclude<RejectWith, "tcp-reset">>(
    "icmp-net-unreachable",
    "icmp-host-unreachable",
    "icmp-port-unreachable",
    "icmp-proto-unreachable",
    "icmp-net-prohibited",
    "icmp-host-prohibited",
    "icmp-admin-prohibited",
  )
  .map((answer) => ({ kind: "reject", with: answer }));
const setTtl: fc.Arbitrary<Target> = fc
  .record({
    action: fc.constantFrom("set" as const, "inc" as const, "dec" as const),
    value: fc.integer({ min: 1, max: 255 }),
  })
  .map((fields) => ({ kind: "ttl", ...fields }));
const untracked: fc.Arbitrary<Target> = fc.oneof(
  fc.constant<Target>({ kind: "notrack" }),
  fc.constant<Target>({ kind: "trace" }),
  anyOf<Omit<Kind<Target, "ct">, "kind">>({ notrack: fc.constant(true), zone: fc.integer({ min: 1, max: 65535 }) }).map(
    (fields): Target => ({ kind: "ct", ...fields }),
  ),
);

const yes = fc.constant(true as const);
const justRandom = { random: yes };
const fully = { random: yes, randomFully: yes };

function natRange(hasPorts: boolean): fc.Arbitrary<object> {
  const addresses = fc.oneof(
    ipAddress.map((only) => ({ from: only, to: only })),
    addressRange,
  );
  const only = addresses.map((range) => ({ addresses: range }));
  if (!hasPorts) return only;
  return fc.oneof(
    only,
    someOf<{ addresses?: AddressRange; ports: NumberRange }>({ addresses, ports: rangeUpTo(65535) }),
  );
}

function snat(hasPorts: boolean): fc.Arbitrary<Target> {
  return fc
    .tuple(natRange(hasPorts), anyOf<object>({ ...fully, persistent: yes }))
    .map(([range, flags]) => ({ kind: "snat", ...range, ...flags }));
}

function dnat(hasPorts: boolean): fc.Arbitrary<Target> {
  const shifted = fc
    .tuple(addressRange, fc.integer({ min: 1, max: 65535 }))
    .map(([addresses, portBase]) => ({ addresses, ports: { from: 2000, to: 2010 }, portBase }));
  return fc
    .tuple(
      hasPorts ? fc.oneof(natRange(true), shifted) : natRange(false),
      anyOf<object>({ ...justRandom, persistent: yes }),
    )
    .map(([range, flags]) => ({ kind: "dnat", ...range, ...flags }));
}

function toPorts(kind: "masquerade" | "redirect", hasPorts: boolean): fc.Arbitrary<Target> {
  const flags: { [name: string]: fc.Arbitrary<unknown> } = kind === "masquerade" ? fully : justRandom;
  const fields = hasPorts ? { ...flags, ports: rangeUpTo(65535) } : flags;
  return (anyOf<object>(fields as Record<never, never>) as fc.Arbitrary<object>).map((made) => ({ kind, ...made }));
}

const netmap: fc.Arbitrary<Target> = fc
  .tuple(ipAddress, prefix)
  .map(([address, netMask]) => ({ kind: "netmap", address: ipv4(address & netMask), mask: netMask }));

function targetsOf(place: RulePlace, protocol: number | undefined): readonly fc.Arbitrary<Target>[] {
  const hasPorts = protocol !== undefined && [6, 17, 132, 33, 1].includes(protocol);
  const common = [plain, log, setMark, setConnmark];
  switch (place) {
    case "filter FORWARD": {
      const reset = fc.constant<Target>({ kind: "reject", with: "tcp-reset" });
      return [...common, fc.constant<Target>({ kind: "drop" }), reject, ...(protocol === 6 ? [reset] : [])];
    }
    case "mangle FORWARD":
      return [...common, fc.constant<Target>({ kind: "drop" }), setTtl];
    case "raw PREROUTING":
      return [...common, untracked];
    case "nat PREROUTING":
      return [...common, dnat(hasPorts), toPorts("redirect", hasPorts), netmap];
    case "nat POSTROUTING":
      return [...common, snat(hasPorts), toPorts("masquerade", hasPorts), netmap];
  }
}

/** TCPMSS is for SYN segments: the legacy backend insists on a match that says so. */
function clampRule(head: object): fc.Arbitrary<Rule> {
  return fc.oneof(fc.nat(65_515), fc.constant("clamp-to-pmtu" as const)).map((size) => ({
    ...head,
    protocol: { protocol: 6 },
    matches: [{ kind: "tcp", flags: { mask: 0x06, set: 0x02 } }],
    target: { kind: "tcpmss", set: size },
  }));
}

/** Any rule that a kernel takes at the end of this chain. */
export function ruleArbitrary(place: RulePlace): fc.Arbitrary<Rule> {
  const outgoing = place === "nat POSTROUTING";
  const incoming = place.endsWith("PREROUTING");
  const head = fc.record(
    {
      source: addressMatch,
      destination: addressMatch,
      ...(!outgoing && { inInterface: interfaceMatch }),
      ...(!incoming && { outInterface: interfaceMatch }),
      fragment: not,
    },
    { requiredKeys: [] },
  );
  const protocols = fc.oneof(
    fc.constantFrom(undefined, 1, 6, 6, 6, 17, 17, 132, 33).map((protocol) => ({ protocol, negated: false })),
    fc.record({ protocol: fc.integer({ min: 1, max: 255 }), negated: fc.boolean() }),
  );
  const rule = fc.tuple(head, protocols).chain(([fixed, { protocol, negated }]) => {
    const own = negated ? [] : (PROTOCOL_MATCHES.get(protocol ?? 0) ?? []);
    const modules = [...anywhere, ...own, ...own, ...own, ...(outgoing ? [] : [mac])];
    const matches = fc.uniqueArray(fc.oneof(...modules), { maxLength: 4, selector: ({ kind }) => kind });
    const target = fc.oneof(...targetsOf(place, negated ? undefined : protocol));
    return fc.tuple(matches, fc.option(target, { freq: 8, nil: undefined })).map(
      ([made, chosen]): Rule => ({
        ...fixed,
        ...(protocol !== undefined && { protocol: { protocol, ...(negated && { not: true }) } }),
        matches: made,
        ...(chosen && { target: chosen }),
      }),
    );
  });
  return place === "mangle FORWARD"
    ? fc.oneof({ weight: 9, arbitrary: rule }, { weight: 1, arbitrary: head.chain(clampRule) })
    : rule;
}
