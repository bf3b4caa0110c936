/**
 * The HTTP engine on uWebSockets.js. Its rules are kept here, once, for all handlers: `onAborted` is set before
 * anything asynchronous, a response is never touched after that, every write happens inside `cork`, and everything
 * that lives only during the callback (request, chunks, addresses) is copied in it.
 */
import { STATUS_CODES } from "node:http";
import { type AddressInfo, createServer } from "node:net";
import { BodyCollector } from "./body.ts";
import type { HttpApplication, HttpEngine, HttpListener, HttpReply, RequestHead } from "./engine.ts";
import { DRAIN_MS, drained, ListenError, unmapAddress } from "./listen.ts";

/** The part of uWebSockets.js that we use. The package is optional, so its own types may be absent at build time. */
interface UwsResponse {
  writeStatus(status: string): UwsResponse;
  writeHeader(name: string, value: string): UwsResponse;
  end(body?: string | Uint8Array, closeConnection?: boolean): UwsResponse;
  endWithoutBody(reportedLength?: number, closeConnection?: boolean): UwsResponse;
  close(): UwsResponse;
  cork(write: () => void): UwsResponse;
  onAborted(handler: () => void): UwsResponse;
  onData(handler: (chunk: ArrayBuffer, isLast: boolean) => void): UwsResponse;
  getRemoteAddress(): ArrayBuffer;
}

interface UwsRequest {
  getMethod(): string;
  getUrl(): string;
  getQuery(): string | undefined;
  forEach(each: (name: string, value: string) => void): void;
}

type UwsListenSocket = object;

interface UwsApp {
  any(pattern: string, handler: (response: UwsResponse, request: UwsRequest) => void): UwsApp;
  listen(host: string, port: number, options: number, done: (socket: UwsListenSocket | false) => void): UwsApp;
  close(): UwsApp;
}

export interface UwsModule {
  App(): UwsApp;
  SSLApp: unknown;
  us_listen_socket_close(socket: UwsListenSocket): void;
  us_socket_local_port(socket: UwsListenSocket): number;
}

/** Without it the kernel lets a second process listen on the same port and share the connections. */
const LISTEN_EXCLUSIVE_PORT = 1;
/** The library itself only bounds headers by its receive buffer of half a megabyte. */
const MAX_HEADER_BYTES = 8192;
const EMPTY = { headers: {}, body: "" } as const;
const HEADERS_TOO_LARGE: HttpReply = { ...EMPTY, status: 431 };

/** True for the native module: its JavaScript imitation has no SSLApp. */
export function isUwsModule(value: unknown): value is UwsModule {
  const module = value as Partial<UwsModule> | null;
  return (
    typeof module === "object" &&
    typeof module?.SSLApp === "function" &&
    typeof module.App === "function" &&
    typeof module.us_listen_socket_close === "function" &&
    typeof module.us_socket_local_port === "function"
  );
}

/** A port that is free on `host`, or 0 if the host does not exist here. */
function freePort(host: string): Promise<number> {
  return new Promise((resolve) => {
    const probe = createServer();
    probe.once("error", () => resolve(0));
    probe.listen({ host, port: 0, exclusive: true }, () => {
      const { port } = probe.address() as AddressInfo;
      probe.close(() => resolve(port));
    });
  });
}

/** The head, or null if it is too large. */
function headOf(request: UwsRequest, response: UwsResponse): RequestHead | null {
  const headers = new Map<string, string>();
  let bytes = request.getUrl().length + (request.getQuery()?.length ?? 0);
  request.forEach((name, value) => {
    bytes += name.length + value.length;
    const earlier = headers.get(name);
    headers.set(name, earlier === undefined ? value : `${earlier}, ${value}`);
  });
  if (bytes > MAX_HEADER_BYTES) return null;
  return {
    method: request.getMethod().toUpperCase(),
    path: request.getUrl(),
    query: request.getQuery() ?? "",
    headers,
    remoteAddress: unmapAddress(new Uint8Array(response.getRemoteAddress())),
  };
}

/** One request: knows whether its response may still be touched. */
class Exchange {
  readonly #response: UwsResponse;
  readonly #method: string;
  readonly #done: () => void;
  #open = true;

  constructor(response: UwsResponse, method: string, done: () => void) {
    this.#response = response;
    this.#method = method;
    this.#done = done;
    response.onAborted(() => this.#finish());
  }

  #finish(): void {
    if (!this.#open) return;
    this.#open = false;
    this.#done();
  }

  reply(reply: HttpReply, closeConnection = false): void {
    if (!this.#open) return;
    const response = this.#response;
    response.cork(() => {
      response.writeStatus(`${reply.status} ${STATUS_CODES[reply.status] ?? "Unknown"}`);
      for (const [name, value] of Object.entries(reply.headers)) response.writeHeader(name, value);
      if (this.#method !== "HEAD") response.end(reply.body, closeConnection);
      else if (typeof reply.body === "string") response.endWithoutBody(Buffer.byteLength(reply.body));
      else response.endWithoutBody(reply.body.length);
    });
    this.#finish();
  }

  drop(): void {
    if (this.#open) this.#response.close();
  }

  async answer(application: HttpApplication, head: RequestHead, body: Uint8Array): Promise<void> {
    try {
      this.reply(await application.handle({ ...head, body }));
    } catch {
      this.reply({ ...EMPTY, status: 500 });
    }
  }
}

function serve(application: HttpApplication, response: UwsResponse, request: UwsRequest, done: () => void): void {
  const head = headOf(request, response);
  const exchange = new Exchange(response, head?.method ?? "", done);
  if (head === null) {
    exchange.reply(HEADERS_TOO_LARGE, true);
    return;
  }
  let refusal: HttpReply | null;
  try {
    refusal = application.admit(head);
  } catch {
    refusal = { ...EMPTY, status: 500 };
  }
  if (refusal !== null) {
    exchange.reply(refusal);
    return;
  }
  const body = new BodyCollector(application.maxBodyBytes);
  response.onData((chunk, isLast) => {
    if (body.push(new Uint8Array(chunk)) === "hopeless") exchange.drop();
    else if (isLast && body.tooLarge) exchange.reply({ ...EMPTY, status: 413 });
    else if (isLast) void exchange.answer(application, head, body.take());
  });
}

class UwsListener implements HttpListener {
  readonly port: number;
  readonly hosts: readonly string[];
  readonly #uws: UwsModule;
  readonly #app: UwsApp;
  readonly #pending: { count: number };
  #sockets: readonly UwsListenSocket[];
  #closed = false;

  constructor(
    uws: UwsModule,
    app: UwsApp,
    bound: ReadonlyMap<string, UwsListenSocket>,
    port: number,
    pending: { count: number },
  ) {
    this.#uws = uws;
    this.#app = app;
    this.#sockets = [...bound.values()];
    this.#pending = pending;
    this.hosts = [...bound.keys()];
    this.port = port;
  }

  stopListening(): Promise<void> {
    for (const socket of this.#sockets) this.#uws.us_listen_socket_close(socket);
    this.#sockets = [];
    return Promise.resolve();
  }

  async close(): Promise<void> {
    await this.stopListening();
    await drained(() => this.#pending.count, DRAIN_MS);
    if (this.#closed) return;
    this.#closed = true;
    this.#app.close();
  }
}

/** The engine on the native uWebSockets.js. */
export function createUwsEngine(uws: UwsModule): HttpEngine {
  return {
    name: "uws",
    requiresHost: true,
    async listen(hosts, port, application) {
      const pending = { count: 0 };
      const app = uws.App().any("/*", (response, request) => {
        pending.count++;
        serve(application, response, request, () => {
          pending.count--;
        });
      });
      const bound = new Map<string, UwsListenSocket>();
      let actual = port;
      for (const host of hosts) {
        // Given port 0 the library leaves SO_REUSEADDR off, and the port could not be bound again for a minute.
        if (actual === 0) actual = await freePort(host);
        if (actual === 0) continue;
        const socket = await new Promise<UwsListenSocket | false>((resolve) => {
          app.listen(host, actual, LISTEN_EXCLUSIVE_PORT, resolve);
        });
        if (socket === false) continue;
        bound.set(host, socket);
        actual = uws.us_socket_local_port(socket);
      }
      if (bound.size === 0) throw new ListenError(hosts, port, ["the address is in use or does not exist here"]);
      return new UwsListener(uws, app, bound, actual, pending);
    },
  };
}
