/**
 * Join tokens: a text by which somebody who is not there yet is let into a network. Its first ten characters name it,
 * the rest is secret; only a digest of the whole is kept.
 *
 *   jt7q2mx0ab4…           10 characters id · 32 characters secret, each of 0-9 a-z
 */
import { constantTimeEqual } from "../crypto/c25519.ts";
import { sha256 } from "../crypto/kdf.ts";
import type { Millis, Random } from "../node/ports.ts";
import type { ControllerTransaction, JoinToken } from "./ports.ts";

const ALPHABET = "0123456789abcdefghijklmnopqrstuvwxyz";
export const JOIN_TOKEN_ID_LENGTH = 10;
const SECRET_LENGTH = 32;
const FORM = new RegExp(`^[0-9a-z]{${JOIN_TOKEN_ID_LENGTH + SECRET_LENGTH}}$`);
/** Bytes from here up would favour the first letters. */
const FAIR_BYTES = 256 - (256 % ALPHABET.length);

const encoder = new TextEncoder();

/** A new secret (its id is the first ten characters) and what is kept of it. */
export function newJoinSecret(random: Random): { secret: string; id: string; hash: Uint8Array } {
  let secret = "";
  const bytes = new Uint8Array(64);
  while (secret.length < JOIN_TOKEN_ID_LENGTH + SECRET_LENGTH) {
    random(bytes);
    for (const byte of bytes) {
      if (byte < FAIR_BYTES && secret.length < JOIN_TOKEN_ID_LENGTH + SECRET_LENGTH) {
        secret += ALPHABET[byte % ALPHABET.length];
      }
    }
  }
  return { secret, id: secret.slice(0, JOIN_TOKEN_ID_LENGTH), hash: hashOf(secret) };
}

/** The id in a secret, or null if the text is no secret at all. */
export function joinTokenId(secret: string): string | null {
  return FORM.test(secret) ? secret.slice(0, JOIN_TOKEN_ID_LENGTH) : null;
}

/** True if the secret is this token's, which has not expired and has uses left. */
export function opens(token: JoinToken, secret: string, now: Millis): boolean {
  if (!constantTimeEqual(token.hash, hashOf(secret))) return false;
  return (token.expiresAt === 0 || token.expiresAt > now) && token.usesLeft !== 0;
}

/** The token as it is inside the transaction that is to use it; null if its last use was somebody else's meanwhile. */
export async function stillOpen(
  transaction: ControllerTransaction,
  token: JoinToken | null,
): Promise<JoinToken | null> {
  const current = token === null ? null : await transaction.joinToken(token.id);
  return current === null || current.usesLeft === 0 ? null : current;
}

/** Takes one use of a token that is still open in this transaction. */
export async function spend(transaction: ControllerTransaction, token: JoinToken): Promise<void> {
  if (token.usesLeft !== null) await transaction.putJoinToken({ ...token, usesLeft: token.usesLeft - 1 });
}

function hashOf(secret: string): Uint8Array {
  return sha256(encoder.encode(secret));
}
