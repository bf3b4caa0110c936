/**
 * UDP sockets by system calls: non-blocking, several of this process on one local address and port, large buffers.
 * Facts: socket(7), udp(7), ipv6(7); vl1-behaviour.md §7 (one socket per local address).
 */
import type { Endpoint } from "../../protocol/inet-address.ts";
import { errnoName, type Libc, SystemError } from "./libc.ts";
import { AF_INET, AF_INET6, SOCKADDR_IN_BYTES, SOCKADDR_IN6_BYTES, writeSockaddr } from "./sockaddr.ts";

const SOCK_DGRAM = 2;
const SOCK_NONBLOCK = 0x800;
const SOCK_CLOEXEC = 0x80000;
const SOL_SOCKET = 1;
const SO_SNDBUF = 7;
const SO_RCVBUF = 8;
const SO_REUSEPORT = 15;
const SO_BINDTODEVICE = 25;
const SO_SNDBUFFORCE = 32;
const SO_RCVBUFFORCE = 33;
const IPPROTO_IPV6 = 41;
const IPV6_V6ONLY = 26;
export const SOL_UDP = 17;
export const UDP_SEGMENT = 103;
/** The kernel reports twice what it grants: the other half is its own bookkeeping. */
const BOOKKEEPING_FACTOR = 2;
const MAX_BUFFER_BYTES = 0x3fffffff;

export interface UdpSocket {
  readonly fd: number;
  /** Receive buffer, comparable with what was asked for. */
  readonly grantedBytes: number;
}

export interface UdpSocketOptions {
  readonly receiveBufferBytes: number;
  readonly sendBufferBytes: number;
  /**
   * True for the first socket of an address: it fails if anybody, ourselves included, holds the port. Others may join
   * it afterwards. Without this a second daemon of the same user would silently take half of the datagrams.
   */
  readonly first: boolean;
}

/** Opens and binds one socket. Throws a SystemError; then nothing is left open. */
export function openUdpSocket(libc: Libc, local: Endpoint, options: UdpSocketOptions): UdpSocket {
  const family = local.family === 4 ? AF_INET : AF_INET6;
  const fd = libc.socket(family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) throw new SystemError("socket", libc.errno());
  try {
    if (local.family === 6) setInt(libc, fd, IPPROTO_IPV6, IPV6_V6ONLY, 1);
    if (!options.first) setInt(libc, fd, SOL_SOCKET, SO_REUSEPORT, 1);
    bind(libc, fd, local);
    if (options.first) setInt(libc, fd, SOL_SOCKET, SO_REUSEPORT, 1);
    enlarge(libc, fd, SO_RCVBUFFORCE, SO_RCVBUF, options.receiveBufferBytes);
    enlarge(libc, fd, SO_SNDBUFFORCE, SO_SNDBUF, options.sendBufferBytes);
    return { fd, grantedBytes: Math.floor(getInt(libc, fd, SOL_SOCKET, SO_RCVBUF) / BOOKKEEPING_FACTOR) };
  } catch (error) {
    libc.close(fd);
    throw error;
  }
}

/** True if this kernel cuts one large message into equal datagrams (Linux 4.18). */
export function hasSegmentation(libc: Libc): boolean {
  const fd = libc.socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return false;
  try {
    setInt(libc, fd, SOL_UDP, UDP_SEGMENT, 1400);
    return true;
  } catch {
    return false;
  } finally {
    libc.close(fd);
  }
}

/**
 * What the socket sends leaves through this interface, and only what arrives there is received; null undoes that.
 * Gives null, or the code of what went wrong. (IP_UNICAST_IF would leave receiving alone, but its IPv6 counterpart
 * does not overrule a more specific route.)
 */
export function bindToDevice(libc: Libc, fd: number, device: string | null): string | null {
  const name = new TextEncoder().encode(`${device ?? ""}\0`);
  const failed = libc.setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, libc.addressOf(name), name.length) < 0;
  return failed ? errnoName(libc.errno()) : null;
}

function bind(libc: Libc, fd: number, local: Endpoint): void {
  const name = new Uint8Array(SOCKADDR_IN6_BYTES);
  writeSockaddr(name, 0, local);
  const bytes = local.family === 4 ? SOCKADDR_IN_BYTES : SOCKADDR_IN6_BYTES;
  if (libc.bind(fd, libc.addressOf(name), bytes) < 0) throw new SystemError("bind", libc.errno());
}

/** With CAP_NET_ADMIN the size is ours to choose; otherwise the kernel caps it silently (net.core.rmem_max). */
function enlarge(libc: Libc, fd: number, forced: number, plain: number, bytes: number): void {
  const wanted = Math.min(bytes, MAX_BUFFER_BYTES);
  try {
    setInt(libc, fd, SOL_SOCKET, forced, wanted);
  } catch {
    setInt(libc, fd, SOL_SOCKET, plain, wanted);
  }
}

/** Sets an option whose value is an int. Throws a SystemError. */
export function setInt(libc: Libc, fd: number, level: number, name: number, value: number): void {
  const cell = new Int32Array([value]);
  const at = libc.addressOf(new Uint8Array(cell.buffer));
  if (libc.setsockopt(fd, level, name, at, 4) < 0) throw new SystemError("setsockopt", libc.errno());
}

function getInt(libc: Libc, fd: number, level: number, name: number): number {
  const cells = new Int32Array([0, 4]);
  const at = libc.addressOf(new Uint8Array(cells.buffer));
  return libc.getsockopt(fd, level, name, at, at + 4) < 0 ? 0 : cells[0]!;
}
