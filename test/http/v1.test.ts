/** Our own API, over the real engine and a database in memory, as programs use it. */
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import type { ControllerV1 } from "../../src/http/v1/api.ts";
import type { Identity } from "../../src/identity/identity.ts";
import { parseJson } from "../../src/json/json-parse.ts";
import { formatNetworkId } from "../../src/network/network-id.ts";
import { formatAddress } from "../../src/protocol/address.ts";
import { parsePrefix } from "../../src/protocol/inet-address.ts";
import { IDENTITIES } from "../support/constellation.ts";
import type { ControlledNode } from "../support/controlled-node.ts";
import { ServedController } from "../support/served-controller.ts";

const [SELF, A, B] = IDENTITIES as [Identity, Identity, Identity];

interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  // biome-ignore lint/suspicious/noExplicitAny: bodies of many shapes, each looked into where it is expected
  readonly body: any;
}

describe("the API of the controller", () => {
  let it: ControlledNode;
  let v1: ControllerV1;
  let served: ServedController;
  let network = "";

  before(async () => {
    served = await ServedController.open([{ prefix: parsePrefix("10.144.0.0/16")!, by: "interface eth0" }]);
    ({ it, v1 } = served);
  });
  after(() => served.close());

  async function ask(
    method: string,
    path: string,
    body?: unknown,
    headers: Record<string, string> = {},
  ): Promise<Answer> {
    const [bare, query = ""] = path.split("?");
    const answer = await v1.handle({
      method,
      path: `/api/v1${bare}`,
      query,
      headers: new Map(Object.entries(headers)),
      remoteAddress: Uint8Array.of(127, 0, 0, 1),
      body: body === undefined ? new Uint8Array(0) : new TextEncoder().encode(JSON.stringify(body)),
    });
    const text = typeof answer.body === "string" ? answer.body : new TextDecoder().decode(answer.body);
    return { status: answer.status, headers: answer.headers, body: text === "" ? null : parseJson(text) };
  }

  test("makes a network that is private, filtered and has a free subnet, from nothing but {}", async () => {
    const { status, body, headers } = await ask("POST", "/networks", {});
    assert.equal(status, 201, JSON.stringify(body));
    network = body.id;
    assert.equal(headers["Location"], `/api/v1/networks/${network}`);
    assert.equal(BigInt(`0x${network}`) >> 24n, BigInt(SELF.address));
    assert.equal(body.access, "private");
    const record = await it.controller.reader.network(BigInt(`0x${network}`));
    assert.equal((record!.json["rules"] as unknown[]).length, 5);
    assert.equal((record!.json["routes"] as unknown[]).length, 1);
    const others = (await ask("GET", "/subnets")).body.items;
    assert.equal(others.length, 24);
    const used = others.filter((one: { usedBy: string[] }) => one.usedBy.length > 0);
    assert.ok(used.some((one: { usedBy: string[] }) => one.usedBy[0]!.includes("eth0")));
    assert.ok(used.some((one: { usedBy: string[] }) => one.usedBy[0]!.includes(network)));
  });

  test("refuses what it does not know or cannot be, and says which field and what to write", async () => {
    const wrong = await ask("POST", "/networks", { nmae: "x" });
    assert.equal(wrong.status, 400);
    assert.equal(wrong.body.error.code, "invalid");
    assert.ok(wrong.body.error.fields[0].path.includes("nmae"), JSON.stringify(wrong.body));
    const mtu = await ask("PATCH", `/networks/${network}`, { mtu: 100 });
    assert.equal(mtu.body.error.fields[0].path, "mtu");
    assert.equal((await ask("GET", "/networks?limit=9999")).body.error.fields[0].path, "query.limit");
    assert.equal((await ask("GET", "/networks?cursor=abc")).status, 400);
    assert.equal((await ask("GET", "/nothing")).status, 404);
    assert.equal((await ask("PUT", "/networks", {})).status, 405);
    assert.equal(
      (await ask("GET", `/networks/${formatNetworkId((BigInt(SELF.address) << 24n) | 0xffffn)}`)).status,
      404,
    );
  });

  test("keeps a change from overwriting another that came between", async () => {
    const read = await ask("GET", `/networks/${network}`);
    const tag = { "if-match": read.headers["ETag"]! };
    assert.equal((await ask("PATCH", `/networks/${network}`, { name: "one" }, tag)).status, 200);
    assert.equal((await ask("PATCH", `/networks/${network}`, { name: "two" }, tag)).status, 412);
    const again = await ask("GET", `/networks/${network}`);
    assert.equal(again.body.name, "one");
    const known = await ask("GET", `/networks/${network}`, undefined, { "if-none-match": again.headers["ETag"]! });
    assert.equal(known.status, 304);
  });

  test("compiles rules, says where they are wrong, and gives the source back", async () => {
    const wrong = await ask("PUT", `/networks/${network}/rules`, { source: "drop\n  not ethertyp ipv4\n;\naccept;" });
    assert.equal(wrong.status, 400);
    assert.match(wrong.body.error.fields[0].message, /^line 2, column 7: /);
    const source = "tag role\n  id 7\n  enum 1 server\n  default server\n;\ndrop not ethertype ipv4;\naccept;\n";
    const set = await ask("PUT", `/networks/${network}/rules`, { source });
    assert.equal(set.status, 200, JSON.stringify(set.body));
    assert.equal(set.body.source, source);
    assert.equal(set.body.tags[0].name, "role");
    assert.deepEqual(set.body.warnings, []);
    const odd = { source: "drop ethertype arp\n  and dport 22;\naccept;" };
    const warned = await ask("PUT", `/networks/${network}/rules?dryRun=true`, odd);
    assert.deepEqual([warned.body.warnings[0].line, warned.body.warnings[0].column], [2, 7]);
    assert.match(warned.body.warnings[0].message, /^"dport 22" cannot hold together with "ethertype arp"/);
    const record = await it.controller.reader.network(BigInt(`0x${network}`));
    await it.controller.changeNetwork(record!.id, "api", it.now, (current) => ({
      json: { ...current!.json, rules: [{ type: "ACTION_ACCEPT" }] },
      own: current!.own,
    }));
    const shown = await ask("GET", `/networks/${network}/rules`);
    assert.equal(shown.body.origin, "decompiled");
    assert.match(shown.body.source, /accept;/);
  });

  test("authorizes a member before its node has ever shown up, and only the node with these keys", async () => {
    const path = `/networks/${network}/members/${formatAddress(A.address)}`;
    const put = await ask("PUT", path, { identity: A.toString(), name: "printer" });
    assert.equal(put.status, 201, JSON.stringify(put.body));
    assert.equal(put.body.authorized, true);
    it.now += 2000;
    const sent = await it.ask(BigInt(`0x${network}`), A);
    assert.ok(sent.length > 0);
    const shown = await ask("GET", path);
    assert.equal(shown.body.status.online, true);
    assert.equal(shown.body.status.version, "1.14.1");
    assert.equal((await ask("PATCH", path, { authorized: false })).body.authorized, false);
    const list = await ask("GET", `/networks/${network}/members?search=print&authorized=false`);
    assert.equal(list.body.total, 1);
  });

  test("lets a node in by a join token, once, and forgets the secret", async () => {
    const made = await ask("POST", `/networks/${network}/join-tokens`, { name: "guests", uses: 1 });
    assert.equal(made.status, 201, JSON.stringify(made.body));
    const { secret, id } = made.body;
    const join = { token: secret, address: formatAddress(B.address) };
    assert.equal((await ask("POST", "/join", join)).status, 200);
    assert.equal((await ask("POST", "/join", { ...join, address: "1234567890" })).status, 403);
    const list = await ask("GET", `/networks/${network}/join-tokens`);
    assert.equal(list.body.items[0].usesLeft, 0);
    assert.deepEqual(
      Object.keys(list.body.items[0]).filter((key) => ["secret", "hash"].includes(key)),
      [],
    );
    assert.equal((await ask("DELETE", `/networks/${network}/join-tokens/${id}`)).status, 204);
    assert.equal((await ask("DELETE", `/networks/${network}/join-tokens/${id}`)).status, 404);
  });

  test("tells who changed what", async () => {
    const { body } = await ask("GET", "/audit?limit=50");
    const actions = new Set(body.items.map((one: { action: string }) => one.action));
    for (const action of [
      "network.create",
      "network.change",
      "member.authorize",
      "member.deauthorize",
      "join-token.create",
    ]) {
      assert.ok(actions.has(action), action);
    }
    assert.ok(body.items.every((one: { actor: string }) => one.actor !== ""));
  });

  test("describes every operation in its OpenAPI document, parameters and answers included", async () => {
    const { body } = await ask("GET", "/openapi.json");
    assert.equal(body.openapi, "3.1.0");
    for (const { path, method, id, responses } of v1.operations.all) {
      const described = body.paths[path]?.[method.toLowerCase()];
      assert.equal(described?.operationId, id, `${method} ${path}`);
      const inPath = [...path.matchAll(/\{(\w+)\}/g)].map((match) => match[1]);
      const named = described.parameters
        .filter((one: { in: string }) => one.in === "path")
        .map((one: { name: string }) => one.name);
      assert.deepEqual(named, inPath);
      for (const status of Object.keys(responses)) assert.ok(described.responses[status], `${id} ${status}`);
    }
  });

  test("deletes a network with its members", async () => {
    assert.equal((await ask("DELETE", `/networks/${network}`)).status, 204);
    assert.equal((await ask("GET", `/networks/${network}/members`)).status, 404);
  });
});
