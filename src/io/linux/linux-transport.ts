/**
 * The transport of Linux by system calls. Its sockets are opened here, several on each local address and port, and
 * read by others: threads that wait in poll and hand on what they do not deal with themselves. What is sent through
 * this object leaves by the end of the turn, from the address and port that were asked.
 * Facts: vl1-behaviour.md §7, local-api.md §4–§5 (`bind`, blacklists).
 */
import type { Datagram, LocalSocket } from "../../node/ports.ts";
import { type Endpoint, endpointKey } from "../../protocol/inet-address.ts";
import { errorCode } from "../errors.ts";
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
} from "../local-sockets.ts";
import type { BindProblem, Transport, TransportStatistics } from "../transport.ts";
import type { Turn } from "../turn.ts";
import { ENFILE, type Libc, SystemError } from "./libc.ts";
import { DatagramSender, MAX_DATAGRAM_BYTES } from "./sender.ts";
import { bindToDevice, hasSegmentation, openUdpSocket } from "./udp.ts";

/** A local address and port, and one descriptor of it for each reader. */
export interface SharedSocket extends LocalSocket {
  readonly fds: readonly number[];
}

/** What readers count. */
export type ReaderTraffic = Pick<
  TransportStatistics,
  "bytesIn" | "bytesOut" | "datagramsIn" | "datagramsOut" | "sendErrorsByCode" | "receiveErrors"
>;

/** The threads that read the sockets. */
export interface SocketReaders {
  /** Each needs a descriptor of its own for every local address. */
  readonly count: number;
  /** Around what they hand to `receive`. */
  readonly turn: Turn;
  /** They read no more sockets than this. */
  readonly maxSockets: number;
  /** Starts reading; datagrams that somebody else has to deal with are handed to `receive`. */
  start(receive: (datagram: Datagram) => void): void;
  /** From now on these sockets. Resolves when no reader uses any other. */
  use(sockets: readonly SharedSocket[]): Promise<void>;
  /** Ends the threads. */
  stop(): Promise<void>;
  readonly traffic: ReaderTraffic;
}

interface OpenSocket extends SharedSocket {
  readonly key: string;
  /** The interface that has the address. */
  device: string | null;
  readonly grantedBytes: number;
}

const SEND_BUFFER_BYTES = 4 << 20;
/** What the kernel says when it does not cut a message: not on that way, or not that size. */
const REFUSALS = new Set(["EINVAL", "EIO", "EMSGSIZE", "EOPNOTSUPP"]);
/** After so many in a row nothing is gathered for so many datagrams. */
const MAX_REFUSALS = 16;
const DATAGRAMS_UNGATHERED = 10_000;

export class LinuxTransport implements Transport {
  #options: SocketOptions;
  readonly #libc: Libc;
  readonly #readers: SocketReaders;
  readonly #sender: DatagramSender;
  readonly #sockets = new Map<number, OpenSocket>();
  #ports: readonly PortChoice[] = [];
  #listed: readonly LocalSocket[] = [];
  #problems: BindProblem[] = [];
  #nextId = 1;
  /** Scans run one after the other; this is the end of the line. */
  #scans: Promise<void> = Promise.resolve();
  #closing: Promise<void> | null = null;
  readonly #segments: boolean;
  /** Messages in a row that the kernel did not cut. */
  #refusals = 0;
  /** Datagrams that still leave singly. */
  #ungathered = 0;
  #keptToInterfaces = false;
  #bytesOut = 0;
  #datagramsOut = 0;
  readonly #sendErrorsByCode: Record<string, number> = {};

  constructor(libc: Libc, options: SocketOptions, readers: SocketReaders) {
    this.#libc = libc;
    this.#options = options;
    this.#readers = readers;
    this.#sender = new DatagramSender(libc);
    this.#segments = hasSegmentation(libc);
    readers.turn.atEnd(() => this.#flush());
  }

  get ports(): readonly PortChoice[] {
    return this.#ports;
  }

  get statistics(): TransportStatistics {
    const { traffic } = this.#readers;
    const sendErrorsByCode = { ...this.#sendErrorsByCode };
    for (const [code, count] of Object.entries(traffic.sendErrorsByCode)) {
      sendErrorsByCode[code] = (sendErrorsByCode[code] ?? 0) + count;
    }
    return {
      bytesIn: traffic.bytesIn,
      bytesOut: this.#bytesOut + traffic.bytesOut,
      datagramsIn: traffic.datagramsIn,
      datagramsOut: this.#datagramsOut + traffic.datagramsOut,
      sendErrors: Object.values(sendErrorsByCode).reduce((sum, count) => sum + count, 0),
      sendErrorsByCode,
      receiveErrors: traffic.receiveErrors,
      buffers: [...this.#sockets.values()].map(({ id, local, primary, grantedBytes }) => ({
        socket: id,
        local,
        primary,
        askedBytes: this.#options.receiveBufferBytes,
        grantedBytes,
      })),
      problems: this.#problems,
    };
  }

  sockets(): readonly LocalSocket[] {
    return this.#listed;
  }

  async open(receive: (datagram: Datagram) => void): Promise<void> {
    this.#ports = await resolvePorts(this.#options);
    this.#readers.start(receive);
    await this.rescan();
    const fatal = fatalProblem(this.#options, this.#ports, this.#problems, this.#listed);
    if (fatal === null) return;
    await this.close();
    throw fatal;
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

  keepToInterfaces(keep: boolean): boolean {
    this.#keptToInterfaces = keep;
    const kept = [...this.#sockets.values()].map((socket) => this.#keep(socket));
    return !keep || kept.every(Boolean);
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  /** In a turn it leaves with others at the turn's end, else at once. */
  send(socket: number, to: Endpoint, bytes: Uint8Array, ttl?: number): void {
    const open = this.#sockets.get(socket);
    if (open === undefined) return this.#failed("NO_SOCKET", 1);
    if (open.local.family !== to.family || to.port === 0) return this.#failed("BAD_ENDPOINT", 1);
    if (bytes.length > MAX_DATAGRAM_BYTES) return this.#failed("EMSGSIZE", 1);
    const fd = open.fds[0]!;
    if (ttl !== undefined) return this.#sendAlone(fd, to, bytes, ttl);
    if (!this.#sender.gather(fd, to, bytes)) {
      this.#flush();
      this.#sender.gather(fd, to, bytes);
    }
    if (this.#ungathered > 0) this.#ungathered--;
    if (!this.#segments || !this.#readers.turn.isOpen || this.#ungathered > 0) this.#flush();
  }

  /** As one message that the kernel cuts, where it can and the way allows; else one by one. */
  sendPieces(socket: number, to: Endpoint, pieces: readonly Uint8Array[]): void {
    this.#readers.turn.run(() => {
      for (const piece of pieces) this.send(socket, to, piece);
    });
  }

  #sendAlone(fd: number, to: Endpoint, bytes: Uint8Array, ttl: number): void {
    this.#flush();
    const failed = this.#sender.send(fd, to, bytes, ttl);
    if (failed === null) this.#sent(1, bytes.length);
    else this.#failed(failed, 1);
  }

  /** Sends what was gathered. */
  #flush(): void {
    const sender = this.#sender;
    const { gathered, gatheredBytes } = sender;
    if (gathered === 0) return;
    const failed = sender.sendGathered();
    if (failed === null) {
      this.#sent(gathered, gatheredBytes);
      if (gathered > 1) this.#refusals = 0;
    } else if (gathered === 1 || failed === "EAGAIN") {
      // A full buffer stays full.
      this.#failed(failed, gathered);
    } else {
      if (REFUSALS.has(failed) && ++this.#refusals >= MAX_REFUSALS) {
        this.#refusals = 0;
        this.#ungathered = DATAGRAMS_UNGATHERED;
      }
      sender.sendGatheredSingly(this.#single);
    }
    sender.forgetGathered();
  }

  readonly #single = (failed: string | null, bytes: number): void => {
    if (failed === null) this.#sent(1, bytes);
    else this.#failed(failed, 1);
  };

  #sent(datagrams: number, bytes: number): void {
    this.#datagramsOut += datagrams;
    this.#bytesOut += bytes;
  }

  #failed(code: string, datagrams: number): void {
    this.#sendErrorsByCode[code] = (this.#sendErrorsByCode[code] ?? 0) + datagrams;
  }

  async #close(): Promise<void> {
    await this.#scans;
    await this.#readers.stop();
    for (const { fds } of this.#sockets.values()) this.#closeAll(fds);
    this.#sockets.clear();
    this.#listed = [];
  }

  async #scan(): Promise<void> {
    if (this.#closing !== null) return;
    const wanted = wantedSockets(this.#options, this.#ports);
    const gone: OpenSocket[] = [];
    for (const socket of this.#sockets.values()) {
      const same = wanted.get(socket.key);
      if (same !== undefined) {
        wanted.delete(socket.key);
        this.#moved(socket, same.device);
        continue;
      }
      this.#sockets.delete(socket.id);
      gone.push(socket);
    }
    // A descriptor may only be closed when nobody reads it: its number would soon name something else.
    if (gone.length > 0) await this.#readers.use([...this.#sockets.values()]);
    for (const { fds } of gone) this.#closeAll(fds);
    const problems: BindProblem[] = [];
    for (const one of wanted.values()) {
      const { local } = one;
      try {
        this.#bind(one);
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
    await this.#readers.use([...this.#sockets.values()]);
  }

  /** The address may be another interface's by now. */
  #moved(socket: OpenSocket, device: string | null): void {
    if (socket.device === device) return;
    socket.device = device;
    if (this.#keptToInterfaces) this.#keep(socket);
  }

  /** True if the socket keeps to its interface now. */
  #keep({ fds, device }: OpenSocket): boolean {
    const wanted = this.#keptToInterfaces ? device : null;
    const done = fds.map((fd) => bindToDevice(this.#libc, fd, wanted) === null);
    return wanted !== null && done.every(Boolean);
  }

  #bind({ local, primary, device }: WantedSocket): void {
    if (this.#sockets.size >= this.#readers.maxSockets) throw new SystemError("socket", ENFILE);
    const fds: number[] = [];
    let grantedBytes = 0;
    try {
      for (let reader = 0; reader < this.#readers.count; reader++) {
        const opened = openUdpSocket(this.#libc, local, {
          receiveBufferBytes: this.#options.receiveBufferBytes,
          sendBufferBytes: SEND_BUFFER_BYTES,
          first: reader === 0,
        });
        fds.push(opened.fd);
        grantedBytes = opened.grantedBytes;
      }
    } catch (error) {
      this.#closeAll(fds);
      throw error;
    }
    const id = this.#nextId++;
    const socket = { id, local, primary, fds, key: endpointKey(local), device, grantedBytes };
    this.#sockets.set(id, socket);
    if (this.#keptToInterfaces) this.#keep(socket);
  }

  #closeAll(fds: readonly number[]): void {
    for (const fd of fds) this.#libc.close(fd);
  }
}
