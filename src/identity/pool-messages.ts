/** What the identity pool and its workers say to each other. One job at a time per worker, so answers need no number. */

/** A job for a worker. `seed` has 64 random bytes: workers have no randomness of their own. */
export type PoolRequest =
  | { readonly kind: "validate"; readonly address: number; readonly publicKey: Uint8Array }
  | { readonly kind: "generate"; readonly seed: Uint8Array };

/** The answer to the job of the same kind. */
export type PoolAnswer =
  | { readonly kind: "validate"; readonly valid: boolean }
  | {
      readonly kind: "generate";
      readonly address: number;
      readonly publicKey: Uint8Array;
      readonly secretKey: Uint8Array;
    };
