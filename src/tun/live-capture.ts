import { TunUnavailable } from "./linux.ts";

/** The part of the package `cap` that is used here, as its README documents it. */
interface CapModule {
  readonly Cap: CapClass;
}

interface CapClass {
  new (): CapSession;
  findDevice(address: string): string | undefined;
  deviceList(): readonly { readonly name: string }[];
}

interface CapSession {
  /** Returns the link type. */
  open(device: string, filter: string, bufferBytes: number, buffer: Uint8Array): string;
  setMinBytes?(count: number): void;
  on(event: "packet", handler: (length: number, truncated: boolean) => void): void;
  close(): void;
}

/** Packets of a real interface, as they come. */
export interface LiveCapture {
  close(): void;
}

export interface LiveCaptureOptions {
  readonly interface: string;
  /** In pcap-filter(7)'s language; all packets when empty. */
  readonly filter: string;
  /** Takes a packet, for the call only; `link` says what stands at its beginning. */
  readonly onPacket: (bytes: Uint8Array, link: "ethernet" | "ip") => void;
}

const BUFFER_BYTES = 10 * 1024 * 1024;
const LONGEST_PACKET = 65_535;

/** Loads the package `cap` from where natscope is installed. */
export type CapLoader = () => Promise<unknown>;

/**
 * Captures on a real interface with the package `cap`, where the user has installed it.
 * @throws TunUnavailable
 */
export async function captureLive(options: LiveCaptureOptions, load: CapLoader = loadCap): Promise<LiveCapture> {
  const { Cap } = await requireCap(load);
  const known = Cap.deviceList().map(({ name }) => name);
  if (!known.includes(options.interface)) {
    const list = known.length === 0 ? "none, which needs root to change" : known.join(", ");
    throw new TunUnavailable(`there is no interface ${options.interface} to capture on; there are ${list}`);
  }
  const session = new Cap();
  const buffer = new Uint8Array(LONGEST_PACKET);
  const link = LINKS[openSession(session, options, buffer)];
  if (link === undefined) {
    session.close();
    throw new TunUnavailable(`the interface ${options.interface} carries neither Ethernet nor IP`);
  }
  session.setMinBytes?.(0);
  session.on("packet", (length, truncated) => {
    if (!truncated) options.onPacket(buffer.subarray(0, length), link);
  });
  return { close: () => session.close() };
}

const LINKS: { readonly [type: string]: "ethernet" | "ip" | undefined } = { ETHERNET: "ethernet", RAW: "ip" };

function openSession(session: CapSession, options: LiveCaptureOptions, buffer: Uint8Array): string {
  try {
    // The package wants a Buffer, which is a view of the same bytes.
    return session.open(options.interface, options.filter, BUFFER_BYTES, Buffer.from(buffer.buffer));
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new TunUnavailable(`cannot capture on ${options.interface}: ${why}`);
  }
}

async function loadCap(): Promise<unknown> {
  // Not a dependency: named in a variable, so that the compiler does not look for it.
  const name = "cap";
  return import(name);
}

async function requireCap(load: CapLoader): Promise<CapModule> {
  try {
    const loaded = (await load()) as { readonly default?: CapModule } & CapModule;
    return loaded.default ?? loaded;
  } catch {
    throw new TunUnavailable(
      "capturing needs the package cap, which compiles: apt-get install libpcap-dev, then npm install cap",
    );
  }
}
