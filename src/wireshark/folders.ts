/** What decides where Wireshark looks. */
export interface WiresharkPlace {
  /** As `process.platform` names it. */
  readonly platform: string;
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly home: string;
  /** What `tshark -G folders` printed, where there is a tshark: it knows best. */
  readonly printed?: string;
}

/** Folders of one user. */
export interface WiresharkFolders {
  /** Its `profiles` folder holds the profiles. */
  readonly configuration: string;
  /** Undefined where extcap programs cannot be shell scripts. */
  readonly extcap: string | undefined;
}

/** Where Wireshark looks for a user's profiles and extcap programs: as tshark says, else as the current version does by itself. */
export function wiresharkFolders(place: WiresharkPlace): WiresharkFolders {
  const configuration = printedFolder(place, /^Personal configuration:/i) ?? defaultConfiguration(place);
  if (place.platform === "win32") return { configuration, extcap: undefined };
  return { configuration, extcap: extcapFolder(place, configuration) };
}

/** Wireshark before 4.2 prints the global folder only, and looks in the configuration's, too. */
function extcapFolder(place: WiresharkPlace, configuration: string): string {
  const printed = printedFolder(place, /^Personal extcap( path)?:/i);
  if (printed !== undefined) return printed;
  if (printedFolder(place, /^Extcap path:/i) !== undefined) return `${configuration}/extcap`;
  return `${place.home}/.local/lib/wireshark/extcap`;
}

/** Lines are `Name:`, blanks and the folder. */
function printedFolder({ printed = "" }: WiresharkPlace, name: RegExp): string | undefined {
  for (const line of printed.split(/\r?\n/)) {
    const label = name.exec(line)?.[0];
    const folder = label === undefined ? "" : line.slice(label.length).trim();
    if (folder !== "") return folder;
  }
  return undefined;
}

function defaultConfiguration({ platform, environment, home }: WiresharkPlace): string {
  const { WIRESHARK_CONFIG_DIR: own, APPDATA: applications, XDG_CONFIG_HOME: configuration } = environment;
  if (own) return own;
  if (platform === "win32") return `${applications || `${home}\\AppData\\Roaming`}\\Wireshark`;
  return `${configuration || `${home}/.config`}/wireshark`;
}
