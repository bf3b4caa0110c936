/**
 * The service API: HTTP on the primary port, for `zerotier-cli` and for tools written for the reference, plus our
 * own routes under /orrery/. Facts: local-api.md. Deliberate differences from the reference (its §8): tokens are
 * compared in constant time, jsonp names are validated, error texts are escaped, DELETE /moon works over IPv6, and
 * without `allowManagementFrom` only loopback is listened on.
 */

import type { ControllerManagement } from "../controller/management.ts";
import { JsonTypeError } from "../json/coerce.ts";
import type { JsonObject } from "../json/json.ts";
import { JsonSyntaxError } from "../json/json-parse.ts";
import type { NetworkMembership } from "../leaf/queries.ts";
import type { BondCommands, NodeCommands, NodeQueries } from "../node/queries.ts";
import type { Endpoint, IpPrefix } from "../protocol/inet-address.ts";
import {
  holdsServiceToken,
  isAuthorised,
  isManagementSource,
  METRICS_PATH,
  presentedToken,
  type ServiceTokens,
} from "./auth.ts";
import {
  type HttpApplication,
  type HttpEngine,
  type HttpListener,
  type HttpReply,
  type HttpRequest,
  loadEngine,
  type RequestHead,
} from "./engine.ts";
import { protocolToken, refuse } from "./event-stream.ts";
import { ListenError } from "./listen.ts";
import { errorReply, jsonpName, type Reply, renderReply, UNAUTHORISED } from "./reply.ts";
import { Router } from "./router.ts";
import { bondRoutes } from "./routes/bond.ts";
import { configRoutes } from "./routes/config.ts";
import { controllerRoutes } from "./routes/controller.ts";
import { healthRoutes } from "./routes/health.ts";
import { metricsRoutes } from "./routes/metrics.ts";
import { moonRoutes } from "./routes/moons.ts";
import { networkRoutes } from "./routes/network.ts";
import { orreryRoutes } from "./routes/orrery.ts";
import { peerRoutes } from "./routes/peers.ts";
import { statusRoutes } from "./routes/status.ts";
import { type Access, ControllerV1, isRefusal } from "./v1/api.ts";

/** What /status and /config tell about the running configuration. */
export interface ServiceConfig {
  /** local.conf as last read or written; `{}` if there is none. */
  readonly localConf: JsonObject;
  /** The ports in use; 0 for one that is not. */
  readonly primaryPort: number;
  readonly secondaryPort: number;
  readonly tertiaryPort: number;
  readonly homeDir: string;
  /** Each local address with each port. */
  readonly listeningOn: readonly Endpoint[];
  /** As in effect, whatever local.conf has: a relay is known and may be used; nothing but it is; it is in use now. */
  readonly allowTcpFallbackRelay: boolean;
  readonly forceTcpRelay: boolean;
  readonly tcpFallbackActive: boolean;
  /** What is told where local.conf does not name it. */
  readonly portMappingEnabled: boolean;
}

/** What came of reading the configuration again. */
export interface ReloadResult {
  readonly ok: boolean;
  /** Keys that took effect. */
  readonly applied: readonly string[];
  /** Keys that changed and need a restart. */
  readonly restart: readonly string[];
  /** One line each: what was wrong and what to write instead. Nothing is applied when there are any. */
  readonly errors: readonly string[];
}

/** What the service API needs from the program around it. */
export interface ServiceBackend {
  readonly node: NodeQueries;
  readonly commands: NodeCommands;
  /** ms since the epoch. */
  now(): number;
  config(): ServiceConfig;
  /**
   * Copies each key of `patch` to `settings` of local.conf and writes the file (local-api.md §3). The patch is JSON
   * from outside: an object without prototype; never merge it into one that has a prototype by assignment.
   */
  writeSettings(patch: JsonObject): void | Promise<void>;
  /** The Prometheus text. */
  metrics(): Promise<string>;
  reload(): Promise<ReloadResult>;
  readonly bonds: BondCommands;
  /** The networks that this node has joined. */
  readonly networks: NetworkMembership;
  /** Null if this node controls no networks. */
  readonly controller: ControllerManagement | null;
  /** Our own API to it; null with it. */
  readonly v1: ControllerV1 | null;
}

export interface ServiceApiOptions {
  /** 0 picks one. */
  readonly port: number;
  readonly backend: ServiceBackend;
  readonly tokens: ServiceTokens;
  /** Networks that may manage besides loopback. While it is empty, only loopback is listened on. */
  readonly allowManagementFrom: readonly IpPrefix[];
  /** An engine that requires the Host header is not used: zerotier-cli sends none. The node engine serves then. */
  readonly engine?: HttpEngine;
  /**
   * Told that the port is held by connections of a program that has ended. The API then begins as soon as the port is
   * free; without this, starting fails.
   */
  readonly onWaiting?: (error: ListenError) => void;
  /** Told about exceptions in routes. The path carries no query, hence no token. */
  readonly onError?: (error: unknown, request: { readonly method: string; readonly path: string }) => void;
}

/** A running service API. */
export interface ServiceApi {
  readonly port: number;
  /** The addresses listened on now. */
  readonly hosts: readonly string[];
  readonly engine: HttpEngine["name"];
  /**
   * Replaces the list; rebinds if it became empty or stopped being so. Running requests are not disturbed. Rejects
   * with `ListenError`, and keeps the old list, if the new addresses cannot be bound.
   */
  setAllowManagementFrom(prefixes: readonly IpPrefix[]): Promise<void>;
  /** Releases the port and closes every connection. */
  close(): Promise<void>;
}

/** A thousand addresses, or rules of a quarter of a megabyte with every character escaped. */
const MAX_BODY_BYTES = 2 * 1024 * 1024;
const LISTEN_AGAIN_MS = 500;
const MAX_LISTEN_TRIES = 240;
const LOOPBACK_HOSTS = ["127.0.0.1", "::1"] as const;
/** "::" takes IPv4 too, so the second one is only bound where there is no IPv6. */
const ANY_HOSTS = ["::", "0.0.0.0"] as const;

function routesOf(backend: ServiceBackend): Router {
  return new Router([
    ...statusRoutes(backend),
    ...healthRoutes(backend),
    ...configRoutes(backend),
    ...peerRoutes(backend),
    ...moonRoutes(backend),
    ...networkRoutes(backend),
    ...bondRoutes(backend),
    ...metricsRoutes(backend),
    ...orreryRoutes(backend),
    ...controllerRoutes(backend),
  ]);
}

async function dispatch(router: Router, request: HttpRequest, options: ServiceApiOptions): Promise<Reply> {
  try {
    return await router.dispatch(request);
  } catch (error) {
    if (error instanceof JsonSyntaxError || error instanceof JsonTypeError) return errorReply(500, error.message);
    options.onError?.(error, { method: request.method, path: request.path });
    // What went wrong inside is for the log; to the client it could tell paths or worse.
    return errorReply(500, "internal error");
  }
}

class Service implements ServiceApi {
  readonly #engine: HttpEngine;
  readonly #application: HttpApplication;
  #allowed: readonly IpPrefix[];
  #listeners: HttpListener[] = [];
  /** A request is decided about once, before its body is read. */
  readonly #accesses = new WeakMap<RequestHead["headers"], Access | HttpReply>();
  #trying: NodeJS.Timeout | undefined;

  constructor(options: ServiceApiOptions) {
    const { engine } = options;
    this.#engine = engine === undefined || engine.requiresHost ? loadEngine({ prefer: "node" }) : engine;
    this.#allowed = options.allowManagementFrom;
    const router = routesOf(options.backend);
    const nameOf = (path: string, query: string) => (path === METRICS_PATH ? null : jsonpName(query));
    this.#application = {
      maxBodyBytes: MAX_BODY_BYTES,
      admit: (head) => {
        const access = this.#v1Access(head, options);
        if (access !== null) return isRefusal(access) ? access : null;
        if (isAuthorised(head, options.tokens, this.#allowed)) return null;
        return renderReply(UNAUTHORISED, nameOf(head.path, head.query));
      },
      upgrade: (head, request, socket, rest) => {
        const { v1 } = options.backend;
        const access = this.#v1Access(head, options);
        if (v1 === null || access === null) return refuse(socket, 400, "there is nothing to upgrade to here");
        v1.upgrade(head, access, request, socket, rest);
      },
      handle: async (request) => {
        const { v1 } = options.backend;
        const access = this.#v1Access(request, options);
        if (v1 !== null && access !== null) return isRefusal(access) ? access : v1.handle(request, access);
        return renderReply(await dispatch(router, request, options), nameOf(request.path, request.query));
      },
    };
  }

  /** Who may use our own API; null for a path that is not below it. It is open where management is. */
  #v1Access(head: RequestHead, { backend, tokens }: ServiceApiOptions): Access | HttpReply | null {
    const { v1 } = backend;
    if (v1 === null || !ControllerV1.serves(head.path)) return null;
    if (!isManagementSource(head.remoteAddress, this.#allowed)) return renderReply(UNAUTHORISED, null);
    const known = this.#accesses.get(head.headers);
    if (known !== undefined) return known;
    const isService = holdsServiceToken(head, tokens, this.#allowed);
    const access = v1.authenticate(presentedToken(head) ?? protocolToken(head), isService, head.remoteAddress);
    this.#accesses.set(head.headers, access);
    return access;
  }

  get port(): number {
    return this.#listeners[0]?.port ?? 0;
  }

  get hosts(): readonly string[] {
    return this.#listeners.flatMap(({ hosts }) => hosts);
  }

  get engine(): HttpEngine["name"] {
    return this.#engine.name;
  }

  get #wanted(): readonly string[] {
    return this.#allowed.length === 0 ? LOOPBACK_HOSTS : ANY_HOSTS;
  }

  async listen(port: number): Promise<void> {
    const listener = await this.#engine.listen(this.#wanted, port, this.#application);
    this.#listeners = [listener];
    // One wildcard is enough: "::" takes IPv4 too.
    const missing = this.#allowed.length > 0 ? [] : this.#wanted.filter((host) => !listener.hosts.includes(host));
    this.#listenLater(missing, listener.port);
  }

  /** Tries every address again until it is free, or for two minutes. */
  listenOnAllLater(port: number): void {
    this.#listenLater(this.#wanted, port);
  }

  #listenLater(hosts: readonly string[], port: number): void {
    clearInterval(this.#trying);
    this.#trying = undefined;
    if (hosts.length === 0) return;
    const missing = new Set(hosts);
    let tries = 0;
    const timer = setInterval(() => {
      if (missing.size === 0 || ++tries > MAX_LISTEN_TRIES) return clearInterval(timer);
      for (const host of missing) void this.#listenOn(host, port, missing, timer);
    }, LISTEN_AGAIN_MS);
    timer.unref();
    this.#trying = timer;
  }

  async #listenOn(host: string, port: number, missing: Set<string>, attempt: NodeJS.Timeout): Promise<void> {
    try {
      const listener = await this.#engine.listen([host], port, this.#application);
      const isLate = this.#trying !== attempt || !missing.delete(host);
      if (isLate) await listener.close();
      else this.#listeners.push(listener);
    } catch {
      // Still taken, or an address that this machine does not have.
    }
  }

  async setAllowManagementFrom(prefixes: readonly IpPrefix[]): Promise<void> {
    const before = this.#allowed;
    const old = this.#listeners;
    const { port } = this;
    this.#allowed = prefixes;
    if (old.length === 0 || (prefixes.length === 0) === (before.length === 0)) return;
    await Promise.all(old.map((listener) => listener.stopListening()));
    try {
      await this.listen(port);
    } catch (error) {
      // A wildcard address may be taken where loopback is not: better the old reach than none.
      this.#allowed = before;
      await this.listen(port);
      throw error;
    } finally {
      // Not awaited: the request that asked for this may be one of those it waits for.
      for (const listener of old) void listener.close();
    }
  }

  async close(): Promise<void> {
    clearInterval(this.#trying);
    this.#trying = undefined;
    await Promise.all(this.#listeners.map((listener) => listener.close()));
  }
}

/**
 * Starts the service API. Rejects with `ListenError` if the port cannot be bound on any address, unless it may wait
 * (`onWaiting`).
 */
export async function startServiceApi(options: ServiceApiOptions): Promise<ServiceApi> {
  const service = new Service(options);
  try {
    await service.listen(options.port);
  } catch (error) {
    if (!(error instanceof ListenError) || options.onWaiting === undefined) throw error;
    options.onWaiting(error);
    service.listenOnAllLater(options.port);
  }
  return service;
}
