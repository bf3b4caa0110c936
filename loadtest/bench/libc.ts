/**
 * The system calls that the benchmark needs and Node does not offer, through koffi: raw frames in batches, and
 * entering a network namespace. Linux, 64 bit. Addresses are numbers: memory below 2^53.
 */
import koffi from "koffi";

const libc = koffi.load(null);
const ffi = {
  mmap: libc.func("void *mmap(void *a, size_t l, int p, int f, int fd, int64_t o)"),
  setns: libc.func("int setns(int fd, int type)"),
  socket: libc.func("int socket(int domain, int type, int protocol)"),
  bind: libc.func("int bind(int fd, const void *address, uint32_t length)"),
  setsockopt: libc.func("int setsockopt(int fd, int level, int name, const void *value, uint32_t length)"),
  close: libc.func("int close(int fd)"),
  send: libc.func("int64_t send(int fd, const void *bytes, size_t length, int flags)"),
  recv: libc.func("int64_t recv(int fd, uint64_t into, size_t length, int flags)"),
  sendmmsg: libc.func("int sendmmsg(int fd, uint64_t messages, uint32_t count, int flags)"),
};

const CLONE_NEWNET = 0x40000000;
const PROT_READ_WRITE = 3;
const MAP_PRIVATE_ANONYMOUS = 0x22;
const AF_INET = 2;
const AF_PACKET = 17;
const SOCK_DGRAM = 2;
const SOCK_RAW = 3;
const SOL_SOCKET = 1;
const SO_RCVBUFFORCE = 33;
const SOL_PACKET = 263;
const PACKET_VNET_HDR = 15;
const PACKET_QDISC_BYPASS = 20;
const MSG_DONTWAIT = 0x40;
const SOCKADDR_LL_BYTES = 20;
const SOCKADDR_IN_BYTES = 16;
const RECEIVE_BUFFER_BYTES = 16 << 20;

/** A system call said no. */
export class SystemCallError extends Error {
  constructor(call: string) {
    super(`${call} failed (errno ${koffi.errno()})`);
  }
}

/** Memory outside of the heap whose address never changes. Never given back: it lives as long as the process. */
export interface Region {
  readonly address: number;
  readonly bytes: Uint8Array;
}

/** Takes zeroed memory from the kernel. */
export function mapRegion(bytes: number): Region {
  const address: bigint = ffi.mmap(null, bytes, PROT_READ_WRITE, MAP_PRIVATE_ANONYMOUS, -1, 0);
  if (address === -1n) throw new SystemCallError("mmap");
  return { address: Number(address), bytes: new Uint8Array(koffi.view(address, bytes)) };
}

/** Moves the calling thread into the network namespace behind an open descriptor; sockets opened later belong to it. */
export function enterNetworkNamespace(descriptor: number): void {
  if (ffi.setns(descriptor, CLONE_NEWNET) !== 0) throw new SystemCallError("setns");
}

function setOption(descriptor: number, level: number, name: number, value: number): void {
  if (ffi.setsockopt(descriptor, level, name, new Int32Array([value]), 4) !== 0)
    throw new SystemCallError("setsockopt");
}

/**
 * A socket that puts whole frames onto an interface and receives nothing. Each frame starts with a virtio header
 * (frames.ts), by which a frame can be a train of datagrams.
 */
export function openFrameSocket(interfaceIndex: number): number {
  const descriptor: number = ffi.socket(AF_PACKET, SOCK_RAW, 0);
  if (descriptor < 0) throw new SystemCallError("socket(AF_PACKET)");
  setOption(descriptor, SOL_PACKET, PACKET_VNET_HDR, 1);
  setOption(descriptor, SOL_PACKET, PACKET_QDISC_BYPASS, 1);
  const address = new Uint8Array(SOCKADDR_LL_BYTES);
  const view = new DataView(address.buffer);
  view.setUint16(0, AF_PACKET, true);
  view.setInt32(4, interfaceIndex, true);
  if (ffi.bind(descriptor, address, SOCKADDR_LL_BYTES) !== 0) throw new SystemCallError("bind(AF_PACKET)");
  return descriptor;
}

/** A UDP socket on every IPv4 address of the namespace, with a large buffer (needs CAP_NET_ADMIN). */
export function openUdpSocket(port: number): number {
  const descriptor: number = ffi.socket(AF_INET, SOCK_DGRAM, 0);
  if (descriptor < 0) throw new SystemCallError("socket(AF_INET)");
  setOption(descriptor, SOL_SOCKET, SO_RCVBUFFORCE, RECEIVE_BUFFER_BYTES);
  const address = new Uint8Array(SOCKADDR_IN_BYTES);
  const view = new DataView(address.buffer);
  view.setUint16(0, AF_INET, true);
  view.setUint16(2, port);
  if (ffi.bind(descriptor, address, SOCKADDR_IN_BYTES) !== 0) throw new SystemCallError("bind(AF_INET)");
  return descriptor;
}

/** Takes one datagram out of a socket into memory at `address`, without waiting. Its length, or -1 if there is none. */
export function receiveInto(descriptor: number, address: number, capacity: number): number {
  return Number(ffi.recv(descriptor, address, capacity, MSG_DONTWAIT));
}

/** Sends one message. Returns false if the kernel refuses. */
export function sendBytes(descriptor: number, bytes: Uint8Array): boolean {
  return Number(ffi.send(descriptor, bytes, bytes.length, 0)) === bytes.length;
}

export function closeDescriptor(descriptor: number): void {
  ffi.close(descriptor);
}

/** Sends `count` messages that stand at `address` (struct mmsghdr, 64 bytes each). Returns how many left, or -1. */
export function sendMessages(descriptor: number, address: number, count: number): number {
  return ffi.sendmmsg(descriptor, address, count, 0);
}
