/**
 * What a controller knows of a network and of its members. Both are kept as the JSON objects that the reference keeps
 * (controller.md §3, §6), with every key that was ever in them, so that a home can be taken over, served to tools of the
 * reference and handed back without a loss. What the reference has no place for stands beside them.
 */
import type { JsonObject } from "../json/json.ts";
import type { Address } from "../protocol/address.ts";

/** What we keep of a network beyond the reference's object. */
export interface NetworkOwn {
  /** For people. */
  readonly description: string;
}

export interface NetworkRecord {
  /** Its upper 40 bits are the controller's address. */
  readonly id: bigint;
  /** The reference's object, `revision` included. Never changed in place. */
  readonly json: JsonObject;
  readonly own: NetworkOwn;
}

/** What we keep of a member beyond the reference's object. */
export interface MemberOwn {
  /** For people. */
  readonly description: string;
  /** When an authorization ends by itself (ms since the epoch); 0 = never. */
  readonly authorizationExpiresAt: number;
  /**
   * True while nobody but the node itself has touched the record: it asked, and that is all. Such records are bounded
   * in number, and the ones silent for longest make room for new ones.
   */
  readonly stranger: boolean;
}

export interface MemberRecord {
  readonly networkId: bigint;
  readonly address: Address;
  /** The reference's object, `revision` included. Never changed in place. */
  readonly json: JsonObject;
  readonly own: MemberOwn;
}

export const NO_NETWORK_OWN: NetworkOwn = { description: "" };
export const NO_MEMBER_OWN: MemberOwn = { description: "", authorizationExpiresAt: 0, stranger: false };

/** How a member was when it last asked for its configuration. Written down now and then, not with each request. */
export interface Presence {
  readonly networkId: bigint;
  readonly address: Address;
  /** Its last request (ms since the epoch). */
  readonly lastSeen: number;
  /** The request's metadata dictionary, at most 1024 bytes: a push needs it, also after a restart. */
  readonly metadata: Uint8Array;
  /** `ip/port` it was heard from, if the request came without a relay; else empty. */
  readonly physicalAddress: string;
}
