/** How the tests of this folder read recorded files, and write bytes. */
import { readFileSync } from "node:fs";
import { fromHex } from "../../src/protocol/bytes.ts";

const FIXTURES = new URL("../fixtures/", import.meta.url);

/** A file below test/fixtures, as plain bytes (a Buffer's slice would share its memory). */
export function fixtureBytes(path: string): Uint8Array {
  return new Uint8Array(readFileSync(new URL(path, FIXTURES)));
}

export function fixtureText(path: string): string {
  return readFileSync(new URL(path, FIXTURES), "utf8");
}

/** A recorded vector file. The caller names the shape it relies on. */
export function vectors<T>(name: string): T {
  return JSON.parse(fixtureText(`vectors/${name}.json`)) as T;
}

/** Bytes of a hex string; blanks are allowed between fields. Throws on anything else. */
export function hex(text: string): Uint8Array {
  const bytes = fromHex(text.replaceAll(" ", ""));
  if (bytes === null) throw new Error(`not hex: ${text}`);
  return bytes;
}
