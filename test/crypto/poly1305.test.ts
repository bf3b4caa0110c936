import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { poly1305 as noblePoly1305 } from "@noble/ciphers/_poly1305.js";
import fc from "fast-check";
import { PACKET_CIPHER_WASM_BASE64 } from "../../src/crypto/packet-cipher-binary.ts";
import { poly1305 as plainPoly1305 } from "../../src/crypto/poly1305.ts";
import { startKernel } from "../../src/crypto/webassembly.ts";
import { hex, noise } from "./vectors.ts";

interface Kernel {
  readonly memory: { readonly buffer: ArrayBuffer };
  oneTimeKeyAt(): number;
  bodyAt(): number;
  tagAt(): number;
  tagUnder(length: number): void;
}

const kernel =
  startKernel<Kernel>(PACKET_CIPHER_WASM_BASE64) ?? assert.fail("the WebAssembly kernel does not run here");
const heap = new Uint8Array(kernel.memory.buffer);

/** The authenticator inside the WebAssembly packet cipher, in the shape of the one in TypeScript. */
function wasmPoly1305(key: Uint8Array, bytes: Uint8Array, start: number, end: number, out: Uint8Array): void {
  heap.set(key, kernel.oneTimeKeyAt());
  heap.set(bytes.subarray(start, end), kernel.bodyAt());
  kernel.tagUnder(end - start);
  out.set(heap.subarray(kernel.tagAt(), kernel.tagAt() + 16));
}

for (const [how, poly1305] of [
  ["in TypeScript", plainPoly1305],
  ["in WebAssembly", wasmPoly1305],
] as const) {
  const tag = (key: Uint8Array, message: Uint8Array): Uint8Array => {
    const out = new Uint8Array(16);
    poly1305(key, message, 0, message.length, out);
    return out;
  };

  describe(`poly1305 ${how}`, () => {
    test("gives the tag of RFC 8439 §2.5.2", () => {
      const key = hex("85d6be7857556d337f4452fe42d506a80103808afb0db2fd4abff6af4149f51b");
      const message = Buffer.from("Cryptographic Forum Research Group");
      assert.deepEqual(tag(key, message), hex("a8061dc1305136c6c22b8baf0c0127a9"));
    });

    // RFC 8439 Appendix A.3, vectors 7 to 11: sums at and around 2^130 − 5 and 2^128.
    const edges: [string, string, string, string][] = [
      ["h reaches 2^130 − 5 and wraps", "02".padEnd(64, "0"), "ff".repeat(16), "03".padEnd(32, "0")],
      [
        "the sum with s wraps at 2^128",
        `${"02".padEnd(32, "0")}${"ff".repeat(16)}`,
        "02".padEnd(32, "0"),
        "03".padEnd(32, "0"),
      ],
      [
        "three blocks sum to p + 5",
        "01".padEnd(64, "0"),
        `${"ff".repeat(16)}f0${"ff".repeat(15)}11${"00".repeat(15)}`,
        "05".padEnd(32, "0"),
      ],
      [
        "three blocks sum to p",
        "01".padEnd(64, "0"),
        `${"ff".repeat(16)}fb${"fe".repeat(15)}${"01".repeat(16)}`,
        "00".repeat(16),
      ],
      ["p − 1 stays as it is", "02".padEnd(64, "0"), `fd${"ff".repeat(15)}`, `fa${"ff".repeat(15)}`],
    ];
    for (const [name, key, message, expected] of edges) {
      test(`reduces exactly: ${name}`, () => assert.deepEqual(tag(hex(key), hex(message)), hex(expected)));
    }

    test("equals noble for any key, length and position", () => {
      const extreme = fc.constantFrom(0, 1, 2, 5, 0x7f, 0x80, 0xfa, 0xfb, 0xff);
      const byte = fc.oneof(fc.nat(255), extreme);
      const content = (length: number) =>
        fc.oneof(
          fc.array(byte, { minLength: length, maxLength: length }).map((list) => Uint8Array.from(list)),
          fc.array(extreme, { minLength: length, maxLength: length }).map((list) => Uint8Array.from(list)),
        );
      const message = fc.nat(100).chain(content);
      fc.assert(
        fc.property(content(32), message, fc.nat(20), (key, body, start) => {
          const buffer = new Uint8Array(start + body.length + 5).fill(0xaa);
          buffer.set(body, start);
          const out = new Uint8Array(16);
          poly1305(key, buffer, start, start + body.length, out);
          assert.deepEqual(out, Uint8Array.from(noblePoly1305(body, key)));
        }),
        { seed: 1, numRuns: 2000 },
      );
    });

    test("equals noble where every limb is as large as it can be, for long messages", () => {
      for (const fill of [0xff, 0xfe, 0x00, 0x80]) {
        const key = new Uint8Array(32).fill(0xff);
        const message = new Uint8Array(10024).fill(fill);
        assert.deepEqual(tag(key, message), Uint8Array.from(noblePoly1305(message, key)), `filled with ${fill}`);
      }
    });

    test("may write its tag over its own key", () => {
      const key = noise(32, 1);
      const message = noise(77, 2);
      const expected = tag(key, message);
      poly1305(key, message, 0, message.length, key);
      assert.deepEqual(key.subarray(0, 16), expected);
    });
  });
}
