/** A configuration put together from slices: in any order, once, and never from slices that do not belong together. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { ConfigAssembler } from "../../src/network/config-assembly.ts";
import { signConfigChunks } from "../../src/network/config-chunks.ts";
import {
  CONFIG_CHUNK_FLAG_PROPAGATE,
  encodeConfigChunkToSign,
  encodeNetworkConfig,
} from "../../src/protocol/messages/network-config.ts";
import { bob, controller, NETWORK } from "./credential-vectors.ts";

const DICTIONARY = new Uint8Array(25_000).map((_, i) => (i * 7 + (i >> 8)) & 0xff);
const CHUNKS = signConfigChunks(NETWORK, DICTIONARY, 77n, controller);

/** A slice as any controller may sign it. */
function slice(offset: number, bytes: Uint8Array, totalLength: number, updateId = 5n, flags = 0): Uint8Array {
  const assembly = { flags, updateId, totalLength, offset };
  const signature = controller.sign(encodeConfigChunkToSign(NETWORK, bytes, assembly));
  return encodeNetworkConfig({ networkId: NETWORK, slice: bytes, assembly, signature });
}

test("slices in any order, some of them twice, give the dictionary once", () => {
  assert.equal(CHUNKS.length, 3);
  fc.assert(
    fc.property(fc.shuffledSubarray([0, 1, 2, 0, 1, 2], { minLength: 6 }), (order) => {
      const assembler = new ConfigAssembler(NETWORK);
      const results = order.map((i) => assembler.receive(CHUNKS[i]!, bob.address, controller));
      const complete = results.filter(({ kind }) => kind === "complete");
      assert.equal(complete.length, 1);
      const [first] = complete;
      assert.ok(first?.kind === "complete");
      assert.deepEqual(first.dictionary, DICTIONARY);
      assert.equal(first.updateId, 77n);
    }),
  );
});

test("a changed byte anywhere is refused or malformed, and nothing is completed", () => {
  fc.assert(
    fc.property(fc.nat(CHUNKS[2]!.length - 1), fc.integer({ min: 1, max: 255 }), (at, change) => {
      const assembler = new ConfigAssembler(NETWORK);
      assembler.receive(CHUNKS[0]!, bob.address, controller);
      assembler.receive(CHUNKS[1]!, bob.address, controller);
      const tampered = new Uint8Array(CHUNKS[2]!);
      tampered[at]! ^= change;
      const { kind } = assembler.receive(tampered, bob.address, controller);
      assert.ok(kind === "refused" || kind === "malformed", kind);
    }),
    { numRuns: 200 },
  );
});

test("slices that overlap complete nothing before every byte is there", () => {
  const assembler = new ConfigAssembler(NETWORK);
  const part = (from: number, to: number) => DICTIONARY.slice(from, to);
  assert.equal(assembler.receive(slice(0, part(0, 60), 100), bob.address, controller).kind, "partial");
  assert.equal(assembler.receive(slice(20, part(20, 60), 100), bob.address, controller).kind, "partial");
  const last = assembler.receive(slice(60, part(60, 100), 100), bob.address, controller);
  assert.ok(last.kind === "complete");
  assert.deepEqual(last.dictionary, part(0, 100));
});

test("slices that disagree about the total are not put together", () => {
  const assembler = new ConfigAssembler(NETWORK);
  assembler.receive(slice(0, DICTIONARY.slice(0, 50), 100), bob.address, controller);
  assert.equal(assembler.receive(slice(50, DICTIONARY.slice(50, 90), 90), bob.address, controller).kind, "refused");
});

test("three updates may be under way; the one that began longest ago makes room", () => {
  const assembler = new ConfigAssembler(NETWORK);
  const half = (id: bigint, part: 0 | 1) => slice(50 * part, DICTIONARY.slice(50 * part, 50 * part + 50), 100, id);
  for (const id of [1n, 2n, 3n, 4n]) assembler.receive(half(id, 0), bob.address, controller);
  assert.equal(assembler.receive(half(4n, 1), bob.address, controller).kind, "complete");
  assert.equal(assembler.receive(half(1n, 1), bob.address, controller).kind, "partial");
});

test("a slice waits for the controller's identity, and is passed on if the controller wants it", () => {
  const assembler = new ConfigAssembler(NETWORK);
  const bytes = slice(0, DICTIONARY.slice(0, 50), 100, 5n, CONFIG_CHUNK_FLAG_PROPAGATE);
  assert.equal(assembler.receive(bytes, bob.address, null).kind, "deferred");
  const result = assembler.receive(bytes, bob.address, controller);
  assert.ok(result.kind === "partial");
  assert.deepEqual(result.forward, bytes);
});

test("a configuration without signature is believed from the controller alone", () => {
  const bytes = encodeNetworkConfig({
    networkId: NETWORK,
    slice: DICTIONARY.slice(0, 50),
    assembly: null,
    signature: null,
  });
  assert.equal(new ConfigAssembler(NETWORK).receive(bytes, bob.address, controller).kind, "refused");
  assert.equal(new ConfigAssembler(NETWORK).receive(bytes, controller.address, null).kind, "complete");
});

test("random bytes are malformed or refused, never more", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 400 }), (bytes) => {
      const { kind } = new ConfigAssembler(NETWORK).receive(bytes, bob.address, controller);
      assert.ok(kind === "refused" || kind === "malformed");
    }),
  );
});
