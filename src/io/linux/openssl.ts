/**
 * The OpenSSL inside the process, called through koffi: Node exports its symbols, and a Node of a distribution links the
 * shared library, so nothing is loaded that is not there already. koffi is an optional dependency, and a Node may be
 * built with another library: whoever asks must live with null.
 *
 * Why not `node:crypto`: there a packet's GMAC needs a new context, 2 µs on Node 20 and 11 µs on Node 24. Here contexts
 * stay and take another vector, 0.2 µs. Facts: EVP_EncryptInit(3).
 */
import { createRequire } from "node:module";

/** Key pairs whose contexts are kept; each takes 2 KiB of OpenSSL's memory once it has been used. */
const SLOTS = 1024;
const MEMORY_BYTES = 32_768;
const AES_BLOCK_BYTES = 16;
const GCM_VECTOR_BYTES = 12;
const GCM_GET_TAG = 0x10;
/** Where calls leave a length that nobody reads: behind what the caller uses. */
const LENGTH_AT = MEMORY_BYTES;

type Call = (...parameters: number[]) => number;

interface Koffi {
  load(path: null): { func(declaration: string): Call };
  address(view: Uint8Array): bigint;
}

/** The calls we use. Pointers are numbers; they give 1 on success, but for the first group, which gives pointers. */
interface Evp {
  newContext: Call;
  ecb: number;
  ctr: number;
  gcm: number;
  encryptInit: Call;
  decryptInit: Call;
  encryptUpdate: Call;
  decryptUpdate: Call;
  encryptFinal: Call;
  control: Call;
  setPadding: Call;
}

/** The contexts of one slot, as pointers. */
interface Contexts {
  readonly gmac: number;
  readonly encrypt: number;
  readonly decrypt: number;
  readonly ctr: number;
}

/** AES-256 in OpenSSL; what crypto/aes-engine.ts takes. */
export class OpensslAes {
  readonly memory = new Uint8Array(MEMORY_BYTES + AES_BLOCK_BYTES);
  readonly slots = SLOTS;
  readonly #evp: Evp;
  readonly #at: number;
  readonly #length: number;
  readonly #contexts: (Contexts | null)[] = new Array<Contexts | null>(SLOTS).fill(null);

  constructor(evp: Evp, addressOf: (view: Uint8Array) => number) {
    this.#evp = evp;
    this.#at = addressOf(this.memory);
    this.#length = this.#at + LENGTH_AT;
  }

  setKeys(slot: number, k0: number, k1: number): void {
    const evp = this.#evp;
    this.#contexts[slot] ??= this.#newContexts();
    const { gmac, encrypt, decrypt, ctr } = this.#contexts[slot];
    const key0 = this.#at + k0;
    const key1 = this.#at + k1;
    must(evp.encryptInit(gmac, 0, 0, key0, 0));
    must(evp.encryptInit(encrypt, 0, 0, key1, 0));
    must(evp.decryptInit(decrypt, 0, 0, key1, 0));
    must(evp.encryptInit(ctr, 0, 0, key1, 0));
  }

  gmac(slot: number, iv: number, from: number, length: number, tag: number): void {
    const evp = this.#evp;
    const context = this.#contextsOf(slot).gmac;
    const at = this.#at;
    must(evp.encryptInit(context, 0, 0, 0, at + iv));
    must(evp.encryptUpdate(context, 0, this.#length, at + from, length));
    must(evp.encryptFinal(context, at + tag, this.#length));
    must(evp.control(context, GCM_GET_TAG, AES_BLOCK_BYTES, at + tag));
  }

  encryptBlock(slot: number, at: number): void {
    const block = this.#at + at;
    must(this.#evp.encryptUpdate(this.#contextsOf(slot).encrypt, block, this.#length, block, AES_BLOCK_BYTES));
  }

  decryptBlock(slot: number, at: number): void {
    const block = this.#at + at;
    must(this.#evp.decryptUpdate(this.#contextsOf(slot).decrypt, block, this.#length, block, AES_BLOCK_BYTES));
  }

  ctr(slot: number, counter: number, at: number, length: number): void {
    const context = this.#contextsOf(slot).ctr;
    const body = this.#at + at;
    must(this.#evp.encryptInit(context, 0, 0, 0, this.#at + counter));
    must(this.#evp.encryptUpdate(context, body, this.#length, body, length));
  }

  #contextsOf(slot: number): Contexts {
    const contexts = this.#contexts[slot];
    if (contexts === null || contexts === undefined) throw new Error(`no keys in slot ${slot}`);
    return contexts;
  }

  /** Contexts that know their cipher, so that only keys and vectors are set later: naming it again costs 2 µs. */
  #newContexts(): Contexts {
    const evp = this.#evp;
    const make = (init: Call, cipher: number): number => {
      const context = evp.newContext();
      if (context === 0) throw new Error("OpenSSL has no memory for a context");
      must(init(context, cipher, 0, 0, 0));
      must(evp.setPadding(context, 0));
      return context;
    };
    return {
      gmac: make(evp.encryptInit, evp.gcm),
      encrypt: make(evp.encryptInit, evp.ecb),
      decrypt: make(evp.decryptInit, evp.ecb),
      ctr: make(evp.encryptInit, evp.ctr),
    };
  }
}

function must(result: number): void {
  if (result !== 1) throw new Error("OpenSSL refuses an AES operation");
}

let loaded: OpensslAes | null | undefined;

/**
 * The engine, made with the first call of a thread; or null where koffi or the symbols are missing, the machine is not
 * 64-bit Linux, or a known answer comes out wrong.
 */
export function loadOpensslAes(): OpensslAes | null {
  if (loaded === undefined) loaded = isSupported() ? tryLoad() : null;
  return loaded;
}

/** Pointers are passed as numbers of 64 bits. */
function isSupported(): boolean {
  return process.platform === "linux" && (process.arch === "x64" || process.arch === "arm64");
}

function tryLoad(): OpensslAes | null {
  try {
    const koffi = createRequire(import.meta.url)("koffi") as Koffi;
    const addressOf = (view: Uint8Array): number => Number(koffi.address(view));
    const engine = new OpensslAes(declare(koffi), addressOf);
    return givesKnownAnswers(engine) ? engine : null;
  } catch {
    return null;
  }
}

/** Throws if a symbol is missing. */
function declare(koffi: Koffi): Evp {
  const library = koffi.load(null);
  const constant = (name: string): number => {
    const pointer = Number(library.func(`uint64_t ${name}()`)());
    if (pointer === 0) throw new Error(`${name} gives nothing`);
    return pointer;
  };
  const init = "uint64_t context, uint64_t cipher, uint64_t engine, uint64_t key, uint64_t iv";
  const update = "uint64_t context, uint64_t out, uint64_t outLength, uint64_t in, int inLength";
  return {
    newContext: library.func("uint64_t EVP_CIPHER_CTX_new()"),
    ecb: constant("EVP_aes_256_ecb"),
    ctr: constant("EVP_aes_256_ctr"),
    gcm: constant("EVP_aes_256_gcm"),
    encryptInit: library.func(`int EVP_EncryptInit_ex(${init})`),
    decryptInit: library.func(`int EVP_DecryptInit_ex(${init})`),
    encryptUpdate: library.func(`int EVP_EncryptUpdate(${update})`),
    decryptUpdate: library.func(`int EVP_DecryptUpdate(${update})`),
    encryptFinal: library.func("int EVP_EncryptFinal_ex(uint64_t context, uint64_t out, uint64_t outLength)"),
    control: library.func("int EVP_CIPHER_CTX_ctrl(uint64_t context, int type, int argument, uint64_t pointer)"),
    setPadding: library.func("int EVP_CIPHER_CTX_set_padding(uint64_t context, int padding)"),
  };
}

/**
 * The first AES-256 cases of the GCM specification (key, vector and plaintext zero): the tag over nothing, the empty
 * message's, is E(IV ‖ 1); CTR from that vector's second counter gives E(IV ‖ 2). Then the block operations undo each
 * other, and everything comes out the same a second time, in contexts that have been used and had another key.
 */
function givesKnownAnswers(engine: OpensslAes): boolean {
  const { memory } = engine;
  const [key, iv, counter, tag, body] = [0, 64, 80, 96, 128];
  const hex = (at: number): string => Buffer.from(memory.buffer, at, AES_BLOCK_BYTES).toString("hex");
  for (let time = 0; time < 2; time++) {
    memory.fill(1);
    engine.setKeys(0, key, key + 32);
    memory.fill(0);
    engine.setKeys(0, key, key + 32);
    engine.gmac(0, iv, body, 0, tag);
    if (hex(tag) !== "530f8afbc74536b9a963b4f1c4cb738b") return false;
    memory[counter + GCM_VECTOR_BYTES + 3] = 2;
    engine.ctr(0, counter, body, AES_BLOCK_BYTES);
    if (hex(body) !== "cea7403d4d606b6e074ec5d3baf39d18") return false;
    engine.decryptBlock(0, body);
    if (hex(body) !== hex(counter)) return false;
    engine.encryptBlock(0, body);
    if (hex(body) !== "cea7403d4d606b6e074ec5d3baf39d18") return false;
  }
  memory.fill(0);
  return true;
}
