import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { loadEngine } from "../../src/http/engine.ts";
import { type Readiness, startTelemetry, type TelemetryListener } from "../../src/http/telemetry-listener.ts";
import { ask } from "./api-client.ts";

for (const prefer of ["uws", "node"] as const) {
  const engine = loadEngine({ prefer });
  describe(`the telemetry listener on ${prefer === engine.name ? prefer : `${engine.name} in place of ${prefer}`}`, () => {
    let listener: TelemetryListener;
    let now = 0;
    let live = true;
    let checks = 0;
    let ready: () => Promise<Readiness>;
    const good: Readiness = { ready: true, checks: { datapath: { ok: true, detail: "answered in 1.2 ms" } } };

    before(async () => {
      ready = () => Promise.resolve(good);
      listener = await startTelemetry({
        host: "127.0.0.1",
        port: 0,
        engine,
        now: () => now,
        metrics: () => Promise.resolve("# HELP a b\n"),
        live: () => live,
        ready: () => {
          checks++;
          return ready();
        },
      });
    });
    after(() => listener.close());

    test("serves metrics without a token", async () => {
      const { status, headers, body } = await ask(listener.port, "/metrics");
      assert.deepEqual([status, body], [200, "# HELP a b\n"]);
      assert.equal(headers["content-type"], "text/plain; version=0.0.4; charset=utf-8");
    });

    test("tells whether the process lives", async () => {
      assert.deepEqual((await ask(listener.port, "/healthz/live")).body, '{"live":true}');
      live = false;
      assert.equal((await ask(listener.port, "/healthz/live")).status, 503);
      live = true;
    });

    test("tells readiness with its checks, and checks at most every three seconds", async () => {
      checks = 0;
      now = 10_000;
      const expected = '{"checks":{"datapath":{"detail":"answered in 1.2 ms","ok":true}},"ready":true}';
      for (let i = 0; i < 3; i++) {
        const { status, body, headers } = await ask(listener.port, "/healthz/ready");
        assert.deepEqual([status, body, headers["cache-control"]], [200, expected, "no-store"]);
      }
      assert.equal(checks, 1);
      ready = () => Promise.resolve({ ready: false, checks: { sockets: { ok: false, detail: "none" } } });
      now = 12_999;
      assert.equal((await ask(listener.port, "/healthz/ready")).status, 200);
      now = 13_000;
      assert.equal((await ask(listener.port, "/healthz/ready")).status, 503);
      assert.equal(checks, 2);
    });

    test("runs one check for many probes, however long it takes, and a check that throws is not ready", async () => {
      checks = 0;
      now = 20_000;
      let fail = (_error: Error) => {};
      ready = () =>
        new Promise((_resolve, reject) => {
          fail = reject;
        });
      const first = ask(listener.port, "/healthz/ready");
      while (checks === 0) await new Promise((resolve) => setTimeout(resolve, 5));
      now = 60_000;
      const second = ask(listener.port, "/healthz/ready", { method: "HEAD" });
      await new Promise((resolve) => setTimeout(resolve, 20));
      fail(new Error("secret path"));
      const answers = await Promise.all([first, second]);
      assert.deepEqual(
        answers.map((answer) => answer.status),
        [503, 503],
      );
      assert.ok(!answers[0].body.includes("secret"));
      assert.equal(checks, 1);
    });

    test("knows no other paths and changes nothing", async () => {
      for (const path of ["/", "/healthz", "/metrics/", "/status"])
        assert.equal((await ask(listener.port, path)).status, 404);
      assert.equal((await ask(listener.port, "/metrics", { method: "POST", body: "x" })).status, 404);
    });
  });
}
