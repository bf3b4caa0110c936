/**
 * NETWORK_CREDENTIALS and certificates attached to other packets: filed under the member they name, whoever brought
 * them. Facts: vl2-credentials.md §7, §8.1.
 */

import { type Capability, capabilityHolder, decodeCapability } from "../network/credentials/capability.ts";
import {
  decodeMembershipCertificate,
  type MembershipCertificate,
  membershipAddress,
  membershipNetwork,
} from "../network/credentials/certificate-of-membership.ts";
import {
  decodeOwnershipCertificate,
  type OwnershipCertificate,
} from "../network/credentials/certificate-of-ownership.ts";
import { encodeRevocationPush, revocationRecipients } from "../network/credentials/push.ts";
import { CredentialType, decodeRevocation, type Revocation } from "../network/credentials/revocation.ts";
import type { IdentityLookup } from "../network/credentials/signing.ts";
import { decodeTag, type Tag } from "../network/credentials/tag.ts";
import type { NetworkId } from "../network/network-id.ts";
import type { Node } from "../node/node.ts";
import { CREDENTIALS_GATE_MS } from "../node/rate-gate.ts";
import type { Handler, Request } from "../node/request.ts";
import type { Address } from "../protocol/address.ts";
import type { Verdict } from "../protocol/errors.ts";
import { decodeNetworkCredentials, type NetworkCredentials } from "../protocol/messages/network-credentials.ts";
import { Verb } from "../protocol/verbs.ts";
import type { Network } from "./network.ts";
import type { ParkedPackets } from "./parked.ts";
import type { Acceptance } from "./remote-member.ts";
import type { RemoteMembers } from "./remote-members.ts";
import type { LeafStatistics } from "./statistics.ts";
import type { Tracer } from "./tracer.ts";

export interface CredentialReceiverParts {
  readonly node: Node;
  readonly networks: ReadonlyMap<bigint, Network>;
  readonly parked: ParkedPackets;
  readonly statistics: LeafStatistics;
  readonly tracer: Tracer;
  /** Somebody showed new credentials: what waits for them can be tried again. */
  readonly arrived: (member: Address, request: Request) => void;
  /** The packet proved that its sender and we have something in common. */
  readonly trusts: (request: Request) => void;
}

/** How one kind of credential is read, and filed under the member it names. */
interface Kind<T> {
  /** Its number on the wire. */
  readonly type: number;
  readonly decode: (bytes: Uint8Array) => Verdict<T>;
  readonly networkOf: (credential: T) => NetworkId;
  readonly memberOf: (credential: T) => Address;
  readonly file: (members: RemoteMembers, credential: T, identityOf: IdentityLookup) => Acceptance;
}

/** In traces; on the wire nobody revokes a revocation. */
const REVOCATION_TYPE = 6;

const MEMBERSHIP: Kind<MembershipCertificate> = {
  type: CredentialType.MEMBERSHIP,
  decode: decodeMembershipCertificate,
  networkOf: membershipNetwork,
  memberOf: membershipAddress,
  file: (members, certificate, identityOf) => members.addMembership(certificate, identityOf),
};
const CAPABILITY: Kind<Capability> = {
  type: CredentialType.CAPABILITY,
  decode: decodeCapability,
  networkOf: ({ networkId }) => networkId,
  memberOf: capabilityHolder,
  file: (members, capability, identityOf) => members.addCapability(capability, identityOf),
};
const TAG: Kind<Tag> = {
  type: CredentialType.TAG,
  decode: decodeTag,
  networkOf: ({ networkId }) => networkId,
  memberOf: ({ issuedTo }) => issuedTo,
  file: (members, tag, identityOf) => members.addTag(tag, identityOf),
};
const OWNERSHIP: Kind<OwnershipCertificate> = {
  type: CredentialType.OWNERSHIP,
  decode: decodeOwnershipCertificate,
  networkOf: ({ networkId }) => networkId,
  memberOf: ({ issuedTo }) => issuedTo,
  file: (members, ownership, identityOf) => members.addOwnership(ownership, identityOf),
};
const REVOCATION: Kind<Revocation> = {
  type: REVOCATION_TYPE,
  decode: decodeRevocation,
  networkOf: ({ networkId }) => networkId,
  memberOf: ({ target }) => target,
  file: (members, revocation, identityOf) => members.addRevocation(revocation, identityOf),
};

export class CredentialReceiver {
  readonly #parts: CredentialReceiverParts;
  readonly #identityOf: IdentityLookup;

  constructor(parts: CredentialReceiverParts) {
    this.#parts = parts;
    this.#identityOf = (address) => parts.node.identityOf(address);
  }

  /** NETWORK_CREDENTIALS: one a second from each peer, as the reference has it. */
  readonly handle: Handler = (node, request) => {
    const { peer, now } = request;
    if (now - peer.lastCredentials < CREDENTIALS_GATE_MS) {
      node.statistics.rateLimited.network_credentials++;
      return false;
    }
    const decoded = decodeNetworkCredentials(request.payload);
    if (!decoded.ok) {
      node.drop("malformed");
      return false;
    }
    const { credentials, refusal } = decoded.value;
    // A push that has to wait for its issuer's identity leaves the gate open: it will be looked at again.
    if (this.#fileAll(credentials, request)) {
      this.#parts.parked.add(request);
      return false;
    }
    peer.lastCredentials = now;
    if (refusal !== null) this.#parts.statistics.credentials.malformed++;
    return refusal === null;
  };

  /** A certificate of membership that came with a frame or a question. */
  membership(network: Network, bytes: Uint8Array, request: Request): void {
    const decoded = decodeMembershipCertificate(bytes);
    if (decoded.ok && membershipNetwork(decoded.value) === network.id) this.#fileOne(MEMBERSHIP, bytes, request);
  }

  /** True if something could not be verified yet. */
  #fileAll(credentials: NetworkCredentials, request: Request): boolean {
    const file = <T>(kind: Kind<T>, list: readonly Uint8Array[]) =>
      list.map((bytes) => this.#fileOne(kind, bytes, request)).includes("deferred");
    return [
      file(MEMBERSHIP, credentials.memberships),
      file(CAPABILITY, credentials.capabilities),
      file(TAG, credentials.tags),
      file(REVOCATION, credentials.revocations),
      file(OWNERSHIP, credentials.ownerships),
    ].includes(true);
  }

  /** Null if it is of a network that we are not in, or cannot be read. */
  #fileOne<T>(kind: Kind<T>, bytes: Uint8Array, request: Request): Acceptance | null {
    const { statistics, networks, trusts, arrived, node } = this.#parts;
    const decoded = kind.decode(bytes);
    if (!decoded.ok) {
      statistics.credentials.malformed++;
      return null;
    }
    const network = networks.get(kind.networkOf(decoded.value));
    if (network === undefined) return null;
    const result = kind.file(network.members, decoded.value, network.issuers(this.#identityOf));
    statistics.credentials[result]++;
    if (result === "rejected") {
      const rejected = { type: kind.type, issuedTo: kind.memberOf(decoded.value) };
      this.#parts.tracer.credentialRejected(network, rejected, request.peer.address, request.now);
    }
    if (result === "deferred") node.whois.ask(network.controller, request.now);
    if (result === "new" || result === "redundant") trusts(request);
    if (result !== "new") return result;
    if (kind.decode === REVOCATION.decode) this.#passOn(network, bytes, request);
    else arrived(kind.memberOf(decoded.value), request);
    return result;
  }

  /** What was new to us may be new to others. */
  #passOn(network: Network, bytes: Uint8Array, { peer, now }: Request): void {
    const decoded = decodeRevocation(bytes);
    if (!decoded.ok) return;
    const payload = encodeRevocationPush(decoded.value);
    for (const to of revocationRecipients(decoded.value, network.members.addresses(), peer.address)) {
      this.#parts.node.send(to, Verb.NETWORK_CREDENTIALS, payload, now, false);
    }
  }
}
