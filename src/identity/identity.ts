/**
 * An identity: an address with its two public keys and, for our own, the secrets.
 * Facts: vl1-identity-crypto.md §1 (keys), §2 (fingerprint), §3 (text and binary form).
 *
 *   binary: offset · size · field
 *                0 ·    5 · address
 *                5 ·    1 · type, 0
 *                6 ·   64 · public key (X25519, then Ed25519)
 *               70 ·    1 · secret length, 0 or 64
 *               71 · 0/64 · secret
 */
import type { KeyObject } from "node:crypto";
import {
  agreeWith,
  importAgreementSecret,
  importSigningSecret,
  importVerificationKey,
  PUBLIC_KEY_BYTES,
  SECRET_KEY_BYTES,
  signWith,
  verifyWith,
} from "../crypto/c25519.ts";
import { sha384 } from "../crypto/kdf.ts";
import {
  ADDRESS_BYTES,
  type Address,
  formatAddress,
  isReservedAddress,
  parseAddress,
  writeAddress,
} from "../protocol/address.ts";
import { bytesEqual, fromHex, type Reader, toHex, Writer } from "../protocol/bytes.ts";

/** Length of the public binary form, the only one that belongs on the wire. */
export const IDENTITY_BYTES = 71;
const TYPE_C25519 = 0;
/** The reference refuses longer texts; the longest real one has 270 characters and a line end. */
const MAX_TEXT_LENGTH = 383;
const TEXT_FORM = /^([0-9a-f]{10}):0:([0-9a-f]{128})(?::([0-9a-f]{128}))?$/i;

/**
 * Immutable. Whether the address belongs to the keys is not checked here: that is `validateIdentity`, which is slow.
 * The secret never appears in JSON, in `util.inspect` or in a string unless asked for by name.
 */
export class Identity {
  readonly address: Address;
  /** 64 bytes: X25519 public key, then Ed25519 public key. */
  readonly publicKey: Uint8Array;
  readonly #secretKey: Uint8Array | null;
  /** Imported keys, made when first used: importing costs more than using. */
  #agreementKey: KeyObject | null = null;
  #signingKey: KeyObject | null = null;
  #verificationKey: KeyObject | null = null;

  /** Copies `publicKey` (64 bytes) and `secretKey` (64 bytes or null). Throws RangeError on any other length. */
  constructor(address: Address, publicKey: Uint8Array, secretKey: Uint8Array | null = null) {
    if (publicKey.length !== PUBLIC_KEY_BYTES) throw new RangeError("an identity's public key has 64 bytes");
    if (secretKey !== null && secretKey.length !== SECRET_KEY_BYTES) {
      throw new RangeError("an identity's secret key has 64 bytes");
    }
    this.address = address;
    this.publicKey = new Uint8Array(publicKey);
    this.#secretKey = secretKey === null ? null : new Uint8Array(secretKey);
  }

  /** The 64 secret bytes, or null for somebody else's identity. */
  get secretKey(): Uint8Array | null {
    return this.#secretKey;
  }

  get hasSecret(): boolean {
    return this.#secretKey !== null;
  }

  /** Same address and same public keys; secrets are not compared. */
  equals(other: Identity): boolean {
    return this.address === other.address && bytesEqual(this.publicKey, other.publicKey);
  }

  /** This identity without its secret (itself if it has none). */
  publicOnly(): Identity {
    return this.#secretKey === null ? this : new Identity(this.address, this.publicKey);
  }

  #secretOrThrow(): Uint8Array {
    if (this.#secretKey === null) throw new Error(`identity ${formatAddress(this.address)} has no secret key`);
    return this.#secretKey;
  }

  /** The 48 bytes shared with `other`, the same from both sides. Throws if this identity has no secret. */
  agree(other: Identity): Uint8Array {
    this.#agreementKey ??= importAgreementSecret(this.#secretOrThrow());
    return agreeWith(this.#agreementKey, other.publicKey);
  }

  /** A 96-byte signature of `message`. Throws if this identity has no secret. */
  sign(message: Uint8Array): Uint8Array {
    this.#signingKey ??= importSigningSecret(this.#secretOrThrow());
    return signWith(this.#signingKey, message);
  }

  /** True if `signature` is this identity's over `message`. */
  verify(message: Uint8Array, signature: Uint8Array): boolean {
    this.#verificationKey ??= importVerificationKey(this.publicKey);
    return verifyWith(this.#verificationKey, message, signature);
  }

  /** The public text form. */
  toString(): string {
    return formatIdentity(this);
  }

  toJSON(): string {
    return formatIdentity(this);
  }

  [Symbol.for("nodejs.util.inspect.custom")](): string {
    return `Identity(${formatAddress(this.address)}${this.#secretKey === null ? "" : ", with secret"})`;
  }
}

/**
 * Parses `<address>:0:<public>[:<secret>]`, hex in either case, white space around it ignored. Null for anything else
 * and for reserved addresses. Stricter than the reference (§3): no empty fields, no short addresses, no surplus
 * digits, no other characters among the hex.
 */
export function parseIdentity(text: string): Identity | null {
  if (text.length > MAX_TEXT_LENGTH) return null;
  const match = TEXT_FORM.exec(text.trim());
  if (match === null) return null;
  const address = parseAddress(match[1]!);
  const publicKey = fromHex(match[2]!);
  const secretKey = match[3] === undefined ? null : fromHex(match[3]);
  if (address === null || publicKey === null || isReservedAddress(address)) return null;
  return new Identity(address, publicKey, secretKey);
}

/** The text form without a line end; with the secret only if `withSecret` is true and there is one. */
export function formatIdentity(identity: Identity, withSecret = false): string {
  const text = `${formatAddress(identity.address)}:0:${toHex(identity.publicKey)}`;
  const secret = withSecret ? identity.secretKey : null;
  return secret === null ? text : `${text}:${toHex(secret)}`;
}

/** Appends the 71-byte public form. */
export function writeIdentity(writer: Writer, identity: Identity): void {
  writer.address(identity.address).u8(TYPE_C25519).bytes(identity.publicKey).u8(0);
}

/** The 71-byte public form. */
export function encodeIdentity(identity: Identity): Uint8Array {
  const writer = new Writer(IDENTITY_BYTES);
  writeIdentity(writer, identity);
  return writer.finish();
}

/**
 * Reads a binary identity. A secret is consumed and thrown away: nobody may send one. Undefined if it is malformed
 * (another type, another secret length) or too short; the reader then also tells whether it `failed`. The address is
 * neither validated nor checked for being reserved (§3).
 */
export function readIdentity(reader: Reader): Identity | undefined {
  const address = reader.address();
  const type = reader.u8();
  const publicKey = reader.bytes(PUBLIC_KEY_BYTES);
  const secretLength = reader.u8();
  if (reader.failed || type !== TYPE_C25519) return undefined;
  if (secretLength !== 0 && secretLength !== SECRET_KEY_BYTES) return undefined;
  reader.skip(secretLength);
  return reader.failed ? undefined : new Identity(address, publicKey);
}

/** SHA-384 of address and public key (48 bytes), as some credentials refer to identities (§2). */
export function identityFingerprint(identity: Identity): Uint8Array {
  const bytes = new Uint8Array(ADDRESS_BYTES + PUBLIC_KEY_BYTES);
  writeAddress(bytes, 0, identity.address);
  bytes.set(identity.publicKey, ADDRESS_BYTES);
  return sha384(bytes);
}
