/** What the leaf needs from the world; the edge implements it, tests do in memory. Nothing here may wait. */
import type { NetworkId } from "../network/network-id.ts";
import type { Millis } from "../node/ports.ts";

/** Occasions the edge acts on: interfaces are made, configured and taken down, and what has to survive is written. */
export type LeafEvent =
  | { readonly type: "joined"; readonly networkId: NetworkId }
  /** A new configuration holds; `dictionary` is what is to be kept on disk. */
  | { readonly type: "configured"; readonly networkId: NetworkId; readonly dictionary: Uint8Array }
  /** ACCESS_DENIED and the like, or OK again. */
  | { readonly type: "status"; readonly networkId: NetworkId; readonly status: string }
  | { readonly type: "left"; readonly networkId: NetworkId };

export interface LeafPorts {
  /** A whole Ethernet frame for the network's interface. The bytes are valid until the call returns: copy to keep. */
  deliver(networkId: NetworkId, frame: Uint8Array): void;
  events(event: LeafEvent): void;
}

/** A root in the same process knows who subscribed, too. */
export interface Subscribers {
  /** `address` (ourselves) wants the group. */
  subscribe(networkId: NetworkId, group: { readonly mac: number; readonly adi: number }, now: Millis): void;
  /** Who subscribed, at most `limit`, never ourselves. */
  find(networkId: NetworkId, group: { readonly mac: number; readonly adi: number }, limit: number): number[];
}
