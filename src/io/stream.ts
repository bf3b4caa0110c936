/**
 * TCP connections for tunnels: bytes in, bytes out, how much waits. Connecting and accepting; names are not looked up.
 * Facts: vl1-behaviour.md §7.1.
 */
import { connect, createServer, isIP, type Server, type Socket } from "node:net";
import { type Endpoint, formatIp, makeEndpoint, parseIp } from "../protocol/inet-address.ts";
import { bindError, errorCode } from "./errors.ts";

/** What a connection tells. */
export interface StreamEvents {
  opened(): void;
  /** Valid until the call returns. */
  data(bytes: Uint8Array): void;
  /** Once, unless we closed it; `code` is the system's, null if the other side was done. */
  closed(code: string | null): void;
}

/** An open connection, or one that is being made. */
export class Stream {
  readonly #socket: Socket;
  #events: StreamEvents | null = null;
  #failure: string | null = null;

  constructor(socket: Socket) {
    this.#socket = socket;
    socket.setNoDelay(true);
    socket.on("error", (error) => {
      this.#failure = errorCode(error);
    });
    socket.on("connect", () => this.#events?.opened());
    socket.on("data", (buffer: Buffer) =>
      this.#events?.data(new Uint8Array(buffer.buffer, buffer.byteOffset, buffer.length)),
    );
    // No half-open connections: a tunnel that carries nothing one way is of no use.
    socket.on("close", () => this.#events?.closed(this.#failure));
  }

  /** Begins to hand on what happens. */
  start(events: StreamEvents): this {
    this.#events = events;
    this.#socket.resume();
    return this;
  }

  /** Bytes that the system has not taken yet. */
  get queuedBytes(): number {
    return this.#socket.writableLength;
  }

  /** The bytes must not be changed afterwards. */
  write(bytes: Uint8Array): void {
    if (!this.#socket.destroyed) this.#socket.write(bytes);
  }

  /** Ends it at once; nothing is told any more. */
  close(): void {
    this.#events = null;
    this.#socket.destroy();
  }
}

/** Begins to connect. A failure is told as `closed`. */
export function connectStream({ ip, port }: Endpoint, events: StreamEvents): Stream {
  return new Stream(connect({ host: formatIp(ip), port })).start(events);
}

/** A TCP listener. */
export interface StreamListener {
  readonly port: number;
  /** Stops accepting; connections stay. */
  close(): Promise<void>;
}

/**
 * Accepts connections on an IP; each is handed on before anything is read from it. Rejects with an IoError if that cannot
 * be had. `setting` is what the operator would change.
 */
export async function listenStreams(
  { host, port }: { readonly host: string; readonly port: number },
  accepted: (stream: Stream, from: Endpoint) => void,
  failed: (code: string) => void,
): Promise<StreamListener> {
  const server = createServer({ pauseOnConnect: true, noDelay: true, keepAlive: true }, (socket) => {
    const ip = parseIp((socket.remoteAddress ?? "").replace(/^::ffff:(?=\d+\.)/, ""));
    if (ip === null) socket.destroy();
    else accepted(new Stream(socket), makeEndpoint(ip, socket.remotePort ?? 0));
  });
  await listening(server, host, port);
  server.on("error", (error) => failed(errorCode(error)));
  const address = server.address();
  return {
    port: typeof address === "object" && address !== null ? address.port : port,
    close: () => new Promise((resolve) => server.close(() => resolve())),
  };
}

function listening(server: Server, host: string, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once("error", (error) => {
      const ip = isIP(host) === 0 ? null : parseIp(host);
      reject(bindError("TCP", makeEndpoint(ip ?? new Uint8Array(4), port), errorCode(error), "listen.tcpRelay"));
    });
    server.listen({ host, port }, () => {
      server.removeAllListeners("error");
      resolve();
    });
  });
}
