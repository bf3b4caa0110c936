/**
 * Capability: rules that hold for whoever has it, beside the network's own.
 * Facts: vl2-credentials.md §3.
 *
 * | offset | size | field | meaning |
 * |---|---|---|---|
 * | 0 | 8 | network id | the signed body begins here |
 * | 8 | 8 | timestamp | |
 * | 16 | 4 | capability id | |
 * | 20 | 2 | rule count | at most 64 |
 * | 22 | … | rules | encoded (`network/rules/`); bytes here |
 * | … | 1 | maximum | of custody links, 1 … 7; the signed body ends here |
 * | … | 5 | recipient | of a custody link; 0 ends the chain |
 * | … | 5 | sender | |
 * | … | 99 | signature | by the sender; then the next link |
 * | … | 2 | 0 | length of additional fields |
 *
 * Every link signs the same body, which does not cover the custody addresses: to whom a capability was issued is
 * not authenticated.
 */
import type { Identity } from "../../identity/identity.ts";
import type { Address } from "../../protocol/address.ts";
import { Reader, Writer } from "../../protocol/bytes.ts";
import { MAX_CAPABILITY_RULES, MAX_CUSTODY_CHAIN, readCapability } from "../../protocol/credential-bytes.ts";
import { accept, type Verdict } from "../../protocol/errors.ts";
import { controllerOf, type NetworkId } from "../network-id.ts";
import {
  type IdentityLookup,
  readSignature,
  refuseUnlessWhole,
  SIGNATURE_BLOCK_BYTES,
  signedMessage,
  type Validity,
  writeSignature,
} from "./signing.ts";

/** A body without rules. */
const FIXED_BODY_BYTES = 23;
const LINK_BYTES = 10 + SIGNATURE_BLOCK_BYTES;
const END_BYTES = 7;

export interface CapabilityFields {
  readonly networkId: NetworkId;
  /** ms since the epoch. */
  readonly timestamp: bigint;
  /** 32 bits. */
  readonly id: number;
  /** Encoded, and how many they are: at most 64. */
  readonly rules: Uint8Array;
  readonly ruleCount: number;
}

/** A hand that the capability went through. */
export interface CustodyLink {
  readonly recipient: Address;
  readonly sender: Address;
  /** 96 bytes. */
  readonly signature: Uint8Array;
}

export interface Capability extends CapabilityFields {
  /** How many links there may be, 1 … 7. */
  readonly maxCustodyChain: number;
  readonly custody: readonly CustodyLink[];
}

/**
 * Signs a capability for `issuedTo`, who cannot hand it on. Throws RangeError for more than 64 rules, and if
 * `controller` has no secret.
 */
export function issueCapability(
  fields: CapabilityFields & { readonly issuedTo: Address },
  controller: Identity,
): Capability {
  const { networkId, timestamp, id, rules, ruleCount, issuedTo } = fields;
  if (ruleCount > MAX_CAPABILITY_RULES) throw new RangeError(`${ruleCount} rules in one capability`);
  const bare: Capability = { networkId, timestamp, id, rules, ruleCount, maxCustodyChain: 1, custody: [] };
  const signature = controller.sign(messageOf(bare));
  return { ...bare, custody: [{ recipient: issuedTo, sender: controller.address, signature }] };
}

function writeBody(writer: Writer, capability: Capability): Writer {
  const { networkId, timestamp, id, ruleCount, rules, maxCustodyChain } = capability;
  return writer.u64(networkId).u64(timestamp).u32(id).u16(ruleCount).bytes(rules).u8(maxCustodyChain);
}

function messageOf(capability: Capability): Uint8Array {
  return signedMessage(writeBody(new Writer(FIXED_BODY_BYTES + capability.rules.length), capability).finish());
}

/** Wire form. Throws RangeError for more rules or links than may be. */
export function encodeCapability(capability: Capability): Uint8Array {
  const { rules, ruleCount, maxCustodyChain, custody } = capability;
  if (ruleCount > MAX_CAPABILITY_RULES) throw new RangeError(`${ruleCount} rules in one capability`);
  if (maxCustodyChain < 1 || maxCustodyChain > MAX_CUSTODY_CHAIN || custody.length > maxCustodyChain) {
    throw new RangeError(`${custody.length} custody links of ${maxCustodyChain}`);
  }
  const writer = new Writer(FIXED_BODY_BYTES + rules.length + custody.length * LINK_BYTES + END_BYTES);
  writeBody(writer, capability);
  for (const { recipient, sender, signature } of custody) {
    writer.address(recipient).address(sender);
    writeSignature(writer, signature);
  }
  return writer.address(0).u16(0).finish();
}

/** Decodes exactly one capability; nothing of it points into `bytes`. Neither verified nor are its rules looked at. */
export function decodeCapability(bytes: Uint8Array): Verdict<Capability> {
  const refusal = refuseUnlessWhole(bytes, readCapability);
  if (refusal !== null) return refusal;
  const reader = new Reader(bytes);
  const networkId = reader.u64();
  const timestamp = reader.u64();
  const id = reader.u32();
  const ruleCount = reader.u16();
  const start = reader.offset;
  for (let left = ruleCount; left > 0; left--) {
    reader.skip(1);
    reader.skip(reader.u8());
  }
  const rules = new Uint8Array(reader.since(start));
  const maxCustodyChain = reader.u8();
  const custody: CustodyLink[] = [];
  for (let recipient = reader.address(); recipient !== 0; recipient = reader.address()) {
    custody.push({ recipient, sender: reader.address(), signature: readSignature(reader) });
  }
  return accept({ networkId, timestamp, id, rules, ruleCount, maxCustodyChain, custody });
}

/** Who has it now, by its own unauthenticated word; 0 if nobody has. */
export function capabilityHolder(capability: Capability): Address {
  return capability.custody.at(-1)?.recipient ?? 0;
}

/** Whether the chain begins with the network's controller, is unbroken, and every link has been signed by its sender. */
export function verifyCapability(capability: Capability, identityOf: IdentityLookup): Validity {
  if (capability.custody.length === 0) return "invalid";
  const message = messageOf(capability);
  let holder = controllerOf(capability.networkId);
  for (const { recipient, sender, signature } of capability.custody) {
    if (sender !== holder) return "invalid";
    const identity = identityOf(sender);
    if (identity === null) return "unknown_issuer";
    if (!identity.verify(message, signature)) return "invalid";
    holder = recipient;
  }
  return "valid";
}
