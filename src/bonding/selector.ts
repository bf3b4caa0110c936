/** How a policy chooses among the links of a bond. */
import type { Path } from "../node/path.ts";
import type { Millis } from "../node/ports.ts";
import type { Link } from "./link.ts";

export interface Selector {
  /** The link for a packet; null if none works. */
  pick(verb: number, payload: Uint8Array, now: Millis): Link | null;
  /** Further paths for the packet of the last `pick`. */
  readonly copies: readonly Path[];
  /** A frame of the peer came in on a link. */
  frameCame(link: Link, verb: number, payload: Uint8Array, now: Millis): void;
  /** By the clock, after the links were looked at. */
  review(now: Millis): void;
  /** Goes on to the next link; false if the policy has no notion of it, or there is no other. */
  rotate(now: Millis): boolean;
  /** True for links that carry packets now. */
  uses(link: Link): boolean;
  /** Flows that are remembered. */
  readonly flows: number;
}

export const NO_COPIES: readonly Path[] = [];
