/**
 * Keys that sign worlds, one file each, apart from the identity so that they can be moved offline. The file is one
 * line, `<public hex>:<secret hex>`.
 */

import { ConfigError } from "../config/errors.ts";
import { publicFromSecret } from "../crypto/c25519.ts";
import { bytesEqual, fromHex, toHex } from "../protocol/bytes.ts";
import type { SigningKey } from "../world/forge.ts";

const KEY_BYTES = 64;

/** The content of a signing key file. */
export function formatSigningKey(key: SigningKey): string {
  return `${toHex(key.public)}:${toHex(key.secret)}\n`;
}

/** Parses such a file; `file` is only told in errors. Throws ConfigError if it is damaged. */
export function parseSigningKey(text: string, file: string): SigningKey {
  const [publicKey, secret, ...rest] = text
    .trim()
    .split(/[:\s]+/)
    .map(fromHex);
  if (publicKey?.length !== KEY_BYTES || secret?.length !== KEY_BYTES || rest.length > 0) {
    throw new ConfigError("holds no signing key", {
      file,
      advice: "it is one line, <128 hex digits>:<128 hex digits>: restore it from your backup",
    });
  }
  if (!bytesEqual(publicFromSecret(secret), publicKey)) {
    throw new ConfigError("is damaged: its public half does not belong to its secret half", {
      file,
      advice: "restore it from your backup",
    });
  }
  return { public: publicKey, secret };
}
