/**
 * What one other member has shown us of its standing in one network: certificate, tags, capabilities, addresses it
 * owns, and what of it was revoked. Facts: vl2-credentials.md §8.
 */
import type { Capability } from "../network/credentials/capability.ts";
import { type MembershipCertificate, membershipTimestamp } from "../network/credentials/certificate-of-membership.ts";
import type { OwnershipCertificate } from "../network/credentials/certificate-of-ownership.ts";
import { CredentialType } from "../network/credentials/revocation.ts";
import type { Tag } from "../network/credentials/tag.ts";
import type { CapabilityRules } from "../network/rules/rule.ts";
import type { Millis } from "../node/ports.ts";

/** What came of a credential that was shown (§8.1). `deferred`: its issuer's identity has to be asked for first. */
export type Acceptance = "new" | "redundant" | "rejected" | "deferred";

/** Certificates of ownership of one member: the reference issues one, and no configuration has more than 4. */
export const MAX_OWNERSHIPS_SHOWN = 16;
export const MAX_TAGS_SHOWN = 128;
export const MAX_CAPABILITIES_SHOWN = 128;
/** Thresholds of single credentials; each was signed by the controller. */
export const MAX_THRESHOLDS = 512;

/** Whether two members' credentials may be that far apart: the window of our own configuration. */
export interface CredentialWindow {
  readonly timestamp: bigint;
  readonly maxDelta: bigint;
}

/** A credential with its id, its time and the bytes it came as. */
interface Dated {
  readonly id: number;
  readonly timestamp: bigint;
}

export class RemoteMember {
  membership: MembershipCertificate | null = null;
  /** Certificates of membership of this time or earlier are void. */
  membershipThreshold = 0n;
  readonly tags = new Map<number, Tag>();
  readonly capabilities = new Map<number, Capability>();
  readonly ownerships = new Map<number, OwnershipCertificate>();
  /** By (type, id): credentials of this time or earlier are void. */
  readonly #thresholds = new Map<number, bigint>();
  /** When our credentials were last pushed to it, and our groups last announced. */
  lastPush: Millis = 0;
  lastAnnouncement: Millis = 0;
  /** When it was last told that we want its certificate. */
  lastAsked: Millis = 0;
  /** When it last mattered: the one that mattered least recently makes room for others. */
  lastUsed: Millis = 0;

  // Answers that hold until something changes; frames ask for them.
  /** Whether its certificate agrees with ours. */
  admitted: boolean | null = null;
  #usableTags: Map<number, number> | null = null;
  #usableCapabilities: CapabilityRules[] | null = null;
  #usableOwnerships: OwnershipCertificate[] | null = null;

  /** Something changed here or in our configuration: what was worked out holds no more. */
  forgetAnswers(): void {
    this.admitted = null;
    this.#usableTags = null;
    this.#usableCapabilities = null;
    this.#usableOwnerships = null;
  }

  get membershipIsCurrent(): boolean {
    return this.membership !== null && membershipTimestamp(this.membership) > this.membershipThreshold;
  }

  threshold(type: number, id: number): bigint | undefined {
    return this.#thresholds.get(thresholdKey(type, id));
  }

  /** Raises a threshold; false if it was as high already, or there is no room. */
  revoke(type: number, id: number, threshold: bigint): boolean {
    if (type === CredentialType.MEMBERSHIP) return this.#raiseMembership(threshold);
    const key = thresholdKey(type, id);
    const before = this.#thresholds.get(key);
    if (before !== undefined && before >= threshold) return false;
    if (before === undefined && this.#thresholds.size >= MAX_THRESHOLDS) return false;
    this.#thresholds.set(key, threshold);
    // A quirk that everybody shares: whoever has a tag revoked is out until it shows a newer certificate.
    if (threshold > this.membershipThreshold) this.membershipThreshold = threshold;
    this.forgetAnswers();
    return true;
  }

  #raiseMembership(threshold: bigint): boolean {
    if (threshold <= this.membershipThreshold) return false;
    this.membershipThreshold = threshold;
    this.forgetAnswers();
    return true;
  }

  /** The value of a tag that may be used now. */
  tag(id: number, window: CredentialWindow): number | undefined {
    this.#usableTags ??= new Map(
      [...this.tags.values()]
        .filter((tag) => this.#isUsable(CredentialType.TAG, tag, window))
        .map((tag) => [tag.id, tag.value]),
    );
    return this.#usableTags.get(id);
  }

  /** The capabilities that may be used now, by `rulesOf`, which decodes their rules. */
  usableCapabilities(
    window: CredentialWindow,
    rulesOf: (capability: Capability) => CapabilityRules,
  ): readonly CapabilityRules[] {
    this.#usableCapabilities ??= [...this.capabilities.values()]
      .filter((capability) => this.#isUsable(CredentialType.CAPABILITY, capability, window))
      .sort((a, b) => a.id - b.id)
      .map(rulesOf);
    return this.#usableCapabilities;
  }

  usableOwnerships(window: CredentialWindow): readonly OwnershipCertificate[] {
    this.#usableOwnerships ??= [...this.ownerships.values()].filter((ownership) =>
      this.#isUsable(CredentialType.OWNERSHIP, ownership, window),
    );
    return this.#usableOwnerships;
  }

  /** §8.2: close enough to our configuration's time, and not revoked. */
  #isUsable(type: number, { id, timestamp }: Dated, { timestamp: ours, maxDelta }: CredentialWindow): boolean {
    const apart = timestamp > ours ? timestamp - ours : ours - timestamp;
    if (apart > maxDelta) return false;
    const threshold = this.threshold(type, id);
    return threshold === undefined || timestamp > threshold;
  }
}

/** Types are below 256, ids 32 bits. */
function thresholdKey(type: number, id: number): number {
  return type * 0x100000000 + id;
}
