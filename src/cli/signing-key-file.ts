/**
 * Files that hold a world's signing key, given by name. Besides our own form (store/signing-keys.ts) two foreign
 * ones are read: a moon template (JSON with `signingKey` and `signingKey_SECRET`) and the 128 raw bytes of a
 * `.c25519` file, public half first.
 */
import { publicFromSecret } from "../crypto/c25519.ts";
import { bytesEqual, fromHex } from "../protocol/bytes.ts";
import { parseSigningKey } from "../store/signing-keys.ts";
import { type SigningKey, WorldError } from "../world/forge.ts";
import { readFileOrNull } from "./identity-argument.ts";

const KEY_BYTES = 64;

/** Reads any of the three forms. Throws WorldError or ConfigError if there is no undamaged key in it. */
export function readSigningKey(file: string): SigningKey {
  const bytes = readFileOrNull(file);
  if (bytes === null) throw new WorldError(`cannot read the signing key ${file}`);
  if (bytes.length === 2 * KEY_BYTES) {
    return checked({ public: bytes.slice(0, KEY_BYTES), secret: bytes.slice(KEY_BYTES) }, file);
  }
  const text = new TextDecoder().decode(bytes).trim();
  return text.startsWith("{") ? checked(templateKey(text, file), file) : parseSigningKey(text, file);
}

function templateKey(text: string, file: string): SigningKey {
  let json: Record<string, unknown> = {};
  try {
    json = JSON.parse(text) as Record<string, unknown>;
  } catch {
    // Falls through to the complaint below; the parser's own would quote the secret.
  }
  const publicKey = fromHex(String(json["signingKey"]));
  const secret = fromHex(String(json["signingKey_SECRET"]));
  if (publicKey?.length !== KEY_BYTES || secret?.length !== KEY_BYTES) {
    throw new WorldError(`${file} holds no signing key`);
  }
  return { public: publicKey, secret };
}

function checked(key: SigningKey, file: string): SigningKey {
  if (bytesEqual(publicFromSecret(key.secret), key.public)) return key;
  throw new WorldError(`${file} is damaged: its public half does not belong to its secret half`);
}
