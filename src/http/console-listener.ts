/**
 * Where our own API is served to other machines: over TLS, for whoever shows an API token. The service API's token
 * opens nothing here. Facts: design §1 (listeners).
 */
import { presentedToken } from "./auth.ts";
import type { HttpApplication, HttpListener, HttpReply, RequestHead } from "./engine.ts";
import { protocolToken, refuse } from "./event-stream.ts";
import { createNodeEngine, type TlsMaterial } from "./node-engine.ts";
import { type Access, ControllerV1, isRefusal } from "./v1/api.ts";

const MAX_BODY_BYTES = 2 * 1024 * 1024;
const NOT_FOUND: HttpReply = {
  status: 404,
  headers: { "Content-Type": "text/plain" },
  body: "see /api/v1/openapi.json\n",
};

export interface ConsoleOptions {
  readonly host: string;
  /** 0 picks one. */
  readonly port: number;
  readonly v1: ControllerV1;
  /** Null: plain HTTP, for a proxy on this machine. */
  readonly tls: TlsMaterial | null;
}

/** Starts it. Rejects with `ListenError` if the port cannot be had. */
export function startConsole({ host, port, v1, tls }: ConsoleOptions): Promise<HttpListener> {
  const accesses = new WeakMap<RequestHead["headers"], Access>();
  const admit = (head: RequestHead): Access | HttpReply => {
    if (!ControllerV1.serves(head.path)) return NOT_FOUND;
    return v1.authenticate(presentedToken(head) ?? protocolToken(head), false, head.remoteAddress);
  };
  const application: HttpApplication = {
    maxBodyBytes: MAX_BODY_BYTES,
    admit: (head) => {
      const access = admit(head);
      if (isRefusal(access)) return access;
      accesses.set(head.headers, access);
      return null;
    },
    handle: (request) => {
      const access = accesses.get(request.headers);
      return access === undefined ? NOT_FOUND : v1.handle(request, access);
    },
    upgrade: (head, request, socket, rest) => {
      if (!ControllerV1.serves(head.path)) return refuse(socket, 400, "there is nothing to upgrade to here");
      v1.upgrade(head, admit(head), request, socket, rest);
    },
  };
  return createNodeEngine(undefined, tls).listen([host], port, application);
}
