/**
 * `/api/v1`: the controller for programs and for our own command line. Who may use it is decided before (auth.ts): the
 * service API's token opens all of it.
 */

import type { IncomingMessage } from "node:http";
import type { Duplex } from "node:stream";
import type { JsonObject } from "../../json/json.ts";
import { QueryError } from "../../store/query-error.ts";
import { allows, type TokenScope } from "../api-tokens.ts";
import type { HttpReply, HttpRequest, RequestHead } from "../engine.ts";
import { EVENTS_PATH, EventStream, refuse, refuseWith } from "../event-stream.ts";
import { auditOperations } from "./audit.ts";
import type { V1Context } from "./context.ts";
import { ApiError, invalid } from "./errors.ts";
import { joinTokenOperations } from "./join-tokens.ts";
import { memberOperations } from "./members.ts";
import { bulkOperations } from "./members-bulk.ts";
import { rulesOperations } from "./network-rules.ts";
import { networkOperations } from "./networks.ts";
import { OccupiedSubnets } from "./occupied-subnets.ts";
import { openApiDocument } from "./openapi.ts";
import { type Operation, operation, ROUTE_CLASSES, type RouteClass, shown } from "./operation.ts";
import { BASE_PATH, callOf, errorReplyOf, Operations, replyOf } from "./requests.ts";
import { tokenOperations } from "./tokens.ts";

/** Whoever holds the service's token, for the audit log. */
const ACTOR = "cli";

/** Who makes a request, and what they may do. */
export interface Access {
  readonly actor: string;
  readonly scope: TokenScope;
}

const UNAUTHORIZED = errorReplyOf(
  new ApiError("unauthorized", "this takes a token: write Authorization: Bearer orr_…", [], {
    "WWW-Authenticate": "Bearer",
  }),
);
const BLOCKED = errorReplyOf(
  new ApiError("tooManyRequests", "too many wrong tokens came from this address: wait a minute", [], {
    "Retry-After": "60",
  }),
);

/** True for an answer instead of an access. */
export function isRefusal(access: Access | HttpReply): access is HttpReply {
  return "status" in access;
}

export class ControllerV1 {
  readonly operations: Operations;
  /** Requests by class, and those of them that were not done. */
  readonly requests = counts();
  readonly refused = counts();
  /** Told about what went wrong inside. */
  onError: (error: unknown, request: { readonly method: string; readonly path: string }) => void = () => {};
  readonly events: EventStream;
  readonly #context: V1Context;
  readonly #occupied: OccupiedSubnets;

  constructor(context: V1Context) {
    this.#context = context;
    this.events = new EventStream(context.events);
    this.#occupied = new OccupiedSubnets(context.controller);
    const all: Operation[] = [
      ...networkOperations(context, this.#occupied),
      ...rulesOperations(context),
      ...memberOperations(context),
      ...joinTokenOperations(context),
      ...auditOperations(context, this.#occupied),
      ...bulkOperations(context),
      ...tokenOperations(context.tokens),
    ];
    let document: JsonObject | null = null;
    all.push(
      operation({
        method: "GET",
        path: "/openapi.json",
        id: "openApi",
        routeClass: "openapi",
        summary: "This document",
        scope: "read",
        responses: { 200: { description: "an OpenAPI 3.1 document", schema: null } },
        handle: async () => {
          document ??= openApiDocument(all, context.version);
          return shown(document);
        },
      }),
    );
    this.operations = new Operations(all);
  }

  get tokenChecks(): Readonly<Record<"valid" | "invalid" | "blocked", number>> {
    return this.#context.tokens.checks;
  }

  get tokenCount(): number {
    return this.#context.tokens.count;
  }

  get watchers(): number {
    return this.events.watchers;
  }

  get watchersTooSlow(): number {
    return this.events.tooSlow;
  }

  /** True for what is below the base path. */
  static serves(path: string): boolean {
    return path.startsWith(`${BASE_PATH}/`);
  }

  /**
   * Who makes a request: whoever holds the service's token may do everything, others show an API token. Null with the
   * answer to give, if they may not. `presented` is the text that was shown, if any.
   */
  authenticate(presented: string | null, holdsServiceToken: boolean, source: Uint8Array): Access | HttpReply {
    if (holdsServiceToken) return { actor: ACTOR, scope: "admin" };
    if (presented === null) return UNAUTHORIZED;
    const check = this.#context.tokens.check(presented, source, this.#context.now());
    if (check.kind === "blocked") return BLOCKED;
    return check.kind === "invalid" ? UNAUTHORIZED : { actor: `token:${check.token.id}`, scope: check.token.scope };
  }

  /** Answers a request of somebody who was let in. Does not reject. */
  async handle(request: HttpRequest, access: Access = { actor: ACTOR, scope: "admin" }): Promise<HttpReply> {
    let routeClass: RouteClass | null = null;
    try {
      const found = this.operations.find(request);
      const { scope } = found.operation;
      routeClass = found.operation.routeClass;
      this.requests[routeClass]++;
      if (!allows(access.scope, scope)) {
        throw new ApiError("forbidden", `this takes a token of scope ${scope}, and this one has ${access.scope}`);
      }
      const caller = { actor: access.actor, source: request.remoteAddress };
      return replyOf(await found.operation.handle(callOf(found, request, caller, this.#context.now())), request);
    } catch (error) {
      if (routeClass !== null) this.refused[routeClass]++;
      return errorReplyOf(this.#asApiError(error, request));
    }
  }

  /** Another protocol: the event stream, for whoever may read. */
  upgrade(head: RequestHead, access: Access | HttpReply, request: IncomingMessage, socket: Duplex, rest: Buffer): void {
    if (isRefusal(access)) return refuseWith(socket, access);
    if (head.path !== EVENTS_PATH) return refuse(socket, 400, `only ${EVENTS_PATH} is a stream`);
    this.requests.events++;
    this.events.accept(head, request, socket, rest);
  }

  close(): void {
    this.#occupied.close();
    this.events.close();
  }

  #asApiError(error: unknown, { method, path }: HttpRequest): ApiError {
    if (error instanceof ApiError) return error;
    if (error instanceof QueryError) {
      return invalid([{ path: `query.${error.field}`, message: error.message, expected: error.advice }]);
    }
    this.onError(error, { method, path });
    return new ApiError("internal", "something went wrong inside; the log says what");
  }
}

function counts(): Record<RouteClass, number> {
  return Object.fromEntries(ROUTE_CLASSES.map((name) => [name, 0])) as Record<RouteClass, number>;
}
