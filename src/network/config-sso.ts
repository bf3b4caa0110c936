/**
 * Single sign-on in a configuration. Only carried: nobody here signs in.
 * Facts: vl2-networks.md §5 (keys `ssov` and below), §4.3 (lengths).
 */
import type { Dictionary, DictionaryWriter } from "../protocol/dictionary.ts";

/** Version 0: the member is shown a page. */
export interface SsoByUrl {
  readonly version: 0;
  readonly enabled: boolean;
  readonly authenticationUrl: string;
  /** ms since the epoch. */
  readonly authenticationExpiry: bigint;
}

/** Version 1: the member signs in by OpenID Connect. */
export interface SsoByIssuer {
  readonly version: 1;
  readonly enabled: boolean;
  readonly issuerUrl: string;
  readonly centralUrl: string;
  readonly nonce: string;
  readonly state: string;
  readonly clientId: string;
  readonly provider: string;
}

export type Sso = SsoByUrl | SsoByIssuer;

/** What every network without single sign-on says. */
export const NO_SSO: Sso = { version: 0, enabled: false, authenticationUrl: "", authenticationExpiry: 0n };

/** In bytes: the reference's buffers, less the terminator. */
const MAX_URL_BYTES = 2047;
const MAX_NONCE_BYTES = 63;
const MAX_STATE_BYTES = 127;
const MAX_CLIENT_ID_BYTES = 255;
const MAX_PROVIDER_BYTES = 63;

export function writeSso(writer: DictionaryWriter, sso: Sso): void {
  writer.u64("ssov", BigInt(sso.version)).bool("ssoe", sso.enabled);
  if (sso.version === 1) {
    writer.text("iurl", sso.issuerUrl).text("ssoce", sso.centralUrl).text("sson", sso.nonce);
    writer.text("ssos", sso.state).text("ssocid", sso.clientId).text("ssop", sso.provider);
  } else if (sso.enabled) {
    if (sso.authenticationUrl !== "") writer.text("aurl", sso.authenticationUrl);
    writer.u64("aexpt", sso.authenticationExpiry);
  }
}

/** Texts count only if it is on. A version that nobody knows is read as version 0. */
export function decodeSso(dictionary: Dictionary): Sso {
  const enabled = dictionary.bool("ssoe", false);
  const text = (key: string, maxBytes: number) => (enabled ? (dictionary.text(key, maxBytes) ?? "") : "");
  if (dictionary.u64("ssov", 0n) !== 1n) {
    return {
      version: 0,
      enabled,
      authenticationUrl: text("aurl", MAX_URL_BYTES),
      authenticationExpiry: enabled ? dictionary.u64("aexpt", 0n) : 0n,
    };
  }
  return {
    version: 1,
    enabled,
    issuerUrl: text("iurl", MAX_URL_BYTES),
    centralUrl: text("ssoce", MAX_URL_BYTES),
    nonce: text("sson", MAX_NONCE_BYTES),
    state: text("ssos", MAX_STATE_BYTES),
    clientId: text("ssocid", MAX_CLIENT_ID_BYTES),
    provider: text("ssop", MAX_PROVIDER_BYTES),
  };
}
