/** What bonds count; monotonic, read at scrape time. */
export class BondStatistics {
  /** active-backup went to another link. */
  failovers = 0;
  /** broadcast sent a packet once more. */
  copies = 0;
  /** Frames that had come before on another link. */
  duplicates = 0;
  /** balance-aware took flows off links that were not good enough. */
  flowsMoved = 0;
  /** Reports of what came when (QOS_MEASUREMENT). */
  reportsIn = 0;
  reportsOut = 0;
  /** Reports that came too fast. */
  reportsRefused = 0;
  /** Questions whether a link works. */
  probes = 0;
  /** Peers that should have been bonded and were not, because there are too many bonds. */
  refused = 0;
}
