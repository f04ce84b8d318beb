import { CLOEXEC, type Linux, succeed } from "./linux.ts";

/*
 * A descriptor opened in one process and used in another: SCM_RIGHTS over a UNIX socket, unix(7). The interface is opened inside the shell's network
 * namespace; the emulator stays outside, where its files and backends are.
 */

const AF_UNIX = 1;
const SOCK_STREAM = 1;
const SOL_SOCKET = 1;
const SCM_RIGHTS = 1;
const MSG_CMSG_CLOEXEC = 0x40000000;
/** struct msghdr and struct cmsghdr where pointers have eight bytes. */
const MSGHDR_LENGTH = 56;
const CMSG_LENGTH = 20;
const CMSG_SPACE = 24;

/** Two ends of a new UNIX socket. Both are inherited by nobody unless passed on. */
export function socketPair(linux: Linux): { readonly ours: number; readonly theirs: number } {
  const pair = new Uint8Array(8);
  succeed(linux, linux.socketpair(AF_UNIX, SOCK_STREAM | CLOEXEC, 0, pair), "a UNIX socket cannot be opened");
  const [ours = -1, theirs = -1] = new Int32Array(pair.buffer);
  return { ours, theirs };
}

/** Sends `descriptor` through the UNIX socket `socket`. */
export function sendDescriptor(linux: Linux, socket: number, descriptor: number): void {
  const message = new Message(linux);
  message.control.setBigUint64(0, BigInt(CMSG_LENGTH), true);
  message.control.setInt32(8, SOL_SOCKET, true);
  message.control.setInt32(12, SCM_RIGHTS, true);
  message.control.setInt32(16, descriptor, true);
  succeed(linux, linux.sendmsg(socket, message.header, 0), "the interface cannot be handed over");
}

/** Takes a descriptor that was sent; `undefined` when the other side ended without sending one. Does not return before. */
export function receiveDescriptor(linux: Linux, socket: number): number | undefined {
  const message = new Message(linux);
  const received = linux.recvmsg(socket, message.header, MSG_CMSG_CLOEXEC);
  if (succeed(linux, received, "the interface is not handed over") === 0) return undefined;
  if (message.control.getInt32(12, true) !== SCM_RIGHTS) return undefined;
  return message.control.getInt32(16, true);
}

/** One byte of data, and room for a descriptor beside it. */
class Message {
  readonly header = new Uint8Array(MSGHDR_LENGTH);
  readonly control: DataView;
  /** Kept from the garbage collector, which does not know that the header refers to them. */
  readonly parts: readonly Uint8Array[];

  constructor(linux: Linux) {
    const [data, vector, control] = [new Uint8Array(8), new Uint8Array(16), new Uint8Array(CMSG_SPACE)];
    this.parts = [data, vector, control];
    this.control = new DataView(control.buffer);
    const iovec = new DataView(vector.buffer);
    iovec.setBigUint64(0, linux.address(data), true);
    iovec.setBigUint64(8, 1n, true);
    const header = new DataView(this.header.buffer);
    header.setBigUint64(16, linux.address(vector), true);
    header.setBigUint64(24, 1n, true);
    header.setBigUint64(32, linux.address(control), true);
    header.setBigUint64(40, BigInt(CMSG_SPACE), true);
  }
}
