/**
 * `/api/v1/events`: events as they happen, over a WebSocket.
 *
 * Query: `network`, `types` (separated by commas), `since` (the number of the last event that was seen). Each message
 * is one event as JSON; `{"type": "gap"}` comes first if events behind `since` are lost. The token comes as for every
 * request, or, from a browser, as a subprotocol `bearer.orr_…` beside `orrery.v1`.
 */
import type { IncomingMessage } from "node:http";
import type { Duplex } from "node:stream";
import { type WebSocket, WebSocketServer } from "ws";
import { formatJson, type JsonValue } from "../json/json.ts";
import type { HttpReply, RequestHead } from "./engine.ts";
import { EVENT_TYPES, type EventLog, type WatchedEvent } from "./event-log.ts";

export const EVENTS_PATH = "/api/v1/events";
const PROTOCOL = "orrery.v1";
const TOKEN_PROTOCOL = "bearer.";
const MAX_WATCHERS = 256;
/** What a watcher may be behind; one that is further behind is let go. */
const MAX_BEHIND_BYTES = 1 << 20;
const PING_INTERVAL_MS = 30_000;
const MAX_MESSAGE_BYTES = 1024;

/** Close codes: the standard's for going away, ours above 4000. */
const GOING_AWAY = 1001;
const TOO_SLOW = 4008;

/** What a watcher wants to see. */
interface Wish {
  readonly network: string | null;
  readonly types: ReadonlySet<string> | null;
  readonly since: number | null;
}

/** The token that a browser puts into the subprotocols; null if there is none. */
export function protocolToken({ headers }: RequestHead): string | null {
  const offered = (headers.get("sec-websocket-protocol") ?? "").split(",").map((word) => word.trim());
  return offered.find((word) => word.startsWith(TOKEN_PROTOCOL))?.slice(TOKEN_PROTOCOL.length) ?? null;
}

export class EventStream {
  readonly #log: EventLog;
  readonly #server = new WebSocketServer({
    noServer: true,
    maxPayload: MAX_MESSAGE_BYTES,
    clientTracking: false,
    handleProtocols: (offered) => (offered.has(PROTOCOL) ? PROTOCOL : false),
  });
  readonly #sockets = new Map<WebSocket, { alive: boolean }>();
  readonly #pinging: NodeJS.Timeout;
  /** Watchers that were let go because they read too slowly. */
  tooSlow = 0;

  constructor(log: EventLog) {
    this.#log = log;
    this.#pinging = setInterval(() => this.#ping(), PING_INTERVAL_MS);
    this.#pinging.unref();
  }

  get watchers(): number {
    return this.#sockets.size;
  }

  /** Takes over the connection of a request that was let in. */
  accept(head: RequestHead, request: IncomingMessage, socket: Duplex, rest: Buffer): void {
    const wish = wishOf(head.query);
    if (typeof wish === "string") return refuse(socket, 400, wish);
    if (this.#sockets.size >= MAX_WATCHERS) return refuse(socket, 503, `there are ${MAX_WATCHERS} watchers already`);
    this.#server.handleUpgrade(request, socket, rest, (webSocket) => this.#serve(webSocket, wish));
  }

  /** Ends every connection. */
  close(): void {
    clearInterval(this.#pinging);
    for (const webSocket of this.#sockets.keys()) webSocket.close(GOING_AWAY, "the server stops");
    this.#server.close();
  }

  #serve(webSocket: WebSocket, wish: Wish): void {
    const state = { alive: true };
    this.#sockets.set(webSocket, state);
    const send = (event: WatchedEvent) => {
      if (wish.network !== null && wish.network !== event.network) return;
      if (wish.types !== null && !wish.types.has(event.type)) return;
      this.#send(webSocket, { ...event });
    };
    if (wish.since !== null) {
      const { events, gap } = this.#log.since(wish.since);
      if (gap) this.#send(webSocket, { type: "gap", latest: this.#log.latest });
      for (const event of events) send(event);
    }
    const end = this.#log.watch(send);
    webSocket.on("pong", () => {
      state.alive = true;
    });
    webSocket.on("error", () => webSocket.terminate());
    webSocket.on("close", () => {
      end();
      this.#sockets.delete(webSocket);
    });
  }

  #send(webSocket: WebSocket, value: JsonValue): void {
    if (webSocket.bufferedAmount > MAX_BEHIND_BYTES) {
      this.tooSlow++;
      webSocket.close(TOO_SLOW, "too slow: events are lost, come back with since");
      webSocket.terminate();
      return;
    }
    webSocket.send(formatJson(value));
  }

  /** Whoever did not answer the last ping is gone. */
  #ping(): void {
    for (const [webSocket, state] of this.#sockets) {
      if (!state.alive) webSocket.terminate();
      else {
        state.alive = false;
        webSocket.ping();
      }
    }
  }
}

/** What is asked for, or what is wrong with it. */
function wishOf(query: string): Wish | string {
  const parameters = new URLSearchParams(query);
  const network = parameters.get("network")?.toLowerCase() ?? null;
  if (network !== null && !/^[0-9a-f]{16}$/.test(network)) return "network wants sixteen hex digits";
  const types = parameters.get("types");
  const wanted = types === null ? null : new Set(types.split(","));
  const unknown = [...(wanted ?? [])].find((type) => !EVENT_TYPES.some((known) => known === type));
  if (unknown !== undefined) return `types wants some of ${EVENT_TYPES.join(", ")}`;
  const since = parameters.get("since");
  if (since !== null && !/^\d{1,16}$/.test(since)) return "since wants the number of an event";
  return { network, types: wanted, since: since === null ? null : Number(since) };
}

/** Answers an upgrade with plain HTTP and ends the connection. */
export function refuse(socket: Duplex, status: number, message: string): void {
  const code = status === 400 ? "invalid" : "unavailable";
  refuseWith(socket, {
    status,
    headers: { "Content-Type": "application/json" },
    body: formatJson({ error: { code, message, fields: [] } }),
  });
}

export function refuseWith(socket: Duplex, { status, headers, body }: HttpReply): void {
  const text = typeof body === "string" ? body : new TextDecoder().decode(body);
  const lines = Object.entries({ ...headers, "Content-Length": String(Buffer.byteLength(text)), Connection: "close" });
  const head = [`HTTP/1.1 ${status} Refused`, ...lines.map(([name, value]) => `${name}: ${value}`), "", ""].join(
    "\r\n",
  );
  socket.end(head + text);
}
