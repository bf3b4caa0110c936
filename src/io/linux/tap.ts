/**
 * A TAP device: a network interface whose frames this program reads and writes. Facts: vl2-ethernet.md §7.1; tun(4).
 * The device lives as long as its descriptor: when the process dies in whatever way, the kernel takes the interface
 * away, and with it its addresses and routes.
 */
import { type Libc, SystemError } from "./libc.ts";

const TUN_DEVICE = "/dev/net/tun";
const O_RDWR = 2;
const O_NONBLOCK = 0x800;
const O_CLOEXEC = 0x80000;
const TUNSETIFF = 0x400454ca;
const IFF_TAP = 0x0002;
const IFF_NO_PI = 0x1000;
/** Every frame stands behind a virtio_net_hdr, so that many can be written as one (dataplane/segment-merger.ts). */
const IFF_VNET_HDR = 0x4000;
/** Not one that is there already: a persistent one of somebody else. */
const IFF_TUN_EXCL = 0x8000;
const IFREQ_BYTES = 40;
export const INTERFACE_NAME_BYTES = 16;

/** The device could not be made; says what to do about it. */
export class TapError extends Error {
  override readonly name = "TapError";
  readonly code: string;

  constructor(device: string, cause: SystemError) {
    super(`the interface ${device} could not be made: ${cause.message}. ${advice(cause.code)}`, { cause });
    this.code = cause.code;
  }
}

function advice(code: string): string {
  switch (code) {
    case "ENOENT":
      return `There is no ${TUN_DEVICE}: load the kernel module tun, or give the container that device.`;
    case "EPERM":
    case "EACCES":
      return "It takes root or CAP_NET_ADMIN; with --no-tap the networks are joined without an interface.";
    case "EBUSY":
      return "Another program uses an interface of that name.";
    default:
      return "With --no-tap the networks are joined without an interface.";
  }
}

/** Makes a TAP device whose frames stand behind a virtio_net_hdr of ten bytes; gives its non-blocking descriptor. Throws a TapError; then nothing is left open. */
export function openTapDevice(libc: Libc, name: string): number {
  const path = new TextEncoder().encode(`${TUN_DEVICE}\0`);
  const fd = libc.open(libc.addressOf(path), O_RDWR | O_NONBLOCK | O_CLOEXEC);
  if (fd < 0) throw new TapError(name, new SystemError("open", libc.errno()));
  const request = new Uint8Array(IFREQ_BYTES);
  new TextEncoder().encodeInto(name, request.subarray(0, INTERFACE_NAME_BYTES - 1));
  new DataView(request.buffer).setUint16(INTERFACE_NAME_BYTES, IFF_TAP | IFF_NO_PI | IFF_VNET_HDR | IFF_TUN_EXCL, true);
  if (libc.ioctl(fd, TUNSETIFF, libc.addressOf(request)) < 0) {
    const error = new TapError(name, new SystemError("TUNSETIFF", libc.errno()));
    libc.close(fd);
    throw error;
  }
  return fd;
}
