/**
 * What goes into NETWORK_CREDENTIALS: a member's own credentials for a peer, or a revocation for everybody.
 * Facts: vl2-credentials.md §7 (packing), §8.1 (revocations).
 */
import type { Address } from "../../protocol/address.ts";
import { MAX_PACKET_BYTES, PACKET_HEADER_BYTES } from "../../protocol/constants.ts";
import { encodeNetworkCredentials } from "../../protocol/messages/network-credentials.ts";
import { type Capability, encodeCapability } from "./capability.ts";
import { encodeMembershipCertificate, type MembershipCertificate } from "./certificate-of-membership.ts";
import { encodeOwnershipCertificate, type OwnershipCertificate } from "./certificate-of-ownership.ts";
import { encodeRevocation, REVOCATION_FLAG_PROPAGATE, type Revocation } from "./revocation.ts";
import { encodeTag, type Tag } from "./tag.ts";

/** A packet of this length, header included, takes no further capability, tag or certificate of ownership. */
const FULL_FOR_CAPABILITIES_BYTES = 7144;
const FULL_FOR_TAGS_BYTES = 9872;
const FULL_FOR_OWNERSHIPS_BYTES = 9592;
const END_OF_MEMBERSHIPS_BYTES = 1;
const COUNT_BYTES = 2;
/** What a packet has room for that was not full. The other credentials are short enough. */
const MAX_CAPABILITY_BYTES = MAX_PACKET_BYTES - FULL_FOR_CAPABILITIES_BYTES - 3 * COUNT_BYTES;

/** What a member holds of one network; its configuration has all of it. */
export interface OwnCredentials {
  readonly membership: MembershipCertificate | null;
  readonly capabilities: readonly Capability[];
  readonly tags: readonly Tag[];
  readonly ownerships: readonly OwnershipCertificate[];
}

/** Takes from the front of `queue` until the packet is full; gives what it took and the packet's new length. */
function fill(queue: Uint8Array[], before: number, full: number): { taken: Uint8Array[]; length: number } {
  let length = before + COUNT_BYTES;
  let count = 0;
  while (count < queue.length && length < full) length += queue[count++]!.length;
  return { taken: queue.splice(0, count), length };
}

/**
 * The payloads that show `own` to a peer, as many as it needs, none if there is nothing. A credential that no packet
 * has room for (which only an odd controller issues) is left out.
 */
export function packCredentials(own: OwnCredentials): Uint8Array[] {
  const capabilities = own.capabilities.map(encodeCapability).filter(({ length }) => length <= MAX_CAPABILITY_BYTES);
  const tags = own.tags.map(encodeTag);
  const ownerships = own.ownerships.map(encodeOwnershipCertificate);
  let memberships = own.membership === null ? [] : [encodeMembershipCertificate(own.membership)];
  const payloads: Uint8Array[] = [];
  while (memberships.length + capabilities.length + tags.length + ownerships.length > 0) {
    const start = PACKET_HEADER_BYTES + (memberships[0]?.length ?? 0) + END_OF_MEMBERSHIPS_BYTES;
    const first = fill(capabilities, start, FULL_FOR_CAPABILITIES_BYTES);
    const second = fill(tags, first.length, FULL_FOR_TAGS_BYTES);
    const third = fill(ownerships, second.length + COUNT_BYTES, FULL_FOR_OWNERSHIPS_BYTES);
    payloads.push(
      encodeNetworkCredentials({
        memberships,
        capabilities: first.taken,
        tags: second.taken,
        revocations: [],
        ownerships: third.taken,
      }),
    );
    memberships = [];
  }
  return payloads;
}

/** The payload that brings a revocation to a member, from its controller or from another member. */
export function encodeRevocationPush(revocation: Revocation): Uint8Array {
  return encodeNetworkCredentials({
    memberships: [],
    capabilities: [],
    tags: [],
    revocations: [encodeRevocation(revocation)],
    ownerships: [],
  });
}

/**
 * To whom a member passes on a revocation that was new to it: nobody unless it is to be propagated, else all
 * `members` but where it came from and who issued it. One that was not new is never passed on, so flooding ends.
 */
export function revocationRecipients(revocation: Revocation, members: Iterable<Address>, source: Address): Address[] {
  if ((revocation.flags & REVOCATION_FLAG_PROPAGATE) === 0n) return [];
  return [...members].filter((member) => member !== source && member !== revocation.signedBy);
}
