/**
 * Tells the members of a network that somebody is no longer one of them. Receivers take one NETWORK_CREDENTIALS packet
 * a second from each peer and silently ignore the next (vl2-credentials.md §7), so what is due together goes together,
 * and packets keep their distance. Each revocation is told twice: a datagram may be lost, and hearing it again costs
 * nothing. Facts: vl2-credentials.md §6, §8.1; controller.md §8 (deauthorisation).
 */
import type { Identity } from "../identity/identity.ts";
import {
  CredentialType,
  encodeRevocation,
  issueRevocation,
  REVOCATION_FLAG_PROPAGATE,
} from "../network/credentials/revocation.ts";
import type { Millis, Random } from "../node/ports.ts";
import type { Address } from "../protocol/address.ts";
import { encodeNetworkCredentials } from "../protocol/messages/network-credentials.ts";

/** A little more than the receivers' limit, since their clock is not ours. */
const PACKET_INTERVAL_MS = 1100;
/** 152 bytes each: a packet stays below 8 kB. */
const MAX_PER_PACKET = 48;
const TIMES_TOLD = 2;
/** Beyond this the oldest are given up; their members still age out with their certificates. */
const MAX_PENDING = 10_000;
const NEVER = Number.POSITIVE_INFINITY;

interface Pending {
  readonly networkId: bigint;
  readonly bytes: Uint8Array;
  /** Null = whoever is online when it is told. */
  readonly recipients: readonly Address[] | null;
  left: number;
}

export interface RevocationPorts {
  /** Sends one NETWORK_CREDENTIALS payload. */
  send(to: Address, payload: Uint8Array, now: Millis): void;
  /** Who has to know: the members of a network that are online. */
  recipients(networkId: bigint, now: Millis): Iterable<Address>;
}

export class Revocations {
  readonly #identity: Identity;
  readonly #random: Random;
  readonly #ports: RevocationPorts;
  #pending: Pending[] = [];
  #nextPacket: Millis = 0;
  /** Given up because too many were waiting. */
  givenUp = 0;

  constructor(identity: Identity, random: Random, ports: RevocationPorts) {
    this.#identity = identity;
    this.#random = random;
    this.#ports = ports;
  }

  get pending(): number {
    return this.#pending.length;
  }

  /**
   * Withdraws a member's certificate of membership as of `now`. Goes out with the next `tick`, to `recipients` or to
   * those who are online then.
   */
  revoke(networkId: bigint, member: Address, now: Millis, recipients: readonly Address[] | null = null): void {
    const id = new Uint8Array(4);
    this.#random(id);
    const revocation = issueRevocation(
      {
        networkId,
        id: new DataView(id.buffer).getUint32(0),
        credentialId: 0,
        threshold: BigInt(now),
        flags: REVOCATION_FLAG_PROPAGATE,
        target: member,
        type: CredentialType.MEMBERSHIP,
      },
      this.#identity,
    );
    this.#pending.push({ networkId, bytes: encodeRevocation(revocation), recipients, left: TIMES_TOLD });
    if (this.#pending.length > MAX_PENDING) {
      this.#pending.shift();
      this.givenUp++;
    }
  }

  /** Sends what is due. */
  tick(now: Millis): void {
    if (now < this.deadline) return;
    this.#nextPacket = now + PACKET_INTERVAL_MS;
    const told = this.#pending.splice(0, MAX_PER_PACKET);
    for (const [recipient, revocations] of this.#byRecipient(told, now)) {
      const payload = encodeNetworkCredentials({
        memberships: [],
        capabilities: [],
        tags: [],
        revocations,
        ownerships: [],
      });
      this.#ports.send(recipient, payload, now);
    }
    for (const one of told) if (--one.left > 0) this.#pending.push(one);
  }

  get deadline(): Millis {
    return this.#pending.length === 0 ? NEVER : this.#nextPacket;
  }

  #byRecipient(told: readonly Pending[], now: Millis): Map<Address, Uint8Array[]> {
    const packets = new Map<Address, Uint8Array[]>();
    for (const { networkId, bytes, recipients } of told) {
      for (const recipient of recipients ?? this.#ports.recipients(networkId, now)) {
        const list = packets.get(recipient);
        if (list === undefined) packets.set(recipient, [bytes]);
        else list.push(bytes);
      }
    }
    return packets;
  }
}
