/** The node engine's own time limits (uWebSockets.js has built-in ones that cannot be set). */
import assert from "node:assert/strict";
import { connect } from "node:net";
import { describe, test } from "node:test";
import { createNodeEngine } from "../../src/http/node-engine.ts";

const LIMITS = { headersMs: 100, requestMs: 300, keepAliveMs: 200, idleMs: 500, checkMs: 50 };
const PATIENCE_MS = 3000;

async function closedAfter(sent: string, drip: string): Promise<{ elapsedMs: number; text: string }> {
  const listener = await createNodeEngine(LIMITS).listen(["127.0.0.1"], 0, {
    maxBodyBytes: 1000,
    admit: () => null,
    handle: () => ({ status: 200, headers: {}, body: "ok" }),
  });
  const started = performance.now();
  let text = "";
  const socket = connect(listener.port, "127.0.0.1");
  socket.on("error", () => {});
  socket.on("data", (chunk: Buffer) => {
    text += chunk.toString();
  });
  socket.write(sent);
  const timer = setInterval(() => socket.write(drip), 20);
  await new Promise<void>((resolve) => {
    socket.once("close", () => resolve());
    setTimeout(resolve, PATIENCE_MS).unref();
  });
  clearInterval(timer);
  socket.destroy();
  await listener.close();
  return { elapsedMs: performance.now() - started, text };
}

describe("slow clients of the node engine", () => {
  test("are cut off when the headers do not end", async () => {
    const { elapsedMs, text } = await closedAfter("GET / HTTP/1.1\r\n", "X: y\r\n");
    assert.ok(elapsedMs < PATIENCE_MS);
    assert.match(text, /^HTTP\/1\.1 408 /);
  });

  test("are cut off when the body does not end", async () => {
    const { elapsedMs, text } = await closedAfter("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 900\r\n\r\n", "x");
    assert.ok(elapsedMs < PATIENCE_MS);
    assert.match(text, /^HTTP\/1\.1 408 /);
  });

  test("lose a connection that stays silent after an answer", async () => {
    const { elapsedMs, text } = await closedAfter("GET / HTTP/1.1\r\nHost: x\r\n\r\n", "");
    assert.ok(elapsedMs < PATIENCE_MS);
    assert.match(text, /^HTTP\/1\.1 200 /);
  });

  test("lose a connection on which they say nothing at all", async () => {
    const { elapsedMs } = await closedAfter("", "");
    assert.ok(elapsedMs < PATIENCE_MS);
  });
});
