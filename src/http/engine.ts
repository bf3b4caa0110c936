/**
 * The HTTP server under the service API and the telemetry listener, as a small interface of our own. Two engines
 * implement it: uWebSockets.js where its native build loads, node:http everywhere else. An application sees the
 * same requests from both; test/http/engine.test.ts holds them to it.
 */
import type { IncomingMessage } from "node:http";
import { createRequire } from "node:module";
import type { Duplex } from "node:stream";
import { createNodeEngine } from "./node-engine.ts";
import { createUwsEngine, isUwsModule, type UwsModule } from "./uws-engine.ts";

/** A request before its body. Everything is copied: it may be kept. */
export interface RequestHead {
  /** Upper case. */
  readonly method: string;
  /** As sent, still percent-encoded, without the query. */
  readonly path: string;
  /** What followed the first `?`, still encoded; empty if nothing did. */
  readonly query: string;
  /** Names in lower case; repeated headers are joined by ", ". */
  readonly headers: ReadonlyMap<string, string>;
  /** 4 or 16 bytes, network order; IPv4-mapped IPv6 addresses come as 4. Empty if the peer is already gone. */
  readonly remoteAddress: Uint8Array;
}

/** A complete request. */
export interface HttpRequest extends RequestHead {
  readonly body: Uint8Array;
}

/** What is sent back. The engine adds Content-Length, and leaves the body out for HEAD. */
export interface HttpReply {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string | Uint8Array;
}

/** What an engine serves. */
export interface HttpApplication {
  /** Larger bodies are answered 413 without being kept. */
  readonly maxBodyBytes: number;
  /** Called before the body is read. A reply ends the request here; null lets it through to `handle`. */
  admit(head: RequestHead): HttpReply | null;
  /**
   * A request to go on with another protocol (WebSocket), with its connection, which is the application's from then
   * on. Without this, and with the engine on uWebSockets.js, such requests are served as plain ones.
   */
  readonly upgrade?: (head: RequestHead, request: IncomingMessage, socket: Duplex, rest: Buffer) => void;
  /** Must not throw: what it throws is answered by an empty 500. */
  handle(request: HttpRequest): HttpReply | Promise<HttpReply>;
}

/** A listening server. */
export interface HttpListener {
  readonly port: number;
  /** The hosts that could be bound, of those asked for. */
  readonly hosts: readonly string[];
  /** Releases the port; requests under way are finished. Resolves when the port is free. */
  stopListening(): Promise<void>;
  /** Releases the port, gives running requests `DRAIN_MS`, then closes every connection. Idempotent. */
  close(): Promise<void>;
}

export interface HttpEngine {
  readonly name: "uws" | "node";
  /**
   * True if HTTP/1.1 requests without a Host header are dropped, as the standard wants. The reference's CLI sends no
   * Host, so such an engine cannot serve it.
   */
  readonly requiresHost: boolean;
  /**
   * Listens on the same port of each of `hosts` (IP addresses; "::" also takes IPv4). Port 0 picks one. A host that
   * cannot be bound is left out; rejects with `ListenError` if none can.
   */
  listen(hosts: readonly string[], port: number, application: HttpApplication): Promise<HttpListener>;
}

function loadUws(): UwsModule | null {
  const require = createRequire(import.meta.url);
  const file = `uws_${process.platform}_${process.arch}_${process.versions.modules}.node`;
  // The npm build keeps its binaries in a directory, the upstream package in its root. The binary itself is loaded,
  // and not the package: the package falls back to a JavaScript imitation that takes the process down.
  for (const path of [`uWebSockets.js/binaries/${file}`, `uWebSockets.js/${file}`]) {
    try {
      const loaded: unknown = require(require.resolve(path));
      if (isUwsModule(loaded)) return loaded;
    } catch {
      // Not installed, not built for this runtime, or built for another C library: the other engine serves.
    }
  }
  return null;
}

/**
 * The best engine that works here: uWebSockets.js if its native build loads, else node:http. `prefer` asks for one;
 * "uws" quietly becomes "node" where it does not load (look at `name`).
 */
export function loadEngine(options: { readonly prefer?: "uws" | "node" } = {}): HttpEngine {
  const uws = options.prefer === "node" ? null : loadUws();
  return uws === null ? createNodeEngine() : createUwsEngine(uws);
}
