/** Configurations are written byte for byte as the reference's controller does, and read as its members do. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import {
  decodeNetworkConfigDictionary,
  encodeNetworkConfigDictionary,
  type NetworkConfig,
} from "../../src/network/config.ts";
import { decodeList } from "../../src/network/config-blobs.ts";
import { decodeCapability } from "../../src/network/credentials/capability.ts";
import { decodeTag } from "../../src/network/credentials/tag.ts";
import { toHex } from "../../src/protocol/bytes.ts";
import { readCapability, readTag } from "../../src/protocol/credential-bytes.ts";
import { Dictionary } from "../../src/protocol/dictionary.ts";
import { hex } from "../protocol/fixtures.ts";
import { comparable, comparableRecord, recordedConfigs } from "./config-vectors.ts";
import { value } from "./credential-vectors.ts";

/** Reading sorts capabilities and tags; their order as written is in the dictionary itself. */
function inWrittenOrder(config: NetworkConfig, bytes: Uint8Array): NetworkConfig {
  const dictionary = new Dictionary(bytes);
  const blob = (key: string) => dictionary.bytes(key) ?? new Uint8Array(0);
  return {
    ...config,
    capabilities: decodeList(blob("CAP"), 9, readCapability, decodeCapability).values,
    tags: decodeList(blob("TAG"), 9, readTag, decodeTag).values,
  };
}

describe("a configuration", () => {
  for (const { name, config, dictHex, decoded } of recordedConfigs.dictionaries) {
    test(`is read as recorded: ${name}`, () => {
      assert.deepEqual(comparable(value(decodeNetworkConfigDictionary(hex(dictHex)))), comparableRecord(decoded));
    });

    test(`is written as recorded: ${name}`, () => {
      const written = inWrittenOrder(value(decodeNetworkConfigDictionary(hex(dictHex))), hex(dictHex));
      assert.deepEqual(comparable(written), comparableRecord(config));
      assert.equal(toHex(encodeNetworkConfigDictionary(written)), dictHex);
    });
  }

  for (const { name, dictHex, decodes, decoded } of recordedConfigs.decodeCases) {
    test(`is read as the reference does: ${name}`, () => {
      const verdict = decodeNetworkConfigDictionary(hex(dictHex));
      assert.equal(verdict.ok, decodes);
      if (verdict.ok && decoded !== undefined) {
        assert.deepEqual(comparable(verdict.value), comparableRecord(decoded));
      }
    });
  }
});
