import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { applyNetworkBody } from "../../src/controller/network-body.ts";
import type { NetworkRecord } from "../../src/controller/records.ts";
import { JsonTypeError } from "../../src/json/coerce.ts";
import { formatJson, isJsonObject, type JsonObject, type JsonValue } from "../../src/json/json.ts";
import { parseJson } from "../../src/json/json-parse.ts";
import { recordedExchanges, sentBody } from "../support/recorded-exchanges.ts";
import { anyJson, NETWORK_KEYS, objectWith } from "./arbitrary-records.ts";

const ID = 0x9c650471be000001n;
const NOW = 1795396713236;
const SEED = 11;

function object(text: string): JsonObject {
  const value = parseJson(text, true);
  assert.ok(isJsonObject(value));
  return value;
}

function record(json: JsonObject): NetworkRecord {
  return { id: ID, json, own: { description: "for people" } };
}

/** The record's text, but for the revision, which is set when it is saved. */
function textOf(json: JsonObject): string {
  return formatJson({ ...json, revision: 0 });
}

function after(current: NetworkRecord | null, body: JsonValue, now = NOW): JsonObject {
  return applyNetworkBody(current, ID, body, now).json;
}

describe("a POST to a network", () => {
  for (const file of ["controller-network", "controller-rules"]) {
    const posts = recordedExchanges(file).filter(
      ({ request, response }) =>
        request?.method === "POST" &&
        request.path === "/controller/network/9c650471be000001" &&
        response.status === 200 &&
        response.bodyText !== undefined,
    );

    test(`stores what the reference stored, in each exchange of ${file}`, () => {
      assert.ok(posts.length > 5);
      // The recording of rules begins with the network as it then was.
      const start = file === "controller-rules" ? { ...object(posts[0]!.response.bodyText), rules: [] } : null;
      let current = start === null ? null : record(start);
      for (const exchange of posts) {
        const json = after(current, parseJson(sentBody(exchange)!, true));
        assert.equal(textOf(json), textOf(object(exchange.response.bodyText)), exchange.name);
        current = record(json);
      }
    });
  }

  test("fills in what a record out of a file lacks, removes what does not last and keeps what is unknown", () => {
    const exchanges = recordedExchanges("controller-import");
    const find = (name: string) => exchanges.find((exchange) => exchange.name.startsWith(name))!.response.bodyText;
    const imported = object(find("imported network, untouched"));
    const json = applyNetworkBody(record(imported), 0x9c650471be000003n, {}, 1795397333633).json;
    assert.equal(textOf(json), textOf(object(find("POST {} to imported network"))));
  });

  test("keeps 16384 items of a list and no more", () => {
    const routes = Array.from({ length: 16_390 }, () => ({ target: "10.0.0.0/8" }));
    assert.equal((after(null, { routes })["routes"] as JsonValue[]).length, 16_384);
    const rules = Array.from({ length: 1200 }, () => ({ type: "ACTION_ACCEPT" }));
    assert.equal((after(null, { rules })["rules"] as JsonValue[]).length, 1200);
  });

  test("writes 64-bit integers in full", () => {
    const tags = [{ id: -1, default: -2 }];
    assert.equal(
      formatJson(after(null, { tags })["tags"]!),
      '[{"default":18446744073709551614,"id":18446744073709551615}]',
    );
  });

  test("fails with the text of the reference for a characteristics mask that is null", () => {
    assert.throws(() => after(null, { rules: [{ type: "MATCH_CHARACTERISTICS", mask: null }] }), {
      name: "JsonTypeError",
      message: "[json.exception.type_error.302] type must be string, but is null",
    });
  });

  test("keeps what is ours beside the record", () => {
    assert.deepEqual(applyNetworkBody(record({}), ID, {}, NOW).own, { description: "for people" });
    assert.deepEqual(applyNetworkBody(null, ID, {}, NOW).own, { description: "" });
  });

  test("never changes the current record in place, nor fails otherwise than as told, whatever it is sent", () => {
    const body = fc.oneof(objectWith(NETWORK_KEYS), anyJson);
    fc.assert(
      fc.property(objectWith(NETWORK_KEYS), body, (current, sent) => {
        const before = formatJson(current);
        try {
          const once = after(record(current), sent);
          // As the store gives it back.
          const stored = object(formatJson(once));
          assert.equal(formatJson(after(record(stored), sent, NOW + 1)), formatJson(once), "the same body again");
          assert.equal(
            formatJson({ ...after(record(stored), {}, NOW + 1), remoteTraceLevel: 0 }),
            formatJson({ ...once, remoteTraceLevel: 0 }),
            "an empty body",
          );
          assert.equal(once["id"], "9c650471be000001");
          assert.equal("clock" in once, false);
        } catch (error) {
          if (!(error instanceof JsonTypeError)) throw error;
        }
        assert.equal(formatJson(current), before);
      }),
      { seed: SEED, numRuns: 2000 },
    );
  });
});
