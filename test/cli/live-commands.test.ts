import { afterEach, describe, expect, it, vi } from "vitest";
import { runCommand } from "../../src/apps/index.ts";
import { captureLive } from "../../src/cli/capture-live.ts";
import { type CommandIo, ExitCode } from "../../src/cli/io.ts";
import { openLive } from "../../src/cli/live-network.ts";
import type * as outputThread from "../../src/cli/output-thread.ts";
import type { OutputThread } from "../../src/cli/output-thread.ts";
import { up } from "../../src/cli/up.ts";
import { type PcapngFile, readPcapng } from "../../src/pcap/index.ts";
import type * as tun from "../../src/tun/index.ts";
import { tcpFrame } from "../tun/kernel-packets.ts";

/* The commands that keep a network running, with stand-ins for what they ask of the machine: the packages `cap` and `tuntap2`, `ip` and the clock. */

const machine = vi.hoisted(() => ({
  /** Filters that captures were opened with. */
  filters: [] as string[],
  /** Has the real interface see this packet. */
  see: (_packet: Uint8Array): void => {},
  /** Has the kernel send this frame. */
  send: (_frame: Uint8Array): void => {},
}));

vi.mock("node:timers/promises", () => ({ setTimeout: async (): Promise<void> => {} }));

vi.mock("../../src/tun/index.ts", async (importOriginal) => {
  const actual = await importOriginal<typeof tun>();
  class Cap {
    static deviceList = (): { name: string }[] => [{ name: "eth0" }];
    #see: (length: number, truncated: boolean) => void = () => {};
    open(_device: string, filter: string, _size: number, buffer: Uint8Array): string {
      machine.filters.push(filter);
      machine.see = (packet) => {
        buffer.set(packet);
        this.#see(packet.length, false);
      };
      return "ETHERNET";
    }
    on(_event: string, handler: (length: number, truncated: boolean) => void): void {
      this.#see = handler;
    }
    close(): void {}
  }
  class Tap {
    readonly name = "tap7";
    mtu = 0;
    isUp = false;
    on(event: string, handler: (frame: Uint8Array) => void): void {
      if (event === "data") machine.send = handler;
    }
    write = (): boolean => true;
    release(): void {}
  }
  const captureOnEth0: typeof tun.captureLive = (options) => actual.captureLive(options, async () => ({ Cap }));
  const openTap7: typeof tun.openTuntap2 = (mtu) => actual.openTuntap2(mtu, async () => ({ Tap }));
  return {
    ...actual,
    captureLive: captureOnEth0,
    openTuntap2: openTap7,
    loadLinux: async () => ({}),
    ip: () => "[]",
  };
});

/** Who takes the capture. */
const taker = vi.hoisted(() => ({
  written: [] as Uint8Array[],
  isBehind: false,
  /** What it has not taken when it is no longer waited for. */
  isWhole: true,
  failure: undefined as NodeJS.ErrnoException | undefined,
}));

vi.mock("../../src/cli/output-thread.ts", async (importOriginal) => {
  const openOutputThread = (): OutputThread => ({
    write: (bytes) => void taker.written.push(bytes.slice()),
    get isBehind() {
      return taker.isBehind;
    },
    get failure() {
      return taker.failure;
    },
    end: async () => taker.isWhole,
  });
  return { ...(await importOriginal<typeof outputThread>()), openOutputThread };
});

interface ScriptedIo extends CommandIo {
  readonly said: string[];
}

/** Each step is one look whether Ctrl-C was pressed; after the last one it was. A step returns the time in milliseconds. */
function scripted(...steps: (() => number)[]): ScriptedIo {
  const said: string[] = [];
  let now = 0;
  return {
    said,
    out: () => {},
    err: (output) => void said.push(output),
    readInput: () => new Uint8Array(),
    readLine: async () => undefined,
    inputIsTerminal: false,
    showsProgress: true,
    colours: false,
    columns: undefined,
    now: () => now,
    isInterrupted: async () => {
      const step = steps.shift();
      now = step?.() ?? now;
      return step === undefined;
    },
  };
}

const SYN = tcpFrame({ flags: 0x02, payload: new Uint8Array() });

afterEach(() => {
  vi.useRealTimers();
  machine.filters.length = 0;
  taker.written.length = 0;
  Object.assign(taker, { isBehind: false, isWhole: true, failure: undefined });
});

describe("capture", () => {
  it("opens the interface with the filter of --match, and sends what passes it", async () => {
    const see = (): number => {
      machine.see(SYN);
      return 0;
    };
    const io = scripted(see, see);
    expect(await captureLive("nodeport", { seed: 1, interface: "eth0", match: "tcp port 80" }, io)).toBe(
      ExitCode.interrupted,
    );
    expect(machine.filters).toEqual(["tcp port 80"]);
    expect(io.said.at(-1)).toBe("2 packets sent\n");
  });

  it("takes all packets without --match", async () => {
    await captureLive("nodeport", { seed: 1, interface: "eth0" }, scripted());
    expect(machine.filters).toEqual([""]);
  });
});

describe("up", () => {
  it("shows packets, connections and drops twice a second, and clears the line in the end", async () => {
    const at = (now: number) => (): number => now;
    const syn = (): number => {
      machine.send(SYN);
      return 700;
    };
    const io = scripted(at(100), at(500), syn, at(1000), at(1400));
    expect(await up("nodeport", { seed: 1 }, io)).toBe(ExitCode.interrupted);
    const shown = io.said.slice(io.said.findIndex((text) => text.includes("packets,")));
    expect(shown).toEqual([
      "\r\u001b[K0 packets, 0 connections, 0 drops",
      "\r\u001b[K1 packet, 1 connection, 0 drops",
      "\r\u001b[K",
      "1 packet, 1 connection, 0 drops; ended\n",
    ]);
  });

  it("shows no line where standard error is no terminal", async () => {
    const io = {
      ...scripted(
        () => 500,
        () => 1000,
      ),
      showsProgress: false,
    };
    await up("nodeport", { seed: 1 }, io);
    expect(io.said.filter((text) => text.includes("packets,"))).toEqual(["0 packets, 0 connections, 0 drops; ended\n"]);
  });
});

describe("the capture of a live network", () => {
  const capture = (): PcapngFile => readPcapng(new Uint8Array(taker.written.flatMap((bytes) => [...bytes])));

  it("is written out every 100 ms", async () => {
    const live = await openLive("nodeport", { seed: 1, pcap: "-" }, scripted());
    vi.useFakeTimers();
    live.begin();
    const counts: number[] = [];
    for (let round = 0; round < 2; round++) {
      live.driver.act(() => void runCommand(live.host, "ping -c 1 203.0.113.4"));
      vi.advanceTimersByTime(99);
      counts.push(capture().packets.length);
      vi.advanceTimersByTime(1);
      counts.push(capture().packets.length);
    }
    vi.useRealTimers();
    await live.close();
    const [atFirst, after100, after199, after200 = 0] = counts;
    expect(atFirst).toBe(0);
    expect(after100).toBeGreaterThan(0);
    expect(after199).toBe(after100);
    expect(after200).toBeGreaterThan(after199 ?? 0);
  });

  it("leaves out what its taker has no time for, and says how much: on the status line, in the end and in itself", async () => {
    const send = (): number => {
      machine.send(SYN);
      return 700;
    };
    const fallBehind = (): number => {
      taker.isBehind = true;
      return send();
    };
    const io = scripted(send, fallBehind, () => 1400);
    await up("nodeport", { seed: 1, pcap: "lab.pcapng", only: ["client/eth0"] }, io);
    expect(io.said.slice(-4)).toEqual([
      "\r\u001b[K2 packets, 2 connections, 0 drops, 1 not in the capture",
      "\r\u001b[K",
      "note: --pcap lab.pcapng: 1 packet left out: not taken in time\n",
      "2 packets, 2 connections, 0 drops, 1 not in the capture; written: lab.pcapng; ended\n",
    ]);
    const { packets, statistics } = capture();
    expect(packets).toHaveLength(1);
    expect(statistics.reduce((sum, { dropped = 0n }) => sum + dropped, 0n)).toBe(1n);
  });

  it("ends with its reader, where it goes to standard output", async () => {
    const leave = (): number => {
      taker.failure = Object.assign(new Error("EPIPE"), { code: "EPIPE" });
      return 0;
    };
    const forever = Array.from({ length: 100 }, () => leave);
    const io = scripted(...forever);
    await up("nodeport", { seed: 1, pcap: "-" }, io);
    expect(io.said.slice(-2)).toEqual([
      "note: --pcap -: nobody reads it any more\n",
      "0 packets, 0 connections, 0 drops; ended\n",
    ]);
  });

  it("says when its end is not taken, and fails when it cannot be written", async () => {
    taker.isWhole = false;
    const io = scripted();
    await up("nodeport", { seed: 1, pcap: "pipe" }, io);
    expect(io.said.at(-2)).toBe("note: --pcap pipe: its end is missing: nobody takes it\n");
    taker.failure = Object.assign(new Error("ENOSPC"), { code: "ENOSPC" });
    await expect(up("nodeport", { seed: 1, pcap: "full" }, io)).rejects.toThrow(
      "--pcap full: not written to the end: ",
    );
  });
});
