/**
 * The TCP relay of a root: joins root/tcp-relay.ts to sockets. Each connection has a UDP socket of its own, so that the
 * root tells clients apart by address, as it does everybody else. Facts: vl1-behaviour.md §7.1.
 */
import { type BoundSocket, bindSocket, closeSocket } from "../io/dgram-socket.ts";
import { IpTexts } from "../io/ip-text.ts";
import { listenStreams, type Stream, type StreamListener } from "../io/stream.ts";
import type { Millis } from "../node/ports.ts";
import { type Endpoint, makeEndpoint } from "../protocol/inet-address.ts";
import {
  type Reach,
  type RelayEnd,
  type RelayWorld,
  TcpRelay,
  type TcpRelayLimits,
  TcpRelaySession,
  type TcpRelayStatistics,
} from "../root/tcp-relay.ts";

const ANYWHERE = makeEndpoint(new Uint8Array(4), 0);
const RECEIVE_BUFFER_BYTES = 262_144;
/** Connections are looked at for their age this often. */
const SWEEP_MS = 5000;
/** Datagrams waiting in one socket; more are dropped. */
const MAX_QUEUED_DATAGRAMS = 256;

export interface TcpRelayOptions {
  /** An IP and a port. */
  readonly listen: { readonly host: string; readonly port: number };
  readonly limits: TcpRelayLimits;
  readonly reach: Reach;
  readonly world: RelayWorld;
  readonly clock: () => Millis;
  /** A connection came, or ended in some way. */
  readonly changed: (from: Endpoint, what: "connected" | RelayEnd) => void;
  /** The listener had an error; it goes on. */
  readonly failed: (code: string) => void;
}

interface Connection {
  readonly from: Endpoint;
  readonly stream: Stream;
  readonly session: TcpRelaySession;
  socket: BoundSocket["handle"] | null;
}

/** A running relay. */
export class TcpRelayServer {
  readonly #options: TcpRelayOptions;
  readonly #relay: TcpRelay;
  readonly #connections = new Set<Connection>();
  readonly #texts = new IpTexts();
  #listener: StreamListener | null = null;
  #timer: NodeJS.Timeout | undefined;

  constructor(options: TcpRelayOptions) {
    this.#options = options;
    this.#relay = new TcpRelay(options.limits);
  }

  get statistics(): TcpRelayStatistics {
    return this.#relay.statistics;
  }

  /** 0 until it listens. */
  get port(): number {
    return this.#listener?.port ?? 0;
  }

  /** Rejects with an IoError if the address cannot be had. */
  async start(): Promise<void> {
    const { listen, failed } = this.#options;
    this.#listener = await listenStreams(listen, (stream, from) => void this.#accept(stream, from), failed);
    this.#timer = setInterval(() => this.#sweep(), SWEEP_MS);
  }

  async close(): Promise<void> {
    clearInterval(this.#timer);
    const closed = this.#listener?.close();
    for (const connection of this.#connections) this.#end(connection, "stopped");
    await closed;
  }

  async #accept(stream: Stream, from: Endpoint): Promise<void> {
    if (!this.#relay.enter(from)) return stream.close();
    const { reach, world, clock, changed } = this.#options;
    const session = new TcpRelaySession(this.#relay, reach, world, clock());
    const connection: Connection = { from, stream, session, socket: null };
    this.#connections.add(connection);
    changed(from, "connected");
    try {
      const { handle } = await bindSocket(ANYWHERE, RECEIVE_BUFFER_BYTES);
      if (!this.#connections.has(connection)) return void closeSocket(handle);
      this.#join(connection, handle);
    } catch {
      this.#end(connection, "socket");
    }
  }

  #join(connection: Connection, handle: BoundSocket["handle"]): void {
    const { stream, session } = connection;
    const { clock } = this.#options;
    const { drops } = this.statistics;
    connection.socket = handle;
    handle.removeAllListeners("error");
    handle.on("error", () => {
      drops.send_failed++;
    });
    handle.on("message", (buffer, { address, port }) => {
      const ip = this.#texts.parse(address);
      if (ip === null) return;
      const bytes = new Uint8Array(buffer.buffer, buffer.byteOffset, buffer.length);
      const message = session.returned({ family: 4, ip, port }, bytes, stream.queuedBytes, clock());
      if (message !== null) stream.write(message);
    });
    const sent = (error: Error | null) => {
      if (error !== null) drops.send_failed++;
    };
    const forward = (to: Endpoint, bytes: Uint8Array) => {
      if (handle.getSendQueueCount() >= MAX_QUEUED_DATAGRAMS) drops.queue_full++;
      else handle.send(Buffer.from(bytes), to.port, this.#texts.format(to.ip), sent);
    };
    stream.start({
      opened: () => {},
      data: (bytes) => {
        if (!session.received(bytes, clock(), forward)) this.#end(connection, "malformed");
      },
      closed: () => this.#end(connection, "client"),
    });
  }

  #sweep(): void {
    const now = this.#options.clock();
    for (const connection of this.#connections) {
      const why = connection.session.expired(now);
      if (why !== null) this.#end(connection, why);
    }
  }

  #end(connection: Connection, how: RelayEnd): void {
    if (!this.#connections.delete(connection)) return;
    connection.stream.close();
    if (connection.socket !== null) void closeSocket(connection.socket);
    this.#relay.left(connection.from, how);
    this.#options.changed(connection.from, how);
  }
}
