import { CLOEXEC, type Linux, succeed } from "./linux.ts";

/*
 * Descriptors opened in one process and used in another: SCM_RIGHTS over a UNIX socket, unix(7). The interfaces are opened inside the shell's network
 * namespace; the emulator stays outside, where its files and backends are.
 */

const AF_UNIX = 1;
const SOCK_STREAM = 1;
const SOL_SOCKET = 1;
const SCM_RIGHTS = 1;
const MSG_CMSG_CLOEXEC = 0x40000000;
/** struct msghdr and struct cmsghdr where pointers have eight bytes. */
const MSGHDR_LENGTH = 56;
const CMSG_HEADER_LENGTH = 16;
const DESCRIPTOR_LENGTH = 4;

/** What one message carries (SCM_MAX_FD, net/scm.h). */
const MOST_DESCRIPTORS = 253;

/** Two ends of a new UNIX socket. Both are inherited by nobody unless passed on. */
export function socketPair(linux: Linux): { readonly ours: number; readonly theirs: number } {
  const pair = new Uint8Array(8);
  succeed(linux, linux.socketpair(AF_UNIX, SOCK_STREAM | CLOEXEC, 0, pair), "a UNIX socket cannot be opened");
  const [ours = -1, theirs = -1] = new Int32Array(pair.buffer);
  return { ours, theirs };
}

/** Sends `descriptors` through the UNIX socket `socket`, in one message. */
export function sendDescriptors(linux: Linux, socket: number, descriptors: readonly number[]): void {
  const message = new Message(linux, descriptors.length);
  message.control.setBigUint64(0, BigInt(CMSG_HEADER_LENGTH + descriptors.length * DESCRIPTOR_LENGTH), true);
  message.control.setInt32(8, SOL_SOCKET, true);
  message.control.setInt32(12, SCM_RIGHTS, true);
  for (const [index, descriptor] of descriptors.entries()) message.control.setInt32(place(index), descriptor, true);
  succeed(linux, linux.sendmsg(socket, message.header, 0), "the interfaces cannot be handed over");
}

/** Takes descriptors that were sent; none when the other side ended without sending any. Does not return before. */
export function receiveDescriptors(linux: Linux, socket: number): number[] {
  const message = new Message(linux, MOST_DESCRIPTORS);
  const received = linux.recvmsg(socket, message.header, MSG_CMSG_CLOEXEC);
  if (succeed(linux, received, "the interfaces are not handed over") === 0) return [];
  if (message.control.getInt32(12, true) !== SCM_RIGHTS) return [];
  const count = (Number(message.control.getBigUint64(0, true)) - CMSG_HEADER_LENGTH) / DESCRIPTOR_LENGTH;
  return Array.from({ length: count }, (_, index) => message.control.getInt32(place(index), true));
}

/** Where a descriptor stands in the control message. */
function place(index: number): number {
  return CMSG_HEADER_LENGTH + index * DESCRIPTOR_LENGTH;
}

/** One byte of data, and room for descriptors beside it. */
class Message {
  readonly header = new Uint8Array(MSGHDR_LENGTH);
  readonly control: DataView;
  /** Kept from the garbage collector, which does not know that the header refers to them. */
  readonly parts: readonly Uint8Array[];

  constructor(linux: Linux, descriptors: number) {
    // CMSG_SPACE: up to the next multiple of eight.
    const space = (place(descriptors) + 7) & ~7;
    const [data, vector, control] = [new Uint8Array(8), new Uint8Array(16), new Uint8Array(space)];
    this.parts = [data, vector, control];
    this.control = new DataView(control.buffer);
    const iovec = new DataView(vector.buffer);
    iovec.setBigUint64(0, linux.address(data), true);
    iovec.setBigUint64(8, 1n, true);
    const header = new DataView(this.header.buffer);
    header.setBigUint64(16, linux.address(vector), true);
    header.setBigUint64(24, 1n, true);
    header.setBigUint64(32, linux.address(control), true);
    header.setBigUint64(40, BigInt(space), true);
  }
}
