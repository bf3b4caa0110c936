/**
 * Sends the recorded requests of the reference to our service and compares status, content type and body.
 *
 * What is put in place of recorded values, because it cannot be equal:
 * | value | by |
 * |---|---|
 * | `<authtoken>`, `<metricstoken>` | the tokens of this test |
 * | clock, peers' times, ports, moons | given to the fake node out of the recording, so that they come back |
 * | text of /metrics | the first line only: its samples are the business of test/telemetry |
 */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { after, before, describe, test } from "node:test";
import { type ServiceApi, startServiceApi } from "../../src/http/service.ts";
import { parseNetworkId } from "../../src/network/network-id.ts";
import { type IpPrefix, parseIp, parsePrefix } from "../../src/protocol/inet-address.ts";
import { ask, engineFrom } from "./api-client.ts";
import type { RecordedNetwork } from "./recorded-networks.ts";
import {
  moonOf,
  peerView,
  type RecordedMoon,
  RecordedNode,
  type RecordedPeer,
  type RecordedStatus,
} from "./recorded-node.ts";

interface Exchange {
  name: string;
  node: "a" | "b" | "c";
  request?: { method: string; path: string; headers: string[]; body?: unknown };
  response: { status: number; headers: Record<string, string>; bodyText: string; json?: unknown };
}

function recordings(file: string): Exchange[] {
  const url = new URL(`../fixtures/vectors/api/${file}.json`, import.meta.url);
  return (JSON.parse(readFileSync(url, "utf8")) as { exchanges: Exchange[] }).exchanges;
}

/** Exchanges of parts of the reference that this version does not have, and notes that are no exchange. */
const OUT_OF_SCOPE: Readonly<Record<string, readonly string[]>> = {
  // The file that was in use; it is given to the fake node below.
  "local-conf": ["local.conf in use"],
  // The controller's part, which is replayed by recorded-controller.test.ts.
  "network-node-misc": [
    "authorise own node",
    "own member record",
    "public network, single-address pool, default capability",
    "b auto-authorised as public; default capability applied because its first request was already authorised",
    "c auto-authorised",
    "switch to private: existing members stay authorised",
    "members",
    "delete network with members",
  ],
  // A node with bonds, which is replayed by recorded-bond.test.ts, and a list that was recorded before there was one.
  bond: ["peer list with bonding", "setmtu unknown link"],
};

/** Where we differ on purpose (src/http/service.ts says why): the answer that we give instead. */
const DELIBERATE: Readonly<Record<string, { status: number; body: string; type?: string }>> = {
  "DELETE /moon over IPv6 control port is not routed": {
    status: 200,
    body: '{"result":true}',
    type: "application/json",
  },
};

/** Exchanges that did not come from 127.0.0.1. */
const SOURCES: Readonly<Record<string, string>> = {
  "status over IPv6 loopback": "::1",
  "DELETE /moon over IPv6 control port is not routed": "::1",
  "status via own non-loopback address (local process)": "10.77.1.1",
  "status from a remote host, valid token": "10.77.1.2",
  "metrics from a remote host with metrics token": "10.77.1.2",
  "health from a remote host without token": "10.77.1.2",
  "remote management from an allowed network": "10.77.2.1",
  "allowed network, wrong token": "10.77.2.1",
  "health from an allowed network, no token": "10.77.2.1",
};

const TOKENS = { auth: "abcdefghijklmnopqrstuvwx", metrics: "zyxwvutsrqponmlkjihgfedc" };
const AUTHORISED = "X-ZT1-Auth: <authtoken>";
const fill = (text: string) => text.replaceAll("<authtoken>", TOKENS.auth).replaceAll("<metricstoken>", TOKENS.metrics);

const STATUS: Record<Exchange["node"], RecordedStatus> = {
  a: recordings("status-auth")[0]!.response.json as RecordedStatus,
  b: recordings("config").at(-1)!.response.json as RecordedStatus,
  c: recordings("local-conf")[1]!.response.json as RecordedStatus,
};

/** A network is shown here that was joined before the recording begins. */
const EARLIER: ReadonlySet<string> = new Set(["invalid JSON body is discarded"]);

const MANAGEMENT: IpPrefix[] = [parsePrefix("10.77.2.0/24")!];

/** Nodes and services of one recording; state lives through its exchanges as it did then. */
class Stage {
  readonly #nodes = new Map<string, RecordedNode>();
  readonly #services = new Map<string, ServiceApi>();
  readonly #source: { ip: Uint8Array | null } = { ip: null };

  async open(allowed: readonly IpPrefix[]): Promise<void> {
    for (const name of ["a", "b", "c"] as const) {
      const node = new RecordedNode(STATUS[name]);
      const engine = engineFrom(this.#source);
      this.#nodes.set(name, node);
      const options = { port: 0, backend: node, tokens: TOKENS, allowManagementFrom: allowed, engine };
      this.#services.set(name, await startServiceApi(options));
    }
  }

  async close(): Promise<void> {
    for (const service of this.#services.values()) await service.close();
  }

  node(name: string): RecordedNode {
    return this.#nodes.get(name)!;
  }

  /** Gives the fake node what the real one knew at that moment. */
  prepare(exchange: Exchange): void {
    const node = this.node(exchange.node);
    const answer = exchange.response.json ?? jsonInside(exchange.response.bodyText);
    const { clock } = (answer ?? {}) as { clock?: number };
    if (clock !== undefined) node.clock = clock;
    if (exchange.request!.path.startsWith("/peer") && exchange.response.status === 200) {
      const peers = (Array.isArray(answer) ? answer : [answer]) as RecordedPeer[];
      if (peers[0]?.address !== undefined) node.peerViews = peers.map((peer) => peerView(peer, node.identity));
    }
    if (/^\/network(\/|$)/.test(exchange.request!.path) && exchange.response.status === 200) {
      const networks = (Array.isArray(answer) ? answer : [answer]) as RecordedNetwork[];
      // Recordings begin with networks that were joined before.
      for (const network of networks)
        if (EARLIER.has(exchange.name)) node.networks.join(parseNetworkId(network.id)!, {});
      for (const network of networks) if (network.id !== undefined) node.networks.became(network);
    }
    if (exchange.name === "moon list after the definition arrived") {
      node.moonWorlds = this.node("c").moonWorlds;
      node.wanted = [];
    }
  }

  send(exchange: Exchange) {
    const { method, path, headers, body } = exchange.request!;
    const source = SOURCES[exchange.name] ?? "127.0.0.1";
    this.#source.ip = parseIp(source)!;
    const pairs = headers.map(
      (line) =>
        fill(line)
          .split(/: (.*)/)
          .slice(0, 2) as [string, string],
    );
    const sent = body === undefined ? undefined : typeof body === "string" ? body : JSON.stringify(body);
    const host = source === "::1" ? "::1" : "127.0.0.1";
    const options = { method, host, headers: Object.fromEntries(pairs), ...(sent === undefined ? {} : { body: sent }) };
    return ask(this.#services.get(exchange.node)!.port, fill(path), options);
  }
}

function jsonInside(text: string): unknown {
  try {
    return JSON.parse(text.replace(/^cb\((.*)\);$/s, "$1"));
  } catch {
    return undefined;
  }
}

async function replay(stage: Stage, exchange: Exchange): Promise<void> {
  stage.prepare(exchange);
  const answer = await stage.send(exchange);
  const { response } = exchange;
  const deliberate = DELIBERATE[exchange.name];
  assert.equal(answer.status, deliberate?.status ?? response.status);
  assert.equal(answer.headers["content-type"], deliberate?.type ?? response.headers["Content-Type"]);
  assert.equal(answer.headers["access-control-allow-origin"], undefined);
  if (exchange.request!.path.startsWith("/metrics") && response.status === 200) {
    assert.equal(answer.body.split("\n")[0], response.bodyText.split("\n")[0]);
    return;
  }
  assert.equal(answer.body, deliberate?.body ?? response.bodyText);
  if (deliberate === undefined) assert.equal(answer.headers["content-length"], response.headers["Content-Length"]);
}

const FILES = [
  "status-auth",
  "peer",
  "moon",
  "moon-orbit",
  "config",
  "local-conf",
  "metrics-auth",
  "network-member",
  "network-node-misc",
  "bond",
] as const;

for (const file of FILES) {
  describe(`recorded API exchanges: ${file}`, () => {
    const stage = new Stage();
    const exchanges = recordings(file);
    const excluded = OUT_OF_SCOPE[file] ?? [];

    before(async () => {
      await stage.open(file === "local-conf" ? MANAGEMENT : []);
      if (file === "local-conf") {
        const inUse = exchanges[0] as unknown as { file: RecordedNode["localConf"] };
        stage.node("c").localConf = inUse.file;
      }
      if (file === "moon-orbit") {
        stage.node("c").moonWorlds = (exchanges[0]!.response.json as RecordedMoon[]).map(moonOf);
      }
    });
    after(() => stage.close());

    for (const exchange of exchanges) {
      if (excluded.includes(exchange.name)) continue;
      test(`${exchange.name} is answered as recorded`, () => replay(stage, exchange));
    }

    test("every excluded exchange exists, so that the list cannot hide a typing error", () => {
      const names = exchanges.map((exchange) => exchange.name);
      assert.deepEqual(
        excluded.filter((name) => !names.includes(name)),
        [],
      );
    });
  });
}

test("the recorded requests that need a token carry it in the form that this test fills in", () => {
  const lines = FILES.flatMap((file) => recordings(file)).flatMap((exchange) => exchange.request?.headers ?? []);
  assert.ok(lines.filter((line) => line === AUTHORISED).length > 50);
});
