/**
 * The C library of the process, called through koffi: the system calls that Node does not offer. Pointers are numbers
 * (addresses stay below 2^53), so that nothing is converted or allocated per call. koffi is an optional dependency and
 * this is Linux only: whoever asks must live with null.
 *
 * A thread inside one of these calls cannot be interrupted, not even by the end of the process: nothing here may
 * block for longer than the caller can bear.
 */
import { createRequire } from "node:module";
import { constants, platform } from "node:os";

/** The calls we use, as in their manual pages. Each returns −1 on failure; `errno()` then says why. */
export interface Libc {
  /** Where the memory of a view begins. The memory does not move as long as the view is reachable. */
  addressOf(view: Uint8Array): number;
  /** The error of the last failed call of this thread. */
  errno(): number;
  socket(family: number, type: number, protocol: number): number;
  bind(fd: number, address: number, bytes: number): number;
  getsockname(fd: number, address: number, bytes: number): number;
  setsockopt(fd: number, level: number, name: number, value: number, bytes: number): number;
  getsockopt(fd: number, level: number, name: number, value: number, bytes: number): number;
  close(fd: number): number;
  poll(fds: number, count: number, timeoutMs: number): number;
  recvmsg(fd: number, message: number, flags: number): number;
  sendmsg(fd: number, message: number, flags: number): number;
  recvmmsg(fd: number, messages: number, count: number, flags: number, timeout: number): number;
  sendmmsg(fd: number, messages: number, count: number, flags: number): number;
  eventfd(initial: number, flags: number): number;
  read(fd: number, buffer: number, bytes: number): number;
  write(fd: number, buffer: number, bytes: number): number;
  usleep(microseconds: number): number;
  madvise(address: number, bytes: number, advice: number): number;
  open(path: number, flags: number): number;
  ioctl(fd: number, request: number, argument: number): number;
}

type Call = (...parameters: (number | Uint8Array)[]) => number;

interface Koffi {
  load(path: null): { func(declaration: string): Call };
  address(view: Uint8Array): bigint;
  errno(): number;
}

let loaded: Libc | null | undefined;

/** The C library, or null where it cannot be had: no koffi for this platform, or not Linux on a 64-bit machine. */
export function loadLibc(): Libc | null {
  if (loaded === undefined) loaded = isSupported() ? tryLoad() : null;
  return loaded;
}

/** The layouts of the structures that we fill by hand are those of little-endian 64-bit Linux. */
function isSupported(): boolean {
  return platform() === "linux" && (process.arch === "x64" || process.arch === "arm64");
}

function tryLoad(): Libc | null {
  try {
    return declare(createRequire(import.meta.url)("koffi") as Koffi);
  } catch {
    return null;
  }
}

function declare(koffi: Koffi): Libc {
  const library = koffi.load(null);
  return {
    addressOf: (view) => Number(koffi.address(view)),
    errno: () => koffi.errno(),
    socket: library.func("int socket(int family, int type, int protocol)"),
    bind: library.func("int bind(int fd, uint64_t address, uint32_t bytes)"),
    getsockname: library.func("int getsockname(int fd, uint64_t address, uint64_t bytes)"),
    setsockopt: library.func("int setsockopt(int fd, int level, int name, uint64_t value, uint32_t bytes)"),
    getsockopt: library.func("int getsockopt(int fd, int level, int name, uint64_t value, uint64_t bytes)"),
    close: library.func("int close(int fd)"),
    poll: library.func("int poll(uint64_t fds, ulong count, int timeout)"),
    recvmsg: library.func("long recvmsg(int fd, uint64_t message, int flags)"),
    sendmsg: library.func("long sendmsg(int fd, uint64_t message, int flags)"),
    recvmmsg: library.func("int recvmmsg(int fd, uint64_t messages, uint32_t count, int flags, uint64_t timeout)"),
    sendmmsg: library.func("int sendmmsg(int fd, uint64_t messages, uint32_t count, int flags)"),
    eventfd: library.func("int eventfd(uint32_t initial, int flags)"),
    read: library.func("long read(int fd, uint64_t buffer, uint64_t bytes)"),
    write: library.func("long write(int fd, uint64_t buffer, uint64_t bytes)"),
    usleep: library.func("int usleep(uint32_t microseconds)"),
    madvise: library.func("int madvise(uint64_t address, uint64_t bytes, int advice)"),
    open: library.func("int open(uint64_t path, int flags)"),
    ioctl: library.func("int ioctl(int fd, ulong request, uint64_t argument)"),
  };
}

/** Nothing there, or no room; interrupted, try again; too many files. */
export const { EAGAIN, EINTR, EINVAL, ENFILE } = constants.errno;

/** Node does not name it: what one gets from a TAP device that somebody has removed. */
const EBADFD = 77;

const ERRNO_NAMES: ReadonlyMap<number, string> = new Map(
  Object.entries({ ...constants.errno, EBADFD }).map(([name, number]) => [number, name]),
);

/** `EADDRINUSE` for 98, and so on; `EWOULDBLOCK` and `EAGAIN` are one number and called EAGAIN. */
export function errnoName(errno: number): string {
  return errno === EAGAIN ? "EAGAIN" : (ERRNO_NAMES.get(errno) ?? `E${errno}`);
}

/** A failed call as an Error with the system's code, as Node's own are. */
export class SystemError extends Error {
  override readonly name = "SystemError";
  readonly code: string;

  constructor(call: string, errno: number) {
    super(`${call}: ${errnoName(errno)}`);
    this.code = errnoName(errno);
  }
}
