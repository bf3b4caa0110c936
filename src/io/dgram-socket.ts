/**
 * One UDP socket of Node's dgram, bound, with the receive buffer asked for. What dgram needs to be told so that
 * it behaves: no name resolution, no dual stack, errors that end nowhere.
 */
import { createSocket, type Socket } from "node:dgram";
import { platform } from "node:os";
import { type Endpoint, formatIp } from "../protocol/inet-address.ts";

/** A bound socket. The caller owns `handle` and has to replace its "error" listener by its own. */
export interface BoundSocket {
  readonly handle: Socket;
  /** Usable size, comparable with what was asked for. */
  readonly grantedBytes: number;
}

const MIN_RECEIVE_BUFFER_BYTES = 65_536;
/** Linux answers with twice the size that it was given: the other half is its own bookkeeping. */
const BOOKKEEPING_FACTOR = platform() === "linux" ? 2 : 1;

/**
 * Every address given to dgram is an IP text already. A lookup that calls back at once makes send() leave before
 * it returns; the default one would defer each datagram by a tick and look the text up in a resolver.
 */
function alreadyAnAddress(
  text: string,
  _options: unknown,
  callback: (error: NodeJS.ErrnoException | null, address: string, family: number) => void,
): void {
  callback(null, text, text.includes(":") ? 6 : 4);
}

/** Binds `local`. Rejects with the system's error (its `code` says which). */
export function bindSocket(local: Endpoint, receiveBufferBytes: number): Promise<BoundSocket> {
  return new Promise((resolve, reject) => {
    const handle = createSocket({
      type: local.family === 4 ? "udp4" : "udp6",
      lookup: alreadyAnAddress,
      // libuv refuses to bind an IPv4 socket that carries the flag.
      ipv6Only: local.family === 6,
    });
    handle.once("error", (error) => {
      handle.close();
      reject(error);
    });
    handle.once("listening", () => resolve({ handle, grantedBytes: enlargeBuffer(handle, receiveBufferBytes) }));
    handle.bind({ address: formatIp(local.ip), port: local.port, exclusive: true });
  });
}

/** Asks for `wanted`, then for half of it and so on: some systems refuse what Linux would cap silently. */
function enlargeBuffer(handle: Socket, wanted: number): number {
  for (let bytes = wanted; bytes >= MIN_RECEIVE_BUFFER_BYTES; bytes = Math.floor(bytes / 2)) {
    try {
      handle.setRecvBufferSize(bytes);
      break;
    } catch {
      // The next smaller size is tried; the system's default remains if none is accepted.
    }
  }
  try {
    return Math.floor(handle.getRecvBufferSize() / BOOKKEEPING_FACTOR);
  } catch {
    return 0;
  }
}

/** Closes a socket and waits for it; closing twice is harmless. */
export function closeSocket(handle: Socket): Promise<void> {
  return new Promise((resolve) => {
    try {
      handle.close(() => resolve());
    } catch {
      resolve();
    }
  });
}
