/** The profile's name, for `wireshark -C`. */
export const PROFILE_NAME = "natscope";

/** A file of the profile's folder. */
export interface ProfileFile {
  readonly name: "preferences" | "colorfilters";
  readonly text: string;
}

/** A colour rule: the first one whose display filter matches colours the packet. */
export interface ColourRule {
  readonly name: string;
  readonly filter: string;
  /** Red, green, blue, of 255. */
  readonly background: Colour;
  readonly foreground: Colour;
}

type Colour = readonly [red: number, green: number, blue: number];

/** Title and format: `%…` as in wireshark(1), or a field's name. */
const COLUMNS: readonly (readonly [title: string, format: string])[] = [
  ["No.", "%m"],
  ["Time", "%t"],
  ["Capture point", "frame.interface_name"],
  ["Lineage", "frame.packet_id"],
  ["Source", "%s"],
  ["Destination", "%d"],
  ["Protocol", "%p"],
  ["Length", "%L"],
  ["Info", "%i"],
  ["Comment", "frame.comment"],
];

/** Each with the reason that stands above it in the file. */
const PREFERENCES: readonly (readonly [why: string, name: string, value: string])[] = [
  ["One packet is seen at many points: that is no retransmission.", "tcp.analyze_sequence_numbers", "FALSE"],
  ["Nor are its copies parts of one stream.", "tcp.desegment_tcp_streams", "FALSE"],
  ["Nor is a DNS question seen twice asked twice.", "dns.retransmission_timer", "0"],
  ["Names come from the capture's own name resolution block, and from nowhere else.", "nameres.network_name", "TRUE"],
  ["", "nameres.use_external_name_resolver", "FALSE"],
  ["", "nameres.dns_pkt_addr_resolution", "FALSE"],
  ["", "nameres.mac_name", "FALSE"],
  ["Ports are what NAT changes: shown as numbers.", "nameres.transport_name", "FALSE"],
  ["Checksums are right at every point; one that is not is worth seeing.", "ip.check_checksum", "TRUE"],
  ["", "tcp.check_checksum", "TRUE"],
  ["", "udp.check_checksum", "TRUE"],
];

const BLACK: Colour = [18, 39, 46];
const WHITE: Colour = [255, 252, 156];

/** By the words that natscope writes into packet comments, then by protocol. Marks never leave a box: a packet of which only the mark changed is not rewritten. */
export const COLOUR_RULES: readonly ColourRule[] = [
  { name: "Dropped", filter: 'frame.comment matches "(?m)^dropped: "', background: [164, 0, 0], foreground: WHITE },
  {
    name: "Rewritten by a rule",
    filter: 'frame.comment matches "(?m)^(?!mark ).*, [A-Z]+ in (raw|mangle|nat|filter) "',
    background: [255, 179, 71],
    foreground: BLACK,
  },
  {
    name: "Rewritten as the connection's first packet was",
    filter: 'frame.comment matches "(?m)^(quoted packet: )?(source|destination) .*: conntrack entry, "',
    background: [255, 228, 181],
    foreground: BLACK,
  },
  {
    name: "Rewritten by a gateway or balancer",
    filter: 'frame.comment matches "(?m)^(quoted packet: )?(source|destination) "',
    background: [255, 212, 140],
    foreground: BLACK,
  },
  {
    name: "Sent on by a balancer or through a tunnel",
    filter: 'frame.comment matches "(?m)^(encapsulated|decapsulated) |: the flow.s backend|, new flow$"',
    background: [214, 234, 200],
    foreground: BLACK,
  },
  {
    name: "ICMP error",
    filter: "icmp.type == 3 || icmp.type == 5 || icmp.type == 11 || icmp.type == 12",
    background: BLACK,
    foreground: [183, 247, 116],
  },
  { name: "TCP reset", filter: "tcp.flags.reset == 1", background: [138, 43, 87], foreground: WHITE },
  { name: "ARP", filter: "arp", background: [250, 240, 215], foreground: [110, 100, 80] },
  { name: "ICMP", filter: "icmp || icmpv6", background: [252, 224, 255], foreground: BLACK },
  {
    name: "TCP connection begins or ends",
    filter: "tcp.flags.syn == 1 || tcp.flags.fin == 1",
    background: [200, 200, 205],
    foreground: BLACK,
  },
  { name: "HTTP", filter: "http", background: [228, 255, 199], foreground: BLACK },
  { name: "TCP", filter: "tcp", background: [231, 230, 255], foreground: BLACK },
  { name: "UDP", filter: "udp", background: [218, 238, 255], foreground: BLACK },
];

/** The files of the profile: columns and settings, and colour rules. */
export function profileFiles(): readonly ProfileFile[] {
  return [
    { name: "preferences", text: formatPreferences() },
    { name: "colorfilters", text: COLOUR_RULES.map(formatColourRule).join("") },
  ];
}

function formatPreferences(): string {
  const columns = COLUMNS.map(([title, format]) => `\t"${title}", "${columnFormat(format)}"`);
  const lines = ["# The columns tell apart the copies of a packet.", `gui.column.format:\n${columns.join(",\n")}`];
  for (const [why, name, value] of PREFERENCES) {
    if (why !== "") lines.push(`# ${why}`);
    lines.push(`${name}: ${value}`);
  }
  return `${lines.join("\n")}\n`;
}

/** A custom column: field, occurrence (0 is all of them), and R for the field's value as Wireshark words it. */
function columnFormat(format: string): string {
  return format.startsWith("%") ? format : `%Cus:${format}:0:R`;
}

/** 16 bits a colour, background first. */
function formatColourRule({ name, filter, background, foreground }: ColourRule): string {
  const wide = (colour: Colour): string => `[${colour.map((part) => part * 257).join(",")}]`;
  return `@${name}@${filter}@${wide(background)}${wide(foreground)}\n`;
}
