/** What routes answer, before it is bytes. Facts: local-api.md §1 (content types, jsonp, empty bodies). */

import { formatJson, type JsonValue } from "../json/json.ts";
import type { HttpReply } from "./engine.ts";

/** An answer of a route. */
export type Reply =
  | { readonly kind: "json"; readonly status: number; readonly value: JsonValue }
  /** Text under the JSON content type, as the reference sends some of its errors; jsonp wraps it too. */
  | { readonly kind: "raw-json"; readonly status: number; readonly text: string }
  | { readonly kind: "text"; readonly status: number; readonly contentType: string; readonly text: string }
  | { readonly kind: "empty"; readonly status: number };

/** A JSON answer; status 200 unless told otherwise. */
export function json(value: JsonValue, status = 200): Reply {
  return { kind: "json", status, value };
}

/** 404 without a body: no such route. */
export const NO_ROUTE: Reply = { kind: "empty", status: 404 };
/** 401 as the reference words it. */
export const UNAUTHORISED: Reply = { kind: "json", status: 401, value: {} };

/** The reference's error body: spaces after the colons. Unlike the reference, the text is escaped. */
export function errorReply(status: number, description: string): Reply {
  return { kind: "raw-json", status, text: `{"error": ${status}, "description": ${JSON.stringify(description)}}` };
}

/** local-api.md §1: idle connections are kept for 5 s. */
const KEEP_ALIVE = { "Keep-Alive": "timeout=5, max=5" } as const;
const JSONP_NAME = /^[A-Za-z0-9_.$]{1,64}$/;

/**
 * The callback name that a query asks for, or null. Unlike the reference, which echoes anything, only
 * `[A-Za-z0-9_.$]{1,64}` counts; any other name is ignored and plain JSON is sent.
 */
export function jsonpName(query: string): string | null {
  const name = new URLSearchParams(query).get("jsonp");
  return name !== null && JSONP_NAME.test(name) ? name : null;
}

/** A reply as the engine sends it. `jsonp` is the validated callback name or null. */
export function renderReply(reply: Reply, jsonp: string | null): HttpReply {
  if (reply.kind === "empty") return { status: reply.status, headers: KEEP_ALIVE, body: "" };
  if (reply.kind === "text") {
    return { status: reply.status, headers: { ...KEEP_ALIVE, "Content-Type": reply.contentType }, body: reply.text };
  }
  const text = reply.kind === "json" ? formatJson(reply.value) : reply.text;
  const type = jsonp === null ? "application/json" : "application/javascript";
  const body = jsonp === null ? text : `${jsonp}(${text === "" ? "null" : text});`;
  return { status: reply.status, headers: { ...KEEP_ALIVE, "Content-Type": type }, body };
}
