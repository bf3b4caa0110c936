/**
 * Who may use the service API. Decided before routing and before a body is read, in this order: source address,
 * public paths, credential. Facts: local-api.md §2.
 */
import { createHash, timingSafeEqual } from "node:crypto";
import { type IpPrefix, IpScope, ipScope, prefixContains } from "../protocol/inet-address.ts";
import type { RequestHead } from "./engine.ts";

/** The two tokens of a home. Never logged, never part of an error text. */
export interface ServiceTokens {
  /** Opens everything. */
  readonly auth: string;
  /** Opens /metrics and nothing else. */
  readonly metrics: string;
}

/** The path that has rules of its own: any source address, either token. */
export const METRICS_PATH = "/metrics";

/** Compares digests, so that neither the content nor the length of the expected token shows in the time taken. */
function tokensEqual(presented: string, expected: string): boolean {
  const digest = (text: string) => createHash("sha256").update(text).digest();
  return expected !== "" && timingSafeEqual(digest(presented), digest(expected));
}

/**
 * The credential of a request, or null. The first form present decides, right or wrong: the header X-ZT1-Auth, then
 * the query parameter auth, then Authorization with exactly two words of which the first is Bearer (any case).
 */
export function presentedToken(head: RequestHead): string | null {
  const header = head.headers.get("x-zt1-auth");
  if (header !== undefined) return header;
  const parameter = new URLSearchParams(head.query).get("auth");
  if (parameter !== null) return parameter;
  const words = (head.headers.get("authorization") ?? "").split(" ");
  return words.length === 2 && words[0]!.toLowerCase() === "bearer" ? words[1]! : null;
}

/** True for loopback addresses and for those inside one of `allowed`. */
export function isManagementSource(ip: Uint8Array, allowed: readonly IpPrefix[]): boolean {
  if (ip.length !== 4 && ip.length !== 16) return false;
  return ipScope(ip) === IpScope.LOOPBACK || allowed.some((prefix) => prefixContains(prefix, ip));
}

/** Paths that need no token, from allowed sources. Only /health exists here; the others are 404 instead of 401. */
function isPublicPath(path: string): boolean {
  return path === "/health" || path === "/sso" || path.startsWith("/app");
}

/** True if the request shows the token that opens everything, and comes from where that may be used. */
export function holdsServiceToken(head: RequestHead, tokens: ServiceTokens, allowed: readonly IpPrefix[]): boolean {
  const token = presentedToken(head);
  return token !== null && isManagementSource(head.remoteAddress, allowed) && tokensEqual(token, tokens.auth);
}

/** True if the request may go on to its route. */
export function isAuthorised(head: RequestHead, tokens: ServiceTokens, allowed: readonly IpPrefix[]): boolean {
  const token = presentedToken(head);
  const isAuthToken = token !== null && tokensEqual(token, tokens.auth);
  if (head.path === METRICS_PATH) return isAuthToken || (token !== null && tokensEqual(token, tokens.metrics));
  return isManagementSource(head.remoteAddress, allowed) && (isPublicPath(head.path) || isAuthToken);
}
