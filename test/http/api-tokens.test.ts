/** API tokens, the event stream, bulk changes and the TLS listener, over real sockets. */
import assert from "node:assert/strict";
import { Agent, request as httpsRequest } from "node:https";
import { after, before, describe, test } from "node:test";
import { generate } from "selfsigned";
import WebSocket from "ws";
import { startConsole } from "../../src/http/console-listener.ts";
import type { HttpListener } from "../../src/http/engine.ts";
import type { Identity } from "../../src/identity/identity.ts";
import { formatAddress } from "../../src/protocol/address.ts";
import { IDENTITIES } from "../support/constellation.ts";
import { SERVICE_TOKEN, ServedController } from "../support/served-controller.ts";

const [, A, B] = IDENTITIES as [Identity, Identity, Identity];

describe("whoever shows an API token", () => {
  let served: ServedController;
  let network = "";

  before(async () => {
    served = await ServedController.open();
  });
  after(() => served.close());

  async function ask(token: string, method: string, path: string, body?: unknown) {
    const answer = await fetch(`http://127.0.0.1:${served.service.port}/api/v1${path}`, {
      method,
      headers: { Authorization: `Bearer ${token}`, "Content-Type": "application/json" },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    const text = await answer.text();
    // biome-ignore lint/suspicious/noExplicitAny: bodies of many shapes
    return { status: answer.status, body: (text === "" ? null : JSON.parse(text)) as any };
  }

  const newToken = async (scope: string, expiresInSeconds?: number) => {
    const made = await ask(SERVICE_TOKEN, "POST", "/tokens", {
      name: scope,
      scope,
      ...(expiresInSeconds ? { expiresInSeconds } : {}),
    });
    assert.equal(made.status, 201);
    return made.body as { id: string; token: string };
  };

  test("may do what its scope says, and is told what else it would take", async () => {
    const read = await newToken("read");
    const write = await newToken("write");
    const admin = await newToken("admin");
    assert.match(read.token, /^orr_[0-9A-Za-z]{10}_[0-9A-Za-z]{40}$/);
    assert.equal((await ask(read.token, "GET", "/networks")).status, 200);
    const refused = await ask(read.token, "POST", "/networks", { name: "x" });
    assert.equal(refused.status, 403);
    assert.match(refused.body.error.message, /takes a token of scope write, and this one has read/);
    const made = await ask(write.token, "POST", "/networks", { name: "by token" });
    assert.equal(made.status, 201);
    network = made.body.id as string;
    assert.equal((await ask(write.token, "GET", "/tokens")).status, 403);
    assert.equal((await ask(admin.token, "GET", "/tokens")).status, 200);
  });

  test("is named in the audit log", async () => {
    const { body } = await ask(SERVICE_TOKEN, "GET", "/audit");
    const entry = (body.items as { action: string; actor: string }[]).find(({ action }) => action === "network.create");
    assert.match(entry!.actor, /^token:[0-9A-Za-z]{10}$/);
  });

  test("is shown once: neither the list nor the database has its text", async () => {
    const { id, token } = await newToken("read");
    const { body } = await ask(SERVICE_TOKEN, "GET", "/tokens");
    assert.ok((body.items as { id: string }[]).some((one) => one.id === id));
    assert.ok(!JSON.stringify(body).includes(token));
    const rows = await served.it.database.reader.selectFrom("api_tokens").selectAll().execute();
    assert.ok(!JSON.stringify(rows).includes(token.slice(15)));
  });

  test("is refused when it has expired, was revoked, or is none", async () => {
    const short = await newToken("read", 60);
    assert.equal((await ask(short.token, "GET", "/networks")).status, 200);
    served.it.now += 61_000;
    assert.equal((await ask(short.token, "GET", "/networks")).status, 401);
    const { id, token } = await newToken("read");
    assert.equal((await ask(SERVICE_TOKEN, "DELETE", `/tokens/${id}`)).status, 204);
    assert.equal((await ask(token, "GET", "/networks")).status, 401);
    assert.equal((await ask("nonsense", "GET", "/networks")).status, 401);
    assert.equal((await ask(SERVICE_TOKEN, "DELETE", `/tokens/${id}`)).status, 404);
  });

  test("opens nothing but our own API", async () => {
    const { token } = await newToken("admin");
    const answer = await fetch(`http://127.0.0.1:${served.service.port}/controller/network`, {
      headers: { Authorization: `Bearer ${token}` },
    });
    assert.equal(answer.status, 401);
  });

  test("is noted with its last use, which is written down", async () => {
    const { id, token } = await newToken("read");
    await ask(token, "GET", "/networks");
    const used = served.tokens.list().find((one) => one.id === id)!;
    assert.equal(used.lastUsedAt, served.it.now);
    await served.tokens.save(served.it.now + 60_000);
    const row = await served.it.database.reader
      .selectFrom("api_tokens")
      .select("last_used_at")
      .where("id", "=", id)
      .executeTakeFirst();
    assert.equal(row!.last_used_at, served.it.now);
  });

  test("changes many members at once, and is told what came of each", async () => {
    const addresses = [A, B].map(({ address }) => formatAddress(address));
    for (const identity of [A, B]) await served.it.ask(BigInt(`0x${network}`), identity);
    const unknown = "1234567890";
    const changed = await ask(SERVICE_TOKEN, "POST", `/networks/${network}/members:bulk`, {
      members: { addresses: [...addresses, unknown] },
      action: "change",
      change: { authorized: true },
    });
    assert.equal(changed.status, 200);
    assert.equal(changed.body.done, 2);
    assert.deepEqual(changed.body.results[2], { address: unknown, done: false, error: changed.body.results[2].error });
    const filtered = await ask(SERVICE_TOKEN, "POST", `/networks/${network}/members:bulk`, {
      members: { filter: { authorized: true } },
      action: "delete",
    });
    assert.equal(filtered.body.done, 2);
    assert.equal((await ask(SERVICE_TOKEN, "GET", `/networks/${network}/members`)).body.items.length, 0);
    const nonsense = await ask(SERVICE_TOKEN, "POST", `/networks/${network}/members:bulk`, {
      members: { addresses },
      action: "change",
    });
    assert.equal(nonsense.status, 400);
  });

  test("sees events as they happen, and those it missed", async () => {
    const { token } = await newToken("read");
    const url = `ws://127.0.0.1:${served.service.port}/api/v1/events`;
    const seen: { id: number; type: string; member: string | null }[] = [];
    const socket = new WebSocket(`${url}?network=${network}`, ["orrery.v1", `bearer.${token}`]);
    socket.on("message", (data) => void seen.push(JSON.parse(String(data)) as (typeof seen)[number]));
    await new Promise((resolve) => socket.once("open", resolve));
    served.it.now += 2000;
    await served.it.ask(BigInt(`0x${network}`), A);
    await ask(SERVICE_TOKEN, "PATCH", `/networks/${network}/members/${formatAddress(A.address)}`, { authorized: true });
    await until(() => seen.some(({ type }) => type === "member-authorized"));
    assert.deepEqual([...new Set(seen.map(({ member }) => member))], [formatAddress(A.address)]);
    assert.ok(seen.some(({ type }) => type === "member-seen"));
    socket.close();
    const again: { id: number }[] = [];
    const second = new WebSocket(`${url}?since=${seen[0]!.id}&types=member-authorized`, {
      headers: { Authorization: `Bearer ${token}` },
    });
    second.on("message", (data) => void again.push(JSON.parse(String(data)) as { id: number }));
    await until(() => again.length > 0);
    assert.equal(again[0]!.id, seen.find(({ type }) => type === "member-authorized")!.id);
    second.close();
  });

  test("is told when events are lost, and what a stream can be asked for", async () => {
    const url = `ws://127.0.0.1:${served.service.port}/api/v1/events`;
    const headers = { "X-ZT1-Auth": SERVICE_TOKEN };
    const first = new WebSocket(`${url}?since=5`, { headers });
    const message = await new Promise<string>((resolve) => first.once("message", (data) => resolve(String(data))));
    assert.equal((JSON.parse(message) as { type: string }).type, "gap");
    first.close();
    for (const query of ["types=foo", "network=12", "since=x"]) {
      assert.equal(await refusedWith(`${url}?${query}`, headers), 400, query);
    }
    assert.equal(await refusedWith(url, {}), 401);
    assert.equal(await refusedWith(url.replace("/events", "/networks"), headers), 400);
  });

  test("is not even looked at after many wrong ones from its address", async () => {
    const { token } = await newToken("read");
    for (let i = 0; i < 20; i++) await ask("wrong", "GET", "/networks");
    const blocked = await ask(token, "GET", "/networks");
    assert.equal(blocked.status, 429);
    assert.equal((await ask(SERVICE_TOKEN, "GET", "/networks")).status, 200, "the service's own token is not affected");
    served.it.now += 60_000;
    assert.equal((await ask(token, "GET", "/networks")).status, 200);
  });
});

describe("the listener for other machines", () => {
  let served: ServedController;
  let listener: HttpListener;
  let cert = "";

  before(async () => {
    served = await ServedController.open();
    const made = await generate([{ name: "commonName", value: "localhost" }], { keyType: "ec", algorithm: "sha256" });
    cert = made.cert;
    const tls = { key: made.private, cert };
    listener = await startConsole({ host: "127.0.0.1", port: 0, v1: served.v1, tls });
  });
  after(async () => {
    await listener.close();
    await served.close();
  });

  function ask(path: string, headers: Record<string, string>): Promise<number> {
    const options = { port: listener.port, path, headers, ca: cert, servername: "localhost" };
    return new Promise((resolve, reject) => {
      const request = httpsRequest({ host: "127.0.0.1", ...options }, (response) => {
        response.resume();
        resolve(response.statusCode!);
      });
      request.on("error", reject);
      request.end();
    });
  }

  test("serves our API over TLS to an API token, and to nothing else", async () => {
    const made = await served.tokens.create({ name: "remote", scope: "read", expiresAt: 0 }, "test", served.it.now);
    assert.equal(await ask("/api/v1/networks", { Authorization: `Bearer ${made!.text}` }), 200);
    assert.equal(await ask("/api/v1/networks", { "X-ZT1-Auth": SERVICE_TOKEN }), 401);
    assert.equal(await ask("/api/v1/networks", {}), 401);
    assert.equal(await ask("/controller/network", { Authorization: `Bearer ${made!.text}` }), 404);
    assert.equal(await ask("/status", { Authorization: `Bearer ${made!.text}` }), 404);
  });

  test("streams events there, too", async () => {
    const made = await served.tokens.create({ name: "watcher", scope: "read", expiresAt: 0 }, "test", served.it.now);
    const socket = new WebSocket(`wss://127.0.0.1:${listener.port}/api/v1/events`, {
      headers: { Authorization: `Bearer ${made!.text}` },
      agent: new Agent({ ca: cert, servername: "localhost" }),
    });
    const message = new Promise<string>((resolve) => socket.once("message", (data) => resolve(String(data))));
    await new Promise((resolve) => socket.once("open", resolve));
    served.events.publish({ type: "network-deleted", networkId: 5n, actor: "test" });
    assert.match(await message, /"network":"0000000000000005"/);
    socket.close();
  });
});

async function until(holds: () => boolean): Promise<void> {
  for (let i = 0; i < 200 && !holds(); i++) await new Promise((resolve) => setTimeout(resolve, 10));
  assert.ok(holds(), "it did not happen within two seconds");
}

function refusedWith(url: string, headers: Record<string, string>): Promise<number | undefined> {
  const socket = new WebSocket(url, { headers });
  return new Promise((resolve, reject) => {
    socket.on("unexpected-response", (_request, response) => {
      resolve(response.statusCode);
      socket.terminate();
    });
    socket.on("open", () => reject(new Error("it was let in")));
    socket.on("error", () => {});
  });
}
