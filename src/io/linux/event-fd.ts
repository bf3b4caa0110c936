/** A descriptor that wakes a thread which waits in poll. Facts: eventfd(2). */
import { type Libc, SystemError } from "./libc.ts";

const EFD_NONBLOCK = 0x800;
const EFD_CLOEXEC = 0x80000;

export class EventFd {
  readonly fd: number;
  readonly #libc: Libc;
  readonly #one = new BigUint64Array([1n]);
  readonly #at: number;

  constructor(libc: Libc) {
    this.#libc = libc;
    this.fd = libc.eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (this.fd < 0) throw new SystemError("eventfd", libc.errno());
    this.#at = libc.addressOf(new Uint8Array(this.#one.buffer));
  }

  /** Makes the descriptor readable; the reader resets it by reading 8 bytes. */
  wake(): void {
    this.#libc.write(this.fd, this.#at, this.#one.byteLength);
  }

  close(): void {
    this.#libc.close(this.fd);
  }
}
