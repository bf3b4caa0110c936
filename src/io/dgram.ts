/**
 * The portable transport: Node's dgram, one socket per local address and port, so that an answer leaves from the
 * address that was asked. About half as fast as the native one; the behaviour is the same, and tests use it.
 * Facts: vl1-behaviour.md §7, local-api.md §4–§5 (`bind`, blacklists).
 */
import type { Socket } from "node:dgram";
import type { Datagram, LocalSocket } from "../node/ports.ts";
import { type Endpoint, endpointKey } from "../protocol/inet-address.ts";
import { bindSocket, closeSocket } from "./dgram-socket.ts";
import { errorCode } from "./errors.ts";
import { IpTexts } from "./ip-text.ts";
import {
  type AddressOptions,
  fatalProblem,
  otherPort,
  type PortChoice,
  type PortRole,
  resolvePorts,
  type SocketOptions,
  type WantedSocket,
  wantedSockets,
} from "./local-sockets.ts";
import type { BindProblem, Transport, TransportStatistics } from "./transport.ts";

interface OpenSocket extends LocalSocket {
  device: string | null;
  readonly handle: Socket;
  readonly key: string;
  readonly askedBytes: number;
  readonly grantedBytes: number;
}

/** Hop limit of everything that asks for no other; dgram cannot say "the system's default". */
const DEFAULT_TTL = 64;
/** Datagrams waiting in one socket because the kernel has no room. More are dropped, as a full queue does. */
const MAX_QUEUED_DATAGRAMS = 1024;
/** Asking libuv for a queue's length costs about as much as a send: only done when many are unconfirmed. */
const UNCONFIRMED_BEFORE_ASKING = 256;

/** Transport over node:dgram. */
export class DgramTransport implements Transport {
  #options: SocketOptions;
  #ports: readonly PortChoice[] = [];
  #receive: ((datagram: Datagram) => void) | null = null;
  readonly #sockets = new Map<number, OpenSocket>();
  #listed: readonly LocalSocket[] = [];
  #problems: BindProblem[] = [];
  #nextId = 1;
  /** Scans run one after the other; this is the end of the line. */
  #scans: Promise<void> = Promise.resolve();
  #closed = false;
  readonly #texts = new IpTexts();
  #unconfirmed = 0;
  #bytesIn = 0;
  #bytesOut = 0;
  #datagramsIn = 0;
  #datagramsOut = 0;
  #sendErrors = 0;
  #receiveErrors = 0;
  readonly #sendErrorsByCode: Record<string, number> = {};

  constructor(options: SocketOptions) {
    this.#options = options;
  }

  /** The ports in use, with random ones resolved; empty before `open`. */
  get ports(): readonly PortChoice[] {
    return this.#ports;
  }

  get statistics(): TransportStatistics {
    return {
      bytesIn: this.#bytesIn,
      bytesOut: this.#bytesOut,
      datagramsIn: this.#datagramsIn,
      datagramsOut: this.#datagramsOut,
      sendErrors: this.#sendErrors,
      sendErrorsByCode: { ...this.#sendErrorsByCode },
      receiveErrors: this.#receiveErrors,
      buffers: [...this.#sockets.values()].map(({ id, local, primary, askedBytes, grantedBytes }) => ({
        socket: id,
        local,
        primary,
        askedBytes,
        grantedBytes,
      })),
      problems: this.#problems,
    };
  }

  sockets(): readonly LocalSocket[] {
    return this.#listed;
  }

  async open(receive: (datagram: Datagram) => void): Promise<void> {
    this.#receive = receive;
    this.#ports = await resolvePorts(this.#options);
    await this.rescan();
    const fatal = fatalProblem(this.#options, this.#ports, this.#problems, this.#listed);
    if (fatal !== null) {
      await this.close();
      throw fatal;
    }
  }

  rescan(): Promise<void> {
    const scan = this.#scans.then(() => this.#scan());
    this.#scans = scan.catch(() => {});
    return scan;
  }

  /** Another random port in place of the one with that role, if there is one. */
  changePort(role: PortRole): Promise<void> {
    const change = this.#scans.then(async () => {
      this.#ports = await otherPort(this.#options, this.#ports, role);
      await this.#scan();
    });
    this.#scans = change.catch(() => {});
    return change;
  }

  /** Replaces what decides which addresses are bound, then looks again. Ports already bound stay. */
  reconfigure(addresses: AddressOptions): Promise<void> {
    this.#options = { ...this.#options, ...addresses };
    return this.rescan();
  }

  /** Node's sockets have no such option. */
  keepToInterfaces(keep: boolean): boolean {
    return !keep;
  }

  async close(): Promise<void> {
    this.#closed = true;
    await this.#scans;
    const open = [...this.#sockets.values()];
    this.#sockets.clear();
    this.#listed = [];
    await Promise.all(open.map(({ handle }) => closeSocket(handle)));
  }

  send(socket: number, to: Endpoint, bytes: Uint8Array, ttl?: number): void {
    const open = this.#sockets.get(socket);
    const obstacle = this.#obstacle(open, to, ttl);
    if (obstacle !== null || open === undefined) {
      this.#countSendError(obstacle ?? "NO_SOCKET");
      return;
    }
    const { handle } = open;
    this.#unconfirmed++;
    try {
      if (ttl !== undefined) handle.setTTL(ttl);
      handle.send(bytes, to.port, this.#texts.format(to.ip), this.#sent);
    } catch (error) {
      this.#unconfirmed--;
      this.#countSendError(errorCode(error));
    } finally {
      if (ttl !== undefined) this.#restoreTtl(handle);
    }
  }

  /** Why this datagram is not even tried: a code for the counter, or null. */
  #obstacle(open: OpenSocket | undefined, to: Endpoint, ttl: number | undefined): string | null {
    if (open === undefined) return "NO_SOCKET";
    if (open.local.family !== to.family || to.port === 0) return "BAD_ENDPOINT";
    if (ttl === undefined && this.#unconfirmed < UNCONFIRMED_BEFORE_ASKING) return null;
    const queued = open.handle.getSendQueueCount();
    // A hop limit set now would apply to what waits in the queue and not to this datagram.
    return queued >= MAX_QUEUED_DATAGRAMS || (ttl !== undefined && queued > 0) ? "QUEUE_FULL" : null;
  }

  /** Shared by all sends: a closure for each would be garbage for each. */
  readonly #sent = (error: Error | null, bytes: number): void => {
    this.#unconfirmed--;
    if (error === null) {
      this.#datagramsOut++;
      this.#bytesOut += bytes;
    } else {
      this.#countSendError(errorCode(error));
    }
  };

  #restoreTtl(handle: Socket): void {
    try {
      handle.setTTL(DEFAULT_TTL);
    } catch (error) {
      this.#countSendError(errorCode(error));
    }
  }

  #countSendError(code: string): void {
    this.#sendErrors++;
    this.#sendErrorsByCode[code] = (this.#sendErrorsByCode[code] ?? 0) + 1;
  }

  async #scan(): Promise<void> {
    if (this.#closed) return;
    const wanted = wantedSockets(this.#options, this.#ports);
    for (const socket of this.#sockets.values()) {
      const same = wanted.get(socket.key);
      if (same !== undefined) {
        wanted.delete(socket.key);
        socket.device = same.device;
        continue;
      }
      this.#sockets.delete(socket.id);
      await closeSocket(socket.handle);
    }
    const problems: BindProblem[] = [];
    for (const one of wanted.values()) {
      const { local } = one;
      try {
        await this.#bind(one);
      } catch (error) {
        problems.push({ local, code: errorCode(error) });
      }
    }
    this.#problems = problems;
    this.#listed = [...this.#sockets.values()].map(({ id, local, primary, device }) => ({
      id,
      local,
      primary,
      device,
    }));
  }

  async #bind({ local, primary, device }: WantedSocket): Promise<void> {
    const askedBytes = this.#options.receiveBufferBytes;
    const { handle, grantedBytes } = await bindSocket(local, askedBytes);
    const id = this.#nextId++;
    handle.removeAllListeners("error");
    handle.on("error", () => {
      this.#receiveErrors++;
    });
    handle.on("message", (bytes, from) => this.#arrived(id, bytes, from.address, from.port));
    this.#sockets.set(id, { id, local, primary, device, handle, key: endpointKey(local), askedBytes, grantedBytes });
  }

  #arrived(socket: number, buffer: Buffer, address: string, port: number): void {
    const ip = this.#texts.parse(address);
    if (ip === null || this.#closed) {
      this.#receiveErrors++;
      return;
    }
    this.#datagramsIn++;
    this.#bytesIn += buffer.length;
    // A plain view: Buffer's own slice() shares memory where Uint8Array's copies.
    const bytes = new Uint8Array(buffer.buffer, buffer.byteOffset, buffer.length);
    this.#receive!({ bytes, from: { family: ip.length === 4 ? 4 : 6, ip, port }, socket });
  }
}
