/**
 * One operation of `/api/v1`: what it takes, what it answers, who may use it. Requests are checked against it, the
 * OpenAPI document is made from it, and the tests hold every answer to it.
 */
import type { z } from "zod";
import type { JsonValue } from "../../json/json.ts";
import type { Address } from "../../protocol/address.ts";
import type { ErrorCode } from "./errors.ts";
import type { Precondition } from "./etag.ts";

/** What requests are counted under. */
export const ROUTE_CLASSES = [
  "networks",
  "members",
  "rules",
  "join-tokens",
  "join",
  "audit",
  "tokens",
  "events",
  "subnets",
  "openapi",
] as const;
export type RouteClass = (typeof ROUTE_CLASSES)[number];

/** What an operation does to the controller: nothing, a change, or something that only its administrator may see. */
export type Scope = "read" | "write" | "admin";

export type Method = "GET" | "POST" | "PUT" | "PATCH" | "DELETE";

/** Whoever makes a request. */
export interface Caller {
  /** For the audit log: `cli` or `token:<name>`. */
  readonly actor: string;
  /** 4 or 16 bytes; empty if it is gone already. */
  readonly source: Uint8Array;
}

/** A checked request. Path parameters that the path does not have are 0 or empty. */
export interface Call<Query, Body> {
  readonly networkId: bigint;
  readonly address: Address;
  /** Of a token. */
  readonly id: string;
  readonly query: Query;
  readonly body: Body;
  readonly caller: Caller;
  readonly precondition: Precondition;
  /** ms since the epoch. */
  readonly now: number;
}

/** What an operation answers. */
export type Answer =
  | {
      readonly kind: "json";
      readonly status: number;
      readonly value: JsonValue;
      /** `recordTag` or `valueTag` of what was shown or changed; null if it cannot be changed. */
      readonly tag: string | null;
      /** Of what was made, below the base path. */
      readonly location?: string;
    }
  | { readonly kind: "empty"; readonly status: number };

/** A status and what its body looks like; `null`: there is none. */
export type ResponseBodies = Readonly<
  Record<number, { readonly description: string; readonly schema: z.ZodType | null }>
>;

/** An operation as the program around it sees it. */
export interface Operation {
  readonly method: Method;
  /** Below the base path, with `{networkId}`, `{address}` and `{id}`. */
  readonly path: string;
  readonly id: string;
  readonly routeClass: RouteClass;
  readonly summary: string;
  readonly description: string;
  readonly scope: Scope;
  readonly query: z.ZodObject | null;
  readonly body: z.ZodType | null;
  readonly responses: ResponseBodies;
  /** Errors that it answers besides those that every operation may. */
  readonly errors: readonly ErrorCode[];
  handle(call: Call<unknown, unknown>): Promise<Answer>;
}

interface Definition<Q extends z.ZodObject | null, B extends z.ZodType | null> {
  readonly method: Method;
  readonly path: string;
  readonly id: string;
  readonly routeClass: RouteClass;
  readonly summary: string;
  readonly description?: string;
  readonly scope: Scope;
  readonly query?: Q;
  readonly body?: B;
  readonly responses: ResponseBodies;
  readonly errors?: readonly ErrorCode[];
  readonly handle: (
    call: Call<Q extends z.ZodObject ? z.output<Q> : null, B extends z.ZodType ? z.output<B> : null>,
  ) => Promise<Answer>;
}

/** Makes an operation whose handler is typed after its own schemas. */
export function operation<Q extends z.ZodObject | null = null, B extends z.ZodType | null = null>(
  definition: Definition<Q, B>,
): Operation {
  return {
    description: "",
    errors: [],
    ...definition,
    query: definition.query ?? null,
    body: definition.body ?? null,
    // The framework calls it with what these very schemas gave.
    handle: definition.handle as Operation["handle"],
  };
}

/** 200 (or another status) with a value. */
export function shown(value: JsonValue, tag: string | null = null, status = 200): Answer {
  return { kind: "json", status, value, tag };
}

/** 201 with what was made and where it is. */
export function created(value: JsonValue, tag: string | null, location: string): Answer {
  return { kind: "json", status: 201, value, tag, location };
}

/** 204. */
export const DONE: Answer = { kind: "empty", status: 204 };
