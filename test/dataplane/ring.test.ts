import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { Kind, Ring } from "../../src/dataplane/ring.ts";

function put(ring: Ring, socket: number, payload: Uint8Array): boolean {
  const record = ring.reserve(Kind.DATAGRAM, socket, payload.length);
  if (record < 0) return false;
  ring.bytes.set(payload, ring.payloadAt(record));
  ring.commit(record);
  return true;
}

function take(ring: Ring): { socket: number; payload: Uint8Array } | null {
  const record = ring.peek();
  if (record === null) return null;
  const { socket, payloadAt, payloadBytes } = record;
  const payload = new Uint8Array(ring.bytes.subarray(payloadAt, payloadAt + payloadBytes));
  ring.release();
  return { socket, payload };
}

describe("the ring from a worker to main", () => {
  test("is a bounded queue under any series of writes and reads, wherever its end falls", () => {
    const step = fc.oneof(
      fc.record({ write: fc.integer({ min: 0, max: 900 }) }),
      fc.record({ write: fc.integer({ min: 0, max: 40 }) }),
      fc.constant({ write: -1 }),
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 400 }), fc.integer({ min: 0, max: 2 ** 31 }), (steps, start) => {
        const ring = Ring.create(4096);
        // Positions wrap around after 4 GiB, also as signed numbers.
        const aligned = (start & ~7) | 0x7ffff000;
        ring.words[0] = aligned;
        ring.words[1] = aligned;
        const reader = new Ring(ring.memory);
        const model: { socket: number; payload: Uint8Array }[] = [];
        steps.forEach(({ write }, n) => {
          if (write < 0) {
            assert.deepEqual(take(reader), model.shift() ?? null);
            return;
          }
          const payload = new Uint8Array(write).fill(n);
          if (put(ring, n, payload)) model.push({ socket: n, payload });
          else assert.ok(ring.used + write + 56 > 4096 - 960, "refused although there was room");
          assert.ok(ring.used <= ring.capacity);
        });
        for (const expected of model) assert.deepEqual(take(reader), expected);
        assert.equal(take(reader), null);
        assert.equal(reader.used, 0);
      }),
      { seed: 9, numRuns: 200 },
    );
  });
});
