/**
 * `/api/v1`: the controller for programs and for our own command line. Who may use it is decided before (auth.ts): the
 * service API's token opens all of it.
 */
import type { JsonObject } from "../../json/json.ts";
import { QueryError } from "../../store/query-error.ts";
import type { HttpReply, HttpRequest } from "../engine.ts";
import { auditOperations } from "./audit.ts";
import type { V1Context } from "./context.ts";
import { ApiError, invalid } from "./errors.ts";
import { joinTokenOperations } from "./join-tokens.ts";
import { memberOperations } from "./members.ts";
import { rulesOperations } from "./network-rules.ts";
import { networkOperations } from "./networks.ts";
import { OccupiedSubnets } from "./occupied-subnets.ts";
import { openApiDocument } from "./openapi.ts";
import { type Operation, operation, ROUTE_CLASSES, type RouteClass, shown } from "./operation.ts";
import { BASE_PATH, callOf, errorReplyOf, Operations, replyOf } from "./requests.ts";

/** Whoever holds the service's token, for the audit log. */
const ACTOR = "cli";

export class ControllerV1 {
  readonly operations: Operations;
  /** Requests by class, and those of them that were not done. */
  readonly requests = counts();
  readonly refused = counts();
  /** Told about what went wrong inside. */
  onError: (error: unknown, request: { readonly method: string; readonly path: string }) => void = () => {};
  readonly #context: V1Context;
  readonly #occupied: OccupiedSubnets;

  constructor(context: V1Context) {
    this.#context = context;
    this.#occupied = new OccupiedSubnets(context.controller);
    const all: Operation[] = [
      ...networkOperations(context, this.#occupied),
      ...rulesOperations(context),
      ...memberOperations(context),
      ...joinTokenOperations(context),
      ...auditOperations(context, this.#occupied),
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

  /** True for what is below the base path. */
  static serves(path: string): boolean {
    return path.startsWith(`${BASE_PATH}/`);
  }

  /** Answers a request of somebody who may make it. Does not reject. */
  async handle(request: HttpRequest): Promise<HttpReply> {
    let routeClass: RouteClass | null = null;
    try {
      const found = this.operations.find(request);
      routeClass = found.operation.routeClass;
      this.requests[routeClass]++;
      const caller = { actor: ACTOR, source: request.remoteAddress };
      return replyOf(await found.operation.handle(callOf(found, request, caller, this.#context.now())), request);
    } catch (error) {
      if (routeClass !== null) this.refused[routeClass]++;
      return errorReplyOf(this.#asApiError(error, request));
    }
  }

  close(): void {
    this.#occupied.close();
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
