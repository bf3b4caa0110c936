/**
 * From an HTTP request to a checked `Call`, and from an `Answer` to an HTTP reply: finding the operation, reading path,
 * query and body against its schemas, conditions and ETags.
 */
import { z } from "zod";
import { formatJson, type JsonValue } from "../../json/json.ts";
import { JsonSyntaxError, parseJson } from "../../json/json-parse.ts";
import type { HttpReply, HttpRequest, RequestHead } from "../engine.ts";
import { ApiError, invalid } from "./errors.ts";
import { entityTag, isKnown } from "./etag.ts";
import { fieldErrors } from "./field-errors.ts";
import type { Answer, Call, Caller, Operation } from "./operation.ts";
import { networkId, nodeAddress, tokenId } from "./value-schema.ts";

/** Everything of this API is below it. */
export const BASE_PATH = "/api/v1";
const PARAMETERS = { networkId, address: nodeAddress, id: tokenId } as const;
type ParameterName = keyof typeof PARAMETERS;
const REFERENCE = "[json.exception.parse_error.101] ";

/** Never stored by anyone on the way, always asked for again. */
const HEADERS = { "Cache-Control": "private, no-cache", "X-Content-Type-Options": "nosniff" } as const;

interface Compiled {
  readonly operation: Operation;
  readonly pattern: RegExp;
  readonly names: readonly ParameterName[];
}

/** An operation and the texts that stood at its path's parameters. */
export interface Found {
  readonly operation: Operation;
  readonly parameters: Readonly<Partial<Record<ParameterName, string>>>;
}

/** Finds the operation of a request. */
export class Operations {
  readonly all: readonly Operation[];
  readonly #compiled: readonly Compiled[];

  constructor(operations: readonly Operation[]) {
    this.all = operations;
    this.#compiled = operations.map((operation) => ({
      operation,
      pattern: new RegExp(`^${operation.path.replace(/\{\w+\}/g, "([^/:]*)")}$`),
      names: [...operation.path.matchAll(/\{(\w+)\}/g)].map((match) => match[1] as ParameterName),
    }));
  }

  /** Throws `ApiError` 404 for an unknown path, 405 for one that has other methods. */
  find({ method, path }: RequestHead): Found {
    const wanted = method === "HEAD" ? "GET" : method;
    const below = path.slice(BASE_PATH.length);
    const allowed: string[] = [];
    for (const { operation, pattern, names } of this.#compiled) {
      const match = pattern.exec(below);
      if (match === null) continue;
      if (operation.method === wanted) {
        return { operation, parameters: Object.fromEntries(names.map((name, at) => [name, match[at + 1]!])) };
      }
      allowed.push(operation.method === "GET" ? "GET, HEAD" : operation.method);
    }
    if (allowed.length === 0) throw new ApiError("notFound", "there is no such path; see /api/v1/openapi.json");
    const message = `${method} is not possible here, only ${allowed.join(", ")}`;
    throw new ApiError("methodNotAllowed", message, [], { Allow: allowed.join(", ") });
  }
}

function parsed<T>(schema: z.ZodType<T>, value: unknown, prefix: string): T {
  const result = schema.safeParse(value);
  if (!result.success) throw invalid(fieldErrors(schema, value, result.error.issues, prefix));
  return result.data;
}

function bodyOf({ headers, body }: HttpRequest, schema: z.ZodType | null): unknown {
  if (schema === null) {
    if (body.length === 0) return null;
    throw new ApiError("malformed", "this request takes no body");
  }
  const type = headers.get("content-type")?.split(";")[0]?.trim().toLowerCase();
  if (type !== undefined && type !== "application/json" && type !== "application/merge-patch+json") {
    throw new ApiError("malformed", `the body has to be JSON: write Content-Type: application/json, not ${type}`);
  }
  let value: JsonValue;
  try {
    value = parseJson(new TextDecoder("utf-8", { fatal: true }).decode(body));
  } catch (error) {
    if (error instanceof JsonSyntaxError) {
      throw new ApiError("malformed", `the body is no JSON: ${error.message.replace(REFERENCE, "")}`);
    }
    if (error instanceof TypeError) throw new ApiError("malformed", "the body is no UTF-8 text");
    throw error;
  }
  return parsed(schema, value, "");
}

function queryOf(query: string, schema: z.ZodObject | null): unknown {
  const parameters = new URLSearchParams(query);
  const value: Record<string, string> = Object.create(null) as Record<string, string>;
  for (const [name, text] of parameters) {
    if (name in value) {
      throw invalid([{ path: `query.${name}`, message: "stands there twice", expected: "each parameter once" }]);
    }
    value[name] = text;
  }
  return parsed(schema ?? z.strictObject({}), value, "query");
}

/** Checks everything about a request. Throws `ApiError` 400. */
export function callOf(found: Found, request: HttpRequest, caller: Caller, now: number): Call<unknown, unknown> {
  const { operation, parameters } = found;
  const text = (name: ParameterName) => {
    const given = parameters[name];
    if (given === undefined) return null;
    return parsed(z.strictObject({ [name]: PARAMETERS[name] }), { [name]: given }, "path")[name] as string;
  };
  return {
    networkId: BigInt(`0x${text("networkId") ?? "0"}`),
    address: Number.parseInt(text("address") ?? "0", 16),
    id: text("id") ?? "",
    query: queryOf(request.query, operation.query),
    body: bodyOf(request, operation.body),
    caller,
    precondition: { ifMatch: request.headers.get("if-match"), ifNoneMatch: request.headers.get("if-none-match") },
    now,
  };
}

/** The reply to a request that was done. */
export function replyOf(answer: Answer, request: HttpRequest): HttpReply {
  switch (answer.kind) {
    case "empty":
      return { status: answer.status, headers: HEADERS, body: "" };
    case "json": {
      const body = formatJson(answer.value);
      const etag = entityTag(answer.tag, body);
      const isRead = request.method === "GET" || request.method === "HEAD";
      if (isRead && isKnown(request.headers.get("if-none-match"), etag)) {
        return { status: 304, headers: { ...HEADERS, ETag: etag }, body: "" };
      }
      const location = answer.location === undefined ? {} : { Location: `${BASE_PATH}${answer.location}` };
      const headers = { ...HEADERS, "Content-Type": "application/json", ETag: etag, ...location };
      return { status: answer.status, headers, body };
    }
  }
}

/** The reply to a request that was not done. */
export function errorReplyOf(error: ApiError): HttpReply {
  const headers = { ...HEADERS, "Content-Type": "application/json", ...error.headers };
  return { status: error.status, headers, body: formatJson(error.body()) };
}
