/**
 * The other members of one network as far as they have shown themselves; bounded. What counts as proof, and who is
 * let in. Facts: vl2-credentials.md §8.
 */
import type { Identity } from "../identity/identity.ts";
import type { NetworkConfig } from "../network/config.ts";
import {
  type Capability,
  capabilityHolder,
  encodeCapability,
  verifyCapability,
} from "../network/credentials/capability.ts";
import {
  encodeMembershipCertificate,
  type MembershipCertificate,
  membershipAddress,
  membershipAgrees,
  membershipNetwork,
  membershipTimestamp,
  verifyMembershipCertificate,
} from "../network/credentials/certificate-of-membership.ts";
import {
  encodeOwnershipCertificate,
  type OwnershipCertificate,
  verifyOwnershipCertificate,
} from "../network/credentials/certificate-of-ownership.ts";
import { CredentialType, type Revocation, verifyRevocation } from "../network/credentials/revocation.ts";
import type { IdentityLookup, Validity } from "../network/credentials/signing.ts";
import { encodeTag, type Tag, verifyTag } from "../network/credentials/tag.ts";
import type { NetworkId } from "../network/network-id.ts";
import type { Millis } from "../node/ports.ts";
import type { Address } from "../protocol/address.ts";
import {
  type Acceptance,
  type CredentialWindow,
  MAX_CAPABILITIES_SHOWN,
  MAX_OWNERSHIPS_SHOWN,
  MAX_TAGS_SHOWN,
  RemoteMember,
} from "./remote-member.ts";

/** Revocation types that mean something. */
const REVOCABLE = new Set<number>(Object.values(CredentialType));

/** One kind of credential that is kept by id. */
interface Shown<T> {
  readonly type: number;
  readonly held: (member: RemoteMember) => Map<number, T>;
  readonly max: number;
  readonly encode: (credential: T) => Uint8Array;
  readonly verify: (credential: T, identityOf: IdentityLookup) => Validity;
}

const TAGS: Shown<Tag> = {
  type: CredentialType.TAG,
  held: (member) => member.tags,
  max: MAX_TAGS_SHOWN,
  encode: encodeTag,
  verify: verifyTag,
};
const CAPABILITIES: Shown<Capability> = {
  type: CredentialType.CAPABILITY,
  held: (member) => member.capabilities,
  max: MAX_CAPABILITIES_SHOWN,
  encode: encodeCapability,
  verify: verifyCapability,
};
const OWNERSHIPS: Shown<OwnershipCertificate> = {
  type: CredentialType.OWNERSHIP,
  held: (member) => member.ownerships,
  max: MAX_OWNERSHIPS_SHOWN,
  encode: encodeOwnershipCertificate,
  verify: verifyOwnershipCertificate,
};

export class RemoteMembers {
  readonly #networkId: NetworkId;
  readonly #max: number;
  readonly #members = new Map<Address, RemoteMember>();
  /** Ours; null while there is no configuration. */
  #own: { readonly isPublic: boolean; readonly membership: MembershipCertificate | null } | null = null;
  window: CredentialWindow = { timestamp: 0n, maxDelta: 0n };
  /** Members that were forgotten because there were too many. */
  evicted = 0;

  constructor(networkId: NetworkId, max: number) {
    this.#networkId = networkId;
    this.#max = max;
  }

  get size(): number {
    return this.#members.size;
  }

  addresses(): IterableIterator<Address> {
    return this.#members.keys();
  }

  find(address: Address): RemoteMember | undefined {
    return this.#members.get(address);
  }

  /** The member, made if it is new; `now` counts as its last use. */
  open(address: Address, now: Millis): RemoteMember {
    let member = this.#members.get(address);
    if (member === undefined) {
      if (this.#members.size >= this.#max) this.#evictOne();
      member = new RemoteMember();
      this.#members.set(address, member);
    }
    if (now > member.lastUsed) member.lastUsed = now;
    return member;
  }

  /** Our configuration changed: so does who agrees with it. */
  ourConfigurationIs(config: NetworkConfig): void {
    this.#own = { isPublic: config.isPublic, membership: config.membership };
    this.window = { timestamp: config.timestamp, maxDelta: config.credentialTimeMaxDelta };
    for (const member of this.#members.values()) member.forgetAnswers();
  }

  /** Whether a node may take part: everybody in a public network, else whose certificate agrees with ours. */
  admits(identity: Identity): boolean {
    if (this.#own === null) return false;
    if (this.#own.isPublic) return true;
    const member = this.#members.get(identity.address);
    if (member === undefined) return false;
    member.admitted ??= this.#agrees(member, identity);
    return member.admitted;
  }

  #agrees(member: RemoteMember, identity: Identity): boolean {
    const { membership } = this.#own!;
    if (membership === null || member.membership === null || !member.membershipIsCurrent) return false;
    return membershipAgrees(membership, member.membership, identity);
  }

  addMembership(certificate: MembershipCertificate, identityOf: IdentityLookup): Acceptance {
    if (membershipNetwork(certificate) !== this.#networkId) return "rejected";
    const address = membershipAddress(certificate);
    const member = this.#members.get(address);
    const timestamp = membershipTimestamp(certificate);
    if (member !== undefined) {
      if (timestamp <= member.membershipThreshold) return "rejected";
      if (member.membership !== null) {
        if (timestamp < membershipTimestamp(member.membership)) return "rejected";
        if (equal(encodeMembershipCertificate(certificate), encodeMembershipCertificate(member.membership))) {
          return "redundant";
        }
      }
    } else if (timestamp <= 0n) return "rejected";
    const validity = verifyMembershipCertificate(certificate, identityOf);
    if (validity !== "valid") return refusal(validity);
    const holder = this.open(address, 0);
    holder.membership = certificate;
    holder.forgetAnswers();
    return "new";
  }

  addTag(tag: Tag, identityOf: IdentityLookup): Acceptance {
    return this.#add(TAGS, tag.issuedTo, tag, identityOf);
  }

  addCapability(capability: Capability, identityOf: IdentityLookup): Acceptance {
    return this.#add(CAPABILITIES, capabilityHolder(capability), capability, identityOf);
  }

  addOwnership(ownership: OwnershipCertificate, identityOf: IdentityLookup): Acceptance {
    return this.#add(OWNERSHIPS, ownership.issuedTo, ownership, identityOf);
  }

  addRevocation(revocation: Revocation, identityOf: IdentityLookup): Acceptance {
    if (revocation.networkId !== this.#networkId) return "rejected";
    const validity = verifyRevocation(revocation, identityOf);
    if (validity !== "valid") return refusal(validity);
    const { type, credentialId, threshold, target } = revocation;
    if (!REVOCABLE.has(type)) return "rejected";
    return this.open(target, 0).revoke(type, credentialId, threshold) ? "new" : "redundant";
  }

  /** True, and noted, if our groups were not announced to it for `periodMs`. */
  announcementDue(address: Address, now: Millis, periodMs: number): boolean {
    const member = this.open(address, now);
    if (now - member.lastAnnouncement < periodMs) return false;
    member.lastAnnouncement = now;
    return true;
  }

  /** True, and noted, if it was not asked for its certificate within `gateMs`. */
  mayAskForCertificate(address: Address, now: Millis, gateMs: number): boolean {
    const member = this.open(address, now);
    if (now - member.lastAsked < gateMs) return false;
    member.lastAsked = now;
    return true;
  }

  #add<T extends { readonly id: number; readonly timestamp: bigint; readonly networkId: NetworkId }>(
    kind: Shown<T>,
    address: Address,
    credential: T,
    identityOf: IdentityLookup,
  ): Acceptance {
    if (credential.networkId !== this.#networkId) return "rejected";
    const { id, timestamp } = credential;
    const member = this.#members.get(address);
    if (member !== undefined) {
      const known = kind.held(member).get(id);
      if (known !== undefined) {
        if (known.timestamp > timestamp) return "rejected";
        if (equal(kind.encode(known), kind.encode(credential))) return "redundant";
      } else if (kind.held(member).size >= kind.max) return "rejected";
      const threshold = member.threshold(kind.type, id);
      if (threshold !== undefined && threshold >= timestamp) return "rejected";
    }
    const validity = kind.verify(credential, identityOf);
    if (validity !== "valid") return refusal(validity);
    const holder = this.open(address, 0);
    kind.held(holder).set(id, credential);
    holder.forgetAnswers();
    return "new";
  }

  /** The one that mattered least recently goes; who was revoked stays as long as that matters, if there is a choice. */
  #evictOne(): void {
    let victim: Address | null = null;
    let victimScore = Number.POSITIVE_INFINITY;
    for (const [address, member] of this.#members) {
      const score = member.lastUsed + (member.membershipThreshold > 0n ? REVOKED_BONUS_MS : 0);
      if (score >= victimScore) continue;
      victim = address;
      victimScore = score;
    }
    if (victim === null) return;
    this.#members.delete(victim);
    this.evicted++;
  }
}

/** A revocation has to be remembered while certificates of its time could still agree (at most 2 h). */
const REVOKED_BONUS_MS = 7_200_000;

function refusal(validity: Validity): Acceptance {
  return validity === "unknown_issuer" ? "deferred" : "rejected";
}

function equal(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, index) => byte === b[index]);
}
