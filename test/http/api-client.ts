/** A plain HTTP client and an engine that lies about where requests come from, for tests of the service API. */
import { request as httpRequest, type IncomingHttpHeaders } from "node:http";
import type { HttpApplication, HttpEngine } from "../../src/http/engine.ts";
import { loadEngine } from "../../src/http/engine.ts";

export interface Answer {
  status: number;
  headers: IncomingHttpHeaders;
  body: string;
}

export interface Ask {
  method?: string;
  host?: string;
  headers?: Record<string, string>;
  body?: string;
}

/** Sends one request on a connection of its own. */
export function ask(
  port: number,
  path: string,
  { method = "GET", host = "127.0.0.1", headers = {}, body }: Ask = {},
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const request = httpRequest({ port, path, method, host, headers, agent: false }, (response) => {
      const chunks: Buffer[] = [];
      response.on("data", (chunk: Buffer) => chunks.push(chunk));
      response.on("error", reject);
      response.on("end", () => {
        const text = Buffer.concat(chunks).toString();
        resolve({ status: response.statusCode ?? 0, headers: response.headers, body: text });
      });
    });
    request.on("error", reject);
    request.end(body);
  });
}

/** The engine of the service API, with `source.ip` in place of the real remote address while it is set. */
export function engineFrom(source: { ip: Uint8Array | null }): HttpEngine {
  const engine = loadEngine({ prefer: "node" });
  const moved = <H extends { readonly remoteAddress: Uint8Array }>(head: H): H =>
    source.ip === null ? head : { ...head, remoteAddress: source.ip };
  return {
    name: engine.name,
    requiresHost: engine.requiresHost,
    listen: (hosts, port, application) => {
      const wrapped: HttpApplication = {
        maxBodyBytes: application.maxBodyBytes,
        admit: (head) => application.admit(moved(head)),
        handle: (request) => application.handle(moved(request)),
      };
      return engine.listen(hosts, port, wrapped);
    },
  };
}
