import { CLOEXEC, type Linux, NONBLOCK, O_RDWR, succeed } from "./linux.ts";

/** linux/if_tun.h. */
const TUNSETIFF = 0x400454ca;
const TUNSETOFFLOAD = 0x400454d0;
const IFF_TAP = 0x0002;
const IFF_NO_PI = 0x1000;
const IFF_VNET_HDR = 0x4000;
const TUN_F_CSUM = 0x01;
const TUN_F_TSO4 = 0x02;
const TUN_F_TSO_ECN = 0x08;
/** struct ifreq: a name of IFNAMSIZ bytes, then the flags. */
const IFREQ_LENGTH = 40;
const NAME_LENGTH = 16;

/** An interface of the real kernel whose other side are frames read from and written to `descriptor`, each behind a virtio header. */
export interface KernelInterface {
  readonly descriptor: number;
  readonly name: string;
}

/**
 * Makes an interface of the TUN driver in the caller's network namespace. It carries Ethernet frames (TAP), so that the ARP and the hardware addresses
 * of the real kernel are seen in captures as they are. The kernel hands over up to 64 KiB of a TCP stream at once and
 * leaves checksums to us. The interface is gone when the descriptor is closed.
 * @throws TunUnavailable
 */
export function openTap(linux: Linux, name: string): KernelInterface {
  const what = "/dev/net/tun cannot be opened";
  const descriptor = succeed(linux, linux.open("/dev/net/tun", O_RDWR | NONBLOCK | CLOEXEC), what);
  try {
    const request = new Uint8Array(IFREQ_LENGTH);
    new TextEncoder().encodeInto(name, request.subarray(0, NAME_LENGTH - 1));
    new DataView(request.buffer).setInt16(NAME_LENGTH, IFF_TAP | IFF_NO_PI | IFF_VNET_HDR, true);
    succeed(linux, linux.ioctl(descriptor, TUNSETIFF, request), `the TUN interface ${name} cannot be made`);
    const offload = linux.ioctlValue(descriptor, TUNSETOFFLOAD, TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO_ECN);
    succeed(linux, offload, `the TUN interface ${name} does not take offloads`);
  } catch (error) {
    linux.close(descriptor);
    throw error;
  }
  return { descriptor, name };
}
