/**
 * ETags of `/api/v1`. A resource that can be changed has `"<record>.<body>"`: `record` changes when somebody changes the
 * record (its revision and a hash), `body` also when what is shown beside it does (member counts, whether it is online).
 * If-None-Match compares the whole, so a 304 is always true; If-Match compares the record only, so a member that came
 * online in between spoils nobody's change.
 */
import { createHash } from "node:crypto";
import { formatJson, type JsonObject, type JsonValue } from "../../json/json.ts";
import { ApiError } from "./errors.ts";

const HASH_DIGITS = 12;

function hashOf(text: string): string {
  return createHash("sha256").update(text).digest("hex").slice(0, HASH_DIGITS);
}

/** The part of an ETag that stands for a record: its revision, and a hash of everything that is kept of it. */
export function recordTag(record: { readonly json: JsonObject; readonly own: object }): string {
  const revision = formatJson(record.json["revision"] ?? 0);
  return `${revision}-${hashOf(formatJson([record.json, { ...record.own } as JsonValue]))}`;
}

/** The part of an ETag for something without a revision. */
export function valueTag(value: JsonValue): string {
  return hashOf(formatJson(value));
}

/** The ETag of an answer; `record` null if the resource cannot be changed. */
export function entityTag(record: string | null, body: string): string {
  return record === null ? `"${hashOf(body)}"` : `"${record}.${hashOf(body)}"`;
}

/** The tags of an If-Match or If-None-Match header without quotes; "*" stands for anything. Weak ones never match. */
function tagsOf(header: string): string[] {
  return header
    .split(",")
    .map((tag) => tag.trim())
    .flatMap((tag) => (tag === "*" ? ["*"] : /^"[^"]*"$/.test(tag) ? [tag.slice(1, -1)] : []));
}

/** True if the answer's ETag is one that the caller has already. */
export function isKnown(ifNoneMatch: string | undefined, etag: string): boolean {
  if (ifNoneMatch === undefined) return false;
  const tags = ifNoneMatch.split(",").map((tag) => tag.trim().replace(/^W\//, ""));
  return tags.includes("*") || tags.includes(etag);
}

/** The conditions of one request that changes something. */
export interface Precondition {
  readonly ifMatch: string | undefined;
  readonly ifNoneMatch: string | undefined;
}

/** Throws `ApiError` 412 unless the record is as the caller thinks. `record` is null if there is none. */
export function checkPrecondition({ ifMatch, ifNoneMatch }: Precondition, record: string | null): void {
  if (ifMatch !== undefined) {
    const tags = tagsOf(ifMatch).map((tag) => (tag === "*" ? tag : tag.split(".")[0]));
    if (record === null || !(tags.includes("*") || tags.includes(record))) {
      throw new ApiError("preconditionFailed", "somebody has changed it since you read it: read it again");
    }
  }
  if (ifNoneMatch !== undefined && tagsOf(ifNoneMatch).includes("*") && record !== null) {
    throw new ApiError("preconditionFailed", "it exists already");
  }
}
