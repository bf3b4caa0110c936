/** The tokens of `/api/v1` and where they are kept. The store (over SQL) implements the port. */

/** What a token allows: `write` includes `read`, `admin` includes both. */
export const TOKEN_SCOPES = ["read", "write", "admin"] as const;
export type TokenScope = (typeof TOKEN_SCOPES)[number];

/** A token as it is kept: not the token itself. */
export interface ApiToken {
  /** The public part, ten letters and digits. */
  readonly id: string;
  /** For people, and for the audit log. */
  readonly name: string;
  /** At least one. */
  readonly scopes: readonly TokenScope[];
  /** SHA-256 of the whole token as it is sent (`orr_<id>_<secret>`), 32 bytes. */
  readonly hash: Uint8Array;
  /** ms since the epoch. */
  readonly createdAt: number;
  /** 0 = never. */
  readonly expiresAt: number;
  /** 0 = never. Not written with each use. */
  readonly lastUsedAt: number;
  /** Kept in the list, opens nothing. */
  readonly revoked: boolean;
}

export interface TokenStore {
  /** Rejects if the id exists. */
  create(token: ApiToken): Promise<void>;
  find(id: string): Promise<ApiToken | null>;
  /** All, the newest first. */
  list(): Promise<readonly ApiToken[]>;
  /** False if there is none, or it was revoked before. */
  revoke(id: string): Promise<boolean>;
  /** Sets `lastUsedAt`. */
  touch(id: string, at: number): Promise<void>;
}
