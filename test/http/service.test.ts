/** What the recordings do not show: our own routes, and where we are stricter than the reference. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:net";
import { after, before, beforeEach, describe, test } from "node:test";
import { isAuthorised, isManagementSource, presentedToken } from "../../src/http/auth.ts";
import { loadEngine, type RequestHead } from "../../src/http/engine.ts";
import { jsonpName } from "../../src/http/reply.ts";
import { type ServiceApi, startServiceApi } from "../../src/http/service.ts";
import { parseIp, parsePrefix } from "../../src/protocol/inet-address.ts";
import { ask, engineFrom } from "./api-client.ts";
import { RecordedNode } from "./recorded-node.ts";
import { recordedStatus } from "./recorded-status.ts";

const TOKENS = { auth: "abcdefghijklmnopqrstuvwx", metrics: "zyxwvutsrqponmlkjihgfedc" };
const AUTH = { "X-ZT1-Auth": TOKENS.auth };
const STATUS = recordedStatus();

function head(ip: string, path: string, headers: Record<string, string> = {}, query = ""): RequestHead {
  const lower = Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value] as const);
  return { method: "GET", path, query, headers: new Map(lower), remoteAddress: parseIp(ip) ?? new Uint8Array(0) };
}

describe("access to the service API", () => {
  test("the first form of credential that is present decides", () => {
    const both = { "X-ZT1-Auth": "a", Authorization: "Bearer c" };
    assert.equal(presentedToken(head("127.0.0.1", "/", both, "auth=b")), "a");
    assert.equal(presentedToken(head("127.0.0.1", "/", { "X-ZT1-Auth": "" }, "auth=b")), "");
    assert.equal(presentedToken(head("127.0.0.1", "/", { Authorization: "Bearer c" }, "auth=b")), "b");
    assert.equal(presentedToken(head("127.0.0.1", "/", { Authorization: "bEARER c" })), "c");
    for (const text of ["Bearer", "Bearer a b", "Bearer  a", "Basic a", ""]) {
      assert.equal(presentedToken(head("127.0.0.1", "/", { Authorization: text })), null, text);
    }
  });

  test("loopback in every spelling and the listed networks may manage, nobody else", () => {
    const allowed = [parsePrefix("10.1.0.0/16")!, parsePrefix("fd00::/8")!];
    for (const ip of ["127.0.0.1", "127.8.9.1", "::1", "fe80::1", "::ffff:127.0.0.1", "10.1.255.1", "fd12::9"]) {
      assert.equal(isManagementSource(parseIp(ip)!, allowed), true, ip);
    }
    for (const ip of ["10.2.0.1", "192.168.1.1", "fe80::2", "2001:db8::1", "0.0.0.0", "::"]) {
      assert.equal(isManagementSource(parseIp(ip)!, allowed), false, ip);
    }
    assert.equal(isManagementSource(new Uint8Array(0), allowed), false);
  });

  test("the metrics token opens /metrics from anywhere and nothing else", () => {
    const token = { "X-ZT1-Auth": TOKENS.metrics };
    assert.equal(isAuthorised(head("192.0.2.1", "/metrics", token), TOKENS, []), true);
    assert.equal(isAuthorised(head("192.0.2.1", "/metrics", AUTH), TOKENS, []), true);
    assert.equal(isAuthorised(head("127.0.0.1", "/status", token), TOKENS, []), false);
    assert.equal(isAuthorised(head("127.0.0.1", "/metrics"), TOKENS, []), false);
  });

  test("an empty token in a file opens nothing", () => {
    const empty = { auth: "", metrics: "" };
    assert.equal(isAuthorised(head("127.0.0.1", "/status", { "X-ZT1-Auth": "" }), empty, []), false);
    assert.equal(isAuthorised(head("127.0.0.1", "/metrics", { "X-ZT1-Auth": "" }), empty, []), false);
  });
});

describe("the service API", () => {
  let node: RecordedNode;
  let service: ServiceApi;
  const errors: { error: unknown; path: string }[] = [];

  before(async () => {
    node = new RecordedNode(STATUS);
    const onError = (error: unknown, { path }: { path: string }) => errors.push({ error, path });
    service = await startServiceApi({ port: 0, backend: node, tokens: TOKENS, allowManagementFrom: [], onError });
  });
  after(() => service.close());
  beforeEach(() => {
    errors.length = 0;
  });

  test("listens on both loopback addresses only", async () => {
    assert.deepEqual(service.hosts, ["127.0.0.1", "::1"]);
    assert.equal((await ask(service.port, "/status", { headers: AUTH, host: "::1" })).status, 200);
  });

  test("is served by an engine that takes requests without a Host header, whichever was offered", async () => {
    const options = { port: 0, backend: node, tokens: TOKENS, allowManagementFrom: [], engine: loadEngine() };
    const other = await startServiceApi(options);
    assert.equal(other.engine, "node");
    await other.close();
  });

  test("ignores jsonp names that could be anything but a name", async () => {
    for (const name of ["cb", "a.b$_9", "x".repeat(64)]) assert.equal(jsonpName(`jsonp=${name}`), name);
    for (const name of ["", "a(b)", "alert%281%29", "<script>", "x".repeat(65), "a%20b"]) {
      assert.equal(jsonpName(`jsonp=${name}`), null, name);
    }
    const { headers, body } = await ask(service.port, "/health?jsonp=alert(1)//");
    assert.equal(headers["content-type"], "application/json");
    assert.ok(body.startsWith("{"));
    const unknown = await ask(service.port, "/peer/1234567890?jsonp=cb", { headers: AUTH });
    assert.equal(unknown.body, "cb({});");
  });

  test("answers the routes of a leaf that has joined nothing, and of a controller that is switched off", async () => {
    const id = "9c650471be000002";
    const cases: [string, string, number, string][] = [
      ["GET", "/network", 200, "[]"],
      ["GET", `/network/${id}`, 404, "{}"],
      ["DELETE", `/network/${id}`, 200, "{}"],
      ["GET", "/controller", 404, ""],
      ["GET", "/controller/network", 404, ""],
      ["POST", "/bond/setmtu/1400/eth0/10.0.0.1", 400, "{}"],
      ["GET", "/../etc/passwd", 404, ""],
      ["GET", "/app/../../etc/passwd", 404, ""],
    ];
    for (const [method, path, status, body] of cases) {
      const answer = await ask(service.port, path, { method, headers: AUTH });
      assert.deepEqual([path, answer.status, answer.body], [path, status, body]);
    }
    for (const method of ["POST", "PUT"]) {
      const join = await ask(service.port, `/network/${id}`, { method, headers: AUTH, body: "{}" });
      assert.equal(join.status, 200);
      assert.equal((JSON.parse(join.body) as { status: string }).status, "REQUESTING_CONFIGURATION");
    }
    assert.equal(
      (await ask(service.port, `/network/${id}`, { method: "DELETE", headers: AUTH })).body,
      '{"result":true}',
    );
  });

  test("orbits and deorbits by any spelling of the digits, and PUT is POST", async () => {
    node.log.length = 0;
    await ask(service.port, "/moon/F3448767CD", { method: "PUT", headers: AUTH, body: '{"seed":"F3448767CD"}' });
    for (const seed of ['"ff00000001"', '"zz"', '"1f3448767cd0"', "5", "null"]) {
      const options = { method: "POST", headers: AUTH, body: `{"seed":${seed}}` };
      assert.equal((await ask(service.port, "/moon/1111111111", options)).body, "{}", seed);
    }
    await ask(service.port, "/moon/f3448767cd", { method: "DELETE", headers: AUTH, host: "::1" });
    assert.deepEqual(node.log, ["orbit f3448767cd f3448767cd", "deorbit f3448767cd"]);
  });

  test("shows adoption and gauges with world IDs of 16 digits", async () => {
    const world =
      '{"current":1,"id":"0000009c650471be","kind":"planet","newer":0,"older":1,"timestamp":1795396550793,"without":0}';
    assert.equal((await ask(service.port, "/orrery/adoption", { headers: AUTH })).body, `[${world}]`);
    const gauges = await ask(service.port, "/orrery/gauges", { headers: AUTH });
    assert.ok(gauges.body.startsWith(`{"adoption":[${world}],"limits":{`));
    assert.equal((await ask(service.port, "/orrery/gauges")).status, 401);
  });

  test("reloads on demand and says what was wrong", async () => {
    const done = await ask(service.port, "/orrery/reload", { method: "POST", headers: AUTH });
    assert.deepEqual([done.status, done.body], [200, '{"applied":["log.level"],"errors":[],"ok":true,"restart":[]}']);
    node.reloadResult = { ok: false, applied: [], restart: [], errors: ["orrery.yaml:3:1: unknown key"] };
    const failed = await ask(service.port, "/orrery/reload", { method: "POST", headers: AUTH });
    assert.equal(failed.status, 422);
    assert.equal((await ask(service.port, "/orrery/reload", { headers: AUTH })).status, 404);
  });

  test("hands settings on without a __proto__ key", async () => {
    const body = '{"__proto__":{"polluted":true},"lowBandwidthMode":true}';
    await ask(service.port, "/config/settings", { method: "POST", headers: AUTH, body });
    assert.deepEqual(node.localConf.settings, { lowBandwidthMode: true });
    node.localConf = {};
  });

  test("escapes the text of a 500, so that the body is JSON", async () => {
    const answer = await ask(service.port, "/config/settings", { method: "POST", headers: AUTH, body: 't"' });
    assert.equal(answer.status, 500);
    assert.equal((JSON.parse(answer.body) as { error: number }).error, 500);
    assert.match(answer.body, /last read: 't\\"'/);
    assert.equal(errors.length, 0);
  });

  test("reports a bug to the log and not to the client", async () => {
    const broken = new Error("/var/lib/orrery/secret");
    node.metrics = () => Promise.reject(broken);
    const answer = await ask(service.port, `/metrics?auth=${TOKENS.auth}`);
    assert.deepEqual([answer.status, answer.body], [500, '{"error": 500, "description": "internal error"}']);
    assert.deepEqual(errors, [{ error: broken, path: "/metrics" }]);
  });

  test("refuses strangers before it reads their body, and large bodies of friends", async () => {
    const body = "x".repeat(2 * 1024 * 1024 + 1);
    assert.equal((await ask(service.port, "/config/settings", { method: "POST", body })).status, 401);
    assert.equal((await ask(service.port, "/config/settings", { method: "POST", headers: AUTH, body })).status, 413);
  });
});

describe("allowManagementFrom", () => {
  test("opens and closes the other addresses while the service runs", async () => {
    const source = { ip: parseIp("10.77.2.9") };
    const node = new RecordedNode(STATUS);
    const options = { backend: node, tokens: TOKENS, allowManagementFrom: [], engine: engineFrom(source) };
    const service = await startServiceApi({ ...options, port: 0 });
    const { port } = service;
    const status = async () => (await ask(port, "/status", { headers: AUTH })).status;
    try {
      assert.equal(await status(), 401);
      await service.setAllowManagementFrom([parsePrefix("10.77.2.0/24")!]);
      assert.equal(service.port, port);
      assert.ok(service.hosts.some((host) => host === "::" || host === "0.0.0.0"));
      assert.equal(await status(), 200);
      await service.setAllowManagementFrom([parsePrefix("10.78.0.0/16")!]);
      assert.equal(await status(), 401);
      await service.setAllowManagementFrom([]);
      assert.deepEqual(service.hosts, ["127.0.0.1", "::1"]);
      assert.equal(await status(), 401);
    } finally {
      await service.close();
    }
    await assert.rejects(status());
  });
});

describe("the service API of a root that takes over", () => {
  test("begins on each address as soon as that is free", async () => {
    const holder = createServer().listen(0, "127.0.0.1");
    await once(holder, "listening");
    const { port } = holder.address() as { port: number };
    const backend = new RecordedNode(STATUS);
    const service = await startServiceApi({
      port,
      backend,
      tokens: TOKENS,
      allowManagementFrom: [],
      onWaiting: () => {},
    });
    assert.ok(!service.hosts.includes("127.0.0.1"));
    holder.close();
    await once(holder, "close");
    for (let waited = 0; waited < 5000 && !service.hosts.includes("127.0.0.1"); waited += 50) {
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    assert.equal((await ask(port, "/health")).status, 200);
    await service.close();
  });
});
