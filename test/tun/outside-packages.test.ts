import { describe, expect, it } from "vitest";
import { captureLive, openTuntap2, TunUnavailable } from "../../src/tun/index.ts";

/** What the README of `tuntap2` documents, without a kernel. */
class StandInTap {
  static latest: StandInTap | undefined;
  readonly name = "tap7";
  mtu = 0;
  isUp = false;
  takesMore = true;
  isReleased = false;
  readonly written: number[][] = [];
  readonly #handlers = new Map<string, (argument: never) => void>();

  constructor() {
    StandInTap.latest = this;
  }

  on(event: string, handler: (argument: never) => void): this {
    this.#handlers.set(event, handler);
    return this;
  }

  emit(event: string, argument?: unknown): void {
    this.#handlers.get(event)?.(argument as never);
  }

  write(frame: Uint8Array): boolean {
    this.written.push([...frame]);
    return this.takesMore;
  }

  release(): void {
    this.isReleased = true;
  }
}

async function openStandIn(): Promise<{
  tap: StandInTap;
  opened: NonNullable<Awaited<ReturnType<typeof openTuntap2>>>;
}> {
  const opened = await openTuntap2(1400, async () => ({ default: { Tap: StandInTap } }));
  if (opened === undefined || StandInTap.latest === undefined) throw new Error("it was not opened");
  return { opened, tap: StandInTap.latest };
}

describe("openTuntap2()", () => {
  it("gives nothing where the package is not installed", async () => {
    const missing = async (): Promise<unknown> => {
      throw new Error("Cannot find package 'tuntap2'");
    };
    expect(await openTuntap2(1500, missing)).toBeUndefined();
  });

  it("brings the TAP up with its MTU and its own name", async () => {
    const { opened, tap } = await openStandIn();
    expect([opened.name, tap.mtu, tap.isUp]).toEqual(["tap7", 1400, true]);
  });

  it("hands over frames in their order, and tells of the first", async () => {
    const { opened, tap } = await openStandIn();
    const told: string[] = [];
    opened.port.onReady = () => told.push("ready");
    tap.emit("data", Uint8Array.of(1));
    tap.emit("data", Uint8Array.of(2));
    const taken: number[] = [];
    while (opened.port.take((bytes, start) => taken.push(bytes[start] ?? -1)));
    expect([told, taken]).toEqual([["ready"], [1, 2]]);
  });

  it("keeps so many frames and counts the others", async () => {
    const { opened, tap } = await openStandIn();
    for (let i = 0; i < 5000; i++) tap.emit("data", Uint8Array.of(1));
    expect(opened.port.counters["no-room"]).toBe(904);
  });

  it("has no room until the stream has drained", async () => {
    const { opened, tap } = await openStandIn();
    tap.takesMore = false;
    opened.port.send(Uint8Array.of(9, 1, 2, 9), 1, 3, 0);
    expect([tap.written, opened.port.hasRoom]).toEqual([[[1, 2]], false]);
    tap.emit("drain");
    expect(opened.port.hasRoom).toBe(true);
  });

  it("releases the TAP in the end", async () => {
    const { opened, tap } = await openStandIn();
    await opened.port.close();
    expect(tap.isReleased).toBe(true);
  });
});

/** What the README of `cap` documents. */
function standInCap(link: string): {
  module: unknown;
  packet: (bytes: Uint8Array, truncated?: boolean) => void;
  isClosed: () => boolean;
} {
  let into = new Uint8Array();
  let handler: (length: number, truncated: boolean) => void = () => {};
  let closed = false;
  class Cap {
    static deviceList(): { name: string }[] {
      return [{ name: "eth0" }];
    }
    open(_device: string, filter: string, _size: number, buffer: Uint8Array): string {
      if (filter === "nonsense") throw new Error("syntax error");
      into = buffer as typeof into;
      return link;
    }
    on(_event: string, given: typeof handler): void {
      handler = given;
    }
    close(): void {
      closed = true;
    }
  }
  const packet = (bytes: Uint8Array, truncated = false): void => {
    into.set(bytes);
    handler(bytes.length, truncated);
  };
  return { module: { Cap }, packet, isClosed: () => closed };
}

describe("captureLive()", () => {
  const on = { interface: "eth0", filter: "tcp" };

  it("hands over whole packets and leaves cut ones out", async () => {
    const cap = standInCap("ETHERNET");
    const seen: unknown[] = [];
    const capture = await captureLive(
      { ...on, onPacket: (bytes, link) => seen.push([[...bytes], link]) },
      async () => cap.module,
    );
    cap.packet(Uint8Array.of(1, 2));
    cap.packet(Uint8Array.of(3), true);
    capture.close();
    expect(seen).toEqual([[[1, 2], "ethernet"]]);
    expect(cap.isClosed()).toBe(true);
  });

  const refusals: [string, Parameters<typeof captureLive>[0], () => Promise<unknown>, string][] = [
    [
      "the package missing",
      { ...on, onPacket: () => {} },
      async () => {
        throw new Error("Cannot find package 'cap'");
      },
      "capturing needs the package cap, which compiles: apt-get install libpcap-dev, then npm install cap",
    ],
    [
      "an unknown interface",
      { ...on, interface: "eth9", onPacket: () => {} },
      async () => standInCap("ETHERNET").module,
      "there is no interface eth9 to capture on; there are eth0",
    ],
    [
      "a wrong filter",
      { ...on, filter: "nonsense", onPacket: () => {} },
      async () => standInCap("ETHERNET").module,
      "cannot capture on eth0: syntax error",
    ],
    [
      "an interface that carries something else",
      { ...on, onPacket: () => {} },
      async () => standInCap("LINKTYPE_802_11").module,
      "the interface eth0 carries neither Ethernet nor IP",
    ],
  ];
  it.each(refusals)("says what is wrong with %s", async (_, options, load, message) => {
    await expect(captureLive(options, load)).rejects.toThrow(new TunUnavailable(message));
  });
});
