/**
 * What `/api/v1` answers when it does not do what was asked. Every such body is
 *
 *   {"error": {"code": …, "message": …, "fields": [{"path": …, "message": …, "expected": …}]}}
 *
 * `code` is for programs and one of `ERROR_CODES`; `message` is one sentence for people; `fields` names each part of the
 * request that has to be written otherwise (empty if it is not about a field): `path` as in `routes.0.via`, with
 * `query.` or `path.` before what is not in the body; `expected` completes "write …".
 */
import type { JsonObject } from "../../json/json.ts";

/** Each code and the HTTP status that it comes with. */
export const ERROR_CODES = {
  malformed: 400,
  invalid: 400,
  unauthorized: 401,
  forbidden: 403,
  notFound: 404,
  methodNotAllowed: 405,
  conflict: 409,
  preconditionFailed: 412,
  tooLarge: 413,
  tooManyRequests: 429,
  internal: 500,
  unavailable: 503,
} as const;

export type ErrorCode = keyof typeof ERROR_CODES;

/** One part of a request that has to be written otherwise. */
export interface FieldError {
  readonly path: string;
  readonly message: string;
  /** What to write instead. */
  readonly expected: string;
}

/** Thrown by whatever handles a request; becomes the answer. */
export class ApiError extends Error {
  override readonly name = "ApiError";
  readonly code: ErrorCode;
  readonly fields: readonly FieldError[];
  readonly headers: Readonly<Record<string, string>>;

  constructor(
    code: ErrorCode,
    message: string,
    fields: readonly FieldError[] = [],
    headers: Readonly<Record<string, string>> = {},
  ) {
    super(message);
    this.code = code;
    this.fields = fields;
    this.headers = headers;
  }

  get status(): number {
    return ERROR_CODES[this.code];
  }

  body(): JsonObject {
    const fields = this.fields.map(({ path, message, expected }) => ({ path, message, expected }));
    return { error: { code: this.code, message: this.message, fields } };
  }
}

/** 400 about the given fields. There is at least one. */
export function invalid(fields: readonly FieldError[]): ApiError {
  const [first] = fields;
  const more = fields.length > 1 ? ` (and ${fields.length - 1} more, see fields)` : "";
  return new ApiError("invalid", `${first!.path}: ${first!.message}${more}`, fields);
}

export function notFound(what: string): ApiError {
  return new ApiError("notFound", `there is no ${what}`);
}
