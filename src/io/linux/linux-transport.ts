/**
 * The transport of Linux by system calls. Its sockets are opened here, several on each local address and port, and
 * read by others: threads that wait in poll and hand on what they do not deal with themselves. What is sent through
 * this object leaves at once, from the address and port that were asked.
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
import { ENFILE, type Libc, SystemError } from "./libc.ts";
import { DatagramSender } from "./sender.ts";
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
  readonly #segment: boolean;
  #keptToInterfaces = false;
  #bytesOut = 0;
  #datagramsOut = 0;
  readonly #sendErrorsByCode: Record<string, number> = {};

  constructor(libc: Libc, options: SocketOptions, readers: SocketReaders) {
    this.#libc = libc;
    this.#options = options;
    this.#readers = readers;
    this.#sender = new DatagramSender(libc);
    this.#segment = hasSegmentation(libc);
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

  send(socket: number, to: Endpoint, bytes: Uint8Array, ttl?: number): void {
    const open = this.#sockets.get(socket);
    let failed: string | null;
    if (open === undefined) failed = "NO_SOCKET";
    else if (open.local.family !== to.family || to.port === 0) failed = "BAD_ENDPOINT";
    else failed = this.#sender.send(open.fds[0]!, to, bytes, ttl);
    if (failed !== null) {
      this.#sendErrorsByCode[failed] = (this.#sendErrorsByCode[failed] ?? 0) + 1;
      return;
    }
    this.#datagramsOut++;
    this.#bytesOut += bytes.length;
  }

  /** As one message that the kernel cuts, where it can and the way allows; else one by one. */
  sendPieces(socket: number, to: Endpoint, pieces: readonly Uint8Array[]): void {
    const open = this.#sockets.get(socket);
    if (this.#segment && open !== undefined && open.local.family === to.family && to.port !== 0) {
      const failed = this.#sender.sendSegmented(open.fds[0]!, to, pieces);
      if (failed === null) {
        this.#datagramsOut += pieces.length;
        for (const piece of pieces) this.#bytesOut += piece.length;
        return;
      }
      // A full buffer stays full; everything else may be the way, or the size, and goes as single datagrams.
      if (failed === "EAGAIN") {
        this.#sendErrorsByCode[failed] = (this.#sendErrorsByCode[failed] ?? 0) + pieces.length;
        return;
      }
    }
    for (const piece of pieces) this.send(socket, to, piece);
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
