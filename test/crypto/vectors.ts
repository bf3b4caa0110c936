/** The known answers that the tests of cryptography, identities and armour share, with their shapes. */
import { readFileSync } from "node:fs";
import { fromHex } from "../../src/protocol/bytes.ts";

/** Reads `test/fixtures/vectors/<name>.json`; the caller says what is in it. */
function load<T>(name: string): T {
  return JSON.parse(readFileSync(new URL(`../fixtures/vectors/${name}.json`, import.meta.url), "utf8"));
}

/** Bytes of a hex string that is known to be one. */
export function hex(text: string): Uint8Array {
  const bytes = fromHex(text);
  if (bytes === null) throw new Error(`not hex: ${text}`);
  return bytes;
}

/** Deterministic filler: different for every seed, no structure that compresses. */
export function noise(length: number, seed: number): Uint8Array {
  let state = (seed | 0) ^ 0x9e3779b9;
  return Uint8Array.from({ length }, () => {
    state = Math.imul(state ^ (state >>> 15), 0x85ebca6b) + 0x6b43a9b5;
    return (state ^ (state >>> 13)) >>> 8;
  });
}

export interface IdentityVector {
  readonly name: string;
  readonly address: string;
  readonly secret: string;
  readonly public: string;
  readonly binary_public: string;
  readonly binary_with_secret: string;
  readonly x25519_public: string;
  readonly ed25519_public: string;
  readonly x25519_secret: string;
  readonly ed25519_seed: string;
  readonly sha384_fingerprint: string;
  readonly locally_valid: boolean;
}

export interface StringCase {
  readonly name: string;
  readonly string: string;
  readonly parses: boolean;
  readonly locally_valid?: boolean;
  readonly parsed_address?: string;
  readonly reserialized?: string;
}

export const identityVectors = load<{
  valid: IdentityVector[];
  agreements: { a: string; b: string; shared_key_48: string }[];
  string_cases: StringCase[];
}>("identities");

/** The vector of that name, as `signer` and the agreements refer to it. */
export function identityVector(name: string): IdentityVector {
  const found = identityVectors.valid.find((vector) => vector.name === name);
  if (found === undefined) throw new Error(`no identity ${name}`);
  return found;
}

export function publicKeyOf(vector: IdentityVector): Uint8Array {
  return hex(vector.x25519_public + vector.ed25519_public);
}

export function secretKeyOf(vector: IdentityVector): Uint8Array {
  return hex(vector.x25519_secret + vector.ed25519_seed);
}

export interface HashVector {
  readonly name: string;
  readonly public_key: string;
  readonly step1_sha512_of_public_key: string;
  readonly salsa20_key: string;
  readonly salsa20_nonce: string;
  readonly step2_memory_first_64: string;
  readonly step2_memory_64_128: string;
  readonly step2_memory_last_64: string;
  readonly step2_sha512_of_memory: string;
  readonly step3_iterations_sampled: {
    readonly iteration: number;
    readonly digest_word_index: number;
    readonly memory_word_index: number;
    readonly digest_after: string;
  }[];
  readonly step3_iteration_count: number;
  readonly step3_sha512_of_memory_after: string;
  readonly final_digest: string;
  readonly address: string;
  readonly first_byte: number;
  readonly hashcash_ok: boolean;
}

export const hashVectors = load<{ cases: HashVector[] }>("hash").cases;

export const signatureVectors = load<{
  cases: { name: string; signer: string; message: string; sha512?: string; signature: string; valid: boolean }[];
}>("signatures").cases;

export const kdfVectors = load<{
  cases: {
    name: string;
    master_key_48: string;
    k0_full_48: string;
    aes_k0: string;
    k1_full_48: string;
    aes_k1: string;
    general_kbkdf: { label: string; context: number; iter: number; out: string }[];
    hmac_sha384_of_hello: string;
  }[];
}>("kdf").cases;

export interface ArmoredVector {
  readonly name: string;
  readonly suite: 0 | 1 | 3;
  readonly source: string;
  readonly destination: string;
  readonly shared_key_48: string;
  readonly packet_id_before_armor: string;
  readonly verb: number;
  readonly payload: string;
  readonly compressed: boolean;
  readonly plaintext_after_compress_from_offset_27?: string;
  readonly wire: string;
  readonly hops_added?: number;
  readonly wire_after_hops?: string;
  readonly reference_dearmors: boolean;
}

export interface FragmentedVector {
  readonly name: string;
  readonly suite: 0 | 1 | 3;
  readonly mtu: number;
  readonly source: string;
  readonly destination: string;
  readonly shared_key_48: string;
  readonly verb: number;
  readonly packet_id_before_armor: string;
  readonly payload: string;
  readonly assembled_wire: string;
  readonly datagrams: string[];
}

export interface HelloVector {
  readonly name: string;
  readonly shared_key_48: string;
  readonly encrypted_section_offset: number;
  readonly plaintext_before_field_encryption: string;
  readonly after_field_encryption: string;
  readonly wire: string;
}

export const packetVectors = load<{
  armored: ArmoredVector[];
  fragmented: FragmentedVector[];
  trusted_path: { name: string; suite: number; wire: string }[];
  hello: HelloVector[];
  field_cipher: { name: string; packet_id: string; shared_key_48: string; keystream_first_88: string }[];
}>("packets");
