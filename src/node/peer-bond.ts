/**
 * What the node knows of a bond: several paths to one peer used as one. A peer that has none costs one comparison per
 * packet. The bonds themselves are made in `bonding/`, which implements this.
 */
import type { Path } from "./path.ts";
import type { Millis } from "./ports.ts";
import type { BondView, LinkView } from "./queries.ts";
import type { Request } from "./request.ts";

/** Paths to one peer, used as its policy says. */
export interface PeerBond {
  /** Which path takes a packet; null while none of the bond works, and the general way has to be taken. */
  route(verb: number, payload: Uint8Array, now: Millis): Path | null;
  /** Paths that take the same bytes besides the one that `route` gave last. Valid until the next `route`. */
  readonly copies: readonly Path[];
  /** A packet is about to be put on a path; its id is final. */
  sent(path: Path, packet: Uint8Array, now: Millis): void;
  /** False for a frame that has come before on another path. To be asked once for each packet. */
  admits(request: Request): boolean;
  /** Largest datagram for a path if the bond's settings say so, in bytes of UDP payload; 0 = they do not. */
  mtu(path: Path): number;
  /** How the edge sees it. */
  view(now: Millis): BondView;
  /** One path of it; null if that is no link of the bond. */
  linkView(path: Path, now: Millis): LinkView | null;
}

/** Makes bonds of peers, if they are to have any. */
export interface Bonder {
  /** An authenticated packet came straight from its sender (hops 0), and its path knows. */
  heard(request: Request): void;
}
