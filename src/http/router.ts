/**
 * Finds the handler of a request. Paths are matched exactly and as sent: a trailing slash is a different path, a
 * method that a path does not have is 404 and not 405 (local-api.md §1).
 */
import type { HttpRequest } from "./engine.ts";
import { NO_ROUTE, type Reply } from "./reply.ts";

export type Method = "GET" | "POST" | "DELETE";

/** Answers one request; `params` are the groups of the route's pattern. What it throws becomes a 500. */
export type RouteHandler = (request: HttpRequest, params: readonly string[]) => Reply | Promise<Reply>;

export interface Route {
  readonly method: Method;
  /** Anchored at both ends. */
  readonly pattern: RegExp;
  readonly handle: RouteHandler;
}

/** GET also answers HEAD, and PUT is a synonym of POST. Other methods have no routes. */
const ROUTE_METHOD: Readonly<Record<string, Method>> = {
  GET: "GET",
  HEAD: "GET",
  POST: "POST",
  PUT: "POST",
  DELETE: "DELETE",
};

/** A route for `path`, in which `{n}` stands for exactly n hex digits of either case and becomes a parameter. */
export function route(method: Method, path: string, handle: RouteHandler): Route {
  const literal = path.replace(/[.*+?^$()|[\]\\]/g, "\\$&");
  return { method, pattern: new RegExp(`^${literal.replace(/\{(\d+)\}/g, "([0-9a-fA-F]{$1})")}$`), handle };
}

/** Routes tried in order; the first match answers. */
export class Router {
  readonly #routes: readonly Route[];

  constructor(routes: readonly Route[]) {
    this.#routes = routes;
  }

  /** The answer to `request`; 404 without a body if nothing matches. */
  async dispatch(request: HttpRequest): Promise<Reply> {
    const method = ROUTE_METHOD[request.method];
    for (const candidate of this.#routes) {
      if (candidate.method !== method) continue;
      const match = candidate.pattern.exec(request.path);
      if (match !== null) return await candidate.handle(request, match.slice(1));
    }
    return NO_ROUTE;
  }
}
