/** What members say about themselves is written as the reference does, and read whatever it is. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import {
  decodeRequestMetadata,
  encodeRequestMetadata,
  type RequestMetadata,
} from "../../src/network/request-metadata.ts";
import { toHex } from "../../src/protocol/bytes.ts";
import {
  decodeNetworkConfigRequest,
  encodeNetworkConfigRequest,
} from "../../src/protocol/messages/network-config-request.ts";
import { hex } from "../protocol/fixtures.ts";
import { NETWORK_ID, recordedConfigs } from "./config-vectors.ts";
import { value } from "./credential-vectors.ts";

const REFERENCE: RequestMetadata = {
  formatVersion: 7,
  vendor: 1,
  protocolVersion: 12,
  versionMajor: 1,
  versionMinor: 14,
  versionRevision: 1,
  rulesEngineRevision: 1,
  platform: "linux/x86_64",
  credential: "",
};

function read(text: string): RequestMetadata {
  return decodeRequestMetadata(new TextEncoder().encode(text));
}

describe("the metadata of a request", () => {
  for (const { name, sent, metadata, trailingHex } of recordedConfigs.requests) {
    test(`is the reference's: ${name}`, () => {
      const { payloadHex } = sent[0]!;
      const request = value(decodeNetworkConfigRequest(hex(payloadHex)));
      assert.equal(new TextDecoder().decode(request.metadata), metadata);
      assert.deepEqual(decodeRequestMetadata(request.metadata), REFERENCE);
      const [revision, timestamp] = [trailingHex.slice(0, 16), trailingHex.slice(16)].map((text) =>
        BigInt(`0x${text}`),
      );
      const again = encodeNetworkConfigRequest({
        networkId: NETWORK_ID,
        metadata: encodeRequestMetadata(REFERENCE),
        revision: revision!,
        timestamp: timestamp!,
      });
      assert.equal(toHex(again), payloadHex);
    });
  }

  test("may be missing altogether", () => {
    const nothing = { ...REFERENCE, platform: "" };
    for (const key of Object.keys(nothing) as (keyof RequestMetadata)[]) {
      if (typeof nothing[key] === "number") Object.assign(nothing, { [key]: 0 });
    }
    assert.deepEqual(read(""), nothing);
    assert.deepEqual(read("rubbish\nv\n=\n"), nothing);
  });

  test("carries the text by which a member wants to be let in", () => {
    assert.equal(read("v=7\na=token:sesame\nrevr=1").credential, "token:sesame");
    assert.equal(read(`a=${"x".repeat(600)}`).credential, "x".repeat(511));
    const asking = { ...REFERENCE, credential: "token:a=b\\c\nd" };
    assert.deepEqual(decodeRequestMetadata(encodeRequestMetadata(asking)), asking);
  });

  test("saturates instead of wrapping around", () => {
    assert.equal(read("v=ffffffffffffffffffff").formatVersion, 0xffffffff);
    assert.equal(read("revr=-1").rulesEngineRevision, 0);
  });

  test("is refused when it would not fit a request", () => {
    assert.throws(() => encodeRequestMetadata({ ...REFERENCE, credential: "=".repeat(500) }), RangeError);
  });

  test("is read from any bytes at all", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 1200 }), (bytes) => {
        const { credential, platform, formatVersion } = decodeRequestMetadata(bytes);
        assert.ok(credential.length <= 511 && platform.length <= 127);
        assert.ok(formatVersion >= 0 && formatVersion <= 0xffffffff);
      }),
      { seed: 1, numRuns: 300 },
    );
  });
});
