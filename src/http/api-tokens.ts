/**
 * Tokens for programs and people who manage the controller from elsewhere. Only a digest of the secret is kept; all
 * tokens are in memory, so that a request is decided before its body is read.
 *
 *   orr_ 10 characters (public id) _ 40 characters (secret), each a letter or digit
 */
import { createHash, timingSafeEqual } from "node:crypto";
import type { Random } from "../node/ports.ts";
import { formatIp } from "../protocol/inet-address.ts";

/** What a token lets its holder do; each includes the ones before. */
export const TOKEN_SCOPES = ["read", "write", "admin"] as const;
export type TokenScope = (typeof TOKEN_SCOPES)[number];

export interface ApiToken {
  /** The ten characters that may be shown. */
  readonly id: string;
  /** SHA-256 of the whole text: the secret is random enough to need no slow hash. */
  readonly hash: Uint8Array;
  readonly name: string;
  readonly scope: TokenScope;
  /** ms since the epoch. */
  readonly createdAt: number;
  /** 0 = never. */
  readonly expiresAt: number;
  /** 0 = never; a minute old at most. */
  readonly lastUsedAt: number;
}

export interface ApiTokenStore {
  /** The oldest first. */
  all(): Promise<ApiToken[]>;
  add(token: ApiToken, actor: string): Promise<void>;
  remove(token: ApiToken, actor: string, now: number): Promise<void>;
  /** When tokens were last used, by id. */
  used(times: ReadonlyMap<string, number>): Promise<void>;
}

const ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
const ID_LENGTH = 10;
const SECRET_LENGTH = 40;
const FORM = new RegExp(`^orr_([0-9A-Za-z]{${ID_LENGTH}})_[0-9A-Za-z]{${SECRET_LENGTH}}$`);
/** Bytes from here up would favour the first letters. */
const FAIR_BYTES = 256 - (256 % ALPHABET.length);
export const MAX_API_TOKENS = 1000;
/** Uses are written down this often. */
const SAVE_INTERVAL_MS = 60_000;
/** Wrong tokens from one address within a minute, after which right ones are not looked at either. */
const MAX_FAILURES = 20;
const FAILURE_WINDOW_MS = 60_000;
const MAX_FAILING_SOURCES = 10_000;

/** What a presented text is good for. */
export type TokenCheck =
  | { readonly kind: "valid"; readonly token: ApiToken }
  | { readonly kind: "invalid" }
  /** Too many wrong ones came from there. */
  | { readonly kind: "blocked" };

export class ApiTokens {
  /** Requests that showed a token: good ones, wrong ones, and those that were not looked at. */
  readonly checks = { valid: 0, invalid: 0, blocked: 0 };
  readonly #store: ApiTokenStore;
  readonly #random: Random;
  readonly #tokens = new Map<string, ApiToken>();
  readonly #used = new Map<string, number>();
  readonly #failures = new Map<string, { count: number; since: number }>();
  #savedAt = 0;

  private constructor(store: ApiTokenStore, random: Random) {
    this.#store = store;
    this.#random = random;
  }

  /** Loads the tokens. */
  static async open(store: ApiTokenStore, random: Random): Promise<ApiTokens> {
    const tokens = new ApiTokens(store, random);
    for (const token of await store.all()) tokens.#tokens.set(token.id, token);
    return tokens;
  }

  get count(): number {
    return this.#tokens.size;
  }

  /** The oldest first, with their latest use. */
  list(): ApiToken[] {
    return [...this.#tokens.values()].map((token) => ({
      ...token,
      lastUsedAt: this.#used.get(token.id) ?? token.lastUsedAt,
    }));
  }

  /** Makes a token; `text` is shown to its owner and kept nowhere. Null if there are too many. */
  async create(
    { name, scope, expiresAt }: Pick<ApiToken, "name" | "scope" | "expiresAt">,
    actor: string,
    now: number,
  ): Promise<{ readonly token: ApiToken; readonly text: string } | null> {
    if (this.#tokens.size >= MAX_API_TOKENS) return null;
    const id = this.#draw(ID_LENGTH);
    const text = `orr_${id}_${this.#draw(SECRET_LENGTH)}`;
    const token = { id, hash: hashOf(text), name, scope, createdAt: now, expiresAt, lastUsedAt: 0 };
    await this.#store.add(token, actor);
    this.#tokens.set(id, token);
    return { token, text };
  }

  /** False if there is no such token. It stops working before this returns. */
  async revoke(id: string, actor: string, now: number): Promise<boolean> {
    const token = this.#tokens.get(id);
    if (token === undefined) return false;
    this.#tokens.delete(id);
    this.#used.delete(id);
    await this.#store.remove(token, actor, now);
    return true;
  }

  /** Decides about a presented text; `source` has 4 or 16 bytes. */
  check(text: string, source: Uint8Array, now: number): TokenCheck {
    const from = formatIp(source);
    if (this.#isBlocked(from, now)) {
      this.checks.blocked++;
      return { kind: "blocked" };
    }
    const token = this.#tokens.get(FORM.exec(text)?.[1] ?? "");
    // A digest is compared even if there is no such token, so that ids cannot be told by the time it takes.
    const matches = timingSafeEqual(hashOf(text), token?.hash ?? NO_HASH);
    if (token === undefined || !matches || (token.expiresAt !== 0 && token.expiresAt <= now)) {
      this.checks.invalid++;
      this.#failed(from, now);
      return { kind: "invalid" };
    }
    this.checks.valid++;
    this.#used.set(token.id, now);
    return { kind: "valid", token };
  }

  /** Writes uses down now and then; to be called often. */
  async save(now: number): Promise<void> {
    if (this.#used.size === 0 || now - this.#savedAt < SAVE_INTERVAL_MS) return;
    this.#savedAt = now;
    const times = new Map(this.#used);
    this.#used.clear();
    for (const [id, at] of times) {
      const token = this.#tokens.get(id);
      if (token !== undefined) this.#tokens.set(id, { ...token, lastUsedAt: at });
    }
    await this.#store.used(times);
  }

  #isBlocked(from: string, now: number): boolean {
    const failures = this.#failures.get(from);
    return failures !== undefined && failures.count >= MAX_FAILURES && now - failures.since < FAILURE_WINDOW_MS;
  }

  #failed(from: string, now: number): void {
    const known = this.#failures.get(from);
    if (known !== undefined && now - known.since < FAILURE_WINDOW_MS) {
      known.count++;
      return;
    }
    this.#failures.delete(from);
    if (this.#failures.size >= MAX_FAILING_SOURCES) {
      const oldest = this.#failures.keys().next();
      if (oldest.done !== true) this.#failures.delete(oldest.value);
    }
    this.#failures.set(from, { count: 1, since: now });
  }

  #draw(length: number): string {
    let text = "";
    const bytes = new Uint8Array(64);
    while (text.length < length) {
      this.#random(bytes);
      for (const byte of bytes) {
        if (byte < FAIR_BYTES && text.length < length) text += ALPHABET[byte % ALPHABET.length];
      }
    }
    return text;
  }
}

const NO_HASH = new Uint8Array(32);

function hashOf(text: string): Uint8Array {
  return createHash("sha256").update(text).digest();
}

/** Whether a scope includes what an operation needs. */
export function allows(scope: TokenScope, needed: TokenScope): boolean {
  return TOKEN_SCOPES.indexOf(scope) >= TOKEN_SCOPES.indexOf(needed);
}
