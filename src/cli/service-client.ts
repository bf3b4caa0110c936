/**
 * Talks to the daemon of a home through its service API (local-api.md): loopback, the port from
 * `zerotier-one.port`, the token from `authtoken.secret`.
 */
import { join } from "node:path";
import { readTextOrNull } from "./identity-argument.ts";

/** A busy small machine may take its time; whoever waits can interrupt. */
const REQUEST_TIMEOUT_MS = 20_000;

/** What came of asking the daemon. `absent`: nothing runs for this home, or nobody answers on its port. */
export type ServiceAnswer =
  | { readonly state: "answered"; readonly json: unknown }
  | { readonly state: "refused"; readonly status: number; readonly body: string }
  | { readonly state: "absent"; readonly reason: string };

/** Port and token of the service API of a home, or why they cannot be had. */
export function serviceAddress(
  home: string,
): { readonly port: number; readonly token: string } | { readonly reason: string } {
  const port = Number(readTextOrNull(join(home, "zerotier-one.port"))?.trim() ?? Number.NaN);
  if (!Number.isInteger(port) || port < 1 || port > 65535) {
    return { reason: `no port in ${join(home, "zerotier-one.port")}` };
  }
  const token = readTextOrNull(join(home, "authtoken.secret"))?.trim();
  return token === undefined ? { reason: `cannot read ${join(home, "authtoken.secret")}` } : { port, token };
}

/** Sends one request, with a body of JSON unless it is a GET or DELETE, to the daemon of `home`. Never throws. */
export async function askService(
  home: string,
  method: "GET" | "POST" | "PUT" | "PATCH" | "DELETE",
  path: string,
  body: unknown = {},
): Promise<ServiceAnswer> {
  const service = serviceAddress(home);
  if ("reason" in service) return { state: "absent", reason: service.reason };
  const { port, token } = service;
  try {
    const response = await fetch(`http://127.0.0.1:${port}${path}`, {
      method,
      headers: { "X-ZT1-Auth": token, "Content-Type": "application/json" },
      signal: AbortSignal.timeout(REQUEST_TIMEOUT_MS),
      ...(method === "GET" || method === "DELETE" ? {} : { body: JSON.stringify(body) }),
    });
    const text = await response.text();
    if (!response.ok) return { state: "refused", status: response.status, body: text };
    return { state: "answered", json: text === "" ? null : (JSON.parse(text) as unknown) };
  } catch (error) {
    const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
    return { state: "absent", reason: cause instanceof Error ? cause.message : String(cause) };
  }
}
