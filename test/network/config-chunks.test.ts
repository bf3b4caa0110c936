/** Configurations travel in slices that the controller signed. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { signConfigChunks } from "../../src/network/config-chunks.ts";
import { toHex } from "../../src/protocol/bytes.ts";
import { decodeNetworkConfig } from "../../src/protocol/messages/network-config.ts";
import { hex } from "../protocol/fixtures.ts";
import { CONTROLLER, NETWORK_ID, recordedConfigs } from "./config-vectors.ts";
import { value } from "./credential-vectors.ts";

/** In-re verb and packet id, which precede the body of an OK. */
const OK_HEADER_HEX_DIGITS = 18;

describe("a configuration for the wire", () => {
  for (const { name, requestPacketId, packets } of recordedConfigs.chunkedDelivery) {
    test(`is cut and signed as recorded: ${name}`, () => {
      const asAnswer = BigInt(`0x${requestPacketId}`) !== 0n;
      const recorded = packets.map(({ payloadHex }) => payloadHex.slice(asAnswer ? OK_HEADER_HEX_DIGITS : 0));
      const slices = recorded.map((body) => value(decodeNetworkConfig(hex(body))).chunk.slice);
      const dictionary = new Uint8Array(slices.flatMap((slice) => [...slice]));
      const updateId = BigInt(`0x${packets[0]!.updateId}`);
      assert.deepEqual(signConfigChunks(NETWORK_ID, dictionary, updateId, CONTROLLER).map(toHex), recorded);
    });
  }

  test("is nothing that no member would take", () => {
    assert.throws(() => signConfigChunks(NETWORK_ID, new Uint8Array(0), 1n, CONTROLLER), RangeError);
    assert.throws(() => signConfigChunks(NETWORK_ID, new Uint8Array(484520), 1n, CONTROLLER), RangeError);
  });

  test("cannot be signed without the secret", () => {
    assert.throws(() => signConfigChunks(NETWORK_ID, new Uint8Array(1), 1n, CONTROLLER.publicOnly()), /no secret/);
  });
});
