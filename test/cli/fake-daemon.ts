/** A stand-in for the running daemon's service API: answers our own routes and checks the token. */
import { writeFileSync } from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";

export interface FakeDaemon {
  readonly port: number;
  /** Method and path of every authorised request. */
  readonly requests: readonly string[];
  close(): Promise<void>;
}

/** Starts on loopback and writes port and token files into `home`, as the daemon does. */
export async function startFakeDaemon(
  home: string,
  answers: Readonly<Record<string, { readonly status: number; readonly body: unknown }>>,
): Promise<FakeDaemon> {
  const requests: string[] = [];
  const token = "testtoken";
  const server: Server = createServer((request, response) => {
    const route = `${request.method} ${request.url}`;
    const authorised = request.headers["x-zt1-auth"] === token;
    if (authorised) requests.push(route);
    const answer = authorised ? (answers[route] ?? { status: 404, body: {} }) : { status: 401, body: {} };
    request.resume();
    response.writeHead(answer.status, { "Content-Type": "application/json" });
    response.end(JSON.stringify(answer.body));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  writeFileSync(join(home, "zerotier-one.port"), String(port));
  writeFileSync(join(home, "authtoken.secret"), token, { mode: 0o600 });
  return {
    port,
    requests,
    close: () =>
      new Promise((resolve) => {
        server.closeAllConnections();
        server.close(() => resolve());
      }),
  };
}
