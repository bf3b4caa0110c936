/** What the relay counts, summed over all threads that relay. Monotonic. */
import { DROP_REASONS, type DropReason } from "../node/statistics.ts";

export interface RelayCounters {
  /** Datagrams handed on (packets, heads and fragments), and their UDP payload bytes. */
  readonly forwardedPackets: number;
  readonly forwardedBytes: number;
  /** Of these, fragments. */
  readonly forwardedFragments: number;
  /** Of these, sent to another root because the destination is not here. */
  readonly forwardedToUpstream: number;
  /** Datagrams handed to the node. */
  readonly punted: number;
  readonly drops: Readonly<Record<DropReason, number>>;
}

/** The counters of one relaying thread. */
export class RelayCounterSet implements RelayCounters {
  forwardedPackets = 0;
  forwardedBytes = 0;
  forwardedFragments = 0;
  forwardedToUpstream = 0;
  punted = 0;
  readonly drops = Object.fromEntries(DROP_REASONS.map((reason) => [reason, 0])) as Record<DropReason, number>;
}
