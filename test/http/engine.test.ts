/** One contract for every HTTP engine that loads here (research: the differences are where prototypes went wrong). */
import assert from "node:assert/strict";
import { once } from "node:events";
import { Agent, request as httpRequest, type IncomingHttpHeaders } from "node:http";
import { connect, type Socket } from "node:net";
import { describe, test } from "node:test";
import {
  type HttpApplication,
  type HttpEngine,
  type HttpListener,
  type HttpReply,
  type HttpRequest,
  loadEngine,
} from "../../src/http/engine.ts";
import { ListenError } from "../../src/http/listen.ts";

const MAX_BODY_BYTES = 64 * 1024;

interface Answer {
  status: number;
  headers: IncomingHttpHeaders;
  body: string;
}

interface Ask {
  method?: string;
  host?: string;
  headers?: Record<string, string>;
  body?: string | Uint8Array;
  agent?: Agent;
}

function ask(port: number, path: string, options: Ask = {}): Promise<Answer> {
  const { method = "GET", host = "127.0.0.1", headers = {}, body, agent } = options;
  return new Promise((resolve, reject) => {
    const request = httpRequest({ port, path, method, host, headers, agent: agent ?? false }, (response) => {
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

async function readUntilClosed(socket: Socket): Promise<string> {
  let text = "";
  socket.on("data", (chunk: Buffer) => {
    text += chunk.toString();
  });
  await closed(socket);
  return text;
}

/** Resolves when the connection is gone, also by a reset. */
function closed(socket: Socket): Promise<void> {
  return new Promise((resolve) => {
    socket.on("error", () => {});
    socket.once("close", () => resolve());
  });
}

const ok = (body: string | Uint8Array, headers: Record<string, string> = {}): HttpReply => ({
  status: 200,
  headers,
  body,
});

/** Tells back what it was asked; some paths misbehave on purpose. */
function echoApplication(release: Promise<void> = Promise.resolve()): HttpApplication & { seen: HttpRequest[] } {
  const seen: HttpRequest[] = [];
  return {
    seen,
    maxBodyBytes: MAX_BODY_BYTES,
    admit: (head) => (head.path === "/refused" ? { status: 401, headers: { "X-Why": "no" }, body: "{}" } : null),
    async handle(request) {
      seen.push(request);
      if (request.path === "/throws") throw new Error("secret detail");
      if (request.path === "/bytes") return ok(new Uint8Array(200_000).fill(7));
      if (request.path === "/length") return ok(String(request.body.length));
      if (request.path === "/none") return { status: 404, headers: {}, body: "" };
      if (request.path === "/slow") await release;
      const { method, path, query } = request;
      const text = JSON.stringify({ method, path, query, body: new TextDecoder().decode(request.body) });
      return ok(text, { "Content-Type": "application/json" });
    },
  };
}

async function withServer(
  engine: HttpEngine,
  run: (listener: HttpListener, application: ReturnType<typeof echoApplication>) => Promise<void>,
  application = echoApplication(),
  hosts: readonly string[] = ["127.0.0.1"],
): Promise<void> {
  const listener = await engine.listen(hosts, 0, application);
  try {
    await run(listener, application);
  } finally {
    await listener.close();
  }
}

const engines = [loadEngine(), loadEngine({ prefer: "node" })].filter(
  (engine, index, all) => all.findIndex((other) => other.name === engine.name) === index,
);

test("an engine always loads, and asking for node:http gives node:http", () => {
  assert.ok(["uws", "node"].includes(loadEngine().name));
  assert.equal(loadEngine({ prefer: "node" }).requiresHost, false);
  assert.equal(loadEngine({ prefer: "node" }).name, "node");
});

for (const engine of engines) {
  describe(`HTTP engine ${engine.name}`, () => {
    test("hands over method, path and query as they were sent", () =>
      withServer(engine, async ({ port }) => {
        const { status, headers, body } = await ask(port, "/a%20b/c?x=1&y=%2F?");
        assert.equal(status, 200);
        assert.equal(headers["content-type"], "application/json");
        assert.equal(headers["content-length"], String(body.length));
        assert.deepEqual(JSON.parse(body), { method: "GET", path: "/a%20b/c", query: "x=1&y=%2F?", body: "" });
        for (const method of ["POST", "PUT", "DELETE", "PATCH", "OPTIONS"]) {
          assert.equal(JSON.parse((await ask(port, "/", { method })).body).method, method);
        }
      }));

    test("hands over headers in lower case and joins repeated ones", () =>
      withServer(engine, async ({ port }, { seen }) => {
        const socket = connect(port, "127.0.0.1");
        socket.write("GET /h HTTP/1.1\r\nHost: x\r\nX-Token: a\r\nX-TOKEN: b\r\nConnection: close\r\n\r\n");
        const text = await Promise.race([
          readUntilClosed(socket),
          new Promise<string>((resolve) => socket.once("data", (chunk) => resolve(chunk.toString()))),
        ]);
        socket.destroy();
        assert.match(text, /^HTTP\/1\.1 200 OK\r\n/);
        assert.equal(seen[0]?.headers.get("x-token"), "a, b");
      }));

    test("answers HEAD with the length of the body and without the body", () =>
      withServer(engine, async ({ port }) => {
        const full = await ask(port, "/bytes");
        const head = await ask(port, "/bytes", { method: "HEAD" });
        assert.equal(full.body.length, 200_000);
        assert.deepEqual([head.status, head.headers["content-length"], head.body], [200, "200000", ""]);
      }));

    test("sends an empty body with a length and no content type", () =>
      withServer(engine, async ({ port }) => {
        const { status, headers, body } = await ask(port, "/none");
        assert.deepEqual([status, headers["content-length"], headers["content-type"], body], [404, "0", undefined, ""]);
      }));

    test("hands over a POST body, with a length and chunked", () =>
      withServer(engine, async ({ port }) => {
        const body = "zero \u00e9".repeat(1000);
        const sized = await ask(port, "/p", { method: "POST", body });
        assert.equal(JSON.parse(sized.body).body, body);
        const headers = { "Transfer-Encoding": "chunked" };
        const chunked = await ask(port, "/p", { method: "PUT", body, headers });
        assert.equal(JSON.parse(chunked.body).body, body);
      }));

    test("takes a body of exactly the limit and answers 413 to one byte more", () =>
      withServer(engine, async ({ port }, { seen }) => {
        const exact = await ask(port, "/length", { method: "POST", body: new Uint8Array(MAX_BODY_BYTES) });
        assert.deepEqual([exact.status, exact.body], [200, String(MAX_BODY_BYTES)]);
        for (const size of [MAX_BODY_BYTES + 1, 20 * MAX_BODY_BYTES]) {
          const over = await ask(port, "/length", { method: "POST", body: new Uint8Array(size) });
          assert.deepEqual([over.status, over.body], [413, ""]);
        }
        assert.equal(seen.length, 1);
        assert.equal((await ask(port, "/length")).status, 200);
      }));

    test("cuts off a client that sends without end", () =>
      withServer(engine, async ({ port }, { seen }) => {
        const socket = connect(port, "127.0.0.1");
        const gone = closed(socket);
        socket.write("POST /length HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000000\r\n\r\n");
        const chunk = Buffer.alloc(256 * 1024);
        const pump = () => {
          while (!socket.destroyed && socket.write(chunk));
        };
        socket.on("drain", pump);
        pump();
        await gone;
        assert.equal(seen.length, 0);
        assert.equal((await ask(port, "/length")).status, 200);
      }));

    test("refuses before the body is read when the application does not admit the request", () =>
      withServer(engine, async ({ port }, { seen }) => {
        const refused = await ask(port, "/refused", { method: "POST", body: "x".repeat(1000) });
        assert.deepEqual([refused.status, refused.headers["x-why"], refused.body], [401, "no", "{}"]);
        assert.equal(seen.length, 0);
      }));

    test("answers an empty 500 when the application throws, and tells nothing", () =>
      withServer(engine, async ({ port }) => {
        const { status, body } = await ask(port, "/throws");
        assert.deepEqual([status, body], [500, ""]);
      }));

    test("survives clients that go away before the answer and in the middle of a body", async () => {
      let release = () => {};
      const released = new Promise<void>((resolve) => {
        release = resolve;
      });
      await withServer(
        engine,
        async ({ port }, { seen }) => {
          const waiting = connect(port, "127.0.0.1");
          waiting.write("GET /slow HTTP/1.1\r\nHost: x\r\n\r\n");
          while (seen.length === 0) await new Promise((resolve) => setTimeout(resolve, 5));
          waiting.destroy();
          const partial = connect(port, "127.0.0.1");
          partial.write("POST /length HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nabc");
          await once(partial, "connect");
          partial.destroy();
          await new Promise((resolve) => setTimeout(resolve, 50));
          release();
          assert.equal((await ask(port, "/length")).status, 200);
          assert.deepEqual(
            seen.map((request) => request.path),
            ["/slow", "/length"],
          );
        },
        echoApplication(released),
      );
    });

    test("tells the remote address as 4 or 16 bytes in a buffer of its own", () =>
      withServer(
        engine,
        async ({ port }, { seen }) => {
          await ask(port, "/v4", { method: "POST", body: "hello" });
          await ask(port, "/v6", { host: "::1" });
          assert.deepEqual([...seen[0]!.remoteAddress], [127, 0, 0, 1]);
          assert.deepEqual([...seen[1]!.remoteAddress], [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]);
          for (const { remoteAddress, body } of seen) {
            assert.equal(remoteAddress.buffer.byteLength, remoteAddress.length);
            assert.equal(body.buffer.byteLength, body.length);
          }
        },
        echoApplication(),
        ["127.0.0.1", "::1"],
      ));

    test("takes IPv4 on the IPv6 wildcard and tells such addresses as 4 bytes", () =>
      withServer(
        engine,
        async ({ port, hosts }, { seen }) => {
          await ask(port, "/");
          assert.deepEqual([...seen[0]!.remoteAddress], [127, 0, 0, 1]);
          assert.deepEqual(hosts, ["::"]);
        },
        echoApplication(),
        ["::", "0.0.0.0"],
      ));

    test("listens on both loopback addresses with one port", () =>
      withServer(
        engine,
        async ({ port, hosts }) => {
          assert.deepEqual(hosts, ["127.0.0.1", "::1"]);
          assert.equal((await ask(port, "/")).status, 200);
          assert.equal((await ask(port, "/", { host: "::1" })).status, 200);
        },
        echoApplication(),
        ["127.0.0.1", "::1"],
      ));

    test("serves many requests on one connection", () =>
      withServer(engine, async ({ port }) => {
        const agent = new Agent({ keepAlive: true, maxSockets: 1 });
        const sockets = new Set<Socket>();
        agent.on("free", (socket: Socket) => sockets.add(socket));
        for (let i = 0; i < 20; i++) {
          const body = String(i);
          const answer = await ask(port, "/k", { method: "POST", body, agent });
          assert.equal(JSON.parse(answer.body).body, body);
        }
        agent.destroy();
        assert.equal(sockets.size, 1);
      }));

    test("keeps concurrent requests apart", () =>
      withServer(engine, async ({ port }) => {
        const bodies = Array.from({ length: 50 }, (_, index) => `${index}`.repeat(index * 20 + 1));
        const answers = await Promise.all(bodies.map((body) => ask(port, "/c", { method: "POST", body })));
        assert.deepEqual(
          answers.map((answer) => JSON.parse(answer.body).body),
          bodies,
        );
      }));

    test("refuses a port that is taken and says so", () =>
      withServer(engine, async ({ port }) => {
        await assert.rejects(engine.listen(["127.0.0.1"], port, echoApplication()), ListenError);
      }));

    test("leaves out a host that does not exist here, as long as another one works", async () => {
      const listener = await engine.listen(["192.0.2.1", "127.0.0.1"], 0, echoApplication());
      assert.deepEqual(listener.hosts, ["127.0.0.1"]);
      await listener.close();
    });

    test("releases the port on close and does not wait for kept-alive connections", async () => {
      const first = await engine.listen(["127.0.0.1"], 0, echoApplication());
      const agent = new Agent({ keepAlive: true });
      assert.equal((await ask(first.port, "/", { agent })).status, 200);
      const started = performance.now();
      await first.close();
      await first.close();
      assert.ok(performance.now() - started < 1000, "close took too long");
      const second = await engine.listen(["127.0.0.1"], first.port, echoApplication());
      assert.equal(second.port, first.port);
      assert.equal((await ask(second.port, "/")).status, 200);
      agent.destroy();
      await second.close();
    });

    test("finishes a running request before it closes, and releases the port at once", async () => {
      let release = () => {};
      const application = echoApplication(
        new Promise<void>((resolve) => {
          release = resolve;
        }),
      );
      const listener = await engine.listen(["127.0.0.1"], 0, application);
      const answer = ask(listener.port, "/slow");
      while (application.seen.length === 0) await new Promise((resolve) => setTimeout(resolve, 5));
      await listener.stopListening();
      const next = await engine.listen(["127.0.0.1"], listener.port, echoApplication());
      const closing = listener.close();
      release();
      assert.equal((await answer).status, 200);
      await closing;
      await next.close();
    });

    test("says truly whether it serves HTTP/1.1 requests without a Host header, which zerotier-cli sends", () =>
      withServer(engine, async ({ port }, { seen }) => {
        const socket = connect(port, "127.0.0.1");
        const gone = closed(socket);
        socket.write("GET /status HTTP/1.1\r\nX-ZT1-Auth: x\r\n\r\n");
        const first = new Promise((resolve) => socket.once("data", (chunk: Buffer) => resolve(chunk.toString())));
        const text = await Promise.race([first, gone.then(() => "")]);
        socket.destroy();
        assert.equal(String(text).startsWith("HTTP/1.1 200 OK\r\n"), !engine.requiresHost);
        assert.equal(seen.length, engine.requiresHost ? 0 : 1);
      }));

    test("refuses oversized headers", () =>
      withServer(engine, async ({ port }, { seen }) => {
        const socket = connect(port, "127.0.0.1");
        socket.write(`GET / HTTP/1.1\r\nHost: x\r\nX-Big: ${"a".repeat(100_000)}\r\n\r\n`);
        const text = await readUntilClosed(socket);
        assert.ok(text === "" || text.startsWith("HTTP/1.1 431"), text.slice(0, 40));
        assert.equal(seen.length, 0);
      }));
  });
}
