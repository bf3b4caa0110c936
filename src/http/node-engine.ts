/**
 * The HTTP engine on node:http: works on every platform. Slow clients are cut off by the timeouts below, endless
 * ones by the body limit.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { createServer as createSecureServer } from "node:https";
import type { AddressInfo } from "node:net";
import type { Duplex } from "node:stream";
import { parseIp } from "../protocol/inet-address.ts";
import { BodyCollector } from "./body.ts";
import type { HttpApplication, HttpEngine, HttpListener, HttpReply, RequestHead } from "./engine.ts";
import { DRAIN_MS, drained, ListenError, unmapAddress } from "./listen.ts";

const MAX_HEADER_BYTES = 8192;
const MAX_CONNECTIONS = 1024;
const NO_ADDRESS = new Uint8Array(0);

/** How long a client may take for what. */
export interface HttpTimeouts {
  readonly headersMs: number;
  /** Headers and body together. */
  readonly requestMs: number;
  /** Between two requests. */
  readonly keepAliveMs: number;
  /** A connection with no traffic at all, for instance one that does not read its answer. */
  readonly idleMs: number;
  /** How often the first two are looked after. */
  readonly checkMs: number;
}

/** local-api.md §1: idle connections are kept for 5 s. The others are generous for a local client. */
const TIMEOUTS: HttpTimeouts = { headersMs: 5000, requestMs: 15_000, keepAliveMs: 5000, idleMs: 30_000, checkMs: 1000 };

function remoteAddressOf(request: IncomingMessage): Uint8Array {
  const text = request.socket.remoteAddress;
  // A zone ("fe80::1%eth0") says which interface; the address is what access rules are about.
  const ip = text === undefined ? null : parseIp(text.split("%")[0] ?? "");
  return ip === null ? NO_ADDRESS : unmapAddress(ip);
}

function headOf(request: IncomingMessage): RequestHead {
  const url = request.url ?? "";
  const mark = url.indexOf("?");
  const headers = new Map<string, string>();
  const raw = request.rawHeaders;
  for (let i = 0; i + 1 < raw.length; i += 2) {
    const name = raw[i]!.toLowerCase();
    const earlier = headers.get(name);
    headers.set(name, earlier === undefined ? raw[i + 1]! : `${earlier}, ${raw[i + 1]}`);
  }
  return {
    method: request.method ?? "",
    path: mark < 0 ? url : url.slice(0, mark),
    query: mark < 0 ? "" : url.slice(mark + 1),
    headers,
    remoteAddress: remoteAddressOf(request),
  };
}

function send(request: IncomingMessage, response: ServerResponse, reply: HttpReply): void {
  if (response.destroyed || response.headersSent) return;
  const length = typeof reply.body === "string" ? Buffer.byteLength(reply.body) : reply.body.length;
  response.writeHead(reply.status, { ...reply.headers, "Content-Length": length });
  response.end(request.method === "HEAD" ? undefined : reply.body);
}

const EMPTY = { headers: {}, body: "" } as const;

async function answer(
  application: HttpApplication,
  head: RequestHead,
  request: IncomingMessage,
  response: ServerResponse,
  body: Uint8Array,
): Promise<void> {
  try {
    send(request, response, await application.handle({ ...head, body }));
  } catch {
    send(request, response, { ...EMPTY, status: 500 });
  }
}

function serve(application: HttpApplication, request: IncomingMessage, response: ServerResponse): void {
  // A client that goes away is no event for us; without listeners its error would be an uncaught one.
  request.on("error", () => {});
  response.on("error", () => {});
  const head = headOf(request);
  let refusal: HttpReply | null;
  try {
    refusal = application.admit(head);
  } catch {
    refusal = { ...EMPTY, status: 500 };
  }
  if (refusal !== null) {
    send(request, response, refusal);
    return;
  }
  const body = new BodyCollector(application.maxBodyBytes);
  request.on("data", (chunk: Buffer) => {
    if (body.push(chunk) === "hopeless") request.destroy();
  });
  request.on("end", () => {
    if (body.tooLarge) send(request, response, { ...EMPTY, status: 413 });
    else void answer(application, head, request, response, body.take());
  });
}

class NodeListener implements HttpListener {
  readonly port: number;
  readonly hosts: readonly string[];
  readonly #servers: readonly Server[];
  readonly #pending: { count: number };
  #stopped: Promise<void> | null = null;

  constructor(port: number, hosts: readonly string[], servers: readonly Server[], pending: { count: number }) {
    this.port = port;
    this.hosts = hosts;
    this.#servers = servers;
    this.#pending = pending;
  }

  stopListening(): Promise<void> {
    if (this.#stopped === null) {
      // close() frees the port in this very call; its callback waits for the last connection, which is not asked here.
      for (const server of this.#servers) server.close();
      this.#stopped = Promise.resolve();
    }
    return this.#stopped;
  }

  async close(): Promise<void> {
    await this.stopListening();
    for (const server of this.#servers) server.closeIdleConnections();
    await drained(() => this.#pending.count, DRAIN_MS);
    for (const server of this.#servers) server.closeAllConnections();
  }
}

function newServer(
  application: HttpApplication,
  pending: { count: number },
  timeouts: HttpTimeouts,
  tls: TlsMaterial | null,
): Server {
  const serveOne = (request: IncomingMessage, response: ServerResponse) => {
    pending.count++;
    response.once("close", () => {
      pending.count--;
    });
    serve(application, request, response);
  };
  const settings = {
    // zerotier-cli sends HTTP/1.1 requests without one.
    requireHostHeader: false,
    maxHeaderSize: MAX_HEADER_BYTES,
    headersTimeout: timeouts.headersMs,
    requestTimeout: timeouts.requestMs,
    connectionsCheckingInterval: timeouts.checkMs,
    keepAliveTimeout: timeouts.keepAliveMs,
  };
  const server =
    tls === null ? createServer(settings, serveOne) : createSecureServer({ ...settings, ...tls }, serveOne);
  const { upgrade } = application;
  if (upgrade !== undefined) {
    server.on("upgrade", (request: IncomingMessage, socket: Duplex, rest: Buffer) => {
      // As above: a client that goes away is no event.
      socket.on("error", () => {});
      upgrade(headOf(request), request, socket, rest);
    });
  }
  server.maxConnections = MAX_CONNECTIONS;
  server.timeout = timeouts.idleMs;
  return server;
}

function listenOn(server: Server, host: string, port: number): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen({ host, port, exclusive: true }, () => {
      server.off("error", reject);
      // Accepting can fail later (out of descriptors): the server goes on with the connections that it has.
      server.on("error", () => {});
      resolve((server.address() as AddressInfo).port);
    });
  });
}

/** A private key and its certificate, PEM. */
export interface TlsMaterial {
  readonly key: string;
  readonly cert: string;
}

/** The engine on node:http, or on node:https with `tls`. Other time limits are for tests. */
export function createNodeEngine(timeouts: HttpTimeouts = TIMEOUTS, tls: TlsMaterial | null = null): HttpEngine {
  return {
    name: "node",
    requiresHost: false,
    async listen(hosts, port, application) {
      const pending = { count: 0 };
      const servers: Server[] = [];
      const bound: string[] = [];
      const reasons: string[] = [];
      let actual = port;
      for (const host of hosts) {
        const server = newServer(application, pending, timeouts, tls);
        try {
          actual = await listenOn(server, host, actual);
          servers.push(server);
          bound.push(host);
        } catch (error) {
          reasons.push(error instanceof Error ? error.message : String(error));
        }
      }
      if (servers.length === 0) throw new ListenError(hosts, port, reasons);
      return new NodeListener(actual, bound, servers, pending);
    },
  };
}
