/** The recorded credentials, and who is who in them. */
import assert from "node:assert/strict";
import { type Identity, parseIdentity } from "../../src/identity/identity.ts";
import type { IdentityLookup } from "../../src/network/credentials/signing.ts";
import { parseNetworkId } from "../../src/network/network-id.ts";
import { type Address, parseAddress } from "../../src/protocol/address.ts";
import type { Verdict } from "../../src/protocol/errors.ts";
import { vectors } from "../protocol/fixtures.ts";

export interface RecordedQualifier {
  id: number;
  value: string;
  maxDelta: string;
}

export interface RecordedMembership {
  qualifiers: RecordedQualifier[];
  signedBy: string;
}

interface CredentialVectors {
  identities: Record<string, { public: string; secret: string; fingerprintSha384: string }>;
  networkId: string;
  credentials: {
    name: string;
    // biome-ignore lint/suspicious/noExplicitAny: each type of credential has fields of its own
    fields: any;
    signedMessageHex: string;
    hex: string;
    verify: number;
    variants: { name: string; hex: string; parse: "ok" | "error"; consumed?: number; verify: number | null }[];
  }[];
  comAgreement: {
    name: string;
    mine: RecordedMembership;
    other: RecordedMembership;
    otherIdentityPublic: string;
    agrees: boolean;
  }[];
  sequences: {
    name: string;
    steps: { step: string; hex: string; result: string }[];
    allowedAfter: boolean;
    comRevocationThresholdAfter?: number;
    comTimestampAfter?: number;
  }[];
  revocationPropagation: {
    name: string;
    revocationHex: string;
    receivedFrom: string;
    members: string[];
    result: string;
    sent: { to: string; payloadHex: string }[];
    secondTimeResult: string;
    secondTimeSent: unknown[];
  }[];
  push: { name: string; sent: { payloadHex: string }[] }[];
}

export const recorded = vectors<CredentialVectors>("credentials");

/** An identity of the recordings with its secret. */
export function recordedIdentity(name: string): Identity {
  return parseIdentity(recorded.identities[name]!.secret) ?? assert.fail(`no identity: ${name}`);
}

export const controller = recordedIdentity("controller");
export const bob = recordedIdentity("bob");
export const carol = recordedIdentity("carol");
export const self = recordedIdentity("self");

export const NETWORK = parseNetworkId(recorded.networkId) ?? assert.fail();
export const TIMESTAMP = 1700000000000n;
export const MAX_DELTA = 1800000n;

/** Knows these identities and nobody else. */
export function knows(...identities: Identity[]): IdentityLookup {
  return (address) => identities.find((identity) => identity.address === address) ?? null;
}

export function value<T>(verdict: Verdict<T>): T {
  return verdict.ok ? verdict.value : assert.fail(`refused: ${verdict.code} at ${verdict.offset}`);
}

export function address(text: string): Address {
  return parseAddress(text) ?? assert.fail(`no address: ${text}`);
}
