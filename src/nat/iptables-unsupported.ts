/** Match modules that iptables has and natscope does not, with the reason where it is not simply that nobody needed them. */
const MATCHES: Readonly<Record<string, string>> = {
  owner: "it asks which process sent the packet, and emulated hosts have no users or processes",
  socket: "it asks for a local socket of the packet's, which rules are not told of",
  cgroup: "it asks which control group sent the packet, and emulated hosts have none",
};

const OTHER_MATCHES =
  "ah bpf cluster connbytes connlabel connlimit cpu dccp devgroup dscp ecn esp helper ipcomp ipvs nfacct osf pkttype " +
  "policy quota rateest realm rpfilter string time tos u32";

const TARGETS =
  "AUDIT CHECKSUM CLASSIFY CLUSTERIP CONNSECMARK DSCP ECN HMARK IDLETIMER LED NFLOG NFQUEUE QUEUE RATEEST SECMARK SET " +
  "SYNPROXY TCPOPTSTRIP TEE TOS TPROXY ULOG";

/** Options of modules that natscope has. */
const OPTIONS =
  "return-nomatch update-counters update-subcounters packets-eq packets-lt packets-gt bytes-eq bytes-lt bytes-gt " +
  "hashlimit-rate-match hashlimit-rate-interval chunk-types left-shift-mark right-shift-mark " +
  "helper timeout ctevents expevents zone-orig zone-reply";

const MATCH_NAMES: ReadonlySet<string> = new Set([...Object.keys(MATCHES), ...OTHER_MATCHES.split(" ")]);
const TARGET_NAMES: ReadonlySet<string> = new Set(TARGETS.split(" "));
const OPTION_NAMES: ReadonlySet<string> = new Set(OPTIONS.split(" "));

/** Why a match module cannot be used, for an error message. */
export function describeMissingMatch(name: string): string {
  if (Object.hasOwn(MATCHES, name)) return `the ${name} match is not modelled: ${MATCHES[name]}`;
  return MATCH_NAMES.has(name) ? `the ${name} match is not modelled` : `there is no match module "${name}"`;
}

/** True for a target of iptables' that natscope does not have. */
export function isUnsupportedTarget(name: string): boolean {
  return TARGET_NAMES.has(name);
}

/** True for an option of iptables' (without its dashes) that natscope does not have, though it has the module. */
export function isUnsupportedOption(name: string): boolean {
  return OPTION_NAMES.has(name);
}
