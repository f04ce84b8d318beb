import { getSystemErrorMap } from "node:util";

/** Why something cannot be done on this machine, in a sentence for its user. */
export class TunUnavailable extends Error {}

/** The calls of Linux's C library that are used here. They return -1 when they fail; {@link Linux.errno} then says why. */
export interface Linux {
  open(path: string, flags: number): number;
  close(fd: number): number;
  read(fd: number, buffer: Uint8Array, length: number): number;
  write(fd: number, buffer: Uint8Array, length: number): number;
  /** With a pointer to a structure. */
  ioctl(fd: number, request: number, argument: Uint8Array): number;
  /** With a plain number. */
  ioctlValue(fd: number, request: number, argument: number): number;
  socket(family: number, type: number, protocol: number): number;
  socketpair(family: number, type: number, protocol: number, descriptors: Uint8Array): number;
  setsockopt(fd: number, level: number, name: number, value: Uint8Array, length: number): number;
  bind(fd: number, address: Uint8Array, length: number): number;
  sendmsg(fd: number, message: Uint8Array, flags: number): number;
  recvmsg(fd: number, message: Uint8Array, flags: number): number;
  poll(descriptors: Uint8Array, count: number, timeoutMs: number): number;
  eventfd(initial: number, flags: number): number;
  /** An interface's number; 0 when there is none of this name. */
  interfaceIndex(name: string): number;
  sethostname(name: string, length: number): number;
  /** The memory address of a buffer, for structures that point to others. */
  address(buffer: Uint8Array): bigint;
  errno(): number;
}

/** Flags of open(2), socket(2) and eventfd(2) on the architectures koffi is built for. */
export const O_RDWR = 0o2;
export const NONBLOCK = 0o4000;
export const CLOEXEC = 0o2000000;

let loaded: Linux | undefined;

/** Loads koffi, by which the C library is called. @throws TunUnavailable on other systems, and when koffi is not installed. */
export async function loadLinux(): Promise<Linux> {
  if (process.platform !== "linux") {
    throw new TunUnavailable(`real programs can be attached on Linux only; this is ${process.platform}`);
  }
  loaded ??= declare(await importKoffi());
  return loaded;
}

type Koffi = typeof import("koffi");

async function importKoffi(): Promise<Koffi> {
  try {
    return await import("koffi");
  } catch {
    throw new TunUnavailable(
      "the package koffi, by which natscope calls the system, is not installed: npm install koffi",
    );
  }
}

function declare(koffi: Koffi): Linux {
  const library = koffi.load(null);
  return {
    open: library.func("int open(const char *path, int flags)"),
    close: library.func("int close(int fd)"),
    read: library.func("long read(int fd, void *buffer, ulong length)"),
    write: library.func("long write(int fd, const void *buffer, ulong length)"),
    ioctl: library.func("ioctl", "int", ["int", "ulong", "void *"]),
    ioctlValue: library.func("ioctl", "int", ["int", "ulong", "ulong"]),
    socket: library.func("int socket(int family, int type, int protocol)"),
    socketpair: library.func("int socketpair(int family, int type, int protocol, void *descriptors)"),
    setsockopt: library.func("int setsockopt(int fd, int level, int name, const void *value, uint length)"),
    bind: library.func("int bind(int fd, const void *address, uint length)"),
    sendmsg: library.func("long sendmsg(int fd, const void *message, int flags)"),
    recvmsg: library.func("long recvmsg(int fd, void *message, int flags)"),
    poll: library.func("int poll(void *descriptors, ulong count, int timeout)"),
    eventfd: library.func("int eventfd(uint initial, int flags)"),
    interfaceIndex: library.func("uint if_nametoindex(const char *name)"),
    sethostname: library.func("int sethostname(const char *name, ulong length)"),
    address: (buffer) => koffi.address(buffer),
    errno: () => koffi.errno(),
  };
}

/** Passes a call's result on. @throws TunUnavailable that says what could not be done, and the system's reason. */
export function succeed(linux: Linux, result: number, what: string): number {
  if (result >= 0) return result;
  const errno = linux.errno();
  throw new TunUnavailable(`${what}: ${getSystemErrorMap().get(-errno)?.[1] ?? `error ${errno}`}`);
}

/** An `int` in memory. */
export function int32(value: number): Uint8Array {
  return new Uint8Array(Int32Array.of(value).buffer);
}
