import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { applyMemberBody, memberJsonForRequest, newMemberJson } from "../../src/controller/member-body.ts";
import type { MemberRecord } from "../../src/controller/records.ts";
import { JsonTypeError } from "../../src/json/coerce.ts";
import { formatJson, isJsonObject, type JsonObject, type JsonValue } from "../../src/json/json.ts";
import { parseJson } from "../../src/json/json-parse.ts";
import { recordedExchanges, sentBody } from "../support/recorded-exchanges.ts";
import { anyJson, MEMBER_KEYS, objectWith } from "./arbitrary-records.ts";

const NETWORK = 0x9c650471be000002n;
const NETWORK_TEXT = "9c650471be000002";
const ADDRESS = 0x75bbd54543;
const ADDRESS_TEXT = "75bbd54543";
const NOW = 1795396790921;
const SEED = 12;

function object(text: string): JsonObject {
  const value = parseJson(text, true);
  assert.ok(isJsonObject(value));
  return value;
}

function record(json: JsonObject): MemberRecord {
  const own = { description: "for people", authorizationExpiresAt: 5, stranger: true };
  return { networkId: NETWORK, address: ADDRESS, json, own };
}

function post(current: JsonObject | null, body: JsonValue, now = NOW) {
  return applyMemberBody(current === null ? null : record(current), NETWORK_TEXT, ADDRESS_TEXT, body, now);
}

describe("a POST to a member", () => {
  /** The recorded POSTs to this member, each with the record that the reference had told of before. */
  const exchanges = recordedExchanges("controller-member").filter(
    ({ request, response }) =>
      request?.path.toLowerCase() === `/controller/network/${NETWORK_TEXT}/member/${ADDRESS_TEXT}` &&
      response.status === 200,
  );
  const times = new Set(["lastAuthorizedTime", "lastDeauthorizedTime", "creationTime"]);

  for (const [index, exchange] of exchanges.entries()) {
    const { method, path } = exchange.request!;
    if (method !== "POST") continue;
    test(`"${exchange.name}" sets in the record what the reference set`, () => {
      const told = object(exchange.response.bodyText);
      const previous = exchanges[index - 1]!;
      const current = previous.request!.method === "DELETE" ? null : object(previous.response.bodyText);
      const body = object(sentBody(exchange)!.replace(/^\[.*/, "{}"));
      const now = Math.max(...[...times].map((key) => Number(told[key])));
      const address = path.split("/").at(-1)!;
      const { json } = applyMemberBody(current && record(current), NETWORK_TEXT, address, body, now);
      // Between the two its node may have asked: what that changes and this POST does not is as it was before.
      const expected = { ...told };
      for (const key of ["ipAssignments", "tags"]) {
        if (current !== null && !Array.isArray(body[key])) expected[key] = current[key]!;
      }
      assert.equal(formatJson({ ...json, revision: 0 }), formatJson({ ...expected, revision: 0 }));
    });
  }

  test("authorizes and deauthorizes at the time of the change, and not again", () => {
    const authorized = post(newMemberJson(NETWORK, ADDRESS, NOW), { authorized: true }, NOW + 1);
    assert.equal(authorized.json["lastAuthorizedTime"], NOW + 1);
    assert.equal(authorized.json["lastAuthorizedCredentialType"], "api");
    const again = post({ ...authorized.json, lastAuthorizedCredentialType: "public" }, { authorized: "true" }, NOW + 2);
    assert.equal(again.json["lastAuthorizedTime"], NOW + 1);
    assert.equal(again.json["lastAuthorizedCredentialType"], "public");
    const out = post(again.json, { authorized: null }, NOW + 3);
    assert.equal(out.json["authorized"], false);
    assert.equal(out.json["lastDeauthorizedTime"], NOW + 3);
    assert.equal(out.json["lastAuthorizedTime"], NOW + 1);
  });

  test("makes a stranger known, and gives an authorization without end", () => {
    const stranger = newMemberJson(NETWORK, ADDRESS, NOW);
    assert.deepEqual(post(stranger, {}).own, {
      description: "for people",
      authorizationExpiresAt: 5,
      stranger: false,
    });
    assert.equal(post(stranger, { authorized: true }).own.authorizationExpiresAt, 0);
    assert.equal(post({ ...stranger, authorized: true }, { authorized: true }).own.authorizationExpiresAt, 5);
    assert.equal(post({ ...stranger, authorized: true }, { authorized: false }).own.authorizationExpiresAt, 0);
  });

  test("fails with the text of the reference for an assigned IP of another type", () => {
    const texts = [
      [5, "number"],
      [null, "null"],
      [true, "boolean"],
      [{}, "object"],
      [[], "array"],
    ] as const;
    for (const [ip, type] of texts) {
      assert.throws(() => post(null, { ipAssignments: ["10.0.0.1", ip] }), {
        name: "JsonTypeError",
        message: `[json.exception.type_error.302] type must be string, but is ${type}`,
      });
    }
  });

  test("never changes the current record in place, nor fails otherwise than as told, whatever it is sent", () => {
    const body = fc.oneof(objectWith(MEMBER_KEYS), anyJson);
    fc.assert(
      fc.property(objectWith(MEMBER_KEYS), body, (current, sent) => {
        const before = formatJson(current);
        try {
          const once = post(current, sent).json;
          const stored = object(formatJson(once));
          assert.equal(formatJson(post(stored, sent, NOW + 1).json), formatJson(once), "the same body again");
          const made = object(formatJson(post(null, sent).json));
          assert.equal(formatJson(post(made, made, NOW + 1).json), formatJson(made), "the record itself as body");
        } catch (error) {
          if (!(error instanceof JsonTypeError)) throw error;
        }
        assert.equal(formatJson(current), before);
      }),
      { seed: SEED, numRuns: 2000 },
    );
  });
});

describe("the record of a member whose node asks", () => {
  test("begins as the reference's does, before the identity is learned", () => {
    const told = object(
      recordedExchanges("controller-member").find(({ name }) => name === "unauthorised member")!.response.bodyText,
    );
    const { identity, ...rest } = told;
    assert.equal(typeof identity, "string");
    assert.equal(formatJson({ ...newMemberJson(NETWORK, ADDRESS, NOW), revision: 1 }), formatJson(rest));
  });

  test("gets canonical ids, what it lacks, and loses what does not last", () => {
    const json = memberJsonForRequest(
      { id: "75BBD54543", custom: 1, authenticationURL: "x", remoteTraceLevel: 7, authorized: true },
      NETWORK,
      ADDRESS,
      NOW,
    );
    const expected = { ...newMemberJson(NETWORK, ADDRESS, NOW), custom: 1, authorized: true };
    assert.equal(formatJson(json), formatJson(expected));
  });
});
