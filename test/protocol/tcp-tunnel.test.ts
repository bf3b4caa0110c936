/** Messages of the tunnel over TCP: their bytes, however the stream is cut, and what is no tunnel. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { fromHex, toHex } from "../../src/protocol/bytes.ts";
import { makeEndpoint, parseEndpoint } from "../../src/protocol/inet-address.ts";
import {
  decodeTunnelPayload,
  encodeTunnelDatagram,
  encodeTunnelGreeting,
  MAX_TUNNEL_PAYLOAD_BYTES,
  TunnelParser,
} from "../../src/protocol/tcp-tunnel.ts";

const endpoint = fc
  .tuple(
    fc.oneof(fc.uint8Array({ minLength: 4, maxLength: 4 }), fc.uint8Array({ minLength: 16, maxLength: 16 })),
    fc.nat(65_535),
  )
  .map(([ip, port]) => makeEndpoint(ip, port));
const datagram = fc.record({ endpoint, bytes: fc.uint8Array({ minLength: 1, maxLength: 3000 }) });

/** All payloads of a stream that arrives in the given pieces; null if it is none. */
function parse(pieces: readonly Uint8Array[]): Uint8Array[] | null {
  const parser = new TunnelParser();
  const payloads: Uint8Array[] = [];
  const ok = pieces.every((piece) => parser.push(piece, (payload) => payloads.push(new Uint8Array(payload))));
  return ok ? payloads : null;
}

/** `bytes` cut at the given places. */
function cut(bytes: Uint8Array, places: readonly number[]): Uint8Array[] {
  const at = [0, ...places.map((place) => place % (bytes.length + 1)).sort((a, b) => a - b), bytes.length];
  return at.slice(1).map((end, index) => bytes.subarray(at[index], end));
}

describe("the tunnel over TCP", () => {
  test("has the bytes of the protocol", () => {
    assert.equal(toHex(encodeTunnelGreeting()), "1703030004010e0001");
    const bytes = fromHex("00112233445566778899aabbccddeeff")!;
    assert.equal(
      toHex(encodeTunnelDatagram(parseEndpoint("192.88.99.10/9993")!, bytes)),
      `170303001704c058630a2709${toHex(bytes)}`,
    );
    const nowhere = decodeTunnelPayload(fromHex("0001020304")!);
    assert.ok(nowhere.ok && nowhere.value.kind === "datagram" && nowhere.value.endpoint === null);
  });

  test("gives back what was put in, however it is cut", () => {
    fc.assert(
      fc.property(fc.array(datagram, { maxLength: 6 }), fc.array(fc.nat(), { maxLength: 12 }), (sent, places) => {
        const stream = Buffer.concat([
          encodeTunnelGreeting(),
          ...sent.map(({ endpoint: to, bytes }) => encodeTunnelDatagram(to, bytes)),
        ]);
        const payloads = parse(cut(new Uint8Array(stream), places));
        assert.ok(payloads !== null);
        const [greeting, ...rest] = payloads.map((payload) => decodeTunnelPayload(payload));
        assert.deepEqual(greeting, { ok: true, value: { kind: "greeting", major: 1, minor: 14, revision: 1 } });
        assert.deepEqual(
          rest.map((verdict) => verdict.ok && verdict.value),
          sent.map(({ endpoint: to, bytes }) => ({ kind: "datagram", endpoint: to, bytes })),
        );
      }),
    );
  });

  test("comes out the same one byte at a time", () => {
    const message = encodeTunnelDatagram(parseEndpoint("192.88.99.10/9993")!, new Uint8Array(200).fill(7));
    const pieces = [...message, ...message].map((byte) => Uint8Array.of(byte));
    assert.equal(parse(pieces)?.length, 2);
  });

  test("is given up at the first byte that does not belong there, and stays so", () => {
    for (const wrong of ["16", "1701", "170302", "170303ffff", "485454502f312e31"]) {
      const bytes = fromHex(wrong)!;
      for (const pieces of [[bytes], [...bytes].map((byte) => Uint8Array.of(byte))]) assert.equal(parse(pieces), null);
    }
    const parser = new TunnelParser();
    assert.ok(!parser.push(Uint8Array.of(0), () => assert.fail()));
    assert.ok(!parser.push(encodeTunnelGreeting(), () => assert.fail("a broken stream goes on")));
  });

  test("never throws, whatever comes, and hands on nothing longer than a message may be", () => {
    const chunk = fc.oneof(
      fc.uint8Array({ maxLength: 64 }),
      fc.uint8Array({ maxLength: 64 }).map((rest) => Uint8Array.of(0x17, 3, 3, 0, ...rest)),
    );
    fc.assert(
      fc.property(fc.array(chunk, { maxLength: 20 }), (chunks) => {
        const parser = new TunnelParser();
        for (const bytes of chunks) {
          parser.push(bytes, (payload) => {
            assert.ok(payload.length <= MAX_TUNNEL_PAYLOAD_BYTES);
            decodeTunnelPayload(payload);
          });
        }
      }),
    );
    assert.throws(() => encodeTunnelDatagram(parseEndpoint("192.88.99.10/1")!, new Uint8Array(20_000)), RangeError);
  });
});
